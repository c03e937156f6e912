//! `runs clean`: remove the checkpoints of runs that are done.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::json;
use twinlens_run::{RunFolder, RunRecord, RunState};

use super::bytes;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `runs clean`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens runs clean runs/a
  twinlens runs clean runs/a runs/b --json")]
pub struct CleanArgs {
    /// The runs' folders; their encoders, results and reports stay
    #[arg(value_name = "RUN", required = true, num_args = 1.., value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
}

/// Runs `runs clean`. Nothing is removed unless all runs are done.
///
/// # Errors
/// A folder that is no run, is in use, or is not done.
pub fn run(args: &CleanArgs, terminal: &Terminal) -> Outcome {
    let folders = args.runs.iter().map(|run| done(run)).collect::<Outcome<Vec<_>>>()?;
    let mut rows = Vec::new();
    for folder in &folders {
        let freed = folder.checkpoint_bytes()?;
        folder.remove_checkpoints(&[])?;
        rows.push((folder.path().to_path_buf(), freed));
    }
    let runs: Vec<_> = rows.iter().map(|(run, freed)| json!({ "run": run, "freed_bytes": freed })).collect();
    terminal.result(&json!({ "runs": runs }), || {
        let row = |(run, freed): &(PathBuf, u64)| vec![run.display().to_string(), bytes(*freed)];
        terminal.table(&["run", "freed"], &rows.iter().map(row).collect::<Vec<_>>())
    })
}

/// The folder of a run that is done, so that nothing else needs its checkpoints.
fn done(run: &Path) -> Outcome<RunFolder> {
    let folder = RunFolder::open(run)?;
    match RunRecord::read(run)?.status.state {
        RunState::Done => Ok(folder),
        state => {
            let message = format!("the run is {state}: without its checkpoints it could not go on");
            let hint =
                format!("go on with `twinlens pretrain --resume {}`, or remove the folder", run.display());
            Err(Failure::message(Exit::Usage, message).at(run.display()).hint(hint))
        }
    }
}
