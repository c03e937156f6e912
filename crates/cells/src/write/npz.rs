//! An .npz of cells, with MedMNIST's names of arrays: `train_images` `[N, H, W, C]` in the stored type, `train_labels` `[N]`
//! where there are labels (`[N, L]` of 0 and 1 where an image may show several classes), and so on for `val` and `test`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use twinlens_data::{DataSet, ImageSource, PixelType, Split, Tag};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::place::{beside, check_file, publish};
use super::{Written, each_image, label_of, little_endian, table};
use crate::CellsError;

/// Writes the images of `set` to the .npz at `path`, and a table of what is known of each beside it (`cells.npz`,
/// `cells.csv`). Labels are the names of the classes as text, or their numbers where they have no other names, -1 for none.
///
/// # Errors
/// [`CellsError::Exists`] when there is something at either place and it is not to be replaced;
/// [`CellsError::NotKept`] when images are not of one size; what reading images and writing gives.
pub fn write_npz(set: &DataSet, path: &Path, overwrite: bool) -> Result<Written, CellsError> {
    check(path, overwrite)?;
    let table_path = path.with_extension("csv");
    let file = beside(path)?;
    let failed = CellsError::write(path);
    let mut archive = ZipWriter::new(BufWriter::new(file.as_file()));
    let mut images = 0;
    for (split, source) in super::parts(set) {
        write_images(&mut archive, split, source, path)?;
        write_labels(&mut archive, split, set, source).map_err(&failed)?;
        images += source.len();
    }
    archive.finish().map_err(std::io::Error::other).and_then(|mut out| out.flush()).map_err(&failed)?;
    let known = table::table(set, &["array", "index"], |split, index, _| {
        vec![format!("{}_images", split.name()), index.to_string()]
    })?;
    let mut table_file = beside(&table_path)?;
    table_file.write_all(&known).map_err(CellsError::write(&table_path))?;
    publish(table_file, &table_path)?;
    publish(file, path)?;
    Ok(Written { path: path.to_path_buf(), table: table_path, images })
}

/// Refuses a place where there is something, unless it may be replaced.
pub(super) fn check(path: &Path, overwrite: bool) -> Result<(), CellsError> {
    check_file(path, overwrite)?;
    check_file(&path.with_extension("csv"), overwrite)
}

type Archive<'a> = ZipWriter<BufWriter<&'a File>>;

fn write_images(
    archive: &mut Archive<'_>,
    split: Split,
    source: &dyn ImageSource,
    path: &Path,
) -> Result<(), CellsError> {
    let first = source.stored(0)?;
    let form = |image: &twinlens_data::Image| (image.height, image.width, image.channels, image.pixel_type());
    let (height, width, channels, pixel_type) = form(&first);
    let code = match pixel_type {
        PixelType::U8 => "|u1",
        PixelType::U16 => "<u2",
        PixelType::I16 => "<i2",
        PixelType::U32 => "<u4",
        PixelType::F32 => "<f4",
    };
    let bytes = source.len() as u64 * (first.pixels.len() * pixel_type.bytes()) as u64;
    let shape = [source.len(), height, width, channels];
    begin(archive, &format!("{}_images", split.name()), code, &shape, bytes)
        .map_err(CellsError::write(path))?;
    each_image(source, |images| {
        for image in images {
            if form(&image) != form(&first) {
                let size =
                    |(height, width, channels, kind)| format!("{height} x {width} x {channels} {kind}");
                let reason =
                    format!("images differ: one is {}, another {}", size(form(&first)), size(form(&image)));
                return Err(CellsError::NotKept { reason, hint: "a folder holds images of any size" });
            }
            archive.write_all(&little_endian(&image.pixels)).map_err(CellsError::write(path))?;
        }
        Ok(())
    })
}

fn write_labels(
    archive: &mut Archive<'_>,
    split: Split,
    set: &DataSet,
    source: &dyn ImageSource,
) -> std::io::Result<()> {
    let name = format!("{}_labels", split.name());
    let count = source.len();
    let number = |value: i32| value.to_le_bytes();
    if source.tags(0).is_some() {
        let value = |tag: &Tag| match tag {
            Tag::Absent => 0,
            Tag::Present => 1,
            Tag::NotJudged => -1,
        };
        let tags = (0..count).flat_map(|index| source.tags(index).unwrap_or_default().iter().map(value));
        let bytes: Vec<u8> = tags.flat_map(number).collect();
        begin(archive, &name, "<i4", &[count, set.classes.len()], bytes.len() as u64)?;
        return archive.write_all(&bytes);
    }
    if set.classes.is_empty() {
        return Ok(());
    }
    if set.classes.iter().zip(0..).all(|(class, number)| *class == number.to_string()) {
        let label =
            |index: usize| source.label(index).and_then(|label| i32::try_from(label).ok()).unwrap_or(-1);
        let bytes: Vec<u8> = (0..count).flat_map(|index| number(label(index))).collect();
        begin(archive, &name, "<i4", &[count], bytes.len() as u64)?;
        return archive.write_all(&bytes);
    }
    let longest = set.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(1);
    let mut bytes = Vec::with_capacity(4 * longest * count);
    for index in 0..count {
        let text = label_of(set, source, index);
        let points = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest);
        bytes.extend(points.flat_map(u32::to_le_bytes));
    }
    begin(archive, &name, &format!("<U{longest}"), &[count], bytes.len() as u64)?;
    archive.write_all(&bytes)
}

/// Begins the array `name` of the type `code` and `shape`, of so many `bytes`, with its header (numpy.lib.format, version 1).
fn begin(
    archive: &mut Archive<'_>,
    name: &str,
    code: &str,
    shape: &[usize],
    bytes: u64,
) -> std::io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .large_file(bytes >= u64::from(u32::MAX) / 2);
    archive.start_file(format!("{name}.npy"), options).map_err(std::io::Error::other)?;
    let shape: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let dictionary =
        format!("{{'descr': '{code}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    let padded = (10 + dictionary.len() + 1).next_multiple_of(64) - 10;
    let length = u16::try_from(padded).map_err(std::io::Error::other)?;
    archive.write_all(b"\x93NUMPY\x01\x00")?;
    archive.write_all(&length.to_le_bytes())?;
    archive.write_all(format!("{dictionary:<width$}\n", width = padded - 1).as_bytes())
}
