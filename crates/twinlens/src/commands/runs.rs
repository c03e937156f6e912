//! `runs`: past runs and how they went.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use serde_json::json;
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
    /// List the runs in a folder, at most three folders deep
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
            Ok(record) => runs.push(json!(record.summary())),
            Err(error) => tracing::warn!("left out: {error}"),
        }
    }
    let document = json!({"runs": runs});
    terminal.result(&document, || {
        if runs.is_empty() {
            return format!("no runs in {}\n", folder.display());
        }
        let keys = ["path", "status", "started", "epoch", "loss"];
        let rows: Vec<Vec<String>> =
            runs.iter().map(|run| keys.iter().map(|key| short(&run[*key])).collect()).collect();
        terminal.table(&["run", "status", "started", "epoch", "loss"], &rows)
    })
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
