//! Learns image encoders without labels and shows what they learned.
//!
//! The program is [`cli`]; everything else is a library. From images to features in one line:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let cells = twinlens::data::open("cells.npz".as_ref(), &Default::default())?;
//! # let images = cells.splits.train.ok_or("no images")?;
//! let features = twinlens::Encoder::load("runs/a")?.embed(images)?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/barlow_twins.rs` is a whole training, step by step. [`pretrain`] and [`finetune`] do one in a folder, with
//! checkpoints, logs and everything else that the program writes: see `examples/finetune.rs`. [`judge`] says what an encoder is
//! worth: see `examples/judge.rs`. `examples/own_method.rs` adds a method to the loop. The path through the crates:
//! [`data`] opens images, [`views`] draws views of them, [`nn`] holds encoders and weights, [`ssl`] objectives, methods and
//! training, [`eval`] judges features, [`run`] is the folder of a run, [`report`] draws, [`lab`] joins these to what a
//! scientist does.

pub mod cli;
pub mod commands;
pub mod exit;
pub mod invocation;
mod listening;
pub mod signals;
pub mod terminal;
mod usage;

pub use twinlens_lab::jobs::{JudgeRequest, finetune, judge, pretrain};
pub use twinlens_lab::{Encoder, Lab};
pub use {
    twinlens_data as data, twinlens_eval as eval, twinlens_lab as lab, twinlens_nn as nn,
    twinlens_report as report, twinlens_run as run, twinlens_ssl as ssl, twinlens_views as views,
};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, or `unknown`.
pub const COMMIT: &str = env!("BUILD_COMMIT");

/// The platform it was built for.
pub const TARGET: &str = env!("BUILD_TARGET");
