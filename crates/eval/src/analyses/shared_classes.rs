//! Classes that several methods treat alike.

use super::{Chance, Permutations, Tested};
use crate::EvalError;
use crate::draws::Draw;

/// The classes that at least so many methods have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedClasses {
    /// At least so many methods.
    pub at_least: usize,
    /// The classes.
    pub classes: Vec<usize>,
    /// How many there would be on average if the methods chose as many classes each, at random.
    pub expected: f64,
    /// How many there are when they do.
    pub chance: Chance,
}

/// The classes that belong to at least `m` of the methods, for each `m` of `at_least` (N, table 6: classes with an opposed partner in at
/// least 5, 3 and 2 of five methods). `members` says of every method which classes are its own.
///
/// **Chance.** If each method chose its classes at random, as many as it has, a class would belong to method `j` with probability
/// `r_j`, the share of its classes, and to so many methods by the Poisson binomial distribution of all `r_j`:
///
/// ```text
/// expected(m) = classes P(B_1 + .. + B_M >= m),    B_j independent, 1 with probability r_j
/// ```
///
/// which is exact. The interval and the p-values are from draws in which every method's classes are permuted, so that each keeps its number;
/// a binomial distribution of the count would be too wide.
///
/// Not tested, each by itself: an `m` of more methods than there are.
///
/// # Errors
/// [`EvalError::Empty`] without methods or classes, [`EvalError::Length`] for methods of different numbers of classes,
/// [`EvalError::Setting`] for `m` 0 and settings of the permutations outside their range.
pub fn shared_classes(
    members: &[Vec<bool>],
    at_least: &[usize],
    permutations: &Permutations,
) -> Result<Vec<Tested<SharedClasses>>, EvalError> {
    permutations.check()?;
    let classes = members.first().map_or(0, Vec::len);
    if classes == 0 {
        return Err(EvalError::Empty { what: "the list of methods or of their classes".to_owned() });
    }
    if let Some(odd) = members.iter().find(|method| method.len() != classes) {
        return Err(EvalError::Length { what: "classes of a method", expected: classes, got: odd.len() });
    }
    at_least.iter().try_for_each(|&m| crate::settings::at_least("at_least", 1, m))?;
    let times = times_chosen(members);
    let by_chance = poisson_binomial(&members.iter().map(|method| share(method)).collect::<Vec<f64>>());
    let drawn = permutations.draws(Draw::Members, |stream| {
        let mut members = members.to_vec();
        members.iter_mut().for_each(|method| stream.shuffle(method));
        times_chosen(&members)
    });
    let shared = |&m: &usize| {
        if m > members.len() {
            return Tested::too_few("methods", m, members.len());
        }
        let count = |times: &[usize]| times.iter().filter(|&&times| times >= m).count() as f64;
        Tested::Tested(SharedClasses {
            at_least: m,
            classes: (0..classes).filter(|&class| times[class] >= m).collect(),
            expected: classes as f64 * by_chance[m..].iter().sum::<f64>(),
            chance: Chance::of(
                count(&times),
                drawn.iter().map(|times| count(times)).collect(),
                permutations.level,
            ),
        })
    };
    Ok(at_least.iter().map(shared).collect())
}

/// To how many methods each class belongs.
fn times_chosen(members: &[Vec<bool>]) -> Vec<usize> {
    let times = |class: usize| members.iter().filter(|method| method[class]).count();
    (0..members[0].len()).map(times).collect()
}

fn share(method: &[bool]) -> f64 {
    method.iter().filter(|member| **member).count() as f64 / method.len() as f64
}

/// The probabilities of `0..=M` successes in trials of these probabilities, one trial after the other.
fn poisson_binomial(shares: &[f64]) -> Vec<f64> {
    let mut counts = vec![0.0; shares.len() + 1];
    counts[0] = 1.0;
    for (trial, share) in shares.iter().enumerate() {
        for successes in (0..=trial).rev() {
            counts[successes + 1] += counts[successes] * share;
            counts[successes] *= 1.0 - share;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_threads;
    use proptest::prelude::*;

    fn permutations(count: usize) -> Permutations {
        Permutations { count, ..Permutations::default() }
    }

    fn first(count: usize, of: usize) -> Vec<bool> {
        (0..of).map(|class| class < count).collect()
    }

    #[test]
    fn by_hand() {
        // A half and a third: 1/6 both, 1/3 none.
        let chances = poisson_binomial(&[0.5, 1.0 / 3.0]);
        for (got, want) in chances.iter().zip([1.0 / 3.0, 0.5, 1.0 / 6.0]) {
            assert!((got - want).abs() < 1e-15);
        }
        let found = shared_classes(&[first(3, 6), first(2, 6)], &[1, 2, 3], &permutations(4000)).unwrap();
        let [one, two, three] = &found[..] else { panic!("{found:?}") };
        let (one, two) = (one.tested().unwrap(), two.tested().unwrap());
        assert_eq!((&one.classes[..], &two.classes[..]), (&[0, 1, 2][..], &[0, 1][..]));
        assert!((one.expected - 4.0).abs() < 1e-12 && (two.expected - 1.0).abs() < 1e-12);
        assert_eq!(three.reason(), Some("methods: at least 3 are needed, got 2"));
        // Two of six classes within three given ones: hypergeometric, 1/5, 3/5, 1/5.
        assert!((two.chance.p_value - 0.2).abs() < 0.03 && (two.chance.mid_p - 0.1).abs() < 0.02, "{two:?}");
        assert!((two.chance.mean - 1.0).abs() < 0.05 && two.chance.interval == [0.0, 2.0]);
    }

    #[test]
    fn malformed_lists_are_refused() {
        let refused = |members: &[Vec<bool>], at_least: &[usize]| {
            shared_classes(members, at_least, &permutations(100)).unwrap_err().to_string()
        };
        assert!(refused(&[], &[1]).contains("is empty"));
        assert!(refused(&[first(1, 3), first(1, 4)], &[1]).contains("expected 3, got 4"));
        assert!(refused(&[first(1, 3)], &[0]).starts_with("at_least = 0"));
        let run = || shared_classes(&[first(9, 30), first(7, 30)], &[1, 2], &permutations(100)).unwrap();
        assert_eq!(on_threads(1, run), on_threads(3, run));
    }

    proptest! {
        /// The exact expectation is the mean of the draws, and all counts together make the classes chosen.
        #[test]
        fn the_expected_number_is_the_mean_of_draws(sizes in prop::collection::vec(0usize..=20, 1..6)) {
            let members: Vec<Vec<bool>> = sizes.iter().map(|&size| first(size, 20)).collect();
            let all: Vec<usize> = (1..=members.len()).collect();
            let found = shared_classes(&members, &all, &permutations(500)).unwrap();
            let found: Vec<&SharedClasses> = found.iter().filter_map(Tested::tested).collect();
            for shared in &found {
                // A count among 20 classes deviates by less than 2.3.
                prop_assert!((shared.chance.mean - shared.expected).abs() < 5.0 * 2.3 / 500_f64.sqrt());
                prop_assert!(shared.chance.interval[0] <= shared.chance.interval[1]);
            }
            let chosen: f64 = found.iter().map(|shared| shared.expected).sum();
            prop_assert!((chosen - sizes.iter().sum::<usize>() as f64).abs() < 1e-9);
        }
    }
}
