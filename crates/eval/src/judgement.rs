//! What a protocol finds: the numbers, what was asked and chosen to get them, and what to be careful about.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::metrics::{Formula, MEASURES, Scored, Scores, predictions};
use crate::statistics::{Bootstrap, Units};
use crate::{EvalError, Labelled};

/// The most scores (samples times classes) of which draws are judged: ten times those of CIFAR-100's test images.
const MOST_SCORES: usize = 10_000_000;

/// Below so many groups a bootstrap over them gives intervals that are markedly too narrow: with `g` groups by about
/// `sqrt((g - 1) / g)`, and by the tails of Student's t, which it does not know.
const FEW_GROUPS: usize = 10;

/// What one protocol finds in one set of features, its outcome an `O`.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement<O> {
    /// The settings that were asked for.
    pub asked: BTreeMap<String, Value>,
    /// What was chosen on validation or came out of the fit.
    pub found: BTreeMap<String, Value>,
    /// The seeds by what they seeded (`labels`, `folds`, ...).
    pub seeds: BTreeMap<String, u64>,
    /// The numbers.
    pub outcome: O,
    /// What a reader should know before believing them.
    pub warnings: Vec<String>,
}

/// The outcome of a protocol that predicts one class an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Names of the classes, in the order of every per-class list.
    pub classes: Vec<String>,
    /// Number of labels the protocol learned from.
    pub training_labels: usize,
    /// What came out, per held-out split.
    pub splits: Vec<SplitPredictions>,
}

/// The outcome on one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitPredictions {
    /// Name of the split: `val`, `test`.
    pub split: String,
    /// The metrics.
    pub scores: Scores,
    /// What every sample is called: its file, or its place in an array; empty where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The true class of every sample.
    pub labels: Vec<usize>,
    /// The predicted class of every sample.
    pub predictions: Vec<usize>,
    /// The number of every sample's group (patient, plate), if these are known: intervals are then over groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<u32>>,
    /// The measures of scores, by id, of every draw of the usual [`Bootstrap`], from which follow their intervals over any
    /// number of seeds; those of counts follow from labels and predictions. Empty where the split has more than ten million
    /// scores (samples times classes), or a single group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub draws: BTreeMap<String, Vec<Option<f64>>>,
}

