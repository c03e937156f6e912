//! Reading runs back, for reports and lists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::lineage::Lineage;
use crate::metrics::{self, Row};
use crate::status::{self, RunState, Status};
use crate::{RunError, files, layout, lock, names};

/// What a run folder says about its run. Tensors and checkpoints are not read.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The folder.
    pub path: PathBuf,
    /// `config.toml`, as text.
    pub config: String,
    /// `command.txt`, without the final newline.
    pub command: String,
    /// `env.json`.
    pub environment: Value,
    /// `data.json`; none of runs that did not write it.
    pub data: Option<Value>,
    /// `lineage.json`; none of runs from before there was such a record.
    pub lineage: Option<Lineage>,
    /// The rows of `metrics.jsonl`, in the order of the run.
    pub metrics: Vec<Row>,
    /// How the run stands.
    pub status: Status,
    /// `eval/<name>.json`, by name.
    pub verdicts: BTreeMap<String, Value>,
    /// Why others of these files could not be read, by name.
    pub unread_verdicts: BTreeMap<String, String>,
}

impl RunRecord {
    /// Reads a run; it may be going on meanwhile. A run whose `STATUS` says "running" though no process
    /// holds its lock was killed, and is reported as [`RunState::Interrupted`].
    ///
    /// # Errors
    /// [`RunError::NotARun`], [`RunError::NewerLayout`], [`RunError::Damaged`], or a file system error.
    pub fn read(path: &Path) -> Result<RunRecord, RunError> {
        layout::check_run(path)?;
        let (verdicts, unread_verdicts) = read_verdicts(&path.join(names::EVAL))?;
        Ok(RunRecord {
            path: path.to_path_buf(),
            config: files::read_text(&path.join(names::CONFIG))?,
            command: files::read_text(&path.join(names::COMMAND))?.trim_end().to_owned(),
            environment: files::read_json(&path.join(names::ENVIRONMENT))?,
            data: read_data(&path.join(names::DATA))?,
            lineage: Lineage::read(path)?,
            metrics: metrics::read(&path.join(names::METRICS))?,
            status: read_status(path)?,
            verdicts,
            unread_verdicts,
        })
    }
}

/// A run in a line of a list.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// The folder.
    pub path: PathBuf,
    /// How the run stands.
    pub status: &'static str,
    /// What its status says besides.
    pub message: String,
    /// When it was started; null where its environment does not say.
    pub started: Value,
    /// The command line that began it.
    pub command: String,
    /// The newest epoch of its metrics log.
    pub epoch: Option<Value>,
    /// The newest loss there.
    pub loss: Option<Value>,
}

impl RunRecord {
    /// The newest value of each metric: some are written every step, some every few epochs.
    pub fn latest(&self) -> Row {
        let mut latest = Row::new();
        for row in &self.metrics {
            latest.extend(row.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        latest
    }

    /// The run in a line of a list.
    pub fn summary(&self) -> RunSummary {
        let mut latest = self.latest();
        RunSummary {
            path: self.path.clone(),
            status: self.status.state.as_str(),
            message: self.status.message.clone(),
            started: self.environment["started"].clone(),
            command: self.command.clone(),
            epoch: latest.remove("epoch"),
            loss: latest.remove("loss"),
        }
    }
}

/// The run folders in `root`, at most three folders deep, sorted by path. `root` may be one itself. Folders
/// inside a run are not searched, nor are those that cannot be listed.
///
/// # Errors
/// File system errors on `root` itself.
pub fn find_runs(root: &Path) -> Result<Vec<PathBuf>, RunError> {
    std::fs::read_dir(root).map_err(|e| RunError::io("list", root, e))?;
    let mut found = Vec::new();
    search(root, 3, &mut found);
    Ok(found)
}

fn search(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if lock::is_present(folder) || layout::check_run(folder).is_ok() {
        found.push(folder.to_path_buf());
    } else if depth > 0 {
        let names = files::entries(folder).unwrap_or_default();
        for path in names.iter().map(|name| folder.join(name)).filter(|path| path.is_dir()) {
            search(&path, depth - 1, found);
        }
    }
}

fn read_status(root: &Path) -> Result<Status, RunError> {
    let status = status::read(root)?;
    if status.state == RunState::Running && !lock::is_held(root) {
        // It may have ended between the two looks: only what is still "running" was killed.
        let again = status::read(root)?;
        return Ok(match again.state {
            RunState::Running => {
                Status { state: RunState::Interrupted, message: "ended without a word".into() }
            }
            _ => again,
        });
    }
    Ok(status)
}

fn read_data(file: &Path) -> Result<Option<Value>, RunError> {
    if file.exists() { files::read_json(file).map(Some) } else { Ok(None) }
}

/// Verdicts by name, and why others could not be read.
type ReadVerdicts = (BTreeMap<String, Value>, BTreeMap<String, String>);

/// The verdicts in a folder: a damaged one must not hide the run.
fn read_verdicts(folder: &Path) -> Result<ReadVerdicts, RunError> {
    let (mut verdicts, mut unread) = (BTreeMap::new(), BTreeMap::new());
    let files = files::entries(folder)?;
    for file in files.iter().filter(|file| !file.starts_with('.')) {
        let Some(name) = file.strip_suffix(".json") else { continue };
        match files::read_json(&folder.join(file)) {
            Ok(document) => drop(verdicts.insert(name.to_owned(), document)),
            Err(RunError::Damaged { reason, .. }) => drop(unread.insert(name.to_owned(), reason)),
            Err(error) => return Err(error),
        }
    }
    Ok((verdicts, unread))
}
