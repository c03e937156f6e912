//! What can go wrong with jobs and studies, beside what their parts say.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use twinlens_config::Change;

use crate::bytes;

/// Why a job or a study could not be done. Where it happened is said by [`crate::LabError::At`] around it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// It was asked to stop.
    #[error("stopped; everything so far is saved")]
    Interrupted,
    /// A run has other settings than those that it is to go on with, or to be.
    #[error(
        "a run goes on with the settings it started with, but these differ:\n{}",
        changes.iter().map(|change| format!("  {change}")).collect::<Vec<_>>().join("\n")
    )]
    Changed {
        /// What differs.
        changes: Vec<Change>,
    },
    /// A folder that holds another run than the one asked for.
    #[error("the folder holds something else: {reason}")]
    OtherRun {
        /// What it holds.
        reason: String,
    },
    /// A disk without room.
    #[error(
        "the checkpoints need about {}, but {} are free on the disk of {}",
        bytes(*needed),
        bytes(*free),
        path.display()
    )]
    NoRoom {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// The folder of the run.
        path: PathBuf,
    },
    /// More than the memory that is there.
    #[error("the training needs about {} of memory, {} are available", bytes(*.needed), bytes(*.available))]
    NoMemory {
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
        /// Settings of which each alone would make it fit.
        fitting: Vec<String>,
    },
    /// An encoder that is not the one that settings name.
    #[error("{key} is {got}, but {init} holds {expected}: {key}={expected} takes it")]
    OtherEncoder {
        /// The setting: `encoder.name` or `encoder.stem`.
        key: &'static str,
        /// Its value.
        got: String,
        /// Where the encoder lies.
        init: String,
        /// What the encoder's file says.
        expected: String,
    },
    /// An encoder whose weights changed.
    #[error("the encoder at {path} is no longer the one that this began with")]
    OtherWeights {
        /// Where it was read from.
        path: String,
    },
    /// Settings or verdicts that cannot be read back.
    #[error("{reason}")]
    Unreadable {
        /// What the reader says.
        reason: String,
    },
    /// Settings of a run that are damaged.
    #[error("the run's settings are no TOML: {reason}")]
    NoToml {
        /// What the reader says.
        reason: String,
    },
    /// Settings or results that cannot be written.
    #[error("{reason}")]
    Unwritable {
        /// What the writer says.
        reason: String,
    },
    /// A finished fine-tuning without its verdict.
    #[error("the run holds no verdict of its fine-tuning")]
    NoVerdict,
    /// A file or folder that cannot be read or made.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A folder for a study that holds other things.
    #[error("the folder is not empty and holds no study")]
    NotAStudy,
    /// A study whose numbers are not there.
    #[error("{source}")]
    Unfinished {
        /// Its folder.
        study: PathBuf,
        /// What reading them gave.
        source: io::Error,
    },
    /// A study where runs are reported side by side.
    #[error("a study is reported by itself")]
    StudyAmongRuns,
    /// Two encoders of a study under one name.
    #[error("two encoders are called `{name}`")]
    SameName {
        /// Their name.
        name: String,
    },
    /// A rival of an encoder where there is none.
    #[error("`{rival}` needs an encoder to compare with")]
    NeedsEncoder {
        /// The rival.
        rival: String,
    },
    /// A study of blocks in whose recipe none learns.
    #[error("in no stage does a part of the encoder learn")]
    NoBlocks,
    /// A probe's verdict of another study.
    #[error("this was judged with other {key}: {before} then, {now} now")]
    OtherProbe {
        /// What differs.
        key: String,
        /// What the file says, as JSON.
        before: String,
        /// What the study says, as JSON.
        now: String,
    },
    /// A probe's verdict that cannot be read.
    #[error("{0}")]
    BadProbe(serde_json::Error),
    /// A process that made a part of a study's trainings failed.
    #[error("the process ended ({status}); what it said stands above")]
    Process {
        /// How it ended.
        status: ExitStatus,
    },
}

impl JobError {
    /// What to do about it; as [`crate::LabError::hint`].
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            JobError::NoMemory { fitting, .. } if fitting.is_empty() => {
                Some("a smaller encoder, batch and size need less".into())
            }
            JobError::NoMemory { fitting, .. } => Some(format!("{} would fit", fitting.join(" or ")).into()),
            error => error.fixed_hint().map(Cow::Borrowed),
        }
    }

    fn fixed_hint(&self) -> Option<&'static str> {
        Some(match self {
            JobError::Changed { .. } | JobError::OtherRun { .. } | JobError::OtherProbe { .. } => {
                "take another {out}, or add {overwrite}"
            }
            JobError::NoRoom { .. } => "free some space, or name another disk with {out}",
            JobError::OtherWeights { .. } => "start anew with another {out}",
            JobError::Unreadable { .. } => {
                "was it written by another version of this program, or changed by hand?"
            }
            JobError::NoToml { .. } => "restore the file, or leave this run out",
            JobError::NotAStudy => "take another {out}",
            JobError::SameName { .. } => "name rivals apart as NAME=FILE",
            JobError::NeedsEncoder { .. } => "name a run's folder or an encoder file, not `scratch`",
            JobError::NoBlocks => "take a recipe in which one does, such as {preset} finetune/surgical",
            JobError::BadProbe(_) => "remove the file; it will be made again",
            _ => return None,
        })
    }
}
