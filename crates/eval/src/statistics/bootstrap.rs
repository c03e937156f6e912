//! How far a measure would move on other samples of the same kind.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::EvalError;
use crate::draws::{Draw, stream};

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The measure on the samples as they are.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The number of groups that were drawn; `None` where samples were, each by itself.
    pub groups: Option<usize>,
}

/// What a bootstrap draws with replacement: samples, each by itself, or groups of samples that belong together.
///
/// Images of one patient are more alike than those of several, so that 1000 images of 10 patients say as much of other patients as
/// few images do. An interval over samples is then too narrow; one over groups (the cluster bootstrap) is not: a draw
/// holds as many groups as there are, with replacement, and of each all its samples (Davison and Hinkley, "Bootstrap methods
/// and their application", 1997, chapter 3.8, the first of its strategies; Field and Welsh, "Bootstrapping clustered
/// data", 2007). Draws so differ in their number of samples. Of fewer than some ten groups the interval is too narrow still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units(Drawn);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Drawn {
    Samples(usize),
    /// The samples of each group.
    Groups(Vec<Vec<usize>>),
}

impl Units {
    /// Each of so many samples by itself.
    pub fn samples(count: usize) -> Units {
        Units(Drawn::Samples(count))
    }

    /// The groups of samples, of which each has the number of its group, in the order of these numbers.
    pub fn groups(numbers: &[u32]) -> Units {
        let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (sample, &number) in numbers.iter().enumerate() {
            groups.entry(number).or_default().push(sample);
        }
        Units(Drawn::Groups(groups.into_values().collect()))
    }

    /// The groups of `count` samples where they are known of all, else the samples.
    pub fn of(count: usize, groups: Option<&[u32]>) -> Units {
        match groups.filter(|groups| groups.len() == count) {
            Some(groups) => Units::groups(groups),
            None => Units::samples(count),
        }
    }

