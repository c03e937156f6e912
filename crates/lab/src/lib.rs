//! The lab: what a scientist does with an encoder, as a library. It knows no command line and no terminal.
//!
//! - [`Encoder`] takes images to features, or to the maps of a stage; [`features`](features()) does so with all images of a split, and keeps what it
//!   computed; a [`FeatureTable`] is written to a file;
//! - a [`Subject`] is judged on data by [`protocols`], which [`Judging`] gives what they need; each says a [`Verdict`];
//! - [`gallery`] shows images beside their views, and [`hardness`] measures how far the views of a policy lie apart;
//! - [`catalogue`] lists public data sets and fetches them;
//! - [`choices`] are what there is to choose from by name;
//! - [`assessment`] puts into sentences what a run came to;
//! - [`jobs`] are trainings: told apart by a key, done in a folder, and not done twice;
//! - [`weights`] takes encoders from other programs, and gives them out;
//! - [`study`] compares fine-tunings and probes over amounts of labels and seeds;
//! - [`reports`] draws the page of a run, of several or of a study from their folders; [`comparison`] compares runs in a few tables;
//! - [`Lab`] says in whose name all this is done, who hears of it ([`Events`]) and who may stop it.
//!
//! ```no_run
//! use twinlens_lab::Lab;
//! use twinlens_lab::jobs::{JudgeRequest, judge};
//!
//! for verdict in judge(JudgeRequest::new("runs/a", "cells.npz", "knn"), &Lab::default())? {
//!     println!("{}: {:?}", verdict.protocol, verdict.headline());
//! }
//! # Ok::<(), twinlens_lab::LabError>(())
//! ```

pub mod assessment;
mod by_class;
pub mod catalogue;
pub mod choices;
pub mod comparison;
mod encoder;
mod error;
mod events;
mod exhibits;
mod feature_table;
mod features;
mod files;
pub mod gallery;
pub mod hardness;
mod identity;
mod images;
pub mod jobs;
mod judge;
mod judging;
mod lab;
pub mod maps;
mod open;
mod outcome;
mod overview;
pub mod predict;
pub mod protocols;
pub mod reports;
mod schema1;
mod screen;
mod sentence;
pub mod settings;
mod sheet;
pub mod study;
mod subject;
mod summary;
mod verdict;
mod views_of;
pub mod weights;
mod words;

pub use by_class::{ClassTexture, class_textures};
pub use encoder::{
    Encoder, encoder_file, ranged, read_encoder, read_encoder_after, read_encoder_ranged, untrained,
};
pub use error::{LabError, NameError, Unheeded};
pub use events::{Events, Logged, Silent, Task, Training, TrainingListener};
pub use exhibits::Exhibit;
pub use feature_table::{FeatureFile, FeatureTable};
pub use features::{Cache, Computing, features, labelled, stage_maps, tagged, views};
pub use files::write_json;
pub use identity::{split_key, weights_sha256};
pub use images::{Part, features_of, images, labels, names};
pub use jobs::run_settings;
pub use judge::{LabelsAsked, Repeat};
pub use judging::{Judging, LabelDraw, LabelledSplits, data_record, judged};
pub use lab::{Lab, Program};
pub use open::{BUNDLED, locate, own_data, own_joined, range_in_words, reading_for};
pub use outcome::{MeasureRecord, Measured, MeasuredSplit, Outcome, Readings};
pub use overview::RunOverview;
pub use screen::{Span, on_screen};
pub use sheet::data_sheet;
pub use subject::{FeaturesKind, Subject, SubjectRecord};
pub use summary::{
    MeasureSummary, PredictionSummary, Summary, by_measures, by_predictions, shift_of, shifts_over_seeds,
};
pub use twinlens_ssl::{Asked, TrainingEvent};
pub use verdict::{DataRecord, Headline, SCHEMA_VERSION, Settings, Verdict, keep, plain, repeated, repeats};
pub use views_of::ViewsOf;
pub use words::bytes;
