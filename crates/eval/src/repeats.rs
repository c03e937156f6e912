//! One protocol repeated over seeds, in a few numbers.

use serde::{Deserialize, Serialize};

use crate::metrics::{Confusion, Scores, mean_of_defined};
use crate::statistics::{Bootstrap, Interval, mean_and_deviation};
use crate::{EvalError, SplitVerdict, Verdict};

/// A measure over seeds. `None` (JSON `null`) stands where a number is undefined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeated {
    /// One value a seed, in the order of the verdicts.
    pub values: Vec<Option<f64>>,
    /// Mean of the defined values.
    pub mean: Option<f64>,
    /// Sample standard deviation over seeds (divisor `n - 1`) of the defined values, from two on: how far seeds move the
    /// measure.
    pub std: Option<f64>,
    /// Percentile bootstrap interval of the mean over seeds when the images of the split are drawn again, the same ones
    /// for every seed: how far other images of the same kind would move it. `None` for an AUC of which the verdicts keep no
    /// draws ([`SplitVerdict::macro_auc_draws`]) or that is undefined on most of them.
    pub interval: Option<[f64; 2]>,
}

/// What one protocol came to on one split, over seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeats {
    /// Name of the split.
    pub split: String,
    /// Images of the split.
    pub samples: usize,
    /// Share of images predicted right.
    pub accuracy: Repeated,
    /// Mean recall over the classes present.
    pub balanced_accuracy: Repeated,
    /// Mean F1 over the classes.
    pub macro_f1: Repeated,
    /// Mean one-vs-rest AUC.
    pub macro_auc: Repeated,
}

impl Repeats {
    /// The split called `split` of `verdicts` that differ in their seeds. Intervals are those of the usual [`Bootstrap`].
    ///
    /// # Errors
    /// No verdicts, one without that split, or splits of other images.
    pub fn of(split: &str, verdicts: &[&Verdict]) -> Result<Repeats, EvalError> {
        let missing = || EvalError::Empty { what: format!("a verdict's split `{split}`") };
        let splits: Vec<&SplitVerdict> = verdicts
            .iter()
            .map(|verdict| verdict.split(split).ok_or_else(missing))
            .collect::<Result<_, _>>()?;
        let first = splits.first().ok_or_else(missing)?;
        for other in &splits {
            if other.labels != first.labels {
                let reason = format!("the verdicts are of other images of `{split}`");
                return Err(EvalError::Undefined { what: "the mean over seeds", reason });
            }
        }
        let (classes, bootstrap) = (verdicts[0].classes.len(), Bootstrap::default());
        let measured = |measure: fn(&Scores) -> Option<f64>| {
            Repeated::of(splits.iter().map(|split| measure(&split.scores)).collect())
        };
        let with_interval = |scored: fn(&Scores) -> Option<f64>, measure: fn(&Confusion) -> f64| {
            let drawn = |images: &[usize]| on_images(&splits, classes, images, measure);
            let found = bootstrap.interval(first.labels.len(), drawn)?;
            Ok::<_, EvalError>(measured(scored)?.within([found.low, found.high]))
        };
        Ok(Repeats {
            split: split.to_owned(),
            samples: first.labels.len(),
            accuracy: with_interval(|scores| Some(scores.accuracy), Confusion::accuracy)?,
            balanced_accuracy: with_interval(
                |scores| Some(scores.balanced_accuracy),
                Confusion::balanced_accuracy,
            )?,
            macro_f1: with_interval(|scores| Some(scores.macro_f1), Confusion::macro_f1)?,
            macro_auc: Repeated {
                interval: auc_interval(&splits, bootstrap)?,
                ..measured(|scores| scores.macro_auc)?
            },
        })
    }
}

impl Repeated {
    /// One value a seed, without an interval.
    ///
    /// # Errors
    /// Values that are not finite.
    pub fn of(values: Vec<Option<f64>>) -> Result<Repeated, EvalError> {
        let defined: Vec<f64> = values.iter().copied().flatten().collect();
        let std = match defined.len() {
            0 | 1 => None,
            _ => Some(mean_and_deviation("the values of the seeds", &defined)?.1),
        };
        Ok(Repeated { mean: mean_of_defined(values.iter().copied()), std, interval: None, values })
    }

    fn within(self, interval: [f64; 2]) -> Repeated {
        Repeated { interval: Some(interval), ..self }
    }
}

/// The mean over `splits` of a measure of the predictions for `images` alone, with repetitions.
fn on_images(
    splits: &[&SplitVerdict],
    classes: usize,
    images: &[usize],
    measure: fn(&Confusion) -> f64,
) -> Option<f64> {
    let of = |values: &[usize]| images.iter().map(|&image| values[image]).collect::<Vec<_>>();
    let labels = of(&splits[0].labels);
    let measured = splits
        .iter()
        .map(|split| Some(measure(&Confusion::new(&labels, &of(&split.predictions), classes).ok()?)));
    mean_of_defined(measured)
}

