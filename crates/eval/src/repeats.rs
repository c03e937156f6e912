//! One protocol repeated over seeds, in a few numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::{Confusion, Formula, MEASURES, mean_of_defined};
use crate::shift::units;
use crate::statistics::{Bootstrap, Interval, mean_and_deviation};
use crate::{EvalError, Measure, Predictions, SplitPredictions};

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
    /// for every seed: how far other images of the same kind would move it. `None` for a measure of scores of which the
    /// verdicts keep no draws ([`SplitPredictions::draws`]), that is undefined on most of them, or of images of one group.
    pub interval: Option<[f64; 2]>,
}

/// What one protocol came to on one split, over seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeats {
    /// Name of the split.
    pub split: String,
    /// Images of the split.
    pub samples: usize,
    /// The number of groups that intervals are over; nothing where they are over images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Every one of [`MEASURES`], by its id.
    #[serde(flatten)]
    pub measures: BTreeMap<String, Repeated>,
}

impl Repeats {
    /// The split called `split` of the outcomes of `verdicts` that differ in their seeds. Intervals are those of the usual [`Bootstrap`].
    ///
    /// # Errors
    /// No verdicts, one without that split, or splits of other images.
    pub fn of(split: &str, verdicts: &[&Predictions]) -> Result<Repeats, EvalError> {
        let missing = || EvalError::Empty { what: format!("a verdict's split `{split}`") };
        let splits: Vec<&SplitPredictions> = verdicts
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
        let drawn = draws_of_counts(&splits, verdicts[0].classes.len())?;
        let repeated = |(at, measure): (usize, &Measure<Formula>)| {
            let values = splits.iter().map(|split| measure.value(&split.scores)).collect();
            let draws = match measure.of {
                Formula::Counts(_) => drawn.iter().map(|row: &Vec<Option<f64>>| row[at]).collect(),
                Formula::Scores(_) => draws_of_scores(&splits, measure.id),
            };
            Ok((measure.id.to_owned(), Repeated::of(values)?.with_draws(draws)?))
        };
        Ok(Repeats {
            split: split.to_owned(),
            samples: first.labels.len(),
            groups: units(&splits).group_count(),
            measures: MEASURES.iter().enumerate().map(repeated).collect::<Result<_, EvalError>>()?,
        })
    }

    /// How many seeds there are.
    pub fn seeds(&self) -> usize {
        self.measures.values().map(|measure| measure.values.len()).max().unwrap_or(0)
    }

