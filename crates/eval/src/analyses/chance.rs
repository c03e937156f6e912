//! What a number would be by chance alone, from draws in which what is asked for is absent.

use rayon::prelude::*;
use twinlens_random::Stream;

use crate::EvalError;
use crate::draws::{Draw, stream};
use crate::settings::at_least;
use crate::statistics::checks::check_level;

/// How chance is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Permutations {
    /// Draws, at least 100.
    pub count: usize,
    /// Share of the draws that the interval holds, above 0 and below 1.
    pub level: f64,
    /// Seed; draw `i` depends on it and on `i` alone.
    pub seed: u64,
}

impl Default for Permutations {
    /// 1000 draws, 95 %, seed 0.
    fn default() -> Permutations {
        Permutations { count: 1000, level: 0.95, seed: 0 }
    }
}

impl Permutations {
    /// Refuses settings outside their range.
    pub(super) fn check(&self) -> Result<(), EvalError> {
        at_least("permutations", 100, self.count)?;
        check_level(self.level)
    }

    /// What `of` gives for the stream of every draw, in their order.
    pub(super) fn draws<T: Send>(&self, what: Draw, of: impl Fn(&mut Stream) -> T + Sync) -> Vec<T> {
        (0..self.count).into_par_iter().map(|i| of(&mut stream(self.seed, what, i))).collect()
    }
}

/// What chance gives for a number, and how far the number observed lies above.
///
/// Under the hypothesis of chance the number observed and the `B` numbers drawn are exchangeable, so that any order of them is as
/// likely as any other (Davison and Hinkley, "Bootstrap methods and their application", 1997, section 4.3). Counts are discrete, and
/// draws that equal each other are many. Counting all of these as beyond makes an interval hold more than its level and a test reject
/// less than it says; counting half of them, the mid-p-value (Lancaster, "Significance tests in discrete distributions", 1961),
/// keeps both near what they say on average. The interval is by mid-p; of the p-value both readings are given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// How many draws there are, `B`.
    pub permutations: usize,
    /// Mean of the draws.
    pub mean: f64,
    /// The smallest draw.
    pub smallest: f64,
    /// The largest draw.
    pub largest: f64,
    /// Share of chance's numbers inside `interval`.
    pub level: f64,
    /// The smallest and the largest draw `x` whose mid-p-value is at least `(1 - level) / 2` to both sides: with `#` the number of draws
    /// for which something holds, `(#{> x} + (#{= x} + 1) / 2) / (B + 1)` upwards, and `<` likewise downwards. Of continuous
    /// numbers it holds exactly `level` where that is a whole number of `B + 1`.
    pub interval: [f64; 2],
    /// `(#{>= observed} + 1) / (B + 1)`: at most `a` with probability at most `a` under chance.
    pub p_value: f64,
    /// `(#{> observed} + (#{= observed} + 1) / 2) / (B + 1)`.
    pub mid_p: f64,
}

impl Chance {
    /// Compares `observed` with `draws`, of which there is at least one.
    pub(super) fn of(observed: f64, mut draws: Vec<f64>, level: f64) -> Chance {
        draws.sort_by(f64::total_cmp);
        let drawn = draws.len();
        let below = |x: f64| draws.partition_point(|draw| *draw < x) as f64;
        let above = |x: f64| (drawn - draws.partition_point(|draw| *draw <= x)) as f64;
        let of_all = |count: f64| count / (drawn + 1) as f64;
        let equal = |x: f64| drawn as f64 - above(x) - below(x);
        let mid = |beyond: f64, x: f64| beyond + 0.5 * (equal(x) + 1.0);
        // Less a rounding: 0.5 (1 - 0.95) is a little more than 0.025.
        let tail = 0.5 * (1.0 - level) * (drawn + 1) as f64 - 1e-9;
        let inside = |x: &&f64| mid(below(**x), **x) >= tail && mid(above(**x), **x) >= tail;
        // The median is always inside.
        let median = draws[drawn / 2];
        let low = draws.iter().find(inside).copied().unwrap_or(median);
        let high = draws.iter().rev().find(inside).copied().unwrap_or(median);
        Chance {
            permutations: drawn,
            mean: draws.iter().sum::<f64>() / drawn as f64,
            smallest: draws[0],
            largest: draws[drawn - 1],
            level,
            interval: [low, high],
            p_value: of_all(drawn as f64 - below(observed) + 1.0),
            mid_p: of_all(mid(above(observed), observed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_count_half_by_hand() {
        // 1, 2, 2, 3 and 4 observed: one of five.
        let found = Chance::of(4.0, vec![2.0, 3.0, 1.0, 2.0], 0.5);
        assert_eq!((found.mean, found.smallest, found.largest), (2.0, 1.0, 3.0));
        assert_eq!((found.p_value, found.mid_p), (0.2, 0.1));
        // 1 and 3 have mid-p (0 + 1) / 5 = 0.2 on their side, below a quarter; 2 has (1 + 1.5) / 5 on both.
        assert_eq!(found.interval, [2.0, 2.0]);
        let tied = Chance::of(2.0, vec![2.0, 3.0, 1.0, 2.0], 0.5);
        assert_eq!((tied.p_value, tied.mid_p), (0.8, 0.5));
    }

    #[test]
    fn intervals_hold_what_they_say_of_what_is_continuous() {
        let draws: Vec<f64> = (0..999).map(f64::from).collect();
        let found = Chance::of(0.0, draws, 0.95);
        // 950 of the 1000 gaps between, below and above 999 draws.
        assert_eq!(found.interval, [24.0, 974.0]);
        assert!(matches!(
            Permutations { count: 99, ..Permutations::default() }.check(),
            Err(EvalError::Setting { .. })
        ));
        assert!(Permutations { level: 0.0, ..Permutations::default() }.check().is_err());
    }

    proptest! {
        #[test]
        fn intervals_lie_within_the_range_and_hold_more_of_a_higher_level(
            draws in prop::collection::vec(0u8..9, 1..60), observed in 0u8..9
        ) {
            let draws: Vec<f64> = draws.into_iter().map(f64::from).collect();
            let of = |level| Chance::of(f64::from(observed), draws.clone(), level);
            let (narrow, wide) = (of(0.5), of(0.9));
            prop_assert!(wide.smallest <= wide.interval[0] && wide.interval[0] <= narrow.interval[0]);
            prop_assert!(narrow.interval[0] <= narrow.interval[1] && narrow.interval[1] <= wide.interval[1]);
            prop_assert!(0.0 < wide.mid_p && wide.mid_p < wide.p_value && wide.p_value <= 1.0);
        }
    }
}
