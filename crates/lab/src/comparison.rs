//! Runs side by side: the settings that differ, what was measured last, and every verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use toml::Table;
use twinlens_config::differences;
use twinlens_run::{RunRecord, names};

use crate::jobs::JobError;
use crate::protocols::title;
use crate::verdict::KeptVerdicts;
use crate::{LabError, MeasureRecord, Readings, Verdict};

/// Runs side by side.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The runs, in the order in which they were named.
    pub runs: Vec<RunEntry>,
    /// The settings that differ.
    pub settings: Vec<Line<toml::Value>>,
    /// The newest value of each metric.
    pub metrics: Vec<Line<Value>>,
    /// What protocols said of them, those that compare next to each other.
    pub verdicts: Vec<Score>,
    /// What a reader should know before comparing.
    pub warnings: Vec<String>,
}

/// A run and how it went.
#[derive(Debug, Serialize)]
pub struct RunEntry {
    /// Its folder.
    pub path: PathBuf,
    /// `running`, `done`, ...
    pub status: &'static str,
}

/// One key and its value in every run, in the order of the runs.
#[derive(Debug, Serialize)]
pub struct Line<T> {
    /// The key.
    pub key: String,
    /// A value a run; none where it has none.
    pub values: Vec<Option<T>>,
}

/// How one protocol judged one run on one split. In the order of the fields, scores that compare stand together.
#[derive(Debug, Serialize)]
pub struct Score {
    /// The protocol with the settings that tell it from others.
    pub protocol: String,
    /// Whose features.
    pub features: String,
    /// The share of the labels, if one was asked for.
    pub label_share: Option<f64>,
    /// SHA-256 of the images, where known.
    pub data_sha256: Option<String>,
    /// The seeds, by what they seeded.
    pub seeds: BTreeMap<String, u64>,
    /// The split.
    pub split: String,
    /// The run's folder.
    pub run: PathBuf,
    /// What was measured, for the columns of tables.
    #[serde(skip)]
    pub measures: Vec<MeasureRecord>,
    #[serde(flatten)]
    /// Each measure, by its id.
    pub values: BTreeMap<String, Option<f64>>,
}

impl Comparison {
    /// Of runs, in their order.
    ///
    /// # Errors
    /// Settings of a run that are no TOML.
    pub fn of(records: &[RunRecord]) -> Result<Comparison, LabError> {
        let tables: Vec<Table> = records.iter().map(settings).collect::<Result<_, LabError>>()?;
        let settings = differences(&tables.iter().collect::<Vec<_>>());
        let mut warnings = Vec::new();
        let verdicts = scores(records, &mut warnings);
        warn_of_training_data(records, &mut warnings);
        warn_of_judged_data(&verdicts, &mut warnings);
        Ok(Comparison {
            runs: records
                .iter()
                .map(|run| RunEntry { path: run.path.clone(), status: run.status.state.as_str() })
                .collect(),
            settings: settings.into_iter().map(|(key, values)| Line { key, values }).collect(),
            metrics: metrics(records),
            verdicts,
            warnings,
        })
    }
}

impl Score {
    /// A measure by its id; none where it is undefined.
    pub fn value(&self, id: &str) -> Option<f64> {
        self.values.get(id).copied().flatten()
    }
}

/// The settings of a run, as it saved them.
fn settings(record: &RunRecord) -> Result<Table, LabError> {
    record.config.parse().map_err(|error: toml::de::Error| {
        let place = record.path.join(names::CONFIG);
        LabError::from(JobError::NoToml { reason: error.to_string() }).at(place.display())
    })
}

fn metrics(records: &[RunRecord]) -> Vec<Line<Value>> {
    let newest: Vec<_> = records.iter().map(RunRecord::latest).collect();
    let keys: BTreeSet<&String> = newest.iter().flat_map(|metrics| metrics.keys()).collect();
    let line = |key: &&String| {
        let values = newest.iter().map(|metrics| metrics.get(*key).cloned()).collect();
        Line { key: (*key).clone(), values }
    };
    keys.iter().map(line).collect()
}

/// The scores of all verdicts, those that compare next to each other.
fn scores(records: &[RunRecord], warnings: &mut Vec<String>) -> Vec<Score> {
    let mut scores = Vec::new();
    for record in records {
        let KeptVerdicts { verdicts, left_out } = KeptVerdicts::of(record);
        scores.extend(verdicts.iter().flat_map(|(_, verdict)| scores_of(&record.path, verdict)));
        warnings.extend(left_out);
    }
    // A stable sort: within a group, runs stay in the order in which they were named.
    scores.sort_by(|a: &Score, b: &Score| group(a).cmp(&group(b)));
    scores
}

/// What must be equal for two scores to compare.
fn group(score: &Score) -> impl Ord + '_ {
    (&score.protocol, &score.data_sha256, &score.features, &score.split, &score.seeds)
}

fn scores_of(run: &Path, verdict: &Verdict) -> Vec<Score> {
    let Readings { measures, splits } = verdict.readings();
    let score = |(split, values): (String, Vec<Option<f64>>)| Score {
        protocol: title(&verdict.protocol, &verdict.asked),
        features: verdict.subject.name(),
        label_share: verdict.number("label_share"),
        data_sha256: verdict.data.sha256.clone(),
        seeds: verdict.seeds.clone(),
        split,
        run: run.to_path_buf(),
        values: measures.iter().map(|measure| measure.id.clone()).zip(values).collect(),
        measures: measures.clone(),
    };
    splits.into_iter().map(score).collect()
}

fn warn_of_training_data(records: &[RunRecord], warnings: &mut Vec<String>) {
    let sha256s: BTreeSet<Option<&str>> =
        records.iter().map(|record| record.environment["data"]["sha256"].as_str()).collect();
    if sha256s.len() > 1 {
        warnings.push("the runs did not learn from the same data".to_owned());
    }
}

fn warn_of_judged_data(scores: &[Score], warnings: &mut Vec<String>) {
    let sha256s: BTreeSet<Option<&str>> = scores.iter().map(|score| score.data_sha256.as_deref()).collect();
    if sha256s.contains(&None) {
        warnings.push("some verdicts do not say which data they are of".to_owned());
    }
    if sha256s.iter().flatten().count() > 1 {
        let warning = "the verdicts are of different data: compare only scores with the same `data`";
        warnings.push(warning.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score_of(data_sha256: Option<&str>) -> Score {
        Score {
            protocol: "kNN k=5 weighted".into(),
            features: "trained".into(),
            label_share: None,
            data_sha256: data_sha256.map(str::to_owned),
            seeds: BTreeMap::new(),
            split: "test".into(),
            run: "a".into(),
            measures: Vec::new(),
            values: BTreeMap::new(),
        }
    }

    #[test]
    fn scores_on_other_or_unknown_data_are_warned_of() {
        let warned = |data: &[Option<&str>]| {
            let mut warnings = Vec::new();
            warn_of_judged_data(&data.iter().map(|data| score_of(*data)).collect::<Vec<_>>(), &mut warnings);
            warnings.join("\n")
        };
        assert_eq!(warned(&[]), "");
        assert_eq!(warned(&[Some("a"), Some("a")]), "");
        assert!(warned(&[Some("a"), Some("b")]).contains("different data"));
        let unknown = warned(&[Some("a"), None]);
        assert!(unknown.contains("do not say") && !unknown.contains("different"), "{unknown}");
    }
}