impl<O> Judgement<O> {
    /// That of a protocol with these settings: nothing found beside the outcome, no seeds, no warnings yet.
    pub fn new(asked: impl IntoIterator<Item = (&'static str, Value)>, outcome: O) -> Judgement<O> {
        Judgement {
            asked: asked.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            found: BTreeMap::new(),
            seeds: BTreeMap::new(),
            outcome,
            warnings: Vec::new(),
        }
    }

    /// With what was chosen or came out of the fit.
    pub fn finding(mut self, found: impl IntoIterator<Item = (&'static str, Value)>) -> Judgement<O> {
        self.found.extend(found.into_iter().map(|(key, value)| (key.to_owned(), value)));
        self
    }
}

impl Judgement<Predictions> {
    /// One without splits yet, of a protocol that learned from images with these `labels` of these `classes`.
    pub fn of_labels(
        asked: impl IntoIterator<Item = (&'static str, Value)>,
        labels: &[usize],
        classes: &[String],
    ) -> Judgement<Predictions> {
        let (classes, training_labels) = (classes.to_vec(), labels.len());
        let mut judgement =
            Judgement::new(asked, Predictions { classes, training_labels, splits: Vec::new() });
        judgement.warn_absent("the training labels", labels, "it can never be predicted");
        judgement
    }

    /// Adds the split `held_out`, whose samples got `scores` (`[rows, classes]`, probabilities or votes);
    /// the prediction is the class with the highest, the lowest of several.
    ///
    /// # Errors
    /// As [`Scores::new`].
    pub fn judge(&mut self, split: &str, held_out: &Labelled, scores: &[f64]) -> Result<(), EvalError> {
        let classes = held_out.classes().len();
        let predictions = predictions(scores, classes);
        let labels = held_out.labels().to_vec();
        let scored = Scored::new(&labels, scores, classes)?;
        let groups = held_out.groups().map(<[u32]>::to_vec);
        let units = Units::of(labels.len(), groups.as_deref());
        self.warn_of_few(split, &units);
        let (judged, draws) = (Scores::of(&scored, &predictions)?, draws(&scored, units)?);
        let consequence = "its recall and AUC are undefined and the macro means leave it out";
        self.warn_absent(&format!("split `{split}`"), &labels, consequence);
        let split = split.to_string();
        let names = held_out.names().to_vec();
        self.outcome.splits.push(SplitPredictions {
            split,
            scores: judged,
            names,
            labels,
            predictions,
            groups,
            draws,
        });
        Ok(())
    }

    fn warn_of_few(&mut self, split: &str, units: &Units) {
        match units.group_count() {
            Some(1) => self.warnings.push(format!(
                "split `{split}` has images of one group alone: nothing can be said of other groups, and there is no interval"
            )),
            Some(count) if count < FEW_GROUPS => self.warnings.push(format!(
                "split `{split}` has images of {count} groups: an interval over fewer than {FEW_GROUPS} is too narrow"
            )),
            _ => {}
        }
    }

    fn warn_absent(&mut self, place: &str, labels: &[usize], consequence: &str) {
        let present: BTreeSet<usize> = labels.iter().copied().collect();
        let absent = self.outcome.classes.iter().enumerate().filter(|(class, _)| !present.contains(class));
        let warning = |(_, name)| format!("class `{name}` is absent from {place}: {consequence}");
        let warnings: Vec<String> = absent.map(warning).collect();
        self.warnings.extend(warnings);
    }
}

impl Predictions {
    /// The outcome on the split of that name.
    pub fn split(&self, name: &str) -> Option<&SplitPredictions> {
        self.splits.iter().find(|split| split.split == name)
    }
}

impl SplitPredictions {
    /// What a bootstrap draws of the samples: their groups where these are known, else themselves.
    pub fn units(&self) -> Units {
        Units::of(self.labels.len(), self.groups.as_deref())
    }

    /// Makes a measure undefined whose value says nothing about these scores.
    pub(crate) fn undefine(&mut self, id: &str) {
        self.scores.measures.insert(id.to_owned(), None);
        self.draws.remove(id);
    }
}

/// As [`SplitPredictions::draws`].
fn draws(scored: &Scored<'_>, units: Units) -> Result<BTreeMap<String, Vec<Option<f64>>>, EvalError> {
    if scored.scores.len() > MOST_SCORES || units.group_count() == Some(1) {
        return Ok(BTreeMap::new());
    }
    let of_scores = MEASURES.iter().filter_map(|measure| match measure.of {
        Formula::Counts(_) => None,
        Formula::Scores(of) => Some((measure.id, of)),
    });
    let (ids, formulas): (Vec<&str>, Vec<_>) = of_scores.unzip();
    let of_draw = |drawn: &[Vec<usize>]| {
        let mut times = vec![0; scored.samples()];
        drawn[0].iter().for_each(|&sample| times[sample] += 1);
        formulas.iter().map(|of| of(scored, &times)).collect::<Vec<_>>()
    };
    let drawn = Bootstrap::default().draws(&[units], of_draw)?;
    let column = |(at, id): (usize, &&str)| ((*id).to_owned(), drawn.iter().map(|row| row[at]).collect());
    Ok(ids.iter().enumerate().map(column).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{auc_one_vs_rest, mean_of_defined};
    use crate::testing::blobs;

    #[test]
    fn the_auc_of_each_draw_is_that_of_the_samples_drawn() {
        let set = blobs(30, 3, 2, 0.5, 1);
        let scores: Vec<f64> = (0..90).map(|at| f64::from(at * 37 % 11)).collect();
        let mut verdict = Judgement::of_labels([], set.labels(), set.classes());
        verdict.judge("test", &set, &scores).unwrap();
        let of_samples = |drawn: &[Vec<usize>]| {
            let labels: Vec<usize> = drawn[0].iter().map(|&sample| set.labels()[sample]).collect();
            let rows = drawn[0].iter().flat_map(|&sample| scores[3 * sample..][..3].iter().copied());
            mean_of_defined(auc_one_vs_rest(&labels, &rows.collect::<Vec<_>>(), 3).unwrap())
        };
        let expected = Bootstrap::default().draws(&[Units::samples(30)], of_samples).unwrap();
        assert_eq!(verdict.outcome.splits[0].draws["macro_auc"], expected);
    }

    #[test]
    fn a_verdict_survives_json_and_names_absent_classes() {
        let (train, test) = (blobs(20, 3, 4, 0.5, 1), blobs(10, 3, 4, 0.5, 2));
        let keep: Vec<usize> = (0..10).filter(|&row| test.labels()[row] != 1).collect();
        let test = test.subset(&keep).unwrap();
        let mut verdict = Judgement::of_labels([("k", 3.into())], train.labels(), train.classes());
        let scores: Vec<f64> = (0..keep.len() * 3).map(|at| 1.0 / (1.0 + at as f64)).collect();
        verdict.judge("test", &test, &scores).unwrap();
        assert_eq!(verdict.warnings.len(), 1);
        assert!(verdict.warnings[0].starts_with("class `1` is absent from split `test`"));
        assert_eq!(verdict.outcome.split("test").unwrap().scores.per_class[1].auc, None);
        assert!(verdict.outcome.split("val").is_none());
        let json = serde_json::to_string(&verdict.outcome).unwrap();
        assert_eq!(serde_json::from_str::<Predictions>(&json).unwrap(), verdict.outcome);
    }

    #[test]
    fn verdicts_from_before_a_field_was_added_are_read_with_it_undefined() {
        let set = blobs(20, 3, 4, 0.5, 1);
        let mut verdict = Judgement::of_labels([], set.labels(), set.classes());
        verdict.judge("test", &set, &[0.5, 0.25, 0.25].repeat(20)).unwrap();
        let mut old = serde_json::to_value(&verdict.outcome).unwrap();
        let scores = old["splits"][0]["scores"].as_object_mut().unwrap();
        for field in ["macro_average_precision", "cohen_kappa", "calibration_error"] {
            assert!(scores.remove(field).unwrap().is_number(), "{field}");
        }
        let read: Predictions = serde_json::from_value(old).unwrap();
        let (read, fresh) = (&read.splits[0].scores, &verdict.outcome.splits[0].scores);
        for measure in &MEASURES {
            let lost = ["macro_average_precision", "cohen_kappa", "calibration_error"].contains(&measure.id);
            assert_eq!(measure.value(read), if lost { None } else { measure.value(fresh) }, "{}", measure.id);
        }
    }
}
