//! Judging features: neighbours, linear probes, metrics, maps. Features in, numbers out.
//!
//! Everything starts from [`Features`], one row an image. A protocol ([`Knn`], [`LinearProbe`]) takes [`Labelled`] features and returns a [`Judgement`]; [`metrics`]
//! holds the numbers it is made of. Where images may show several classes, features are [`Tagged`], and
//! [`SvmProbe::run_tags`] finds [`TagPredictions`]. [`clustering`] groups features without labels and compares the groups with
//! labels, [`health`] asks whether a representation is alive, [`maps`] lay it out in two dimensions, [`texture`]
//! measures the images themselves, [`hardness`] how far two views of one lie apart. [`statistics`] are for conditions and seeds side by side.
//!
//! What is drawn at random is a function of a seed, and every result has the same bits whatever the number of
//! threads.

pub mod clustering;
mod distances;
mod draws;
mod error;
mod exponential;
mod features;
mod gain;
pub mod hardness;
pub mod health;
mod judgement;
mod knn;
mod linalg;
pub mod maps;
mod measure;
pub mod metrics;
pub mod neighbours;
pub mod probe;
mod repeats;
mod settings;
mod shift;
pub mod statistics;
mod tag_predictions;
mod tagged;
#[cfg(test)]
mod testing;
pub mod texture;

pub use distances::Distance;
pub use error::EvalError;
pub use features::{Features, Labelled};
pub use gain::gain;
pub use judgement::{Judgement, Predictions, SplitPredictions};
pub use knn::{Knn, Vote};
pub use measure::{Better, Measure, MeasureOf, Unit};
pub use metrics::Scores;
pub use probe::{LinearProbe, RidgeProbe, SvmProbe};
pub use repeats::{Repeated, Repeats};
pub use shift::shift;
pub use tag_predictions::{TagPredictions, TagSplit};
pub use tagged::Tagged;
