//! How often two answers to the same questions are the same.

use std::collections::BTreeMap;

use super::Tested;
use crate::EvalError;
use crate::statistics::{Interval, wilson};

/// How often two lists say the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatchRate {
    /// How many entries are the same.
    pub same: usize,
    /// Of how many.
    pub of: usize,
    /// Their share with its score interval (Wilson).
    pub share: Interval,
    /// The share to be expected if one list were in any order.
    pub chance: f64,
}

/// The share of entries that are the same in both lists, such as the behaviours of classes under two protocols. (Studies name this
/// analysis without defining it; this is its plain reading.)
///
/// ```text
/// share = |{i: a_i = b_i}| / n,     chance = sum over x of (n_x(a) / n) (n_x(b) / n)
/// ```
///
/// Chance is exact over all orders of one list (Cohen, "A coefficient of agreement for nominal scales", 1960). The interval takes entries as
/// independent.
///
/// Not tested: empty lists.
///
/// # Errors
/// [`EvalError::Length`] for lists of different length, [`EvalError::Setting`] unless `level` is between 0 and 1.
pub fn match_rate<T: Ord>(a: &[T], b: &[T], level: f64) -> Result<Tested<MatchRate>, EvalError> {
    if a.len() != b.len() {
        return Err(EvalError::Length { what: "second list", expected: a.len(), got: b.len() });
    }
    let (same, of) = (a.iter().zip(b).filter(|(a, b)| a == b).count(), a.len());
    Ok(match Tested::of(wilson(same, of, level))? {
        Tested::Tested(share) => Tested::Tested(MatchRate { same, of, share, chance: chance(a, b) }),
        Tested::NotTested(_) => Tested::too_few("entries to compare", 1, 0),
    })
}

fn chance<T: Ord>(a: &[T], b: &[T]) -> f64 {
    let mut counts: BTreeMap<&T, [f64; 2]> = BTreeMap::new();
    for (list, place) in [(a, 0), (b, 1)] {
        list.iter().for_each(|entry| counts.entry(entry).or_default()[place] += 1.0);
    }
    let n = a.len() as f64;
    counts.values().map(|[a, b]| a / n * (b / n)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use twinlens_random::{Purpose, Stream};

    #[test]
    fn by_hand() {
        let found = match_rate(&["x", "x", "y", "z"], &["x", "y", "y", "y"], 0.95).unwrap();
        let found = found.tested().unwrap();
        assert_eq!((found.same, found.of, found.share.value), (2, 4, 0.5));
        assert_eq!(found.chance, 0.5 * 0.25 + 0.25 * 0.75);
        assert_eq!(found.share, wilson(2, 4, 0.95).unwrap());
        let none = match_rate::<u8>(&[], &[], 0.95).unwrap();
        assert_eq!(none.reason(), Some("entries to compare: at least 1 are needed, got 0"));
        assert!(match_rate(&[1], &[1, 2], 0.95).is_err() && match_rate(&[1], &[1], 1.0).is_err());
    }

    proptest! {
        /// The mean over shuffles is the chance value.
        #[test]
        fn chance_is_the_mean_over_orders(a in prop::collection::vec(0u8..3, 12), seed: u64) {
            let mut stream = Stream::new(seed, Purpose::Evaluation, [84, 0, 0]);
            let mut b: Vec<u8> = a.iter().map(|entry| entry / 2).collect();
            let mut rate = || {
                stream.shuffle(&mut b);
                *match_rate(&a, &b, 0.95).unwrap().tested().unwrap()
            };
            let rates: Vec<MatchRate> = (0..400).map(|_| rate()).collect();
            let mean = rates.iter().map(|rate| rate.share.value).sum::<f64>() / 400.0;
            prop_assert!((mean - rates[0].chance).abs() < 5.0 * 0.5 / 12_f64.sqrt() / 20.0);
        }
    }
}
