//! Sets of cells on disk, in forms that [`twinlens_data::open`] reads: an .npz, or a folder of pictures, each with a table.
//!
//! What is written appears whole: it is made beside its place and moved there when it is done. What is there already is
//! replaced only when that is asked for, and only if it is what is written here.

mod folder;
mod npz;
mod place;
mod png;
mod table;
mod tiff;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use twinlens_data::{DataSet, Image, ImageSource, Pixels, Split, each_pixel_type};

pub use self::folder::{PictureFormat, write_folder};
pub use self::npz::write_npz;
pub use self::png::png_bytes;
use crate::CellsError;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// The .npz, or the folder.
    pub path: PathBuf,
    /// The table.
    pub table: PathBuf,
    /// Images in it.
    pub images: usize,
}

/// Refuses a place where [`write_npz`] (a name that ends in `.npz`) or [`write_folder`] would not write: to be asked before the
/// work is done.
///
/// # Errors
/// [`CellsError::Exists`], [`CellsError::NotOurs`].
pub fn check_place(path: &Path, overwrite: bool) -> Result<(), CellsError> {
    match is_npz(path) {
        true => npz::check(path, overwrite),
        false => folder::check(path, overwrite),
    }
}

/// Whether a set of cells at this place is an .npz.
pub fn is_npz(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"))
}

/// Images that are read at once.
const AT_A_TIME: usize = 64;

/// Hands over all images of `source` as they are stored, some read at a time, in order.
fn each_image(
    source: &dyn ImageSource,
    mut take: impl FnMut(Vec<Image>) -> Result<(), CellsError>,
) -> Result<(), CellsError> {
    let numbers: Vec<usize> = (0..source.len()).collect();
    for chunk in numbers.chunks(AT_A_TIME) {
        let images =
            chunk.par_iter().map(|&index| source.stored(index)).collect::<Result<Vec<Image>, _>>()?;
        take(images)?;
    }
    Ok(())
}

/// The samples, little-endian.
fn little_endian(pixels: &Pixels) -> Vec<u8> {
    each_pixel_type!(pixels, values => values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// The parts of a set that there are.
fn parts(set: &DataSet) -> impl Iterator<Item = (Split, &dyn ImageSource)> {
    Split::ALL.into_iter().filter_map(|split| Some((split, set.splits.get(split)?.as_ref())))
}

/// The class of an image by its name; empty without one.
fn label_of(set: &DataSet, source: &dyn ImageSource, index: usize) -> String {
    let name = |label: usize| set.classes.get(label).cloned().unwrap_or_else(|| label.to_string());
    source.label(index).map(name).unwrap_or_default()
}
