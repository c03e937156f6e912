//! `runs compare`: what differs between runs, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;
use serde_json::Value;
use toml::Table;
use twinlens_config::differences;
use twinlens_lab::protocols::title;
use twinlens_lab::{MeasureRecord, Readings, Verdict};
use twinlens_run::{RunRecord, names};

use super::runs::{latest, short};
use super::told::number;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `runs compare`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens runs compare runs/a runs/b
  twinlens runs compare runs/a runs/b runs/c --json")]
pub struct CompareArgs {
    /// The runs' folders, two or more
    #[arg(value_name = "RUN", required = true, num_args = 2.., value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
}

/// Runs side by side.
#[derive(Debug, Serialize)]
struct Comparison {
    runs: Vec<Summary>,
    /// The settings that differ.
    settings: Vec<Line<toml::Value>>,
    /// The newest value of each metric.
    metrics: Vec<Line<Value>>,
    verdicts: Vec<Score>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Summary {
    path: PathBuf,
    status: &'static str,
}

/// One key and its value in every run, in the order of the runs.
#[derive(Debug, Serialize)]
struct Line<T> {
    key: String,
    values: Vec<Option<T>>,
}

/// How one protocol judged one run on one split. In the order of the fields, scores that compare stand together.
#[derive(Debug, Serialize)]
struct Score {
    protocol: String,
    features: &'static str,
    label_share: Option<f64>,
    data_sha256: Option<String>,
    seeds: BTreeMap<String, u64>,
    split: String,
    run: PathBuf,
    /// What was measured, for the columns of tables.
    #[serde(skip)]
    measures: Vec<MeasureRecord>,
    #[serde(flatten)]
    values: BTreeMap<String, Option<f64>>,
}

/// Runs `runs compare`.
///
/// # Errors
/// A folder that is no run or is damaged, or stdout that cannot be written.
pub fn run(args: &CompareArgs, terminal: &Terminal) -> Outcome {
    let records: Vec<RunRecord> =
        args.runs.iter().map(|path| Ok(RunRecord::read(path)?)).collect::<Outcome<_>>()?;
    let comparison = Comparison::of(&records)?;
    for warning in &comparison.warnings {
        tracing::warn!("{warning}");
    }
    terminal.result(&comparison, || comparison.describe(terminal))
}

impl Comparison {
    fn of(records: &[RunRecord]) -> Outcome<Comparison> {
        let tables: Vec<Table> = records.iter().map(settings).collect::<Outcome<_>>()?;
        let settings = differences(&tables.iter().collect::<Vec<_>>());
        let mut warnings = Vec::new();
        let verdicts = scores(records, &mut warnings);
        warn_of_training_data(records, &mut warnings);
        warn_of_judged_data(&verdicts, &mut warnings);
        Ok(Comparison {
            runs: records
                .iter()
                .map(|run| Summary { path: run.path.clone(), status: run.status.state.as_str() })
                .collect(),
            settings: settings.into_iter().map(|(key, values)| Line { key, values }).collect(),
            metrics: metrics(records),
            verdicts,
            warnings,
        })
    }

    fn describe(&self, terminal: &Terminal) -> String {
        let names: Vec<String> = self.runs.iter().map(|run| run.path.display().to_string()).collect();
        let columns = |first: &'static str| -> Vec<&str> {
            std::iter::once(first).chain(names.iter().map(String::as_str)).collect()
        };
        let mut text = if self.settings.is_empty() {
            "the settings are the same\n".to_owned()
        } else {
            let cell = |value: &Option<toml::Value>| value.as_ref().map_or("-".into(), ToString::to_string);
            terminal.table(&columns("setting"), &rows(&self.settings, cell))
        };
        let status: Vec<String> = std::iter::once("status")
            .chain(self.runs.iter().map(|run| run.status))
            .map(String::from)
            .collect();
        let cell = |value: &Option<Value>| value.as_ref().map_or("-".into(), short);
        let metrics: Vec<Vec<String>> = std::iter::once(status).chain(rows(&self.metrics, cell)).collect();
        text += &format!("\n{}\n", terminal.table(&columns("last value"), &metrics));
        text + &self.describe_verdicts(terminal)
    }

    /// A table for each set of measures.
    fn describe_verdicts(&self, terminal: &Terminal) -> String {
        if self.verdicts.is_empty() {
            return "no verdicts; `twinlens knn RUN --data PATH` and `twinlens probe` give them\n".to_owned();
        }
        let mut tables: Vec<&[MeasureRecord]> = Vec::new();
        for score in &self.verdicts {
            if !tables.contains(&score.measures.as_slice()) {
                tables.push(&score.measures);
            }
        }
        tables
            .into_iter()
            .map(|measures| self.describe_measures(measures, terminal))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn describe_measures(&self, measures: &[MeasureRecord], terminal: &Terminal) -> String {
        let scores: Vec<&Score> = self.verdicts.iter().filter(|score| score.measures == measures).collect();
        let defined =
            |measure: &&MeasureRecord| scores.iter().any(|score| score.value(&measure.id).is_some());
        let measures: Vec<&MeasureRecord> = measures.iter().filter(defined).collect();
        let row = |score: &&Score| {
            let seeds: Vec<String> =
                score.seeds.iter().map(|(what, seed)| format!("{what} {seed}")).collect();
            let words = [
                score.protocol.clone(),
                score.features.to_owned(),
                score.data_sha256.as_deref().map_or("-".into(), |sha256| sha256.chars().take(8).collect()),
                if seeds.is_empty() { "-".into() } else { seeds.join(", ") },
                score.split.clone(),
                score.run.display().to_string(),
            ];
            let values = measures.iter().map(|measure| number(score.value(&measure.id)));
            words.into_iter().chain(values).collect()
        };
        let words = ["protocol", "features", "data", "seeds", "split", "run"];
        let headings: Vec<&str> =
            words.into_iter().chain(measures.iter().map(|one| one.title.as_str())).collect();
        terminal.table(&headings, &scores.iter().map(row).collect::<Vec<_>>())
    }
}

impl Score {
    fn value(&self, id: &str) -> Option<f64> {
        self.values.get(id).copied().flatten()
    }
}

fn rows<T>(lines: &[Line<T>], cell: impl Fn(&Option<T>) -> String) -> Vec<Vec<String>> {
    let row =
        |line: &Line<T>| std::iter::once(line.key.clone()).chain(line.values.iter().map(&cell)).collect();
    lines.iter().map(row).collect()
}

/// The settings of a run, as it saved them.
fn settings(record: &RunRecord) -> Outcome<Table> {
    record.config.parse().map_err(|error: toml::de::Error| {
        let place = record.path.join(names::CONFIG);
        let failure = Failure::message(Exit::Failed, format!("the run's settings are no TOML: {error}"));
        failure.at(place.display()).hint("restore the file, or leave this run out")
    })
}

fn metrics(records: &[RunRecord]) -> Vec<Line<Value>> {
    let newest: Vec<_> = records.iter().map(latest).collect();
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
        for (name, document) in &record.verdicts {
            match serde_json::from_value::<Verdict>(document.clone()) {
                Ok(verdict) => scores.extend(scores_of(&record.path, &verdict)),
                Err(error) => {
                    let place = record.path.join(names::EVAL).join(format!("{name}.json"));
                    warnings.push(format!("left out {}: {error}", place.display()));
                }
            }
        }
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
        features: verdict.subject.features.name(),
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
            features: "trained",
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
