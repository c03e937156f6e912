//! A finished study, read back from its folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use twinlens_eval::Predictions;
use twinlens_lab::{Outcome as Found, Verdict};
use twinlens_run::{RunRecord, names};

use super::job::PROTOCOL;
use super::points::Point;
use super::sweep::{Cell, PLAN, Sweep, folder_of};
use crate::exit::{Exit, Failure, Outcome};

/// A finished study.
pub struct Existing {
    /// Its folder.
    pub path: PathBuf,
    /// What it is made of.
    pub sweep: Sweep,
    /// What it came to, with the verdicts of each point in the order of the seeds.
    pub points: Vec<(Point, Vec<Verdict<Predictions>>)>,
    /// The command that asked for it.
    pub command: String,
}

/// What is needed of the study's numbers.
#[derive(Deserialize)]
struct Numbers {
    points: Vec<Point>,
}

impl Existing {
    /// Reads a study.
    ///
    /// # Errors
    /// A study that is not finished, or a file that is missing or damaged.
    pub fn read(path: &Path) -> Outcome<Existing> {
        let sweep = Sweep::read(&path.join(PLAN))?;
        let file = path.join(format!("{}.json", sweep.name()));
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let failure = Failure::new(Exit::Environment, error).at(file.display());
            failure.hint(format!("is the study finished? `twinlens finetune --resume {}`", path.display()))
        })?;
        let numbers: Numbers = serde_json::from_str(&text).map_err(|error| damaged(&file, error))?;
        let command = std::fs::read_to_string(path.join(names::COMMAND)).unwrap_or_default();
        let with_verdicts = |point: Point| {
            let of = |&seed: &u64| {
                let verdict = read_verdict(path, &point.name, Cell { amount: point.amount, seed })?;
                predictions(verdict).ok_or_else(|| {
                    Failure::message(Exit::Data, "a verdict of the study holds no predictions")
                        .at(path.display())
                })
            };
            let verdicts = sweep.seeds.iter().map(of).collect::<Outcome<_>>()?;
            Ok((point, verdicts))
        };
        let points = numbers.points.into_iter().map(with_verdicts).collect::<Outcome<_>>()?;
        Ok(Existing { path: path.to_path_buf(), command: command.trim_end().to_owned(), points, sweep })
    }

    /// The environment of its first training; none where all are probes.
    pub fn environment(&self) -> Option<serde_json::Value> {
        let (point, _) = self.points.first()?;
        let cell = Cell { amount: point.amount, seed: *self.sweep.seeds.first()? };
        let run = self.path.join(folder_of(&point.name)).join(cell.name());
        RunRecord::read(&run).ok().map(|record| record.environment)
    }
}

/// A verdict of a condition: in the run of a training, or in a file of its own.
fn read_verdict(study: &Path, condition: &str, cell: Cell) -> Outcome<Verdict> {
    let folder = study.join(folder_of(condition));
    let run = folder.join(cell.name());
    let file = folder.join(format!("{}.json", cell.name()));
    if !run.is_dir() {
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failure::new(Exit::Environment, error).at(file.display()))?;
        return serde_json::from_str(&text).map_err(|error| damaged(&file, error));
    }
    let verdicts = RunRecord::read(&run)?.verdicts;
    let of_tuning = verdicts.into_values().find(|verdict| verdict["protocol"] == PROTOCOL);
    let verdict = of_tuning.ok_or_else(|| {
        let failure = Failure::message(Exit::Data, "the run holds no verdict of its fine-tuning");
        failure.at(run.display())
    })?;
    serde_json::from_value(verdict).map_err(|error| damaged(&run, error))
}

/// A verdict by predictions; nothing of any other.
pub fn predictions(verdict: Verdict) -> Option<Verdict<Predictions>> {
    match verdict.outcome.clone() {
        Found::Predictions(found) => Some(verdict.with(found)),
        _ => None,
    }
}

fn damaged(path: &Path, error: serde_json::Error) -> Failure {
    let hint = "was it written by another version of this program, or changed by hand?";
    Failure::new(Exit::Data, error).at(path.display()).hint(hint)
}
