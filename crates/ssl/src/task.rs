//! What is trained, as the loop sees it.

use std::collections::BTreeMap;

use serde_json::Value;
use twinlens_nn::weights::NamedTensor;
use twinlens_run::Direction;
use twinlens_views::{LoadedBatch, Loader};

use crate::metrics_log::MetricsLog;
use crate::{CheckpointSettings, SslError, StepReport};

/// How long a task is, and how closely it is watched.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub epochs: usize,
    pub steps_per_epoch: usize,
    /// Images in a batch, for the speed.
    pub batch: usize,
    /// Steps between two rows of the log.
    pub log_every: usize,
    pub checkpoint: CheckpointSettings,
}

/// What a collapse looks like, and what to say about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CollapseCheck {
    /// The share of a full sphere's standard deviation below which training stops; 0 never.
    pub threshold: f64,
    /// The loss of outputs that say nothing about the image, where there is one such value.
    pub uninformative_loss: Option<f64>,
    pub advice: &'static str,
}

/// What is trained, as the loop sees it.
pub(crate) trait Task {
    fn plan(&self) -> Plan;

    fn collapse_check(&self) -> CollapseCheck {
        CollapseCheck::default()
    }

    /// The batches from a position on.
    fn batches(&self, from: Position) -> Result<Loader, SslError>;

    /// What happens before the first step of `epoch` (from 0).
    fn start_of_epoch(&mut self, epoch: usize) -> Result<(), SslError>;

    /// One step. A loss or gradient that is known not to be finite changes nothing.
    fn step(&mut self, batch: &LoadedBatch) -> StepReport;

    /// Steps taken.
    fn steps(&self) -> usize;

    /// The learning rate that the log tells, at a factor of the schedule.
    fn learning_rate(&self, factor: f64) -> f64;

    /// The look at held-out labels after `epoch` epochs, 0 before any. What is found goes to the metrics log; the value by
    /// which a checkpoint may be the best is returned.
    fn judge(
        &mut self,
        epoch: usize,
        metrics_log: &mut MetricsLog<'_, '_>,
    ) -> Result<Option<Judged>, SslError>;

    /// Whether training has ended before its last epoch.
    fn is_over(&self) -> bool {
        false
    }

    /// Everything needed to continue.
    fn state(&self) -> TaskState;

    /// Takes up what [`Task::state`] gave after `step` steps.
    fn restore(&mut self, state: &TaskState, step: usize) -> Result<(), SslError>;
}

/// A metric on held-out labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub metric: &'static str,
    pub direction: Direction,
    pub value: f64,
}

/// Where a run stands between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Completed epochs.
    pub epoch: usize,
    /// Completed steps of the epoch under way.
    pub step_in_epoch: usize,
}

/// What a task needs to continue.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskState {
    /// Weights, moments, memories.
    pub tensors: BTreeMap<String, NamedTensor>,
    /// Numbers that must keep all their digits.
    pub notes: Value,
}
