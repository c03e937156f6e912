//! What protocols on labels share: features with labels, draws of labels, names of verdicts.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use twinlens_data::{DataSet, LabelAmount, LabelChoice, LabelShare, Split};
use twinlens_eval::{Labelled, Repeats, Verdict};

use crate::jobs::JobError;
use crate::{Computing, Events, LabError, Subject, key, labelled};

/// The features of a data set with their labels.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What a protocol learns from.
    pub train: Labelled,
    /// What it is judged on: `val` and `test`, as far as they are there.
    held_out: Vec<(&'static str, Labelled)>,
}

impl Judged {
    /// The features of every split by `subject`.
    ///
    /// # Errors
    /// Training images without labels of two classes; no held-out image with a label; an encoder that does not fit.
    pub fn of(
        subject: &Subject,
        data: &DataSet,
        computing: &Computing,
        events: &dyn Events,
    ) -> Result<Judged, LabError> {
        data.check_for_evaluation()?;
        let of = |split| labelled(subject, data, split, computing, events);
        let held_out: Vec<_> = [Split::Val, Split::Test]
            .into_iter()
            .filter(|&split| data.splits.get(split).is_some())
            .map(|split| Ok((split.name(), of(split)?)))
            .collect::<Result<_, LabError>>()?;
        if held_out.is_empty() {
            return Err(JobError::NothingHeldOut { data: data.name.clone() }.into());
        }
        Ok(Judged { train: of(Split::Train)?, held_out })
    }

    /// The held-out splits with their names.
    pub fn held_out(&self) -> Vec<(&str, &Labelled)> {
        self.held_out.iter().map(|(name, set)| (*name, set)).collect()
    }
}

/// One draw of labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// How many.
    pub amount: LabelAmount,
    /// How they are chosen.
    pub choice: LabelChoice,
    /// The seed of the choice.
    pub seed: u64,
}

impl Draw {
    /// Which training images of `data` have a label that is used.
    ///
    /// # Errors
    /// No training images.
    pub fn known(&self, data: &DataSet) -> Result<Vec<usize>, LabError> {
        let missing = || LabError::NoSplit { data: data.name.clone(), split: Split::Train };
        let source = data.splits.train.clone().ok_or_else(missing)?;
        Ok(LabelShare::new(source, self.amount, self.choice, self.seed)?.known())
    }

    /// Writes the draw into a verdict.
    pub fn sign(&self, verdict: &mut Verdict) {
        let (key, amount) = self.amount.setting();
        verdict.settings.insert(key.into(), amount);
        verdict.settings.insert("label_choice".into(), json!(self.choice));
        verdict.seeds.insert("labels".into(), self.seed);
    }
}

/// Every split of verdicts that differ in their seeds.
///
/// # Errors
/// Verdicts of other images.
pub fn repeats(verdicts: &[&Verdict]) -> Result<Vec<Repeats>, LabError> {
    let splits = verdicts.first().map(|verdict| verdict.splits.as_slice()).unwrap_or_default();
    splits.iter().map(|split| Ok(Repeats::of(&split.split, verdicts)?)).collect()
}

/// The name of a verdict's file: protocol, data, and what people look for first; the key at the end tells it from all others.
pub fn verdict_name(
    protocol: &str,
    settings: &BTreeMap<String, Value>,
    seeds: &BTreeMap<String, u64>,
) -> String {
    let part = |key: &str| settings.get(key).map(|value| value.to_string().trim_matches('"').to_owned());
    let data = part("data_sha256").map(|sha256| sha256.chars().take(8).collect());
    let parts = ["features", "split", "k", "label_share", "labels_per_class", "policy"];
    let parts = parts.into_iter().filter_map(part);
    std::iter::once(protocol.to_owned())
        .chain(data)
        .chain(parts)
        .chain([key(protocol, settings, seeds)])
        .collect::<Vec<_>>()
        .join("-")
}
