//! Image files in folders.
//!
//! - `class/file`: one folder per class; files in deeper folders belong to the topmost one.
//! - `train/class/file`, `val/class/file`, `test/class/file` (also `valid`, `validation`).
//! - files without folders: no labels.
//!
//! A folder that holds all others (as archives often have) is looked through, down to the last folder above
//! the files, which is a class. Classes are numbered in the byte order of their names, over all splits.
//! An image beside the class folders has no label. Files that neither are images nor are named like images
//! are ignored; files that are named like images and cannot be decoded are bad samples.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::Format;
use crate::decode::{DecodeOptions, Decoded, decode};
use crate::store::{Sample, StoreBuilder};
use crate::tree::{Kind, Tree};
use crate::{DataError, DataSettings, OpenOptions, Pages, Split, Tag};

pub(super) const FORMAT: Format = Format {
    name: "folder",
    description: "image files (PNG, JPEG, TIFF, BMP, WebP) in one folder per class, in train/val/test/class, \
                  or in one folder without labels; also zipped",
    claims: |tree| images(tree).len(),
    read,
};

/// Images decoded at a time: enough to keep all threads busy, few enough to hold twice.
const BATCH: usize = 256;

const EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp"];

/// Where one file belongs.
struct Place<'a> {
    entry: usize,
    split: Option<Split>,
    class: Option<&'a str>,
}

fn images(tree: &Tree) -> Vec<usize> {
    let named_like_one = |path: &str| {
        let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
    };
    let is_one = |index: &usize| {
        let entry = &tree.entries[*index];
        match entry.kind {
            Kind::Image(_) => true,
            Kind::Other | Kind::Empty | Kind::Unreadable => named_like_one(&entry.path),
            _ => false,
        }
    };
    (0..tree.entries.len()).filter(is_one).collect()
}

fn read(tree: &Tree, _: &OpenOptions<'_>, store: &mut StoreBuilder<'_>) -> Result<Vec<String>, DataError> {
    let images = images(tree);
    store.expect(images.len());
    let places = places(tree, &images);
    let classes: BTreeSet<&str> = places.iter().filter_map(|place| place.class).collect();
    let classes: Vec<String> = classes.into_iter().map(String::from).collect();
    let divided = places.iter().any(|place| place.split.is_some());
    for split in [None, Some(Split::Train), Some(Split::Val), Some(Split::Test)] {
        let members = places.iter().filter(|place| place.split == split);
        if split.is_none() && divided {
            for place in members {
                let reason = "it lies outside the folders train, val and test".to_string();
                store.bad_sample(tree.place_of(place.entry), &tree.entries[place.entry].path, reason)?;
            }
            continue;
        }
        store.begin(split, split.map_or("images", Split::name));
        let label = |class: &str| classes.binary_search_by(|name| name.as_str().cmp(class)).ok();
        let file = |place: &Place<'_>| {
            let label = place.class.and_then(label).map(|label| label as u32);
            File { entry: place.entry, label, tags: None }
        };
        read_files(tree, members.map(file).collect(), store)?;
    }
    check_any(tree, store)?;
    Ok(classes)
}

/// An image file and what is known of it.
pub(super) struct File {
    pub(super) entry: usize,
    pub(super) label: Option<u32>,
    pub(super) tags: Option<Vec<Tag>>,
}

/// Decodes files into the store, in their order.
pub(super) fn read_files(
    tree: &Tree,
    mut files: Vec<File>,
    store: &mut StoreBuilder<'_>,
) -> Result<(), DataError> {
    while !files.is_empty() {
        let rest = files.split_off(BATCH.min(files.len()));
        read_batch(tree, std::mem::replace(&mut files, rest), store)?;
    }
    Ok(())
}

/// Refuses a set of which no image could be decoded.
pub(super) fn check_any(tree: &Tree, store: &StoreBuilder<'_>) -> Result<(), DataError> {
    if !store.is_empty() {
        return Ok(());
    }
    let skipped = store.skipped();
    let first = skipped.first.first().map(|bad| format!("; the first: {}: {}", bad.path, bad.reason));
    Err(DataError::NoImages {
        place: tree.place().into(),
        found: format!("{} files that cannot be decoded{}", skipped.count, first.unwrap_or_default()),
    })
}

fn read_batch(tree: &Tree, batch: Vec<File>, store: &mut StoreBuilder<'_>) -> Result<(), DataError> {
    let &DataSettings { pages, orientation, .. } = store.settings();
    let options = DecodeOptions { limit: store.limit, pages, orientation };
    let decoded: Vec<Result<Decoded, String>> = batch
        .par_iter()
        .map(|file| match tree.bytes(file.entry, options.limit) {
            Ok(bytes) => decode(&bytes, &options),
            Err(DataError::Damaged { reason, .. }) => Err(reason),
            Err(error) => Err(error.to_string()),
        })
        .collect();
    let mut samples = Vec::with_capacity(batch.len());
    for (file, decoded) in batch.into_iter().zip(decoded) {
        let path = &tree.entries[file.entry].path;
        match decoded {
            Ok(decoded) => {
                decoded.remarks.iter().for_each(|remark| store.tell(remark.notice(path)));
                samples.extend(samples_of(file, path, decoded, pages));
            }
            Err(reason) => store.bad_sample(tree.place_of(file.entry), path, reason)?,
        }
    }
    store.push(tree.place(), samples)
}

/// The images of one file; pages are named by their number.
fn samples_of(file: File, path: &str, decoded: Decoded, pages: Pages) -> impl Iterator<Item = Sample> {
    let numbered = decoded.paged && pages == Pages::Each;
    let name = move |path: &str, page: usize| if numbered { format!("{path}[{page}]") } else { path.into() };
    let path = path.to_string();
    decoded.images.into_iter().enumerate().map(move |(page, image)| Sample {
        label: file.label,
        tags: file.tags.clone(),
        name: Some(name(&path, page)),
        ..Sample::of(image)
    })
}

/// Split and class of every image, from its path.
fn places<'a>(tree: &'a Tree, images: &[usize]) -> Vec<Place<'a>> {
    let paths: Vec<Vec<&str>> = images.iter().map(|&i| tree.entries[i].path.split('/').collect()).collect();
    let shared = shared_folders(&paths);
    let mut tops = paths.iter().filter(|path| path.len() > shared + 1).map(|path| path[shared]).peekable();
    let divided = tops.peek().is_some() && tops.all(|top| split_named(top).is_some());
    let mut places = Vec::with_capacity(images.len());
    for (path, &entry) in paths.iter().zip(images) {
        let mut rest = &path[shared..];
        let split = if divided && rest.len() > 1 { split_named(rest[0]) } else { None };
        if split.is_some() {
            rest = &rest[1..];
        }
        places.push(Place { entry, split, class: (rest.len() > 1).then(|| rest[0]) });
    }
    places
}

/// How many leading folders hold everything and are neither a class nor a split: those below which most
/// images lie in folders again.
fn shared_folders(paths: &[Vec<&str>]) -> usize {
    let mut shared = 0;
    while let Some(name) = paths.first().and_then(|path| path.get(shared)) {
        let holds_all = paths.iter().all(|path| path.len() > shared + 1 && path[shared] == *name);
        let deeper = paths.iter().filter(|path| path.len() > shared + 2).count();
        if !holds_all || 2 * deeper <= paths.len() || split_named(name).is_some() {
            break;
        }
        shared += 1;
    }
    shared
}

fn split_named(folder: &str) -> Option<Split> {
    match folder.to_ascii_lowercase().as_str() {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validation" => Some(Split::Val),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}
