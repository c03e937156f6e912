//! Image sources, labels and splits. Knows nothing of learning.
//!
//! [`open`] turns a path into a [`DataSet`]: up to three [`ImageSource`]s (train, val, test), class names, what
//! was left out, and a fingerprint of the content. [`Subset`], [`Concat`], [`limit`], [`image_share`] and [`LabelShare`] make
//! sources of sources; [`DataSet::union`] makes one data set of several.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cells = twinlens_data::open("cells.npz".as_ref(), &Default::default())?;
//! let train = cells.splits.train.ok_or("no training images")?;
//! let image = train.image(0)?;
//! println!("{} x {}, {:?} of {:?}", image.height, image.width, train.label(0), cells.classes);
//! # Ok(())
//! # }
//! ```

mod blob;
mod containers;
mod decode;
mod error;
mod fields;
mod formats;
mod groups;
mod illumination;
mod image;
mod inspect;
mod label_list;
mod layout;
mod links;
mod matrix;
mod memory;
mod names;
mod notice;
mod open;
mod options;
mod otsu;
mod parquet;
mod range;
mod relabel;
mod shards;
mod slide;
mod source;
mod split;
pub mod stain;
mod statistics;
mod store;
mod subset;
mod summary;
mod table;
mod text;
mod tree;
mod union;
mod window;
mod wrap;

pub use error::DataError;
pub use formats::formats;
pub use groups::{GroupInspection, column_numbers, find_column, group_numbers};
pub use illumination::Illumination;
pub use image::{Image, PixelType, Pixels};
pub use inspect::{Inspection, SplitInspection, inspect};
pub use memory::available_memory;
pub use notice::Notice;
pub use open::{open, open_bytes};
pub use options::{
    ArrayLayout, DataSettings, OnBadSample, OpenOptions, Orientation, Pages, Plane, SharedGroups,
    SplitPolicy, SplitShares,
};
pub use otsu::{Otsu, otsu_binned, otsu_levels};
pub use range::{Percentiles, PixelRange, RangeChoice, RangeOrigin, RangeRule, Ranged};
pub use slide::{Slide, SlideLevel};
pub use source::{
    DataSet, ImageSource, Skipped, SkippedSample, Split, SplitOrigin, Splits, Tag, class_counts,
};
pub use split::{draw_splits, take_share};
pub use statistics::{ChannelStatistics, channel_statistics, median_shorter_side};
pub use subset::SubsetChoice;
pub use summary::{DataSummary, SplitSummary};
pub use text::{escaped, in_a_line};
pub use union::DataPart;
pub use window::{Window, WindowRule};
pub use wrap::{ChannelBag, Concat, LabelAmount, LabelChoice, LabelShare, Subset, image_share, limit};