    /// How many there are to draw from.
    pub fn len(&self) -> usize {
        match &self.0 {
            Drawn::Samples(count) => *count,
            Drawn::Groups(groups) => groups.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of groups, where groups are drawn.
    pub fn group_count(&self) -> Option<usize> {
        match &self.0 {
            Drawn::Samples(_) => None,
            Drawn::Groups(groups) => Some(groups.len()),
        }
    }

    /// All samples of the units `drawn`, which are numbered from 0, one unit after the other; of a unit that was drawn twice, twice.
    ///
    /// # Panics
    /// When a number is not below [`Units::len`].
    pub fn pooled(&self, drawn: &[usize]) -> Vec<usize> {
        match &self.0 {
            Drawn::Samples(_) => drawn.to_vec(),
            Drawn::Groups(groups) => drawn.iter().flat_map(|&group| &groups[group]).copied().collect(),
        }
    }

    /// All samples, once.
    fn all(&self) -> Vec<usize> {
        self.pooled(&(0..self.len()).collect::<Vec<usize>>())
    }
}

impl From<usize> for Units {
    fn from(samples: usize) -> Units {
        Units::samples(samples)
    }
}

impl Interval {
    /// Both ends of an interval, or `None` where the measure is undefined.
    ///
    /// # Errors
    /// Every other error of `found`.
    pub(crate) fn ends_where_defined(
        found: Result<Interval, EvalError>,
    ) -> Result<Option<[f64; 2]>, EvalError> {
        match found {
            Ok(interval) => Ok(Some([interval.low, interval.high])),
            Err(EvalError::Undefined { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Settings of a percentile bootstrap (Efron, 1979; Efron and Tibshirani, "An introduction to the bootstrap",
/// chapter 13): the measure is taken of `resamples` draws of as many samples with replacement, and the interval
/// holds the middle `level` of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Draws, at least 2.
    pub resamples: usize,
    /// Share of the draws inside, above 0 and below 1.
    pub level: f64,
    /// Seed; draw `i` depends on it and on `i` alone.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 1000 draws, 95 %, seed 0.
    fn default() -> Bootstrap {
        Bootstrap { resamples: 1000, level: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// The interval of `measure`, a function of which samples are there (indices, in any order, with
    /// repetitions); `units` (a number of samples, or [`Units`]) are drawn. Draws for which it is `None` (a class that was not drawn, say) are left out. Ends between
    /// two draws are interpolated linearly, as NumPy's `percentile` does.
    ///
    /// # Errors
    /// Settings outside their range, no samples; [`EvalError::Undefined`] when there is a single group, the measure is undefined on
    /// the samples themselves or on half the draws or more, [`EvalError::NumberNotFinite`] when it is not finite.
    pub fn interval(
        &self,
        units: impl Into<Units>,
        measure: impl Fn(&[usize]) -> Option<f64> + Sync,
    ) -> Result<Interval, EvalError> {
        self.interval_of(&[units.into()], |drawn| measure(&drawn[0]))
    }

    /// The interval of `measure` of several independent sets of samples, such as the images of two splits: each set is
    /// drawn from by itself, `sets` says what is drawn of it, and `measure` is given the indices drawn of each.
    ///
    /// # Errors
    /// As [`Bootstrap::interval`].
    pub fn interval_of(
        &self,
        sets: &[Units],
        measure: impl Fn(&[Vec<usize>]) -> Option<f64> + Sync,
    ) -> Result<Interval, EvalError> {
        let all: Vec<Vec<usize>> = sets.iter().map(Units::all).collect();
        let value = measure(&all);
        let found = self.interval_of_draws(value, self.draws(sets, measure)?)?;
        // Of several sets, the fewest groups are what makes it wide.
        Ok(Interval { groups: sets.iter().filter_map(Units::group_count).min(), ..found })
    }

    /// What `measure` gives for every draw, in their order: of draw `i` of as many samples, or of the same groups, these are always the
    /// same samples, so that measures taken apart can be compared or averaged draw by draw.
    ///
    /// # Errors
    /// Settings outside their range, no samples; [`EvalError::Undefined`] for a single group, as it says nothing of others.
    pub fn draws<T: Send>(
        &self,
        sets: &[Units],
        measure: impl Fn(&[Vec<usize>]) -> T + Sync,
    ) -> Result<Vec<T>, EvalError> {
        self.check(sets)?;
        let draw = |number: usize| {
            let mut draws = stream(self.seed, Draw::Bootstrap, number);
            let mut of = |units: &Units| {
                let drawn: Vec<usize> = (0..units.len()).map(|_| draws.below(units.len())).collect();
                units.pooled(&drawn)
            };
            measure(&sets.iter().map(&mut of).collect::<Vec<_>>())
        };
        Ok((0..self.resamples).into_par_iter().map(draw).collect())
    }

    /// The interval that `draws` give, where the measure of the samples themselves is `value`.
    ///
    /// # Errors
    /// [`EvalError::Undefined`] and [`EvalError::NumberNotFinite`] as [`Bootstrap::interval`].
    pub fn interval_of_draws(
        &self,
        value: Option<f64>,
        draws: Vec<Option<f64>>,
    ) -> Result<Interval, EvalError> {
        let undefined = |on: &str| EvalError::Undefined {
            what: "the interval",
            reason: format!("the measure is undefined on {on}"),
        };
        let value = value.ok_or_else(|| undefined("the samples themselves"))?;
        let of = draws.len();
        let mut drawn: Vec<f64> = draws.into_iter().flatten().collect();
        if 2 * drawn.len() <= of {
            return Err(undefined("half the draws or more"));
        }
        super::checks::check("the measures of the draws", &drawn, 1)?;
        drawn.sort_by(f64::total_cmp);
        let tail = 0.5 * (1.0 - self.level);
        let (low, high) = (quantile(&drawn, tail), quantile(&drawn, 1.0 - tail));
        Ok(Interval { value, low, high, groups: None })
    }

    fn check(&self, sets: &[Units]) -> Result<(), EvalError> {
        if sets.is_empty() || sets.iter().any(Units::is_empty) {
            return Err(EvalError::Empty { what: "the list of samples".to_string() });
        }
        if sets.iter().any(|units| units.group_count() == Some(1)) {
            let reason = "all samples are of one group, which says nothing of others".to_owned();
            return Err(EvalError::Undefined { what: "the interval", reason });
        }
        crate::settings::at_least("resamples", 2, self.resamples)?;
        super::checks::check_level(self.level)
    }
}

/// The value below which the share `q` of rising `values` lies.
fn quantile(values: &[f64], q: f64) -> f64 {
    let place = q * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + place.fract() * (above - below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on_threads, random_features};
    use proptest::prelude::*;

    fn mean_of(values: &[f32]) -> impl Fn(&[usize]) -> Option<f64> + Sync + '_ {
        |drawn| Some(drawn.iter().map(|&i| f64::from(values[i])).sum::<f64>() / drawn.len() as f64)
    }

    /// The mean of n normal values varies by 1 / sqrt(n): 95 % lie within 1.96 of these.
    #[test]
    fn the_interval_of_a_mean_has_the_theoretical_width() {
        let features = random_features(400, 1, 3);
        let settings = Bootstrap { resamples: 4000, ..Bootstrap::default() };
        let found = settings.interval(400, mean_of(features.values())).unwrap();
        let squares: f64 = features.values().iter().map(|&v| (f64::from(v) - found.value).powi(2)).sum();
        let width = 2.0 * 1.96 * (squares / 400.0 / 400.0).sqrt();
        assert!(((found.high - found.low) / width - 1.0).abs() < 0.05, "{found:?} against {width}");
        assert!(found.low < found.value && found.value < found.high);
    }

    /// What draws of groups give, one after the other, against the references: the groups that each draw holds are given.
    #[test]
    fn draws_of_groups_agree_with_the_reference() {
        for case in twinlens_golden::cases("statistics2/cluster_bootstrap") {
            let numbers: Vec<u32> =
                case.i64("in.groups").iter().map(|&id| u32::try_from(id).unwrap()).collect();
            let values: Vec<f64> = case.f32("in.values").iter().map(|&value| f64::from(value)).collect();
            let mean = |samples: &[usize], of: &[f64]| {
                samples.iter().map(|&sample| of[sample]).sum::<f64>() / samples.len() as f64
            };
            let measure = |samples: &[usize]| match case.text("statistic") {
                "mean" => Some(mean(samples, &values)),
                "difference" => {
                    let other: Vec<f64> =
                        case.f32("in.values_b").iter().map(|&value| f64::from(value)).collect();
                    Some(mean(samples, &values) - mean(samples, &other))
                }
                "auc" => {
                    let labels = case.i64("in.labels");
                    let positive: Vec<bool> = samples.iter().map(|&sample| labels[sample] == 1).collect();
                    let scores: Vec<f64> = samples.iter().map(|&sample| values[sample]).collect();
                    crate::metrics::auc(&positive, &scores).unwrap()
                }
                other => panic!("{}: statistic {other}", case.name()),
            };
            let units = Units::groups(&numbers);
            let count = units.group_count().unwrap();
            assert_eq!(case.shape("in.draws")[1], count, "{}", case.name());
            let draws: Vec<Option<f64>> = case
                .i64("in.draws")
                .chunks(count)
                .map(|drawn| {
                    measure(&units.pooled(&drawn.iter().map(|&group| group as usize).collect::<Vec<_>>()))
                })
                .collect();
            case.check("out.statistic", &[measure(&units.all()).unwrap()]);
            let valid: Vec<i64> = draws.iter().map(|draw| i64::from(draw.is_some())).collect();
            case.check_exact("out.valid", &valid);
            let values: Vec<f64> = draws.iter().map(|draw| draw.unwrap_or(0.0)).collect();
            case.check("out.per_draw", &values);
            let settings = Bootstrap { level: case.number("confidence"), ..Bootstrap::default() };
            let found = settings.interval_of_draws(measure(&units.all()), draws).unwrap();
            case.check("out.interval", &[found.low, found.high]);
        }
    }

    /// 40 groups of 10 samples that are all alike: 40 samples in truth, so the interval is that of 40, and the usual one is
    /// narrower by the root of 10.
    #[test]
    fn groups_of_equal_samples_count_as_one_sample_each() {
        let features = random_features(40, 1, 5);
        let alike: Vec<f32> = (0..400).map(|sample| features.values()[sample % 40]).collect();
        let numbers: Vec<u32> = (0..400).map(|sample| sample % 40 + 7).collect();
        let settings = Bootstrap { resamples: 4000, ..Bootstrap::default() };
        let one = settings.interval(40, mean_of(features.values())).unwrap();
        let grouped = settings.interval(Units::groups(&numbers), mean_of(&alike)).unwrap();
        let apart = settings.interval(400, mean_of(&alike)).unwrap();
        assert_eq!((one.groups, grouped.groups), (None, Some(40)));
        assert!((grouped.value - one.value).abs() < 1e-9);
        assert!(
            (grouped.low - one.low).abs() < 1e-9 && (grouped.high - one.high).abs() < 1e-9,
            "{grouped:?} {one:?}"
        );
        let ratio = (grouped.high - grouped.low) / (apart.high - apart.low);
        assert!((ratio / 10f64.sqrt() - 1.0).abs() < 0.1, "{ratio}");
        assert_eq!(Units::of(400, Some(&numbers[..9])), Units::samples(400));
    }

    #[test]
    fn one_group_says_nothing_of_others() {
        let refused = Bootstrap::default().interval(Units::groups(&[3, 3, 3]), |_| Some(1.0)).unwrap_err();
        assert!(matches!(refused, EvalError::Undefined { .. }), "{refused}");
        assert!(refused.to_string().contains("one group"), "{refused}");
    }

    #[test]
    fn quantiles_are_interpolated() {
        let values = [0.0, 10.0, 20.0, 40.0];
        assert_eq!([0.0, 0.5, 1.0].map(|q| quantile(&values, q)), [0.0, 15.0, 40.0]);
        assert!((quantile(&values, 0.9) - 34.0).abs() < 1e-12);
    }

    #[test]
    fn seeds_decide_and_threads_do_not() {
        let features = random_features(50, 1, 3);
        let run = |seed| {
            Bootstrap { seed, ..Bootstrap::default() }.interval(50, mean_of(features.values())).unwrap()
        };
        assert_eq!(on_threads(1, || run(1)), on_threads(3, || run(1)));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn what_has_no_interval_is_refused() {
        let refused = |settings: Bootstrap, samples, value: Option<f64>| {
            settings.interval(samples, |_| value).unwrap_err().to_string()
        };
        let usual = Bootstrap::default();
        assert_eq!(refused(usual, 0, Some(1.0)), "the list of samples is empty");
        assert!(refused(usual, 3, None).ends_with("undefined on the samples themselves"));
        assert!(refused(usual, 3, Some(f64::NAN)).contains("NaN"));
        assert!(refused(Bootstrap { level: 1.0, ..usual }, 3, Some(1.0)).starts_with("level = 1"));
        assert!(refused(Bootstrap { resamples: 1, ..usual }, 3, Some(1.0)).starts_with("resamples = 1"));
        let rarely = usual.interval(3, |drawn| (drawn == [0, 1, 2]).then_some(1.0));
        assert!(matches!(rarely, Err(EvalError::Undefined { .. })));
    }

    proptest! {
        /// Groups of one sample each are the samples, drawn alike.
        #[test]
        fn groups_of_single_samples_are_samples(seed: u64, count in 2usize..40) {
            let features = random_features(count, 1, seed);
            let settings = Bootstrap { resamples: 50, level: 0.9, seed };
            let numbers: Vec<u32> = (0..count as u32).collect();
            let apart = settings.interval(count, mean_of(features.values())).unwrap();
            let grouped = settings.interval(Units::groups(&numbers), mean_of(features.values())).unwrap();
            prop_assert_eq!(Interval { groups: None, ..grouped }, apart);
        }

        /// Every draw holds whole groups.
        #[test]
        fn draws_hold_whole_groups(numbers in prop::collection::vec(0u32..6, 2..40), seed: u64) {
            let units = Units::groups(&numbers);
            prop_assume!(units.len() > 1);
            let settings = Bootstrap { resamples: 20, level: 0.9, seed };
            let draws = settings.draws(&[units], |drawn| drawn[0].clone()).unwrap();
            for draw in draws {
                let times = |sample: usize| draw.iter().filter(|&&drawn| drawn == sample).count();
                for (a, b) in (0..numbers.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                    prop_assert!(numbers[a] != numbers[b] || times(a) == times(b));
                }
            }
        }

        #[test]
        fn wider_levels_contain_narrower_ones_and_shifts_shift(seed: u64, level in 0.2f64..0.9) {
            let features = random_features(30, 1, seed);
            let of = |level, shift: f64| {
                let settings = Bootstrap { resamples: 200, level, seed };
                let mean = mean_of(features.values());
                settings.interval(30, |drawn| mean(drawn).map(|mean| mean + shift)).unwrap()
            };
            let (narrow, wide, shifted) = (of(level, 0.0), of(level + 0.09, 0.0), of(level, 5.0));
            prop_assert!(wide.low <= narrow.low && narrow.high <= wide.high);
            prop_assert!((shifted.low - narrow.low - 5.0).abs() < 1e-9);
        }
    }
}
