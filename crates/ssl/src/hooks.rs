//! How a run begins and ends, and what goes on between it and the outside.

use twinlens_nn::weights::EncoderFile;
use twinlens_run::{Row, RunState};

/// Where a run takes its first weights from.
#[derive(Clone, Copy, Debug)]
pub enum StartFrom<'a> {
    /// Random weights.
    Scratch,
    /// An encoder's weights; the rest is random.
    Encoder(&'a EncoderFile),
    /// The folder's newest whole checkpoint.
    Checkpoint,
}

/// What the outside wants between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: go on.
    Continue,
    /// A checkpoint now, then go on.
    Save,
    /// A checkpoint now, then stop.
    Stop,
}

/// What happens in a training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TrainingEvent<'a> {
    /// The first step is about to be made, or the next one of a training that goes on.
    Started {
        /// Steps of the whole training.
        total_steps: usize,
        /// Steps made before.
        step: usize,
    },
    /// A step was made.
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// Steps made in all.
        step: usize,
        /// The loss before the latest step whose loss is known: on a GPU, where one is read when a row is due, it may be an
        /// earlier one, or none.
        loss: Option<f64>,
    },
    /// A row was added to the metrics log.
    Metrics(&'a Row),
    /// Held-out images were looked at.
    Look {
        /// After so many epochs; 0 before the first.
        epoch: usize,
        /// The row's name of what was measured: `knn_accuracy`, `val_accuracy`.
        measure: &'static str,
        /// What came out.
        value: f64,
    },
    /// A person should know of this.
    Warning(&'a str),
    /// The training ended, in this state; told by whoever keeps the folder's status.
    Ended(RunState),
}

/// The loop's two doors to the outside.
pub struct Hooks<'a> {
    /// Asked after every step.
    pub asked: &'a dyn Fn() -> Asked,
    /// Told of everything but the end.
    pub progress: &'a mut dyn FnMut(&TrainingEvent<'_>),
}

impl std::fmt::Debug for Hooks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainingEnd {
    /// All epochs are done.
    Done,
    /// It was asked to stop; a checkpoint is saved.
    Interrupted,
}
