//! `study status`, `study retry`, `study import` and `study clean`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;
use twinlens_run::write_atomically;
use twinlens_study::StudyError;
use twinlens_study::page::hours;
use twinlens_study::plan::Plan;
use twinlens_study::store::State;
use twinlens_study::table::Results;
use twinlens_study::worker::Tally;

use super::{in_words, open};
use crate::commands::bytes;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `study status`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study status studies/batch
  twinlens study status studies/batch --failed")]
pub struct StatusArgs {
    /// The folder of the study
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub study: PathBuf,
    /// What failed, and why
    #[arg(long)]
    pub failed: bool,
}

/// Arguments of `study retry`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study retry studies/batch")]
pub struct RetryArgs {
    /// The folder of the study
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub study: PathBuf,
    /// Only this training or judgement
    #[arg(long, value_name = "ID")]
    pub node: Option<String>,
}

/// Arguments of `study import`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study import studies/detection voc.csv")]
pub struct ImportArgs {
    /// The folder of the study
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub study: PathBuf,
    /// A table with the study's axes as columns, and protocol, split, measure, value, origin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Arguments of `study clean`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study clean studies/batch
  twinlens study clean studies/a studies/b --yes")]
pub struct CleanArgs {
    /// The folders of all studies that share a store
    #[arg(value_name = "DIR", required = true, num_args = 1.., value_hint = ValueHint::DirPath)]
    pub studies: Vec<PathBuf>,
    /// Remove it; without, it is only told
    #[arg(long)]
    pub yes: bool,
}

/// Runs `study status`.
///
/// # Errors
/// A folder without a plan; files that cannot be read.
pub fn status(args: &StatusArgs, terminal: &Terminal) -> Outcome {
    let (plan, _, store) = open(&args.study)?;
    let states = store.states(&plan)?;
    let tally = Tally::of(&states);
    let told = plan.nodes.iter().zip(&states).filter(|(_, state)| match state {
        State::Failed(_) => true,
        State::Held(_) => !args.failed,
        _ => false,
    });
    let told: Vec<_> = told
        .map(|(node, state)| {
            let detail = match state {
                State::Failed(cause) | State::Held(cause) => cause.clone(),
                _ => String::new(),
            };
            (node.kind().name(), node.id.clone(), node.label.clone(), state.name(), detail)
        })
        .collect();
    let nodes: Vec<_> = told
        .iter()
        .map(|(kind, id, label, state, detail)| {
            json!({ "kind": kind, "id": id, "label": label, "state": state, "detail": detail })
        })
        .collect();
    let there: BTreeSet<&str> = plan
        .nodes
        .iter()
        .zip(&states)
        .filter(|(_, state)| state.is_there())
        .map(|(node, _)| node.id.as_str())
        .collect();
    let left = plan.estimated(|node| !there.contains(node.id.as_str()));
    let document =
        json!({ "study": plan.study, "budget": plan.budget, "tally": tally, "left": left, "nodes": nodes });
    terminal.result(&document, || {
        let rows: Vec<Vec<String>> = told
            .iter()
            .map(|(kind, id, label, state, detail)| {
                [*kind, id, label, *state, detail].map(str::to_owned).to_vec()
            })
            .collect();
        let table = if rows.is_empty() {
            String::new()
        } else {
            terminal.table(&["kind", "id", "cell", "state", "who or why"], &rows)
        };
        let left =
            left.map(|left| format!("about {} of trainings left for one worker\n", hours(left.seconds)));
        format!("{}\n{}{table}", in_words(&tally), left.unwrap_or_default())
    })
}

/// Runs `study retry`.
///
/// # Errors
/// A folder without a plan, a node that it does not have, files that cannot be removed.
pub fn retry(args: &RetryArgs, terminal: &Terminal) -> Outcome {
    let (plan, _, store) = open(&args.study)?;
    if let Some(id) = args.node.as_ref().filter(|id| plan.node(id).is_none()) {
        return Err(StudyError::NoNode { id: id.clone() }.into());
    }
    let mut ready = Vec::new();
    for node in plan.nodes.iter().filter(|node| args.node.as_ref().is_none_or(|id| *id == node.id)) {
        if store.retry(node)? {
            ready.push(node.id.clone());
        }
    }
    terminal.result(&json!({ "ready": ready }), || format!("{} are ready again\n", ready.len()))
}

/// Runs `study import`.
///
/// # Errors
/// A folder without a plan; a table that does not fit the study.
pub fn import(args: &ImportArgs, terminal: &Terminal) -> Outcome {
    let (_, recipe, _) = open(&args.study)?;
    let failed = |error: std::io::Error| Failure::new(Exit::Data, error).at(args.file.display());
    let text = std::fs::read_to_string(&args.file).map_err(failed)?;
    let mut results = Results { axes: recipe.axis_names(), ..Results::default() };
    let count = results
        .import(&text)
        .map_err(|reason| Failure::message(Exit::Data, reason).at(args.file.display()))?;
    let folder = args.study.join("imports");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::new(Exit::Environment, error).at(folder.display()))?;
    let name = args.file.file_name().unwrap_or_default();
    write_atomically(&folder.join(name), text.as_bytes())?;
    let next = format!("twinlens study report {}", args.study.display());
    terminal.result(&json!({ "rows": count }), || format!("{count} numbers\nNext:\n  {next}\n"))
}

/// Runs `study clean`.
///
/// # Errors
/// A folder without a plan; studies with different stores; files that cannot be removed.
pub fn clean(args: &CleanArgs, terminal: &Terminal) -> Outcome {
    let mut plans: Vec<Plan> = Vec::new();
    let mut store = None;
    for path in &args.studies {
        let (plan, _, own) = open(path)?;
        if store.get_or_insert_with(|| own.clone()).root() != own.root() {
            return Err(Failure::message(Exit::Usage, "these studies have different stores")
                .hint("clean one at a time"));
        }
        plans.push(plan);
    }
    let Some(store) = store else { return Ok(()) };
    let unused = store.unused(&plans)?;
    if args.yes {
        for (folder, _) in &unused {
            std::fs::remove_dir_all(folder)
                .map_err(|error| Failure::new(Exit::Environment, error).at(folder.display()))?;
        }
    }
    let total: u64 = unused.iter().map(|(_, size)| size).sum();
    let folders: Vec<&PathBuf> = unused.iter().map(|(folder, _)| folder).collect();
    let document = json!({ "folders": folders, "bytes": total, "removed": args.yes });
    terminal.result(&document, || {
        let what = if args.yes { "removed" } else { "not needed by these plans; --yes removes them" };
        format!("{} results, {}, {what}\n", unused.len(), bytes(total))
    })
}
