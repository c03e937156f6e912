//! A run folder open for writing.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::checkpoints::{Checkpoint, Checkpoints, Direction, Loaded, Score, Sidecar};
use crate::command::command_line;
use crate::lineage::Lineage;
use crate::lock::{self, Lock};
use crate::metrics::{self, Metrics};
use crate::status::{self, RunState};
use crate::{RunError, files, layout, names};

/// What to do with a folder that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Refuse it.
    Never,
    /// If it holds a run, remove that run (the files of the layout, and nothing else); else refuse it.
    Run,
}

/// What is known when a run starts.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The resolved settings, for `config.toml`.
    pub config: &'a str,
    /// The command line, program first, for `command.txt`.
    pub command: &'a [String],
    /// The content of `env.json`, from [`crate::Environment::describe`].
    pub environment: Value,
}

/// A run folder, locked and open for writing. The lock is given back when this value is dropped or the
/// process ends.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    lock: Lock,
    metrics: Metrics,
    checkpoints: Checkpoints,
}

impl RunFolder {
    /// Makes a new run folder at `path` (with its parents) in state [`RunState::Running`].
    ///
    /// # Errors
    /// [`RunError::PathIsFile`]; [`RunError::NotEmpty`] if it holds anything and `overwrite` is
    /// [`Overwrite::Never`]; [`RunError::NotARun`] if it holds something that is not a run;
    /// [`RunError::Locked`] if a run is being written there; or a file system error.
    pub fn create(path: &Path, overwrite: Overwrite, start: &Start) -> Result<RunFolder, RunError> {
        check_free(path, overwrite)?;
        files::create_folder(path)?;
        let lock = lock::acquire(path)?;
        // Again, now that nobody else can be writing: another run may have come and gone in between.
        check_free(path, overwrite)?;
        remove_run(path)?;
        files::write_atomically(&path.join(names::CONFIG), start.config.as_bytes())?;
        files::write_atomically(
            &path.join(names::COMMAND),
            format!("{}\n", command_line(start.command)).as_bytes(),
        )?;
        status::write(path, RunState::Running, "")?;
        // It makes the folder a run: of one that is killed before, nothing is missing.
        files::write_json(&path.join(names::ENVIRONMENT), &start.environment)?;
        RunFolder::locked(path, lock)
    }

    /// Opens an existing run to continue it or to add to it. Changes nothing yet, except that a last line of
    /// the metrics log that was cut off in the writing is dropped; to continue, follow with
    /// [`RunFolder::newest_checkpoint`], [`RunFolder::rewind`] and [`RunFolder::set_status`].
    ///
    /// # Errors
    /// [`RunError::NotARun`], [`RunError::PathIsFile`], [`RunError::NewerLayout`], [`RunError::Locked`], or a
    /// file system error.
    pub fn open(path: &Path) -> Result<RunFolder, RunError> {
        layout::check_run(path)?;
        let lock = lock::acquire(path)?;
        RunFolder::locked(path, lock)
    }

    /// Whether a new run may be made at `path` where an earlier one may be replaced: it is missing, empty, or a run.
    ///
    /// # Errors
    /// [`RunError::PathIsFile`]; [`RunError::NotARun`] if it holds something else; [`RunError::NewerLayout`]; a file
    /// system error.
    pub fn check_replaceable(path: &Path) -> Result<(), RunError> {
        check_free(path, Overwrite::Run)
    }

    /// Whether [`RunFolder::create`] would find nothing in its way at `path`, and nothing to replace.
    ///
    /// # Errors
    /// As [`RunFolder::check_replaceable`]; [`RunError::NotEmpty`].
    pub fn check_unused(path: &Path) -> Result<(), RunError> {
        check_free(path, Overwrite::Never)
    }

