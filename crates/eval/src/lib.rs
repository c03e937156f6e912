//! Judging features: neighbours, linear probes, metrics, maps. Features in, numbers out.
//!
//! [`Embedding`] takes images through an encoder to [`Features`]; everything else starts from there.
//! A protocol ([`Knn`], [`LinearProbe`]) takes [`Labelled`] features and returns a [`Verdict`]; [`metrics`]
//! holds the numbers it is made of. [`health`] looks at features without labels, [`maps`] lays them out in
//! two dimensions. Nothing here draws random numbers, and every result has the same bits whatever the number
//! of threads.

mod embed;
mod error;
mod features;
pub mod health;
mod knn;
mod linalg;
pub mod maps;
pub mod metrics;
pub mod neighbours;
pub mod probe;
#[cfg(test)]
mod testing;
mod verdict;

pub use embed::{Embedding, with_labels};
pub use error::EvalError;
pub use features::{Features, Labelled};
pub use knn::{Knn, Vote};
pub use metrics::Scores;
pub use probe::LinearProbe;
pub use verdict::{SCHEMA_VERSION, SplitVerdict, Verdict};
