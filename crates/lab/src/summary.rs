//! What verdicts come to together: repeats over seeds, and how far test lies below validation.

use std::collections::BTreeMap;

use serde::Serialize;
use twinlens_eval::statistics::{Bootstrap, Interval};
use twinlens_eval::{Predictions, Repeated, Repeats, TagPredictions, shift};

use crate::verdict::{repeated, repeats};
use crate::{LabError, MeasureRecord, Outcome, Readings, Settings, Verdict};

/// What several seeds of one judgement come to.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Summary {
    /// Of predictions of one class an image.
    Predictions(PredictionSummary),
    /// Of anything else.
    Measures(MeasureSummary),
}

/// What several seeds of a judgement by predictions come to.
#[derive(Clone, Debug, Serialize)]
pub struct PredictionSummary {
    /// The protocol's name.
    pub protocol: String,
    /// The settings that were asked for.
    pub asked: Settings,
    /// The seeds of each verdict.
    pub seeds: Vec<BTreeMap<String, u64>>,
    /// Labels that were learned from.
    pub training_labels: usize,
    /// Every split, each measure over seeds.
    pub splits: Vec<Repeats>,
}

/// What several seeds of a judgement by measures come to.
#[derive(Clone, Debug, Serialize)]
pub struct MeasureSummary {
    /// The protocol's name.
    pub protocol: String,
    /// The settings that were asked for.
    pub asked: Settings,
    /// The seeds of each verdict.
    pub seeds: Vec<BTreeMap<String, u64>>,
    /// What was measured.
    #[serde(skip)]
    pub measures: Vec<MeasureRecord>,
    /// Every split, each measure over seeds.
    pub splits: Vec<SplitSummary>,
}

/// Measures of one split over seeds.
#[derive(Clone, Debug, Serialize)]
pub struct SplitSummary {
    /// Name of the split.
    pub split: String,
    /// Each measure, by its id.
    #[serde(flatten)]
    pub values: BTreeMap<String, Repeated>,
}

impl PredictionSummary {
    /// Of verdicts that differ in seeds alone, where at least one judgement has several; otherwise nothing.
    ///
    /// # Errors
    /// Verdicts of other images.
    pub fn of_all(verdicts: &[Verdict<Predictions>]) -> Result<Vec<PredictionSummary>, LabError> {
        let groups = repeated(verdicts);
        if groups.iter().all(|group| group.len() < 2) {
            return Ok(Vec::new());
        }
        groups.iter().map(|group| PredictionSummary::of(group)).collect()
    }

    fn of(group: &[&Verdict<Predictions>]) -> Result<PredictionSummary, LabError> {
        let first = group[0];
        Ok(PredictionSummary {
            protocol: first.protocol.clone(),
            asked: first.asked.clone(),
            seeds: group.iter().map(|verdict| verdict.seeds.clone()).collect(),
            training_labels: first.outcome.training_labels,
            splits: repeats(group)?,
        })
    }
}

impl MeasureSummary {
    /// Of the judgements among verdicts with the same measures that have several seeds.
    ///
    /// # Errors
    /// Values that are not finite.
    pub fn of_all(verdicts: &[&Verdict]) -> Result<Vec<MeasureSummary>, LabError> {
        let owned: Vec<Verdict> = verdicts.iter().map(|verdict| (*verdict).clone()).collect();
        repeated(&owned)
            .iter()
            .filter(|group| group.len() > 1)
            .map(|group| MeasureSummary::of(group))
            .collect()
    }

    fn of(group: &[&Verdict]) -> Result<MeasureSummary, LabError> {
        let all: Vec<Readings> = group.iter().map(|verdict| verdict.readings()).collect();
        let measures = all[0].measures.clone();
        let of_split = |split: &str| {
            let over = |(at, measure): (usize, &MeasureRecord)| {
                let values = all.iter().map(|readings| value(readings, split, at)).collect();
                Ok((measure.id.clone(), Repeated::of(values)?))
            };
            let values = measures.iter().enumerate().map(over).collect::<Result<_, LabError>>()?;
            Ok(SplitSummary { split: split.to_owned(), values })
        };
        let splits =
            all[0].splits.iter().map(|(split, _)| of_split(split)).collect::<Result<_, LabError>>()?;
        Ok(MeasureSummary {
            protocol: group[0].protocol.clone(),
            asked: group[0].asked.clone(),
            seeds: group.iter().map(|verdict| verdict.seeds.clone()).collect(),
            splits,
            measures,
        })
    }
}

/// The measure number `at` of a split; none where it is undefined.
fn value(readings: &Readings, split: &str, at: usize) -> Option<f64> {
    let (_, values) = readings.splits.iter().find(|(name, _)| name == split)?;
    values.get(at).copied().flatten()
}

/// Verdicts by predictions of one class an image, and those of several.
pub fn by_predictions(verdicts: &[Verdict]) -> (Vec<Verdict<Predictions>>, Vec<Verdict<TagPredictions>>) {
    let (mut one, mut several) = (Vec::new(), Vec::new());
    for verdict in verdicts {
        match &verdict.outcome {
            Outcome::Predictions(found) => one.push(verdict.clone().with(found.clone())),
            Outcome::Tags(found) => several.push(verdict.clone().with(found.clone())),
            _ => {}
        }
    }
    (one, several)
}

/// Verdicts by anything but predictions of one class, those with the same measures together.
pub fn by_measures(verdicts: &[Verdict]) -> Vec<Vec<&Verdict>> {
    let mut groups: Vec<Vec<&Verdict>> = Vec::new();
    let other = |verdict: &&Verdict| !matches!(verdict.outcome, Outcome::Predictions(_) | Outcome::Map(_));
    for verdict in verdicts.iter().filter(other) {
        let measures = verdict.readings().measures;
        match groups.iter_mut().find(|group| group[0].readings().measures == measures) {
            Some(group) => group.push(verdict),
            None => groups.push(vec![verdict]),
        }
    }
    groups
}

/// How far verdicts that differ in seeds alone fall from validation to test; `None` where that cannot be said.
pub fn shift_of(verdicts: &[&Verdict<Predictions>]) -> Option<Interval> {
    let outcomes: Vec<&Predictions> = verdicts.iter().map(|verdict| &verdict.outcome).collect();
    shift(&outcomes, &Bootstrap::default()).ok().flatten()
}

/// [`shift_of`] the verdicts of each judgement, beside the first of them.
pub fn shifts_over_seeds(
    verdicts: &[Verdict<Predictions>],
) -> Vec<(&Verdict<Predictions>, Option<Interval>)> {
    repeated(verdicts).into_iter().map(|group| (group[0], shift_of(&group))).collect()
}
