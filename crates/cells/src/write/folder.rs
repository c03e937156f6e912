//! A folder of cells: `images/` with a PNG or TIFF each, and `table.csv` with a line each (path, split, label, field, object,
//! x, y, area, and what is known of the field).

use std::fs;
use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::{DataSet, ImageSource};

use super::place::{NEW, check_folder, folder_beside, publish_folder};
use super::tiff::tiff_bytes;
use super::{Written, png, table};
use crate::CellsError;

/// What pictures are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PictureFormat {
    /// PNG where it holds the images (8 or 16 bits, 1 or 3 channels), else TIFF.
    #[default]
    Auto,
    /// PNG.
    Png,
    /// TIFF.
    Tiff,
}

const IMAGES: &str = "images";
const TABLE: &str = "table.csv";

/// Writes the images of `set` to the folder `path`.
///
/// # Errors
/// [`CellsError::Exists`] when there is something and it is not to be replaced; [`CellsError::NotOurs`] when it is not a set
/// of cells; [`CellsError::NotKept`] when the format does not hold the images, or images may show several classes; what
/// reading images and writing gives.
pub fn write_folder(
    set: &DataSet,
    path: &Path,
    format: PictureFormat,
    overwrite: bool,
) -> Result<Written, CellsError> {
    check(path, overwrite)?;
    if set.has_tags() {
        let reason = "a table has one label for every image, and these may show several classes".to_owned();
        return Err(CellsError::NotKept { reason, hint: "write an .npz" });
    }
    let made = folder_beside(path)?;
    let new = made.path().join(NEW);
    fs::create_dir(new.join(IMAGES)).map_err(CellsError::write(path))?;
    let ending = ending(set, format)?;
    let mut images = 0;
    for (_, source) in super::parts(set) {
        let write = |index: usize| {
            let image = source.stored(index)?;
            let bytes = if ending == "png" { png::png_bytes(&image)? } else { tiff_bytes(&image)? };
            let place = new.join(picture_path(source, index, images + index, ending));
            fs::write(&place, bytes).map_err(CellsError::write(&place))
        };
        // In rows, so that the cells of a field are cut one after the other and it is decoded once.
        (0..source.len()).into_par_iter().with_min_len(16).try_for_each(write)?;
        images += source.len();
    }
    let sources: Vec<&dyn ImageSource> = super::parts(set).map(|(_, source)| source).collect();
    let splits: Vec<_> = super::parts(set).map(|(split, _)| split).collect();
    let known = table::table(set, &["path"], |split, index, number| {
        let source = splits.iter().position(|other| *other == split).map(|at| sources[at]);
        source.map(|source| picture_path(source, index, number, ending)).into_iter().collect()
    })?;
    fs::write(new.join(TABLE), known).map_err(CellsError::write(path))?;
    publish_folder(&made, path)?;
    Ok(Written { path: path.to_path_buf(), table: path.join(TABLE), images })
}

/// Refuses a place where there is something, unless it is a set of cells that may be replaced.
pub(super) fn check(path: &Path, overwrite: bool) -> Result<(), CellsError> {
    check_folder(path, &[IMAGES, TABLE], overwrite)
}

/// The ending of all pictures.
fn ending(set: &DataSet, format: PictureFormat) -> Result<&'static str, CellsError> {
    let first = super::parts(set).next().map(|(_, source)| source.stored(0)).transpose()?;
    let fits = first.as_ref().is_none_or(png::holds);
    Ok(match format {
        PictureFormat::Png => "png",
        PictureFormat::Auto if fits => "png",
        PictureFormat::Auto | PictureFormat::Tiff => "tif",
    })
}

/// Letters of the field's name that a picture's has.
const LETTERS: usize = 60;

/// The path of picture `number` of the set: the number makes it the only one, and it tells its field and cell.
fn picture_path(source: &dyn ImageSource, index: usize, number: usize, ending: &str) -> String {
    let name = source.name(index);
    let file = name.rsplit(['/', '\\']).next().unwrap_or(&name);
    let (field, cell) = file.rsplit_once('#').unwrap_or((file, ""));
    let stem = field.rsplit_once('.').map_or(field, |(stem, _)| stem);
    let plain = |text: &str| -> String {
        let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' });
        plain.take(LETTERS).collect()
    };
    format!("{IMAGES}/{number:06}_{}_{}.{ending}", plain(stem), plain(cell))
}
