//! Learning without labels: objectives, methods, the training loop and recipes.
//!
//! - [`objectives`]: pure functions from embeddings to a loss, one file each, the paper's equation above it;
//! - [`methods`]: what owns heads and state and calls an objective, one file each;
//! - [`Learner`]: encoder, method and optimiser; takes a batch of views, makes one step;
//! - [`train`]: feeds a learner from a data set and writes a run folder;
//! - [`finetune`](mod@finetune): an encoder with a head learns from labels;
//! - [`recipes`]: settings for a data set and a method, as TOML inside the program.

mod checkpoint;
mod concerns;
mod embed;
mod error;
pub mod finetune;
mod hooks;
mod learner;
pub mod methods;
mod metrics_log;
pub mod objectives;
mod old;
mod problems;
pub mod recipes;
mod sections;
mod settings;
mod task;
#[cfg(test)]
mod testing;
mod train;
mod training_loop;

pub use checkpoint::{checkpoint_encoder, described_encoder};
pub use embed::{Embedding, Maps, with_labels, with_tags};
pub use error::SslError;
pub use hooks::{Asked, Hooks, StartFrom, TrainingEnd, TrainingEvent};
pub use learner::{DataShape, Learner, LearnerSize, StepReport};
pub use old::moved;
pub use problems::{Problems, SettingProblem};
pub use settings::{
    Best, CheckpointSettings, Common, ImageShare, KnnSettings, PrecisionChoice, Settings, SizeRule, ViewSize,
    WhenDone,
};
pub use train::{EpochTime, Prepared, train, workers};
pub use training_loop::LOW_RANK;
