//! `runs`: past runs and how they went.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use serde_json::json;
use twinlens_lab::RunOverview;
use twinlens_run::{RunRecord, find_runs};

use super::cells::short;
use super::clean::{self, CleanArgs};
use super::compare::{self, CompareArgs};
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `runs`.
#[derive(Debug, clap::Args)]
pub struct RunsArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: RunsVerb,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum RunsVerb {
    /// List the runs in a folder, at most three folders deep: method, data, accuracy
    List(ListArgs),
    /// Show one run: its status, command, last metrics and verdicts
    Show(ShowArgs),
    /// Compare runs: settings that differ, last metrics and verdicts side by side
    Compare(CompareArgs),
    /// Remove the checkpoints of runs that are done
    Clean(CleanArgs),
}

/// Arguments of `runs list`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens runs list
  twinlens runs list experiments --json")]
pub struct ListArgs {
    /// The folder to look in
    #[arg(value_name = "FOLDER", default_value = ".", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
}

/// Arguments of `runs show`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens runs show runs/a
  twinlens runs show runs/a --json")]
pub struct ShowArgs {
    /// The run's folder
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
}

/// Runs `runs`.
///
/// # Errors
/// When a folder cannot be read or is no run, or stdout cannot be written.
pub fn run(args: &RunsArgs, terminal: &Terminal) -> Outcome {
    match &args.verb {
        RunsVerb::List(args) => list(&args.folder, terminal),
        RunsVerb::Show(args) => show(&args.run, terminal),
        RunsVerb::Compare(args) => compare::run(args, terminal),
        RunsVerb::Clean(args) => clean::run(args, terminal),
    }
}

fn list(folder: &Path, terminal: &Terminal) -> Outcome {
    let mut runs = Vec::new();
    for path in find_runs(folder)? {
        match RunRecord::read(&path) {
            Ok(record) => runs.push(RunOverview::of(&record)),
            Err(error) => tracing::warn!("left out: {error}"),
        }
    }
    let document = json!({"runs": runs});
    terminal.result(&document, || {
        if runs.is_empty() {
            return format!("no runs in {}\n", folder.display());
        }
        let headings = ["run", "status", "epoch", "method", "data", "accuracy", "of", "started"];
        terminal.table(&headings, &runs.iter().map(row).collect::<Vec<_>>())
    })
}

/// A run in a line of the table.
fn row(run: &RunOverview) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let method = match run.kind.as_str() {
        "fine-tuning" => format!("fine-tuned {}", run.method.as_deref().unwrap_or("from scratch")),
        _ => text(&run.method),
    };
    // The folder that a data set lies in is the same for most.
    let data = run
        .data
        .as_deref()
        .map(|data| Path::new(data).file_name().map_or(data.into(), |name| name.to_string_lossy()));
    vec![
        run.summary.path.display().to_string(),
        run.summary.status.to_owned(),
        run.summary.epoch.as_ref().map_or("-".to_owned(), short),
        method,
        data.unwrap_or("-".into()).into_owned(),
        run.accuracy.map_or("-".to_owned(), |accuracy| format!("{:.1} %", 100.0 * accuracy)),
        text(&run.accuracy_of),
        short(&run.summary.started),
    ]
}

fn show(path: &Path, terminal: &Terminal) -> Outcome {
    let record = RunRecord::read(path)?;
    let latest = record.latest();
    let mut document = json!(record.summary());
    document["metrics"] = json!(latest);
    document["verdicts"] = json!(record.verdicts);
    document["environment"] = record.environment.clone();
    terminal.result(&document, || {
        let mut text = format!("{}: {}", path.display(), record.status.state);
        if !record.status.message.is_empty() {
            text += &format!(" ({})", record.status.message);
        }
        text += &format!("\n{}\n\n", record.command);
        let rows: Vec<Vec<String>> =
            latest.iter().map(|(key, value)| vec![key.clone(), short(value)]).collect();
        text += &terminal.table(&["metric", "last value"], &rows);
        if !record.verdicts.is_empty() {
            let names: Vec<&str> = record.verdicts.keys().map(String::as_str).collect();
            text += &format!("\nverdicts: {}\n", names.join(", "));
        }
        text
    })
}
