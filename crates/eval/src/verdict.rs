//! What a protocol returns: the numbers, what produced them, and what to be careful about.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::metrics::{Formula, MEASURES, Scored, Scores, predictions};
use crate::statistics::Bootstrap;
use crate::{EvalError, Labelled};

/// Version of the JSON written for a [`Verdict`]; it grows when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// Settings of a verdict that nobody asked for: what was chosen on validation or came out of the fit.
const FOUND: [&str; 6] = ["alpha", "c", "converged", "epoch_kept", "epochs", "iterations"];

/// The most scores (samples times classes) of which draws are judged: ten times those of CIFAR-100's test images.
const MOST_SCORES: usize = 10_000_000;

/// The outcome of one protocol on one encoder's features: what reports draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Version of this layout, [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The protocol's name: `knn`, `linear-probe`.
    pub protocol: String,
    /// The settings that produced the numbers, those chosen on validation included.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The seeds behind the features and labels by what they seeded (`labels`, `encoder`, ...). The
    /// protocols here draw nothing; whoever draws a share of the labels or trains an encoder adds its seed.
    pub seeds: BTreeMap<String, u64>,
    /// Names of the classes, in the order of every per-class list.
    pub classes: Vec<String>,
    /// Number of labels the protocol learned from.
    pub training_labels: usize,
    /// What came out, per held-out split.
    pub splits: Vec<SplitVerdict>,
    /// What a reader should know before believing the numbers.
    pub warnings: Vec<String>,
}

/// The outcome on one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitVerdict {
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
    /// The measures of scores, by id, of every draw of the usual [`Bootstrap`], from which follow their intervals over any
    /// number of seeds; those of counts follow from labels and predictions. Empty where the split has more than ten million
    /// scores (samples times classes).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub draws: BTreeMap<String, Vec<Option<f64>>>,
}

