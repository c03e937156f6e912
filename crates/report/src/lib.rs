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
//! | metrics logs of runs as small multiples | [`training_curves`], [`training_panels`] |
//! | predictions against truth | [`confusion_matrix`] |
//! | samples in the plane, once or side by side | [`map`], [`maps`] |
//! | the same to explore: images, neighbours, lasso | [`Atlas`] |
//! | variances along principal components | [`spectrum`] |
//! | conditions side by side, with their spread | [`comparison`] |
//! | measures of several things, a panel a measure | [`dots`] |
//! | a measure along an axis, such as the share of labels | [`lines`] |
//! | a measure of every pair of two lists | [`heatmap`] |
//! | correlations of features | [`correlation_matrix`] |
//! | all of it on one page, and tables as files | [`page_html`], [`Table`] |

mod atlas;
mod canvas;
mod compare;
mod confusion;
mod correlation;
mod curves;
mod dots;
mod error;
mod escape;
mod heatmap;
mod lines;
mod map;
mod montage;
mod page;
mod picture;
mod scale;
mod sheet;
mod spectrum;
mod spots;
mod style;

pub use atlas::{Atlas, AtlasInput, Colouring, Frame, Sprite, SpriteLayout, THUMBNAIL, thumbnail};
pub use compare::{Bar, Comparison, Group, comparison};
pub use confusion::{Confusion, confusion_matrix};
pub use correlation::{CorrelationMatrix, correlation_matrix};
pub use curves::{About, CurveOptions, Curves, Panel, RunLog, training_curves, training_panels};
pub use dots::{DotPanel, Dots, dots};
pub use error::ReportError;
pub use heatmap::{Heatmap, heatmap};
pub use lines::{Axis, Line, LinePoint, Lines, Values, lines};
pub use map::{MAX_SVG_POINTS, Map, map, maps};
pub use montage::{MontageRow, montage, montage_spots};
pub use page::{Block, Cell, Column, Fact, Gap, Page, Plate, Section, Table, TableRow, page_html};
pub use picture::Picture;
pub use sheet::{cell_for, contact_sheet, sheet_spots};
pub use spectrum::{Spectrum, spectrum};
pub use spots::Spot;
pub use style::Hue;

/// Red, green, blue, 8 bits each: what [`contact_sheet`] and [`montage`] are made of.
pub use image::RgbImage;