    fn locked(path: &Path, lock: Lock) -> Result<RunFolder, RunError> {
        Ok(RunFolder {
            root: path.to_path_buf(),
            lock,
            metrics: Metrics::open(&path.join(names::METRICS))?,
            checkpoints: Checkpoints::at(path.join(names::CHECKPOINTS)),
        })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// What the user should know about this folder: at present, that its file system has no locks.
    pub fn warning(&self) -> Option<&str> {
        self.lock.warning.as_deref()
    }

    /// Sets the state, and the reason for it (may be empty).
    ///
    /// # Errors
    /// File system errors.
    pub fn set_status(&self, state: RunState, message: &str) -> Result<(), RunError> {
        status::write(&self.root, state, message)
    }

    /// Replaces `config.toml`, for a run continued with other settings where that is allowed.
    ///
    /// # Errors
    /// File system errors.
    pub fn write_config(&self, config: &str) -> Result<(), RunError> {
        files::write_atomically(&self.root.join(names::CONFIG), config.as_bytes())
    }

    /// Writes `lineage.json`, of a run that begins.
    ///
    /// # Errors
    /// File system errors.
    pub fn write_lineage(&self, lineage: &Lineage) -> Result<(), RunError> {
        files::write_json(&self.root.join(names::LINEAGE), lineage)
    }

    /// Opens `train.log` for appending.
    ///
    /// # Errors
    /// File system errors.
    pub fn log_file(&self) -> Result<File, RunError> {
        let path = self.root.join(names::LOG);
        OpenOptions::new().append(true).create(true).open(&path).map_err(|e| RunError::io("open", &path, e))
    }

    /// Appends one row to the metrics log. It is with the operating system when this returns, so it survives
    /// a crash of the process. Numbers that are not finite become `null`.
    ///
    /// # Errors
    /// [`RunError::BadRow`] unless `row` becomes a JSON object of numbers, texts and truth values; file
    /// system errors.
    pub fn append_metrics(&mut self, row: &impl Serialize) -> Result<(), RunError> {
        let row = serde_json::to_value(row).map_err(|e| RunError::BadRow { reason: e.to_string() })?;
        self.metrics.append(&row)
    }

    /// Writes `metrics.csv` from the metrics log: first the columns `epoch` and `step`, then all others in
    /// alphabetical order.
    ///
    /// # Errors
    /// [`RunError::Damaged`] if the log cannot be read back; file system errors.
    pub fn write_metrics_csv(&self) -> Result<(), RunError> {
        let rows = metrics::read(&self.root.join(names::METRICS))?;
        files::write_atomically(&self.root.join(names::METRICS_TABLE), metrics::to_csv(&rows).as_bytes())
    }

    /// Saves `checkpoints/last`. The metrics log is synced first, so that no checkpoint is ahead of it.
    ///
    /// # Errors
    /// File system errors; the previous `last` is then still in place.
    pub fn save_last(&mut self, checkpoint: &Checkpoint) -> Result<Sidecar, RunError> {
        self.metrics.sync()?;
        self.checkpoints.save_last(checkpoint, self.metrics.rows())
    }

    /// Keeps a copy of what was saved last as `epoch-NNNN`, and of these only the `keep` latest beside those of `named` epochs.
    ///
    /// # Errors
    /// File system errors, also if there is no `last`.
    pub fn keep_epoch(&mut self, keep: usize, named: &[u64]) -> Result<(), RunError> {
        self.checkpoints.keep_epoch(keep, named)
    }

    /// Keeps a copy of what was saved last as `best`, if `value` is strictly better than that of the present best
    /// (which the folder remembers, also when a run is resumed). Returns whether it was. A value that is not
    /// a number is never better; a present best by another metric or direction always gives way.
    ///
    /// # Errors
    /// File system errors, also if there is no `last`.
    pub fn keep_best(&mut self, metric: &str, direction: Direction, value: f64) -> Result<bool, RunError> {
        self.checkpoints.keep_best(Score { metric: metric.to_owned(), direction, value })
    }

    /// Reads the checkpoint with the most steps whose bytes have the hash in their sidecar. Newer ones that
    /// are damaged are passed over and named in [`Loaded::warnings`].
    ///
    /// # Errors
    /// [`RunError::NoCheckpoint`] if none is whole; [`RunError::NewerLayout`].
    pub fn newest_checkpoint(&self) -> Result<Loaded, RunError> {
        self.checkpoints.newest(&self.root)
    }

    /// Cuts the metrics log back to what it was when `checkpoint` was saved, so that a run that continues
    /// from there writes the same log as one that was never interrupted. Returns a warning if the log has
    /// fewer rows than it had then.
    ///
    /// # Errors
    /// File system errors.
    pub fn rewind(&mut self, checkpoint: &Sidecar) -> Result<Option<String>, RunError> {
        self.metrics.truncate(checkpoint.metrics_rows)?;
        let (rows, expected) = (self.metrics.rows(), checkpoint.metrics_rows);
        Ok((rows < expected).then(|| {
            format!(
                "{} has {rows} rows, the checkpoint was saved after {expected}: the curves will have a gap",
                self.root.join(names::METRICS).display()
            )
        }))
    }

    /// The bytes that all checkpoints take.
    ///
    /// # Errors
    /// File system errors.
    pub fn checkpoint_bytes(&self) -> Result<u64, RunError> {
        let folder = self.root.join(names::CHECKPOINTS);
        let size = |name: &String| {
            let path = folder.join(name);
            Ok(fs::metadata(&path).map_err(|e| RunError::io("read", &path, e))?.len())
        };
        files::entries(&folder)?.iter().map(size).sum()
    }

    /// Removes the checkpoints of a run that is not to be continued, but those of `named` epochs.
    ///
    /// # Errors
    /// File system errors.
    pub fn remove_checkpoints(&self, named: &[u64]) -> Result<(), RunError> {
        if self.checkpoints.keep_only(named)? {
            return Ok(());
        }
        let path = self.root.join(names::CHECKPOINTS);
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(RunError::io("remove", &path, e)),
            _ => Ok(()),
        }
    }

