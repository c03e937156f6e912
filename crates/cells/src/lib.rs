//! Nuclei found in fields of view, and cells cut out of them.
//!
//! | Step | File | What |
//! |---|---|---|
//! | 1 | `gaussian.rs` | smoothing |
//! | 2 | `local.rs`, Otsu of the data crate, `noise.rs` | a threshold for the field, or for every place of it; none in an empty field |
//! | 3 | `components.rs`, `holes.rs` | connected pixels above it |
//! | 4 | `distance.rs`, `markers.rs`, `watershed.rs` | touching nuclei are split |
//! | 5 | `filter.rs` | what is too small, too large or cut by the border is left out |
//! | 6 | `crop.rs`, `background.rs` | a square around each that is left |
//!
//! [`Detector`] does steps 1 to 5 on one channel of a field. Objects that another program found are read from its tables
//! ([`CentroidTable`]) or label masks ([`MaskSource`]). [`cut`] makes a data set of cells out of one of fields, whatever
//! found them ([`Finder`]); its images are cut when they are asked for ([`Cells`]), or written by [`write_npz`] and
//! [`write_folder`]. [`agreement`] compares what was found with masks that a person drew; [`drawn`] shows it.
//!
//! Coordinates are (row, column) of pixel centres, counted from 0. Nothing here knows tensors.
//!
//! ```no_run
//! use twinlens_cells::{Background, CropSettings, Detector, Finder, channel_number, cut, write_npz};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let fields = twinlens_data::open("fields/".as_ref(), &Default::default())?;
//! let finder = Finder::detector(Detector::default(), channel_number("blue", &[], 3)?)?;
//! let settings = CropSettings { size: 196, background: Background::Keep, ..CropSettings::default() };
//! let cells = cut(&fields, &finder, &settings, None)?;
//! write_npz(&cells.set, "cells.npz".as_ref(), false)?;
//! # Ok(())
//! # }
//! ```

mod agreement;
mod background;
mod cells;
mod channel;
mod components;
mod crop;
mod cutting;
mod detector;
mod distance;
mod error;
mod filter;
mod finder;
mod gaussian;
mod holes;
mod labels;
mod local;
mod markers;
mod names;
mod noise;
mod objects;
mod plane;
mod sheet;
mod watershed;
mod write;

pub use agreement::{Agreement, Found, THRESHOLDS, agreement};
pub use background::{Background, Runs};
pub use cells::{Cell, Cells};
pub use channel::channel_number;
pub use components::{Connectivity, components};
pub use crop::{Padding, crop, reflected, top_left};
pub use cutting::{Border, Counts, CropSettings, Cut, cut};
pub use detector::{Detection, Detector, ThresholdRule};
pub use distance::distance_transform;
pub use error::CellsError;
pub use filter::{Dropped, Filter};
pub use finder::{FieldObjects, Finder};
pub use gaussian::{TRUNCATE, gaussian};
pub use holes::fill_holes;
pub use labels::{Labels, Mask};
pub use local::local_mean;
pub use markers::markers;
pub use objects::{CentroidTable, MaskSource, divided, whole_numbers};
pub use plane::Plane;
pub use sheet::{drawn, shown};
pub use twinlens_data::{Otsu, otsu_binned, otsu_levels};
pub use watershed::{split, watershed};
pub use write::{PictureFormat, Written, check_place, is_npz, png_bytes, write_folder, write_npz};
