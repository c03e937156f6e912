//! The lab: what a scientist does with an encoder, as a library. It knows no command line and no terminal.
//!
//! - [`Encoder`] takes images to features; [`features`](features()) does so with all images of a split, and keeps what it
//!   computed;
//! - a [`Subject`] is judged on data by [`protocols`], which [`Judging`] gives what they need; each says a [`Verdict`];
//! - [`hardness`] measures how far the views of a policy lie apart;
//! - [`catalogue`] lists public data sets and fetches them;
//! - [`Events`] hear of what takes long.

pub mod catalogue;
mod encoder;
mod error;
mod events;
mod exhibits;
mod features;
pub mod hardness;
mod identity;
mod images;
mod judging;
pub mod maps;
mod outcome;
pub mod protocols;
mod schema1;
mod screen;
mod subject;
mod verdict;

pub use encoder::{Encoder, read_encoder, untrained};
pub use error::LabError;
pub use events::{Events, Silent, Task};
pub use exhibits::Exhibit;
pub use features::{Cache, Computing, features, labelled, tagged, views, weights_sha256};
pub use identity::split_key;
pub use images::{Part, features_of, images, labels, names};
pub use judging::{Judging, LabelDraw, LabelledSplits, Repeat, data_record};
pub use outcome::{MeasureRecord, Measured, MeasuredSplit, Outcome, Readings};
pub use screen::{Span, on_screen};
pub use subject::{FeaturesKind, Subject, SubjectRecord};
pub use verdict::{DataRecord, SCHEMA_VERSION, Settings, Verdict, plain, repeated};
