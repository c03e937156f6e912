//! The run folder: a fixed, versioned layout with atomic writes, a lock, a metrics log and a status.
//!
//! # Layout 1
//!
//! ```text
//! RUN/
//!   config.toml                  the resolved settings, everything that decides the result
//!   command.txt                  the command line, quoted for a POSIX shell
//!   env.json                     "layout": 1, version, commit, CPU, threads, memory, data fingerprint
//!   data.json                    the data in numbers and words, where they were told
//!   lineage.json                 what the run is: kind, recipe, data, the encoders that it descends from
//!   STATUS                       line 1: running | done | failed | interrupted; then a message, if any
//!   metrics.jsonl                one flat JSON object per line, in the order of the run
//!   metrics.csv                  the same as a table, written when the run ends
//!   train.log                    what was said during the run
//!   checkpoints/last.safetensors   + last.json
//!   checkpoints/best.safetensors   + best.json
//!   checkpoints/epoch-0010.safetensors + epoch-0010.json
//!   encoder/encoder.safetensors    + encoder.json
//!   eval/<name>.json             one verdict per protocol
//!   plots/                       pictures
//!   tables/                      the report's tables as CSV
//!   report.html                  the report, self-contained
//!   .lock                        held (by the operating system) while a process writes here
//! ```
//!
//! This crate knows no tensors: a checkpoint is a block of bytes with a [`Sidecar`] that holds its SHA-256.
//!
//! # What is guaranteed
//! * Every file but the two logs is written beside its place, synced and renamed: a reader sees the old or
//!   the new one, whole, also after a power cut.
//! * One writer: [`RunFolder::create`] and [`RunFolder::open`] hold an operating-system lock that ends with
//!   the process, however it ends.
//! * Nothing that is not part of the layout is ever removed.
//! * After [`RunFolder::rewind`] the metrics log is, byte for byte, what it was when the checkpoint was
//!   saved.
//!
//! # Example
//! ```
//! use serde_json::json;
//! use twinlens_run::{Checkpoint, Direction, Environment, Overwrite, RunFolder, RunRecord, RunState, Start};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let place = tempfile::tempdir()?;
//! # let path = place.path().join("a");
//! let environment = Environment { version: "0.1.0", commit: None, threads: 2, data: json!(null) };
//! let start = Start {
//!     config: "epochs = 1\n",
//!     command: &["twinlens".into(), "pretrain".into()],
//!     environment: environment.describe(),
//! };
//! let mut run = RunFolder::create(&path, Overwrite::Never, &start)?;
//! run.append_metrics(&json!({"step": 1, "epoch": 1, "loss": 12.5}))?;
//! run.save_last(&Checkpoint { bytes: b"weights", epoch: 1, step: 1, state: json!({"cursor": 0}) })?;
//! run.keep_epoch(3, &[])?;
//! run.keep_best("knn_accuracy", Direction::Higher, 0.81)?;
//! run.write_metrics_csv()?;
//! run.set_status(RunState::Done, "")?;
//! drop(run);
//! assert_eq!(RunRecord::read(&path)?.metrics[0]["loss"], json!(12.5));
//! # Ok(()) }
//! ```

mod checkpoints;
mod command;
mod environment;
mod error;
mod files;
mod folder;
mod layout;
mod lineage;
mod lock;
mod metrics;
mod record;
mod status;

pub use checkpoints::{
    Checkpoint, Direction, Loaded, Score, Sidecar, epoch_checkpoint, kept_epochs, newest_checkpoint,
    read_checkpoint,
};
pub use command::{command_line, quoted};
pub use environment::Environment;
pub use error::RunError;
pub use files::write_atomically;
pub use folder::{Overwrite, RunFolder, Start};
pub use lineage::{Ancestor, DataIdentity, LINEAGE_VERSION, Lineage, Recipe, RunKind};
pub use metrics::{Row, csv_cell};
pub use record::{RunRecord, RunSummary, find_runs};
pub use status::{RunState, Status};

/// The version of the layout that this crate writes, and the newest that it reads.
pub const LAYOUT: u32 = 1;

/// The names of the layout, in one place.
pub mod names {
    /// The folder of checkpoints.
    pub const CHECKPOINTS: &str = "checkpoints";
    /// The command line.
    pub const COMMAND: &str = "command.txt";
    /// The resolved settings.
    pub const CONFIG: &str = "config.toml";
    /// The folder of the trained encoder.
    pub const ENCODER: &str = "encoder";
    /// What there is to say of the data without their images.
    pub const DATA: &str = "data.json";
    /// Program, machine and data.
    pub const ENVIRONMENT: &str = "env.json";
    /// The folder of verdicts.
    pub const EVAL: &str = "eval";
    /// What the run is and what it came from.
    pub const LINEAGE: &str = "lineage.json";
    /// Held while a process writes.
    pub const LOCK: &str = ".lock";
    /// What was said.
    pub const LOG: &str = "train.log";
    /// The metrics log.
    pub const METRICS: &str = "metrics.jsonl";
    /// The metrics log as a table.
    pub const METRICS_TABLE: &str = "metrics.csv";
    /// The folder of pictures.
    pub const PLOTS: &str = "plots";
    /// The report.
    pub const REPORT: &str = "report.html";
    /// The folder of the report's tables.
    pub const TABLES: &str = "tables";
    /// How the run stands.
    pub const STATUS: &str = "STATUS";

    /// All that a finished run leaves, and that [`Overwrite::Run`](crate::Overwrite::Run) may remove; folders with a slash.
    pub const ALL: [&str; 15] = [
        CONFIG,
        COMMAND,
        ENVIRONMENT,
        DATA,
        LINEAGE,
        STATUS,
        METRICS,
        METRICS_TABLE,
        LOG,
        "checkpoints/",
        "encoder/",
        "eval/",
        "plots/",
        "tables/",
        REPORT,
    ];
}
