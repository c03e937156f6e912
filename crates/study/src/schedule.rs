//! How the work of a plan is given to other machines: units that need nothing from each other, level by level.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use twinlens_run::{quoted, write_atomically};

use crate::StudyError;
use crate::plan::Plan;

/// What is one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// A node that needs nothing, and all that follows from it: judgements last seconds.
    #[default]
    Tree,
    /// Every node by itself.
    Node,
}

/// Units that need nothing from each other, and only from levels before; each is a list of nodes in the order in which they are
/// made.
pub type Level = Vec<Vec<String>>;

impl Plan {
    /// The levels of the plan.
    pub fn levels(&self, unit: Unit) -> Vec<Level> {
        let mut at: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut levels: Vec<Level> = Vec::new();
        for node in &self.nodes {
            let input = node.input.as_deref().and_then(|input| at.get(input)).copied();
            let place = match (input, unit) {
                (Some(place), Unit::Tree) => place,
                (input, _) => {
                    let level = input.map_or(0, |(level, _)| level + 1);
                    if levels.len() == level {
                        levels.push(Level::new());
                    }
                    levels[level].push(Vec::new());
                    (level, levels[level].len() - 1)
                }
            };
            levels[place.0][place.1].push(node.id.clone());
            at.insert(&node.id, place);
        }
        levels
    }

    /// Writes the levels into the folder of the study, a unit a line.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write_levels(&self, path: &Path, unit: Unit) -> Result<(), StudyError> {
        let folder = path.join("levels");
        if folder.is_dir() {
            std::fs::remove_dir_all(&folder).map_err(|error| StudyError::io(&folder, error))?;
        }
        std::fs::create_dir_all(&folder).map_err(|error| StudyError::io(&folder, error))?;
        for (number, level) in self.levels(unit).iter().enumerate() {
            let lines: String = level.iter().map(|unit| unit.join(" ") + "\n").collect();
            write_atomically(&folder.join(format!("{number}.txt")), lines.as_bytes())?;
        }
        Ok(())
    }
}

/// The levels that [`Plan::write_levels`] left in the folder of a study.
///
/// # Errors
/// A folder without them.
pub fn read_level(path: &Path, level: usize) -> Result<Level, StudyError> {
    let file = path.join("levels").join(format!("{level}.txt"));
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(StudyError::NoUnit { level, count: 0, nth: 0 })
        }
        Err(error) => Err(StudyError::io(file, error)),
    }
}

/// What starts a unit, as a shell takes it: by its level, and its number there or the variable that holds that.
pub type Starts<'a> = &'a dyn Fn(usize, &str) -> String;

/// A command for every unit, one a line, level by level: those of a level may run at once.
pub fn commands(start: Starts<'_>, levels: &[Level], only: Option<usize>) -> String {
    let mut text = String::new();
    for (number, level) in
        levels.iter().enumerate().filter(|(number, _)| only.is_none_or(|only| only == *number))
    {
        for nth in 0..level.len() {
            let _ = writeln!(text, "{}", start(number, &nth.to_string()));
        }
    }
    text
}

/// What a job of Slurm is given.
#[derive(Clone, Debug)]
pub struct Slurm {
    /// Hours for one unit.
    pub hours: f64,
    /// Gigabytes of memory.
    pub memory: f64,
    /// GPUs.
    pub gpus: usize,
    /// Cores.
    pub cores: usize,
}

/// A script for Slurm: one array a level, each after the one before has ended in whatever way, as a unit checks its own inputs.
pub fn slurm(start: Starts<'_>, levels: &[Level], job: &Slurm) -> String {
    let minutes = (60.0 * job.hours).ceil().max(1.0) as u64;
    let time = format!("{}:{:02}:00", minutes / 60, minutes % 60);
    let gpus = if job.gpus > 0 { format!(" --gpus={}", job.gpus) } else { String::new() };
    let mut text = "#!/bin/sh\n# Submits the study, one array of jobs a level: sh THIS_FILE. A job that is requeued goes on from its checkpoint.\nset -e\n".to_owned();
    for (number, level) in levels.iter().enumerate() {
        let after = if number == 0 { String::new() } else { " --dependency=afterany:$before".to_owned() };
        let _ = writeln!(
            text,
            "before=$(sbatch --parsable --job-name=study-{number} --array=0-{} --requeue --signal=B:TERM@120 --time={time} \
             --mem={}G --cpus-per-task={}{gpus}{after} --wrap={})",
            level.len().saturating_sub(1),
            job.memory.ceil().max(1.0),
            job.cores.max(1),
            // The shell of the job passes the signal on.
            quoted(&format!(
                "{} & child=$!; trap 'kill -TERM $child' TERM; wait $child; wait $child",
                start(number, "$SLURM_ARRAY_TASK_ID")
            )),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;

    #[test]
    fn a_unit_is_a_training_with_all_that_follows() {
        let plan = plan(&[("a", None), ("a1", Some("a")), ("b", None), ("a2", Some("a1"))]);
        assert_eq!(plan.levels(Unit::Tree), [vec![vec!["a", "a1", "a2"], vec!["b"]]]);
        let single = plan.levels(Unit::Node);
        assert_eq!(single, [vec![vec!["a"], vec!["b"]], vec![vec!["a1"]], vec![vec!["a2"]]]);
        let place = tempfile::tempdir().unwrap();
        plan.write_levels(place.path(), Unit::Node).unwrap();
        assert_eq!(read_level(place.path(), 0).unwrap(), single[0]);
        assert!(matches!(read_level(place.path(), 9), Err(StudyError::NoUnit { .. })));
    }

    #[test]
    fn every_unit_has_a_command() {
        let plan = plan(&[("a", None), ("b", None), ("a1", Some("a"))]);
        let start = |level: usize, nth: &str| format!("start {level} {nth}");
        let text = commands(&start, &plan.levels(Unit::Node), None);
        assert_eq!(text, "start 0 0\nstart 0 1\nstart 1 0\n");
        let job = Slurm { hours: 1.51, memory: 3.2, gpus: 1, cores: 8 };
        let script = slurm(&start, &plan.levels(Unit::Node), &job);
        assert!(
            script.contains("--array=0-1")
                && script.contains("--time=1:31:00")
                && script.contains("--mem=4G")
                && script.contains("start 1 $SLURM_ARRAY_TASK_ID &"),
            "{script}"
        );
        assert_eq!(script.matches("--dependency").count(), 1, "{script}");
    }
}
