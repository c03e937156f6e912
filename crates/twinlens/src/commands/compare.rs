//! `runs compare`: what differs between runs, and what came of it.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::Value;
use twinlens_lab::MeasureRecord;
use twinlens_lab::comparison::{Comparison, Line, Score};
use twinlens_run::RunRecord;

use super::cells::{number, short};
use crate::exit::Outcome;
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
    terminal.result(&comparison, || describe(&comparison, terminal))
}

fn describe(comparison: &Comparison, terminal: &Terminal) -> String {
    let names: Vec<String> = comparison.runs.iter().map(|run| run.path.display().to_string()).collect();
    let columns = |first: &'static str| -> Vec<&str> {
        std::iter::once(first).chain(names.iter().map(String::as_str)).collect()
    };
    let settings = if comparison.settings.is_empty() {
        "the settings are the same\n".to_owned()
    } else {
        let cell = |value: &Option<toml::Value>| value.as_ref().map_or("-".into(), ToString::to_string);
        terminal.table(&columns("setting"), &rows(&comparison.settings, cell))
    };
    let status: Vec<String> = std::iter::once("status")
        .chain(comparison.runs.iter().map(|run| run.status))
        .map(String::from)
        .collect();
    let cell = |value: &Option<Value>| value.as_ref().map_or("-".into(), short);
    // Accuracies compare over methods, losses and rates do not.
    let (mut metrics, others): (Vec<_>, Vec<_>) =
        rows(&comparison.metrics, cell).into_iter().partition(|row| row[0].contains("accuracy"));
    metrics.push(status);
    metrics.extend(others);
    let metrics = terminal.table(&columns("last value"), &metrics);
    format!("{}\n{metrics}\n{settings}", describe_verdicts(&comparison.verdicts, terminal))
}

/// A table for each set of measures.
fn describe_verdicts(scores: &[Score], terminal: &Terminal) -> String {
    if scores.is_empty() {
        return "no verdicts; `twinlens knn RUN --data PATH` and `twinlens probe` give them\n".to_owned();
    }
    let mut tables: Vec<&[MeasureRecord]> = Vec::new();
    for score in scores {
        if !tables.contains(&score.measures.as_slice()) {
            tables.push(&score.measures);
        }
    }
    tables
        .into_iter()
        .map(|measures| describe_measures(scores, measures, terminal))
        .collect::<Vec<_>>()
        .join("\n")
}

fn describe_measures(scores: &[Score], measures: &[MeasureRecord], terminal: &Terminal) -> String {
    let scores: Vec<&Score> = scores.iter().filter(|score| score.measures == measures).collect();
    let defined = |measure: &&MeasureRecord| scores.iter().any(|score| score.value(&measure.id).is_some());
    let measures: Vec<&MeasureRecord> = measures.iter().filter(defined).collect();
    let row = |score: &&Score| {
        let seeds: Vec<String> = score.seeds.iter().map(|(what, seed)| format!("{what} {seed}")).collect();
        let words = [
            score.protocol.clone(),
            score.features.clone(),
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

fn rows<T>(lines: &[Line<T>], cell: impl Fn(&Option<T>) -> String) -> Vec<Vec<String>> {
    let row =
        |line: &Line<T>| std::iter::once(line.key.clone()).chain(line.values.iter().map(&cell)).collect();
    lines.iter().map(row).collect()
}
