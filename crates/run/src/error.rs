//! What can go wrong with a run folder.

use std::io;
use std::path::{Path, PathBuf};

/// Why a run folder could not be created, opened, read or written.
///
/// Every message names the path; [`RunError::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The path given for a run folder is a file.
    #[error("{path} is a file, but a run needs a folder")]
    PathIsFile {
        /// The path as given.
        path: PathBuf,
    },
    /// A new run was to be written into a folder that already holds something.
    #[error("{path} is not empty (it holds {found})")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// The name of one of the entries.
        found: String,
    },
    /// The folder is not one that this program wrote, so it is neither opened nor overwritten.
    #[error("{path} is not a run folder: {reason}")]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Another process is writing to the folder.
    #[error(
        "{path} is in use by {}",
        holder.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The run folder.
        path: PathBuf,
        /// The process that holds the lock, if it could be read.
        holder: Option<u32>,
    },
    /// The folder was written by a newer version of the program.
    #[error("{path} has layout {got}, this program knows layouts up to {known}")]
    NewerLayout {
        /// The file that says so.
        path: PathBuf,
        /// The layout found.
        got: u64,
        /// The newest layout this program knows.
        known: u32,
    },
    /// The disk, or the user's share of it, is full.
    #[error("no space left to {action} {path}")]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The place may not be written.
    #[error("not allowed to {action} {path}: {source}")]
    ReadOnly {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// None of the checkpoints is usable.
    #[error(
        "{path} holds no usable checkpoint{}",
        reasons.iter().map(|reason| format!("\n  {reason}")).collect::<String>()
    )]
    NoCheckpoint {
        /// The run folder.
        path: PathBuf,
        /// Why each of those present was passed over.
        reasons: Vec<String>,
    },
    /// A file of the layout does not have the form it was written in.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A name that cannot be a file name inside the run folder.
    #[error("{name:?} cannot name a file in a run folder")]
    BadName {
        /// The name as given.
        name: String,
    },
    /// A row for the metrics log that is not a flat JSON object.
    #[error("a metrics row must be a flat JSON object: {reason}")]
    BadRow {
        /// What was found.
        reason: String,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

impl RunError {
    /// What to do about it. `{name}` stands for the argument of that name, which every front end spells its own way.
    pub fn hint(&self) -> &'static str {
        match self {
            RunError::PathIsFile { .. } => "choose another path with {out}",
            RunError::NotEmpty { .. } => {
                "choose another folder, continue the run in it with {resume}, or replace it with {overwrite}"
            }
            RunError::NotARun { .. } => "give the folder that holds env.json and config.toml",
            RunError::Locked { .. } => "wait for it, stop it, or choose another folder",
            RunError::NewerLayout { .. } => {
                "use the version of twinlens that wrote it (see \"version\" in env.json), or a newer one"
            }
            RunError::DiskFull { .. } => {
                "free some space, then repeat; a run that had begun continues with {resume}"
            }
            RunError::ReadOnly { .. } => "choose a folder that you may write to with {out}",
            RunError::NoCheckpoint { .. } => "start again with {overwrite}",
            RunError::Damaged { .. } => {
                "restore the file from a copy; if it is a verdict, remove it and judge again"
            }
            RunError::BadName { .. } => "use letters, digits, '.', '_' and '-' only, not starting with '.'",
            RunError::BadRow { .. } => "one number, text or truth value per key",
            RunError::Io { .. } => "check the path and the disk",
        }
    }

    /// Sorts a system error that happened while doing `action` to `path` into the variant that says how to
    /// fix it.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> RunError {
        use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let path = path.to_path_buf();
        match source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => RunError::DiskFull { path, action, source },
            ReadOnlyFilesystem | PermissionDenied => RunError::ReadOnly { path, action, source },
            _ => RunError::Io { path, action, source },
        }
    }
}
