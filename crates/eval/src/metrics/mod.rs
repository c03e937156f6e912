//! Numbers that say how good predictions are. One file per family; [`MEASURES`] lists them, [`Scores`] holds them.

mod auc;
mod average_precision;
mod basics;
mod calibration;
mod confusion;
mod measures;
mod scored;
mod scores;
mod tags;
mod top_k;

pub use auc::{auc, auc_one_vs_rest};
pub use average_precision::{ApRule, average_precision, average_precision_one_vs_rest};
pub use basics::{mean_of_defined, predictions};
pub use calibration::expected_calibration_error;
pub use confusion::Confusion;
pub use measures::MEASURES;
pub use scored::{Formula, Scored};
pub use scores::{ClassScores, Scores, measured};
pub use tags::{ByRule, TAG_MEASURES, TagClassScores, TagScores};
pub use top_k::top_k_accuracy;