    /// What became of the measure called `id`.
    pub fn get(&self, id: &str) -> Option<&Repeated> {
        self.measures.get(id)
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

    /// With the interval that these draws of the mean give; none where it is undefined on most of them.
    fn with_draws(self, draws: Vec<Option<f64>>) -> Result<Repeated, EvalError> {
        let found = Bootstrap::default().interval_of_draws(self.mean, draws);
        Ok(Repeated { interval: Interval::ends_where_defined(found)?, ..self })
    }
}

/// The mean over `splits` of every measure, of every draw of the images; only those of counts are taken.
fn draws_of_counts(splits: &[&SplitPredictions], classes: usize) -> Result<Vec<Vec<Option<f64>>>, EvalError> {
    let on_images = |drawn: &[Vec<usize>]| on_images(splits, classes, &drawn[0]);
    match units(splits) {
        one if one.group_count() == Some(1) => Ok(Vec::new()),
        units => Bootstrap::default().draws(&[units], on_images),
    }
}

/// The mean over `splits` of every measure of counts, taken of these `images`; `None` for other measures.
fn on_images(splits: &[&SplitPredictions], classes: usize, images: &[usize]) -> Vec<Option<f64>> {
    let of = |values: &[usize]| images.iter().map(|&image| values[image]).collect::<Vec<_>>();
    let labels = of(&splits[0].labels);
    let counts: Vec<Option<Confusion>> =
        splits.iter().map(|split| Confusion::new(&labels, &of(&split.predictions), classes).ok()).collect();
    let mean = |measure: &Measure<Formula>| match measure.of {
        Formula::Counts(of) => mean_of_defined(counts.iter().map(|counts| of(counts.as_ref()?))),
        Formula::Scores(_) => None,
    };
    MEASURES.iter().map(mean).collect()
}

/// The mean over `splits` of a measure of scores, draw by draw; nothing where a verdict keeps no draws, or not those of the others.
fn draws_of_scores(splits: &[&SplitPredictions], id: &str) -> Vec<Option<f64>> {
    if splits.iter().any(|split| split.groups != splits[0].groups) {
        return Vec::new();
    }
    let Some(draws) = splits.iter().map(|split| split.draws.get(id)).collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    let count = draws.iter().map(|draws| draws.len()).min().unwrap_or(0);
    (0..count).map(|number| mean_of_defined(draws.iter().map(|draws| draws[number]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Judgement;
    use crate::testing::blobs;
    use proptest::prelude::*;

    /// A verdict on 40 images of three classes, of which those in `wrong` are predicted one class further.
    fn verdict(wrong: &[usize]) -> Predictions {
        let set = blobs(40, 3, 2, 0.5, 1);
        let class = |image: usize| (set.labels()[image] + usize::from(wrong.contains(&image))) % 3;
        let scores: Vec<f64> = (0..40)
            .flat_map(|image| (0..3).map(move |column| (image, column)))
            .map(|(image, column)| if column == class(image) { 0.8 } else { 0.1 })
            .collect();
        let mut verdict = Judgement::of_labels([], set.labels(), set.classes());
        verdict.judge("test", &set, &scores).unwrap();
        verdict.outcome
    }

    #[test]
    fn mean_deviation_and_interval_agree_with_a_computation_by_hand() {
        let (one, two) = (verdict(&[0, 1, 2, 3]), verdict(&(0..12).collect::<Vec<_>>()));
        let found = Repeats::of("test", &[&one, &two]).unwrap();
        assert_eq!(found.measures["accuracy"].values, [Some(0.9), Some(0.7)]);
        assert!((found.measures["accuracy"].mean.unwrap() - 0.8).abs() < 1e-12);
        assert!((found.measures["accuracy"].std.unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
        // The mean over seeds is 0 on 4 images, 1/2 on 8 and 1 on 28: a mean of 40 with variance 0.11.
        let [low, high] = found.measures["accuracy"].interval.unwrap();
        let width = 2.0 * 1.96 * (0.11f64 / 40.0).sqrt();
        assert!(((high - low) / width - 1.0).abs() < 0.1, "{low} {high} {width}");
        let [low, high] = found.measures["macro_auc"].interval.unwrap();
        assert!(
            low < found.measures["macro_auc"].mean.unwrap()
                && found.measures["macro_auc"].mean.unwrap() < high
        );
        assert!(high - low < 0.2, "{low} {high}");
        let mut without = two.clone();
        without.splits[0].draws.clear();
        assert_eq!(Repeats::of("test", &[&one, &without]).unwrap().measures["macro_auc"].interval, None);
        let alone = Repeats::of("test", &[&one]).unwrap();
        assert_eq!((alone.measures["accuracy"].std, alone.measures["accuracy"].mean), (None, Some(0.9)));
    }

    #[test]
    fn intervals_are_over_groups_where_these_are_known() {
        let apart = verdict(&(0..20).collect::<Vec<_>>());
        let set = blobs(40, 3, 2, 0.5, 1).grouped(Some((0..40).map(|image| image / 5).collect())).unwrap();
        let mut grouped = Judgement::of_labels([], set.labels(), set.classes());
        let scores: Vec<f64> = (0..40)
            .flat_map(|image| (0..3).map(move |column| (image, column)))
            .map(|(image, column)| {
                let class = (set.labels()[image] + usize::from(image < 20)) % 3;
                if column == class { 0.8 } else { 0.1 }
            })
            .collect();
        grouped.judge("test", &set, &scores).unwrap();
        assert!(
            grouped.warnings.iter().any(|warning| warning.contains("8 groups")),
            "{:?}",
            grouped.warnings
        );
        let (alone, found) =
            (Repeats::of("test", &[&apart]).unwrap(), Repeats::of("test", &[&grouped.outcome]).unwrap());
        assert_eq!((alone.groups, found.groups, found.samples), (None, Some(8), 40));
        for id in ["accuracy", "macro_auc"] {
            let width = |of: &Repeats| of.get(id).unwrap().interval.map(|[low, high]| high - low).unwrap();
            assert!(width(&found) > 1.5 * width(&alone), "{id}: {} {}", width(&found), width(&alone));
            assert_eq!(found.get(id).unwrap().mean, alone.get(id).unwrap().mean);
        }
        // Draws of groups are not those of images.
        let mixed = Repeats::of("test", &[&grouped.outcome, &apart]).unwrap();
        assert_eq!(mixed.get("macro_auc").unwrap().interval, None);
        assert_eq!(mixed.groups, Some(8));
        let mut one = grouped.outcome.clone();
        one.splits[0].groups = Some(vec![0; 40]);
        assert_eq!(Repeats::of("test", &[&one]).unwrap().get("accuracy").unwrap().interval, None);
        let kept = serde_json::to_value(&grouped.outcome).unwrap();
        assert_eq!(serde_json::from_value::<Predictions>(kept).unwrap(), grouped.outcome);
        assert!(serde_json::to_value(&apart).unwrap()["splits"][0].get("groups").is_none());
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
            let verdicts: Vec<Predictions> = wrong.iter().map(|wrong| verdict(wrong)).collect();
            let splits: Vec<&SplitPredictions> = verdicts.iter().map(|one| &one.splits[0]).collect();
            let all: Vec<usize> = (0..40).collect();
            let drawn = on_images(&splits, 3, &all);
            for (measure, drawn) in MEASURES.iter().zip(drawn) {
                let values: Vec<Option<f64>> = splits.iter().map(|split| measure.value(&split.scores)).collect();
                match measure.of {
                    Formula::Counts(_) => prop_assert_eq!(drawn, mean_of_defined(values)),
                    Formula::Scores(_) => prop_assert_eq!(drawn, None),
                }
            }
        }
    }
}
