//! How far a measure would move on other samples of the same kind.

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
    /// The interval of `measure`, a function of which of the `samples` are there (indices, in any order, with
    /// repetitions). Draws for which it is `None` (a class that was not drawn, say) are left out. Ends between
    /// two draws are interpolated linearly, as NumPy's `percentile` does.
    ///
    /// # Errors
    /// Settings outside their range, no samples; [`EvalError::Undefined`] when the measure is undefined on the
    /// samples themselves or on half the draws or more, [`EvalError::NumberNotFinite`] when it is not finite.
    pub fn interval(
        &self,
        samples: usize,
        measure: impl Fn(&[usize]) -> Option<f64> + Sync,
    ) -> Result<Interval, EvalError> {
        self.interval_of(&[samples], |drawn| measure(&drawn[0]))
    }

    /// The interval of `measure` of several independent sets of samples, such as the images of two splits: each set is
    /// drawn from by itself, `sizes` says how many samples it has, and `measure` is given the indices drawn of each.
    ///
    /// # Errors
    /// As [`Bootstrap::interval`].
    pub fn interval_of(
        &self,
        sizes: &[usize],
        measure: impl Fn(&[Vec<usize>]) -> Option<f64> + Sync,
    ) -> Result<Interval, EvalError> {
        let all: Vec<Vec<usize>> = sizes.iter().map(|size| (0..*size).collect()).collect();
        let value = measure(&all);
        self.interval_of_draws(value, self.draws(sizes, measure)?)
    }

    /// What `measure` gives for every draw, in their order: of draw `i` of as many samples these are always the same samples, so that
    /// measures taken apart can be compared or averaged draw by draw.
    ///
    /// # Errors
    /// Settings outside their range, no samples.
    pub fn draws<T: Send>(
        &self,
        sizes: &[usize],
        measure: impl Fn(&[Vec<usize>]) -> T + Sync,
    ) -> Result<Vec<T>, EvalError> {
        self.check(sizes.iter().copied().min().unwrap_or(0))?;
        let draw = |number: usize| {
            let mut draws = stream(self.seed, Draw::Bootstrap, number);
            let drawn: Vec<Vec<usize>> =
                sizes.iter().map(|size| (0..*size).map(|_| draws.below(*size)).collect()).collect();
            measure(&drawn)
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
        Ok(Interval { value, low: quantile(&drawn, tail), high: quantile(&drawn, 1.0 - tail) })
    }

    fn check(&self, samples: usize) -> Result<(), EvalError> {
        let refuse = |setting, value, expected: &str| {
            Err(EvalError::Setting { setting, value, expected: expected.to_string() })
        };
        if samples == 0 {
            return Err(EvalError::Empty { what: "the list of samples".to_string() });
        }
        if self.resamples < 2 {
            return refuse("resamples", self.resamples as f64, "choose at least 2");
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return refuse("level", self.level, "choose a number above 0 and below 1, such as 0.95");
        }
        Ok(())
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