/// The interval of the mean AUC over `splits`, draw by draw; `None` where it is undefined.
fn auc_interval(splits: &[&SplitVerdict], bootstrap: Bootstrap) -> Result<Option<[f64; 2]>, EvalError> {
    if splits.iter().any(|split| split.macro_auc_draws.len() != bootstrap.resamples) {
        return Ok(None);
    }
    let draws = |number: usize| splits.iter().map(move |split| split.macro_auc_draws[number]);
    let means = (0..bootstrap.resamples).map(|number| mean_of_defined(draws(number))).collect();
    let value = mean_of_defined(splits.iter().map(|split| split.scores.macro_auc));
    Interval::ends_where_defined(bootstrap.interval_of_draws(value, means))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::blobs;
    use proptest::prelude::*;

    /// A verdict on 40 images of three classes, of which those in `wrong` are predicted one class further.
    fn verdict(wrong: &[usize]) -> Verdict {
        let set = blobs(40, 3, 2, 0.5, 1);
        let class = |image: usize| (set.labels()[image] + usize::from(wrong.contains(&image))) % 3;
        let scores: Vec<f64> = (0..40)
            .flat_map(|image| (0..3).map(move |column| (image, column)))
            .map(|(image, column)| if column == class(image) { 0.8 } else { 0.1 })
            .collect();
        let mut verdict = Verdict::new("knn", [], &set);
        verdict.judge("test", &set, &scores).unwrap();
        verdict
    }

    #[test]
    fn mean_deviation_and_interval_agree_with_a_computation_by_hand() {
        let (one, two) = (verdict(&[0, 1, 2, 3]), verdict(&(0..12).collect::<Vec<_>>()));
        let found = Repeats::of("test", &[&one, &two]).unwrap();
        assert_eq!(found.accuracy.values, [Some(0.9), Some(0.7)]);
        assert!((found.accuracy.mean.unwrap() - 0.8).abs() < 1e-12);
        assert!((found.accuracy.std.unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
        // The mean over seeds is 0 on 4 images, 1/2 on 8 and 1 on 28: a mean of 40 with variance 0.11.
        let [low, high] = found.accuracy.interval.unwrap();
        let width = 2.0 * 1.96 * (0.11f64 / 40.0).sqrt();
        assert!(((high - low) / width - 1.0).abs() < 0.1, "{low} {high} {width}");
        let [low, high] = found.macro_auc.interval.unwrap();
        assert!(low < found.macro_auc.mean.unwrap() && found.macro_auc.mean.unwrap() < high);
        assert!(high - low < 0.2, "{low} {high}");
        let mut without = two.clone();
        without.splits[0].macro_auc_draws.clear();
        assert_eq!(Repeats::of("test", &[&one, &without]).unwrap().macro_auc.interval, None);
        let alone = Repeats::of("test", &[&one]).unwrap();
        assert_eq!((alone.accuracy.std, alone.accuracy.mean), (None, Some(0.9)));
    }

    #[test]
    fn verdicts_that_cannot_be_joined_are_refused() {
        let one = verdict(&[]);
        let mut other = verdict(&[]);
        other.splits[0].labels.reverse();
        let error = Repeats::of("test", &[&one, &other]).unwrap_err().to_string();
        assert!(error.contains("`test`"), "{error}");
        assert!(Repeats::of("val", &[&one]).is_err());
        assert!(Repeats::of("test", &[]).is_err());
    }

    proptest! {
        #[test]
        fn on_all_images_the_drawn_measures_are_the_reported_ones(
            wrong in prop::collection::vec(prop::collection::vec(0usize..40, 0..30), 1..4),
        ) {
            let verdicts: Vec<Verdict> = wrong.iter().map(|wrong| verdict(wrong)).collect();
            let splits: Vec<&SplitVerdict> = verdicts.iter().map(|one| &one.splits[0]).collect();
            let all: Vec<usize> = (0..40).collect();
            let agree = |scored: fn(&Scores) -> f64, measure: fn(&Confusion) -> f64| {
                let mean = splits.iter().map(|split| scored(&split.scores)).sum::<f64>() / splits.len() as f64;
                (on_images(&splits, 3, &all, measure).unwrap() - mean).abs() < 1e-12
            };
            prop_assert!(agree(|s| s.accuracy, Confusion::accuracy));
            prop_assert!(agree(|s| s.balanced_accuracy, Confusion::balanced_accuracy));
            prop_assert!(agree(|s| s.macro_f1, Confusion::macro_f1));
        }
    }
}