    /// Writes `encoder/encoder.safetensors` and `encoder/encoder.json`, in this order.
    ///
    /// # Errors
    /// File system errors.
    pub fn write_encoder(&self, weights: &[u8], description: &impl Serialize) -> Result<(), RunError> {
        let folder = self.root.join(names::ENCODER);
        files::create_folder(&folder)?;
        files::write_atomically(&folder.join("encoder.safetensors"), weights)?;
        files::write_json(&folder.join("encoder.json"), description)
    }

    /// Writes `data.json`: what there is to say of the data without their images.
    ///
    /// # Errors
    /// File system errors.
    pub fn write_data(&self, summary: &impl Serialize) -> Result<(), RunError> {
        files::write_json(&self.root.join(names::DATA), summary)
    }

    /// Writes `eval/<name>.json`.
    ///
    /// # Errors
    /// [`RunError::BadName`]; file system errors.
    pub fn write_verdict(&self, name: &str, verdict: &impl Serialize) -> Result<(), RunError> {
        let path = self.place(names::EVAL, &format!("{name}.json"))?;
        files::write_json(&path, verdict)
    }

    /// Writes `encoder/head.safetensors` and `encoder/head.json`, the classifier on top of a fine-tuned encoder.
    ///
    /// # Errors
    /// File system errors.
    pub fn write_head(&self, weights: &[u8], description: &impl Serialize) -> Result<(), RunError> {
        files::write_atomically(&self.place(names::ENCODER, "head.safetensors")?, weights)?;
        files::write_json(&self.place(names::ENCODER, "head.json")?, description)
    }

    /// Writes `eval/<name>.csv`: what was predicted, image by image.
    ///
    /// # Errors
    /// [`RunError::BadName`]; file system errors.
    pub fn write_predictions(&self, name: &str, csv: &str) -> Result<(), RunError> {
        files::write_atomically(&self.place(names::EVAL, &format!("{name}.csv"))?, csv.as_bytes())
    }

    /// Writes `plots/<file_name>` and returns its path.
    ///
    /// # Errors
    /// [`RunError::BadName`]; file system errors.
    pub fn write_plot(&self, file_name: &str, bytes: &[u8]) -> Result<PathBuf, RunError> {
        let path = self.place(names::PLOTS, file_name)?;
        files::write_atomically(&path, bytes)?;
        Ok(path)
    }

    /// Writes `tables/<file_name>` and returns its path.
    ///
    /// # Errors
    /// [`RunError::BadName`]; file system errors.
    pub fn write_table(&self, file_name: &str, csv: &str) -> Result<PathBuf, RunError> {
        let path = self.place(names::TABLES, file_name)?;
        files::write_atomically(&path, csv.as_bytes())?;
        Ok(path)
    }

    /// Writes `report.html` and returns its path.
    ///
    /// # Errors
    /// File system errors.
    pub fn write_report(&self, html: &str) -> Result<PathBuf, RunError> {
        let path = self.root.join(names::REPORT);
        files::write_atomically(&path, html.as_bytes())?;
        Ok(path)
    }

    /// The path of `name` in the folder `folder` of the layout, which is made if it is missing.
    fn place(&self, folder: &str, name: &str) -> Result<PathBuf, RunError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.starts_with('.') || !name.chars().all(plain) {
            return Err(RunError::BadName { name: name.to_owned() });
        }
        let folder = self.root.join(folder);
        files::create_folder(&folder)?;
        Ok(folder.join(name))
    }
}

/// Checks that a new run may be made at `path`.
fn check_free(path: &Path, overwrite: Overwrite) -> Result<(), RunError> {
    if path.exists() && !path.is_dir() {
        return Err(RunError::PathIsFile { path: path.to_path_buf() });
    }
    let Some(found) = files::entries(path)?.into_iter().find(|name| name != names::LOCK) else {
        return Ok(());
    };
    match overwrite {
        Overwrite::Never => Err(RunError::NotEmpty { path: path.to_path_buf(), found }),
        // A run that was killed before it could describe itself still has its lock file.
        Overwrite::Run if lock::is_present(path) => Ok(()),
        Overwrite::Run => layout::check_run(path),
    }
}

/// Removes the files of the layout, and temporary files that a crash left behind.
fn remove_run(root: &Path) -> Result<(), RunError> {
    for name in files::entries(root)? {
        let path = root.join(&name);
        let of_layout = names::ALL.iter().any(|entry| entry.trim_end_matches('/') == name);
        if !of_layout && !name.starts_with(files::TEMPORARY) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path).map_err(|e| RunError::io("remove", &path, e))?;
        } else {
            files::remove_file(&path)?;
        }
    }
    Ok(())
}
