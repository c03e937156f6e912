//! A finished study, read back from its folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use twinlens_eval::Predictions;
use twinlens_run::{RunRecord, names};

use super::plan::{Cell, PLAN, StudyPlan, folder_of};
use super::points::Point;
use crate::jobs::{JobError, kept_verdict};
use crate::{LabError, Verdict};

/// A finished study.
pub struct ExistingStudy {
    /// Its folder.
    pub path: PathBuf,
    /// What it is made of.
    pub plan: StudyPlan,
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

impl ExistingStudy {
    /// Reads a study.
    ///
    /// # Errors
    /// A study that is not finished, or a file that is missing or damaged.
    pub fn read(path: &Path) -> Result<ExistingStudy, LabError> {
        let plan = StudyPlan::read(&path.join(PLAN))?;
        let file = path.join(format!("{}.json", plan.name()));
        let text = std::fs::read_to_string(&file).map_err(|source| {
            LabError::from(JobError::Unfinished { study: path.to_path_buf(), source }).at(file.display())
        })?;
        let numbers: Numbers = serde_json::from_str(&text).map_err(|error| damaged(&file, error))?;
        let command = std::fs::read_to_string(path.join(names::COMMAND)).unwrap_or_default();
        let with_verdicts = |point: Point| {
            let of = |&seed: &u64| read_verdict(path, &point.name, Cell { amount: point.amount, seed });
            let verdicts = plan.seeds.iter().map(of).collect::<Result<_, LabError>>()?;
            Ok((point, verdicts))
        };
        let points = numbers.points.into_iter().map(with_verdicts).collect::<Result<_, LabError>>()?;
        let (path, command) = (path.to_path_buf(), command.trim_end().to_owned());
        Ok(ExistingStudy { path, command, points, plan })
    }

    /// The environment of its first training; none where all are probes.
    pub fn environment(&self) -> Option<serde_json::Value> {
        let (point, _) = self.points.first()?;
        let cell = Cell { amount: point.amount, seed: *self.plan.seeds.first()? };
        let run = self.path.join(folder_of(&point.name)).join(cell.name());
        RunRecord::read(&run).ok().map(|record| record.environment)
    }
}

/// A verdict of a condition: in the run of a training, or in a file of its own.
fn read_verdict(study: &Path, condition: &str, cell: Cell) -> Result<Verdict<Predictions>, LabError> {
    let folder = study.join(folder_of(condition));
    let run = folder.join(cell.name());
    let file = folder.join(format!("{}.json", cell.name()));
    if !run.is_dir() {
        let text = std::fs::read_to_string(&file).map_err(|error| LabError::io(&file, error))?;
        let verdict: Verdict = serde_json::from_str(&text).map_err(|error| damaged(&file, error))?;
        return verdict.predictions().ok_or_else(|| LabError::from(JobError::NoVerdict).at(file.display()));
    }
    let verdict = kept_verdict(&RunRecord::read(&run)?).map_err(|error| damaged(&run, error))?;
    verdict.ok_or_else(|| LabError::from(JobError::NoVerdict).at(run.display()))
}

fn damaged(path: &Path, error: serde_json::Error) -> LabError {
    LabError::from(JobError::Unreadable { reason: error.to_string() }).at(path.display())
}
