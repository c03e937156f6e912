//! Pictures and pages: contact sheets, curves, confusion matrices, maps and the self-contained HTML report.
//!
//! Every function takes plain data and returns a [`Picture`] (SVG, or PNG where there are too many points for
//! SVG) or a page of HTML. Nothing here trains or judges, reads or writes files. The same input gives the
//! same bytes. Colours are told apart by people with colour blindness, and never carry a meaning alone.
//!
//! | What | Function |
//! |---|---|
//! | originals and their views | [`contact_sheet`] |
//! | images of groups, a group a row | [`montage`] |
//! | a run's metrics log as small multiples | [`training_curves`], [`training_panels`] |
//! | predictions against truth | [`confusion_matrix`] |
//! | samples in the plane | [`map`] |
//! | conditions side by side, with their spread | [`comparison`] |
//! | conditions by how many labels they learned from | [`label_efficiency`] |
//! | all of it on one page | [`report_html`] |

mod canvas;
mod compare;
mod confusion;
mod curves;
mod efficiency;
mod error;
mod map;
mod montage;
mod page;
mod picture;
mod scale;
mod sheet;
mod style;

pub use compare::{Bar, Comparison, Group, comparison};
pub use confusion::{Confusion, confusion_matrix};
pub use curves::{CurveOptions, Panel, training_curves, training_panels};
pub use efficiency::{LabelCurve, LabelEfficiency, LabelPoint, label_efficiency};
pub use error::ReportError;
pub use map::{MAX_SVG_POINTS, Map, map};
pub use montage::{MontageRow, montage};
pub use page::{
    ClassRow, ClassTable, Fact, Plate, ReportInput, ResultRow, ResultTable, Skipped, report_html,
};
pub use picture::Picture;
pub use sheet::contact_sheet;

/// Red, green, blue, 8 bits each: what [`contact_sheet`] and [`montage`] are made of.
pub use image::RgbImage;
