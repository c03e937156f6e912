//! The lab: what a scientist does with an encoder, as a library. It knows no command line and no terminal.
//!
//! - [`Encoder`] takes images to features, or to the maps of a stage; [`features`](features()) does so with all images of a split, and keeps what it
//!   computed;
//! - [`hardness`] measures how far the views of a policy lie apart;
//! - [`catalogue`] lists public data sets and fetches them;
//! - [`key`] tells results apart by everything that was asked;
//! - [`Events`] hear of what takes long.

pub mod catalogue;
mod encoder;
mod error;
mod events;
mod features;
pub mod hardness;
mod identity;
mod images;

pub use encoder::{Encoder, read_encoder, untrained};
pub use error::LabError;
pub use events::{Events, Silent, Task};
pub use features::{Cache, Computing, Subject, features, labelled, maps, tagged, views, weights_sha256};
pub use identity::{key, split_key};
pub use images::{Part, features_of, images, labels, names};
