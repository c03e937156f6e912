//! The lab: what a scientist does with an encoder, as a library. It knows no command line and no terminal.
//!
//! - [`Encoder`] takes images to features; [`features`](features()) does so with all images of a split, and keeps what it
//!   computed;
//! - [`hardness`] measures how far the views of a policy lie apart;
//! - [`catalogue`] lists public data sets and fetches them;
//! - [`key`] tells results apart by everything that was asked;
//! - [`jobs`] are trainings: told apart by a key, done in a folder, and not done twice;
//! - [`study`] compares fine-tunings and probes over amounts of labels and seeds;
//! - [`Lab`] says in whose name all this is done, who hears of it ([`Events`]) and who may stop it.

pub mod catalogue;
mod encoder;
mod error;
mod events;
mod features;
pub mod hardness;
mod identity;
mod images;
pub mod jobs;
mod lab;
mod open;
pub mod study;
mod verdicts;
mod words;

pub use encoder::{Encoder, read_encoder, untrained};
pub use error::LabError;
pub use events::{Events, Logged, Silent, Task, Training, TrainingEvent, TrainingListener};
pub use features::{Cache, Computing, Subject, features, labelled, tagged, views, weights_sha256};
pub use identity::{key, split_key};
pub use images::{Part, features_of, images, labels, names};
pub use jobs::run_settings;
pub use lab::{Lab, Program};
pub use open::{BUNDLED, NameError, locate, range_in_words};
pub use twinlens_ssl::Asked;
pub use verdicts::{Draw, Judged, repeats, verdict_name};
pub use words::bytes;
