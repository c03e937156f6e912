//! The formats data sets come in: one file each, one line in [`FORMATS`].

use std::sync::Arc;

use crate::store::{ImageFiles, StoreBuilder};
use crate::tree::Tree;
use crate::{DataError, DataSettings, OpenOptions};

mod array;
mod axes;
mod cifar;
mod dicom;
mod folder;
mod idx;
mod labels;
mod merge;
mod mimeta;
mod npy;
mod npz;
mod parquet;
mod slides;
mod voc;
mod volumes;
mod webdataset;

pub(crate) use idx::labels_beside;
pub(crate) use volumes::beside as numbers_beside;

/// See [`Format::files`].
type FilesOf = fn(&Arc<Tree>, &DataSettings, u64) -> Option<Arc<dyn ImageFiles>>;

/// A format: how to recognise it by content, and how to read it.
pub(crate) struct Format {
    /// What reports call it.
    pub(crate) name: &'static str,
    /// What it is, for lists.
    description: &'static str,
    /// How many files of the tree are of this format; the format with the most reads the tree.
    pub(crate) claims: fn(&Tree) -> usize,
    /// Reads the tree into the store and returns the class names.
    pub(crate) read: fn(&Tree, &OpenOptions<'_>, &mut StoreBuilder<'_>) -> Result<Vec<String>, DataError>,
    /// Where its images can be decoded from at any time, each within so many bytes, if they are files of their own.
    pub(crate) files: FilesOf,
}

/// The [`Format::files`] of arrays, whose images are none.
fn no_files(_: &Arc<Tree>, _: &DataSettings, _: u64) -> Option<Arc<dyn ImageFiles>> {
    None
}

/// All formats; of two that claim equally many files, the first wins.
pub(crate) const FORMATS: &[Format] = &[
    cifar::FORMAT,
    npz::FORMAT,
    idx::FORMAT,
    voc::FORMAT,
    mimeta::FORMAT,
    webdataset::FORMAT,
    parquet::FORMAT,
    folder::FORMAT,
];

/// Name and description of every format that [`crate::open`] reads.
pub fn formats() -> impl Iterator<Item = (&'static str, &'static str)> {
    FORMATS.iter().map(|format| (format.name, format.description))
}

/// Refuses settings that name arrays in a format that has none.
fn refuse_names(options: &OpenOptions<'_>, what: &str) -> Result<(), DataError> {
    for (name, value) in [("member", &options.settings.member), ("labels", &options.settings.labels)] {
        if !value.is_empty() {
            return Err(DataError::BadOption {
                name,
                expected: format!("nothing, as {what} say themselves what is image and what is label"),
                got: value.clone(),
            });
        }
    }
    Ok(())
}
