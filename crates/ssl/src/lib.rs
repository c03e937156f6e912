//! Learning without labels: objectives, methods, the training loop and recipes.
//!
//! - [`objectives`]: pure functions from embeddings to a loss, one file each, the paper's equation above it;
//! - [`methods`]: what owns heads and state and calls an objective, one file each;
//! - [`Learner`]: encoder, method and optimiser; takes a batch of views, makes one step;
//! - [`train`]: feeds a learner from a data set and writes a run folder;
//! - [`finetune`](mod@finetune): an encoder with a head learns from labels;
//! - [`recipes`]: settings for a data set and a method, as TOML inside the program.

mod checkpoint;
mod drive;
mod embed;
mod error;
pub mod finetune;
mod learner;
pub mod methods;
pub mod objectives;
mod old;
pub mod recipes;
mod settings;
#[cfg(test)]
mod testing;
mod train;

pub use checkpoint::checkpoint_encoder;
pub use embed::{Embedding, Maps, with_labels, with_tags};
pub use error::SslError;
pub use learner::{DataShape, Learner, StepReport};
pub use old::moved;
pub use settings::{CheckpointSettings, Common, KnnSettings, Precision, Problem, Settings};
pub use train::{Asked, EpochTime, Hooks, Outcome, Prepared, Progress, StartFrom, train, workers};