impl Verdict {
    /// A verdict without splits yet, of a protocol that learned from `train`.
    pub fn new(
        protocol: &str,
        settings: impl IntoIterator<Item = (&'static str, serde_json::Value)>,
        train: &Labelled,
    ) -> Verdict {
        Verdict::of_labels(protocol, settings, train.labels(), train.classes())
    }

    /// A verdict without splits yet, of a protocol that learned from images with these `labels`.
    pub fn of_labels(
        protocol: &str,
        settings: impl IntoIterator<Item = (&'static str, serde_json::Value)>,
        labels: &[usize],
        classes: &[String],
    ) -> Verdict {
        let mut verdict = Verdict {
            schema_version: SCHEMA_VERSION,
            protocol: protocol.to_string(),
            settings: settings.into_iter().map(|(key, value)| (key.to_string(), value)).collect(),
            seeds: BTreeMap::new(),
            classes: classes.to_vec(),
            training_labels: labels.len(),
            splits: Vec::new(),
            warnings: Vec::new(),
        };
        verdict.warn_absent("the training labels", labels, "it can never be predicted");
        verdict
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
        let (judged, draws) = (Scores::of(&scored, &predictions)?, draws(&scored)?);
        let consequence = "its recall and AUC are undefined and the macro means leave it out";
        self.warn_absent(&format!("split `{split}`"), &labels, consequence);
        let split = split.to_string();
        let names = held_out.names().to_vec();
        self.splits.push(SplitVerdict { split, scores: judged, names, labels, predictions, draws });
        Ok(())
    }

    /// The settings that were asked for, without those chosen on validation or found by the fit, and without the place of
    /// the data, which are the same wherever they lie.
    pub fn asked(&self) -> impl Iterator<Item = (&String, &serde_json::Value)> {
        asked(&self.settings)
    }

    /// Whether two verdicts differ in their seeds at most.
    pub fn repeats(&self, other: &Verdict) -> bool {
        self.protocol == other.protocol && self.asked().eq(other.asked())
    }

    /// The outcome on the split of that name.
    pub fn split(&self, name: &str) -> Option<&SplitVerdict> {
        self.splits.iter().find(|split| split.split == name)
    }

    fn warn_absent(&mut self, place: &str, labels: &[usize], consequence: &str) {
        let present: BTreeSet<usize> = labels.iter().copied().collect();
        let absent = self.classes.iter().enumerate().filter(|(class, _)| !present.contains(class));
        let warning = |(_, name)| format!("class `{name}` is absent from {place}: {consequence}");
        let warnings: Vec<String> = absent.map(warning).collect();
        self.warnings.extend(warnings);
    }
}

impl SplitVerdict {
    /// Makes a measure undefined whose value says nothing about these scores.
    pub(crate) fn undefine(&mut self, id: &str) {
        self.scores.measures.insert(id.to_owned(), None);
        self.draws.remove(id);
    }
}

/// As [`SplitVerdict::draws`].
fn draws(scored: &Scored<'_>) -> Result<BTreeMap<String, Vec<Option<f64>>>, EvalError> {
    if scored.scores.len() > MOST_SCORES {
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
    let drawn = Bootstrap::default().draws(&[scored.samples()], of_draw)?;
    let column = |(at, id): (usize, &&str)| ((*id).to_owned(), drawn.iter().map(|row| row[at]).collect());
    Ok(ids.iter().enumerate().map(column).collect())
}

/// The settings of any verdict that were asked for, as [`Verdict::asked`].
pub fn asked(
    settings: &BTreeMap<String, serde_json::Value>,
) -> impl Iterator<Item = (&String, &serde_json::Value)> {
    settings.iter().filter(|(key, _)| *key != "data" && !FOUND.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{auc_one_vs_rest, mean_of_defined};
    use crate::testing::blobs;

    #[test]
    fn what_seeds_decide_is_no_condition() {
        let train = blobs(20, 3, 4, 0.5, 1);
        let of = |protocol: &str, settings: [(&'static str, serde_json::Value); 2]| {
            Verdict::new(protocol, settings, &train)
        };
        let ridge = of("ridge-probe", [("label_share", 0.1.into()), ("alpha", 10.0.into())]);
        let again = of("ridge-probe", [("label_share", 0.1.into()), ("alpha", 100.0.into())]);
        assert!(ridge.repeats(&again) && again.repeats(&ridge));
        assert_eq!(ridge.asked().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["label_share"]);
        let more = of("ridge-probe", [("label_share", 0.2.into()), ("alpha", 10.0.into())]);
        assert!(!ridge.repeats(&more));
        assert!(!ridge.repeats(&of("svm-probe", [("label_share", 0.1.into()), ("alpha", 10.0.into())])));
        let tuned = |epochs: usize| of("fine-tune", [("head", "linear".into()), ("epochs", epochs.into())]);
        assert!(tuned(3).repeats(&tuned(5)), "patience ends some earlier");
    }

    #[test]
    fn the_auc_of_each_draw_is_that_of_the_samples_drawn() {
        let set = blobs(30, 3, 2, 0.5, 1);
        let scores: Vec<f64> = (0..90).map(|at| f64::from(at * 37 % 11)).collect();
        let mut verdict = Verdict::new("knn", [], &set);
        verdict.judge("test", &set, &scores).unwrap();
        let of_samples = |drawn: &[Vec<usize>]| {
            let labels: Vec<usize> = drawn[0].iter().map(|&sample| set.labels()[sample]).collect();
            let rows = drawn[0].iter().flat_map(|&sample| scores[3 * sample..][..3].iter().copied());
            mean_of_defined(auc_one_vs_rest(&labels, &rows.collect::<Vec<_>>(), 3).unwrap())
        };
        let expected = Bootstrap::default().draws(&[30], of_samples).unwrap();
        assert_eq!(verdict.splits[0].draws["macro_auc"], expected);
    }

    #[test]
    fn a_verdict_survives_json_and_names_absent_classes() {
        let (train, test) = (blobs(20, 3, 4, 0.5, 1), blobs(10, 3, 4, 0.5, 2));
        let keep: Vec<usize> = (0..10).filter(|&row| test.labels()[row] != 1).collect();
        let test = test.subset(&keep).unwrap();
        let mut verdict = Verdict::new("knn", [("k", 3.into()), ("temperature", 0.07.into())], &train);
        let scores: Vec<f64> = (0..keep.len() * 3).map(|at| 1.0 / (1.0 + at as f64)).collect();
        verdict.judge("test", &test, &scores).unwrap();
        assert_eq!(verdict.warnings.len(), 1);
        assert!(verdict.warnings[0].starts_with("class `1` is absent from split `test`"));
        assert_eq!(verdict.split("test").unwrap().scores.per_class[1].auc, None);
        assert!(verdict.split("val").is_none());
        let json = serde_json::to_string(&verdict).unwrap();
        assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
    }

    #[test]
    fn verdicts_from_before_a_field_was_added_are_read_with_it_undefined() {
        let set = blobs(20, 3, 4, 0.5, 1);
        let mut verdict = Verdict::new("knn", [], &set);
        verdict.judge("test", &set, &[0.5, 0.25, 0.25].repeat(20)).unwrap();
        let mut old = serde_json::to_value(&verdict).unwrap();
        let scores = old["splits"][0]["scores"].as_object_mut().unwrap();
        for field in ["macro_average_precision", "cohen_kappa", "calibration_error"] {
            assert!(scores.remove(field).unwrap().is_number(), "{field}");
        }
        let read: Verdict = serde_json::from_value(old).unwrap();
        let (read, fresh) = (&read.splits[0].scores, &verdict.splits[0].scores);
        for measure in &MEASURES {
            let lost = ["macro_average_precision", "cohen_kappa", "calibration_error"].contains(&measure.id);
            assert_eq!(measure.value(read), if lost { None } else { measure.value(fresh) }, "{}", measure.id);
        }
    }
}
