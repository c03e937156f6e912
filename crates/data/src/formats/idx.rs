//! MNIST's idx: two zero bytes, a type, the number of dimensions, the sizes and the numbers, big-endian.
//!
//! A folder (or zip) holds images and labels of one or more splits; the split is told by the file names
//! (`train...`, `t10k...` or `test...`, `val...`), since nothing else tells it. A single file of images takes
//! its labels from the file beside it that is called the same with `labels` for `images`.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::array::{ArrayHeader, Element, ElementKind, ImageArray};
use super::axes::{self, Question};
use super::labels::{self, LabelArray};
use super::{Format, no_files, refuse_names};
use crate::error::read_error;
use crate::store::StoreBuilder;
use crate::tree::{Kind, Tree};
use crate::{DataError, OpenOptions, Split};

pub(super) const FORMAT: Format = Format {
    name: "idx",
    description: "MNIST's idx files, gzipped or not: a folder of images and labels, or one file of images \
                  with its labels beside it",
    claims: |tree| files(tree).count(),
    read,
    files: no_files,
};

fn files(tree: &Tree) -> impl Iterator<Item = usize> + '_ {
    (0..tree.entries.len()).filter(|&index| tree.entries[index].kind == Kind::Idx)
}

/// The file of labels that belongs to a file of images, if there is one: beside it, called the same with
/// `labels` for `images` and `idx1` for `idx3` (or `idx4`), gzipped or not.
pub(crate) fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    let labels = stem.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1");
    let candidates = [labels.clone(), format!("{labels}.gz")];
    candidates
        .iter()
        .filter(|_| labels != stem)
        .map(|name| images.with_file_name(name))
        .find(|path| path.is_file())
}

fn read_header(reader: &mut dyn Read, place: &str) -> Result<ArrayHeader, DataError> {
    let damaged = |reason: String| DataError::Damaged { place: place.into(), reason };
    let mut fill = |bytes: &mut [u8]| reader.read_exact(bytes).map_err(|source| read_error(place, source));
    let mut magic = [0; 4];
    fill(&mut magic)?;
    let (kind, bytes) = match magic {
        [0, 0, 0x08, _] => (ElementKind::Unsigned, 1),
        [0, 0, 0x09, _] => (ElementKind::Signed, 1),
        [0, 0, 0x0B, _] => (ElementKind::Signed, 2),
        [0, 0, 0x0C, _] => (ElementKind::Signed, 4),
        [0, 0, 0x0D, _] => (ElementKind::Float, 4),
        [0, 0, 0x0E, _] => (ElementKind::Float, 8),
        _ => return Err(damaged(format!("idx header: unknown type {magic:02x?}"))),
    };
    let mut shape = Vec::new();
    for _ in 0..magic[3] {
        let mut size = [0; 4];
        fill(&mut size)?;
        shape.push(u64::from(u32::from_be_bytes(size)));
    }
    let offset = 4 + 4 * u64::from(magic[3]);
    Ok(ArrayHeader { element: Element { kind, bytes, big_endian: true }, shape, fortran: false, offset })
}

/// One idx file and what its header says.
struct File {
    entry: usize,
    place: String,
    split: Option<Split>,
    header: ArrayHeader,
}

fn read(
    tree: &Tree,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<Vec<String>, DataError> {
    refuse_names(options, "idx files")?;
    let (images, labels) = images_and_labels(tree)?;
    let labels_of = |images: &File| labels.iter().find(|labels| labels.split == images.split);
    let mut questions = Vec::new();
    for file in &images {
        let count = labels_of(file).map(|labels| labels::count(&labels.header, &labels.place)).transpose()?;
        questions.push(Question { header: &file.header, place: &file.place, labels: count });
    }
    let (layout, notice) = axes::layout_of(options.settings.layout, &questions)?;
    notice.into_iter().for_each(|notice| store.tell(notice));
    let mut arrays = Vec::new();
    let mut given = Vec::new();
    for file in &images {
        let array = ImageArray::new(&file.header, layout, &file.place, &tree.entries[file.entry].path)?;
        let labels = labels_of(file).map(|labels| read_labels(tree, labels, &array, options)).transpose()?;
        store.expect(array.count());
        given.push(labels);
        arrays.push(array);
    }
    let (labels, classes) = labels::settle(given, options, store)?;
    for ((file, array), labels) in images.iter().zip(&arrays).zip(&labels) {
        store.begin(file.split, array.key);
        tree.with_reader(file.entry, |reader| {
            read_header(reader, &file.place)?;
            array.read(reader, labels.as_ref(), store)
        })?;
    }
    Ok(classes)
}

/// The files of images, in the order of their splits, and those of labels.
fn images_and_labels(tree: &Tree) -> Result<(Vec<File>, Vec<File>), DataError> {
    let mut images = Vec::new();
    let mut labels = Vec::new();
    for entry in files(tree) {
        let place = tree.place_of(entry);
        let header = tree.with_reader(entry, |reader| read_header(reader, &place))?;
        header.check_len(&place, tree.entries[entry].len)?;
        let split = split_named(&tree.entries[entry].path);
        let one_number_each = header.shape.len() == 1;
        let file = File { entry, place, split, header };
        if one_number_each { labels.push(file) } else { images.push(file) }
    }
    images.sort_by_key(|file| file.split);
    check_pairs(tree, &images, &labels)?;
    Ok((images, labels))
}

/// There must be images, and no two files of a kind for the same split.
fn check_pairs(tree: &Tree, images: &[File], labels: &[File]) -> Result<(), DataError> {
    let twice = |files: &[File]| {
        files.iter().enumerate().any(|(i, file)| files[..i].iter().any(|other| other.split == file.split))
    };
    let hint = if images.is_empty() {
        "these are labels; give the file of images, or the folder that holds both"
    } else if twice(images) || twice(labels) {
        "keep one file of images and one of labels per split, with train, val, test or t10k in their names"
    } else {
        return Ok(());
    };
    let found: Vec<String> =
        images.iter().chain(labels).map(|f| tree.entries[f.entry].path.clone()).collect();
    Err(DataError::UnknownArrays { place: tree.place().into(), found: found.join(", "), hint: hint.into() })
}

fn read_labels(
    tree: &Tree,
    labels: &File,
    images: &ImageArray<'_>,
    options: &OpenOptions<'_>,
) -> Result<LabelArray, DataError> {
    let place = &labels.place;
    labels::check_count(images, labels::count(&labels.header, place)?, place)?;
    tree.with_reader(labels.entry, |reader| {
        read_header(reader, place)?;
        labels::read(reader, &labels.header, (place, &tree.entries[labels.entry].path), options)
    })
}

fn split_named(path: &str) -> Option<Split> {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let marks = [("train", Split::Train), ("val", Split::Val), ("test", Split::Test), ("t10k", Split::Test)];
    marks.iter().find(|(mark, _)| name.contains(mark)).map(|(_, split)| *split)
}
