//! The lab: what a scientist does with an encoder, as a library. It knows no command line and no terminal.
//!
//! - [`Encoder`] takes images to features, or to the maps of a stage; [`features`](features()) does so with all images of a split, and keeps what it
//!   computed;
//! - a [`Subject`] is judged on data by [`protocols`], which [`Judging`] gives what they need; each says a [`Verdict`];
//! - [`hardness`] measures how far the views of a policy lie apart;
//! - [`catalogue`] lists public data sets and fetches them;
//! - [`jobs`] are trainings: told apart by a key, done in a folder, and not done twice;
//! - [`study`] compares fine-tunings and probes over amounts of labels and seeds;
//! - [`Lab`] says in whose name all this is done, who hears of it ([`Events`]) and who may stop it.

pub mod catalogue;
mod encoder;
mod error;
mod events;
mod exhibits;
mod features;
pub mod hardness;
mod identity;
mod images;
pub mod jobs;
mod judging;
mod lab;
pub mod maps;
mod open;
mod outcome;
pub mod protocols;
mod schema1;
mod screen;
pub mod settings;
pub mod study;
mod subject;
mod verdict;
mod words;

pub use encoder::{Encoder, read_encoder, untrained};
pub use error::LabError;
pub use events::{Events, Logged, Silent, Task, Training, TrainingListener};
pub use exhibits::Exhibit;
pub use features::{Cache, Computing, features, labelled, stage_maps, tagged, views, weights_sha256};
pub use identity::{hexadecimal, split_key};
pub use images::{Part, features_of, images, labels, names};
pub use jobs::run_settings;
pub use judging::{Judging, LabelDraw, LabelledSplits, Repeat, data_record};
pub use lab::{Lab, Program};
pub use open::{BUNDLED, NameError, locate, range_in_words};
pub use outcome::{MeasureRecord, Measured, MeasuredSplit, Outcome, Readings};
pub use screen::{Span, on_screen};
pub use subject::{FeaturesKind, Subject, SubjectRecord};
pub use twinlens_ssl::{Asked, TrainingEvent};
pub use verdict::{DataRecord, SCHEMA_VERSION, Settings, Verdict, plain, repeated, repeats};
pub use words::bytes;
