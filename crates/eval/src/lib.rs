//! Judging features: neighbours, linear probes, metrics, maps. Features in, numbers out.
//!
//! Everything starts from [`Features`], one row an image. A protocol ([`Knn`], [`LinearProbe`]) takes [`Labelled`] features and returns a [`Judgement`]; [`metrics`]
//! holds the numbers it is made of. Where images may show several classes, features are [`Tagged`], and
//! [`SvmProbe::run_tags`] finds [`TagPredictions`]. [`clustering`] groups features without labels and compares the groups with
//! labels, [`retrieval`] asks whether the images nearest to one are of its class, [`health`] asks whether a representation is alive, [`maps`] lay it out in two dimensions, [`texture`]
//! measures the images themselves, [`hardness`] how far two views of one lie apart. [`statistics`] are for conditions and seeds side by side, [`analyses`] for classes along a varied parameter.
//!
//! What is drawn at random is a function of a seed, and every result has the same bits whatever the number of
//! threads.
//!
//! ```
//! use twinlens_eval::{Distance, Features, Knn, Labelled, Vote};
//!
//! let set = |values: Vec<f32>, labels: Vec<usize>| {
//!     let features = Features::new(labels.len(), 2, values)?;
//!     Labelled::new(features, labels, vec!["round".to_owned(), "long".to_owned()])
//! };
//! let train = set(vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.2, 0.8], vec![0, 0, 1, 1])?;
//! let test = set(vec![0.7, 0.1, 0.1, 0.6], vec![0, 1])?;
//! let knn = Knn { k: vec![1], votes: vec![Vote::Majority], distance: Distance::Cosine, temperatures: vec![0.07] };
//! let judgements = knn.run(&train, &[("test", &test)])?;
//! assert_eq!(judgements[0].outcome.splits[0].scores.accuracy(), 1.0);
//! # Ok::<(), twinlens_eval::EvalError>(())
//! ```

pub mod analyses;
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
pub mod retrieval;
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
pub use gain::{accuracy, gain};
pub use judgement::{Judgement, Predictions, SplitPredictions};
pub use knn::{Knn, Vote};
pub use measure::{Better, Measure, MeasureOf, Unit};
pub use metrics::Scores;
pub use probe::{FittedProbe, LinearProbe, RidgeProbe, SvmProbe};
pub use repeats::{Repeated, Repeats};
pub use shift::shift;
pub use tag_predictions::{TagPredictions, TagSplit};
pub use tagged::Tagged;
