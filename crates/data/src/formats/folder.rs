//! Image files in folders.
//!
//! What the folders mean (splits, classes, companions such as masks) is told by [`crate::layout`], what a table beside the
//! images says by [`crate::table`]. Classes are numbered in the byte order of their names, over all splits; labels of a
//! table that are numbers in the order of these. Where both give labels, the folders count, unless the table is stated.
//! Where folders divide the set, a split column of a table that was found does not count.
//!
//! An image beside the class folders has no label. Files that neither are images nor are named like images are left out;
//! those that are images of a kind not decoded here are told. Files that are named like images and cannot be decoded are
//! bad samples. NumPy arrays in class folders are images, one each; of volumes every slice is one ([`super::volumes`]).
//!
//! Files that are the channels of one image ([`crate::fields`]) become that image: it is called by the file of its first channel,
//! and what folders and tables say of any of its files, they say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use image::ImageFormat;
use rayon::prelude::*;

use super::{Format, dicom, merge, npy, npz, slides, volumes};
use crate::containers::{advice, by_ending, slide_by_ending};
use crate::decode::{DecodeOptions, Decoded, Refusal, decode, decode_pair, is_pair};
use crate::fields::{self, Fields};
use crate::groups;
use crate::layout::{self, Place};
use crate::names::Role;
use crate::notice::Notice;
use crate::slide::not_read;
use crate::store::{FilePlace, ImageFiles, Sample, StoreBuilder};
use crate::table::{self, Known};
use crate::text::{SENTENCE, shown};
use crate::tree::{Entry, Kind, Tree};
use crate::{DataError, DataSettings, Image, OpenOptions, Split, SplitPolicy, Tag};

pub(super) const FORMAT: Format = Format {
    name: "folder",
    description: "image files (PNG, JPEG, TIFF, GIF, BMP, WebP, PNM, DICOM), one .npy an image or NIfTI volumes, in one folder per class, in \
                  train/val/test, or with a table of labels; also zipped",
    // Arrays that are images count for arrays too, which would come first.
    claims: |tree| images(tree).len() + usize::from(!arrays(tree).is_empty()),
    read,
    files: |tree, settings, limit| match settings.tile_size {
        Some(_) => slides::files(tree, settings, limit),
        None => files(tree, settings, limit),
    },
};

/// Files decoded at a time: enough to keep all threads busy. The first ones show how many fit into memory.
const FIRST_BATCH: usize = 16;
const BATCH: usize = 256;

const EXTENSIONS: [&str; 18] = [
    "png", "jpg", "jpeg", "tif", "tiff", "svs", "bmp", "webp", "gif", "pgm", "ppm", "pbm", "pnm", "apng",
    "dcm", "dicom", "ima", "nii",
];

/// Arrays that lie in one folder and are an image each, at least.
const MIN_ARRAYS: usize = 10;

fn images(tree: &Tree) -> Vec<usize> {
    let (arrays, numbers) = (arrays(tree), volumes::numbers(tree));
    let named_like_one = |path: &str| {
        let path = path.to_ascii_lowercase();
        let extension = path.rsplit_once('.').map(|(_, extension)| extension);
        path.ends_with(".nii.gz") || extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
    };
    let is_one = |index: &usize| {
        let entry = &tree.entries[*index];
        match entry.kind {
            _ if numbers.contains(index) => false,
            Kind::Image(_) | Kind::Nifti => true,
            Kind::Dicom => tree.entries.len() == 1 || !dicom::is_directory(&entry.path),
            Kind::Npy => arrays.contains(index),
            Kind::Other | Kind::Known(_) | Kind::Empty | Kind::Unreadable => named_like_one(&entry.path),
            _ => false,
        }
    };
    (0..tree.entries.len()).filter(is_one).collect()
}

/// The arrays that are an image each: in several folders, or many in one, under names that arrays of images do not have.
/// Those of an .npz never are.
fn arrays(tree: &Tree) -> BTreeSet<usize> {
    let all = || (0..tree.entries.len()).filter(|&index| tree.entries[index].kind == Kind::Npy);
    let parts =
        |index: usize| tree.entries[index].path.rsplit_once('/').unwrap_or(("", &tree.entries[index].path));
    let folders: BTreeSet<&str> = all().map(|index| parts(index).0).collect();
    let several = folders.len() > 1 || all().count() >= MIN_ARRAYS;
    let named = all().any(|index| npz::is_known(parts(index).1.trim_end_matches(".npy")));
    let one_file = tree.is_file() || tree.place().ends_with(".npz");
    if several && !named && !one_file { all().collect() } else { BTreeSet::new() }
}

/// What is known of an image before it is decoded.
pub(super) struct Plan {
    pub(super) entries: Box<[usize]>,
    split: Option<Split>,
    label: Option<Label>,
    metadata: Vec<String>,
}

fn read(
    tree: &Tree,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<Vec<String>, DataError> {
    let settings = &options.settings;
    let images = images(tree);
    let paths: Vec<&str> = images.iter().map(|&entry| tree.entries[entry].path.as_str()).collect();
    let barren = barren(tree, &paths);
    let mut layout = layout::understand(tree.place(), &paths, &barren, settings)?;
    layout.notices.into_iter().for_each(|notice| store.tell(notice));
    tell_not_read(tree, &images, store);
    tell_empty_classes(&paths, &layout.places, &barren, store);
    store.expect(images.len());
    for (&entry, _) in images.iter().zip(&layout.places).filter(|(_, place)| **place == Place::Outside) {
        let refusal = Refusal::from("it lies outside the folders train, val and test");
        store.bad_sample(tree.place_of(entry), &tree.entries[entry].path, refusal)?;
    }
    let inside = |place: &Place| matches!(place, Place::In { .. });
    let named: Vec<Option<&str>> =
        paths.iter().zip(&layout.places).map(|(path, place)| Some(*path).filter(|_| inside(place))).collect();
    let mut cutter = slides::Cutter::of(settings, store.limit)?;
    let by_names = match cutter {
        Some(_) => None,
        None => fields::by_names(&named, settings)?.filter(|fields| fit(tree, &images, fields, store)),
    };
    let mut known = table::read(tree, &named, by_names, settings)?.unwrap_or_default();
    std::mem::take(&mut known.notices).into_iter().for_each(|notice| store.tell(notice));
    let series = dicom::Series::read(tree, &images, settings, store.limit);
    series.describe(&mut known, images.len());
    let columns = volumes::add_columns(tree, &images, &mut known);
    if let Some(cutter) = &mut cutter {
        cutter.add_columns(tree, &images, &mut known);
    }
    let clinical = |&entry: &usize| matches!(tree.entries[entry].kind, Kind::Dicom | Kind::Nifti);
    if let Some(group) = groups::telling(&known.columns, &known.metadata)
        .filter(|_| cutter.is_some() || images.iter().any(clinical))
    {
        store.grouped_by(group);
    }
    if images.iter().all(|&entry| volumes::is_volume(tree, entry)) {
        store.of_one_scale();
    }
    store.columns(known.columns.clone());
    let merged = known.fields.take();
    if let Some(fields) = &merged {
        join_places(fields, &paths, &mut layout.places, store);
        store.merges(fields);
    }
    let mut plans = plans(&images, &paths, layout.places, known, (merged, settings), store);
    series.sort(&mut plans, |plan| plan.entries[0]);
    let classes = classes_of(&plans);
    let slice = columns.map(|[_, slice]| slice);
    let parts = parts(plans, &classes, slice);
    match &mut cutter {
        Some(cutter) => cutter.read(tree, parts, store)?,
        None => read_parts(tree, parts, store)?,
    }
    check_channels(store)?;
    Ok(classes)
}

/// Where a label comes from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Folder(String),
    Table(String),
}

impl Label {
    fn name(&self) -> &str {
        let (Label::Folder(name) | Label::Table(name)) = self;
        name
    }
}

/// The names of classes by their letters; those of a table that are numbers, in the order of these.
pub(super) fn classes_of(plans: &[Plan]) -> Vec<String> {
    let labels: BTreeSet<&Label> = plans.iter().filter_map(|plan| plan.label.as_ref()).collect();
    let number = |label: &&Label| match label {
        Label::Folder(_) => None,
        Label::Table(name) => name.parse::<i64>().ok(),
    };
    let mut labels: Vec<&Label> = labels.into_iter().collect();
    if labels.iter().all(|label| number(label).is_some()) {
        labels.sort_by_key(number);
    }
    labels.into_iter().map(|label| label.name().to_string()).collect()
}

/// Joins what folders and tables say of every image.
pub(super) fn plans(
    images: &[usize],
    paths: &[&str],
    places: Vec<Place>,
    mut known: Known,
    (merged, settings): (Option<Fields>, &DataSettings),
    store: &mut StoreBuilder<'_>,
) -> Vec<Plan> {
    let files: BTreeMap<usize, Vec<usize>> = merged
        .into_iter()
        .flat_map(|merged| merged.fields)
        .map(|field| (field.files[0], field.files))
        .collect();
    let labels = labels_from(&places, &mut known, store);
    let splits = splits_from(&places, &mut known, settings, store);
    let mut plans = Vec::with_capacity(images.len());
    for (number, place) in places.into_iter().enumerate() {
        let Place::In { split, class } = place else { continue };
        let mut label = match &labels {
            Some(labels) => labels[number].clone().map(Label::Table),
            None => class.map(Label::Folder),
        };
        let split = match splits.as_ref().map(|splits| splits[number]) {
            None => split,
            Some(Some(Role::Split(split))) => Some(split),
            Some(Some(Role::Unlabelled)) => {
                label = None;
                Some(Split::Train)
            }
            Some(_) => {
                let message =
                    format!("{} gives these images no split to learn or judge with: left out", known.name);
                store.tell(Notice::new("left-out", message).about(paths[number]));
                continue;
            }
        };
        let metadata = known.metadata.get_mut(number).map(std::mem::take).unwrap_or_default();
        let alone = [number];
        let files = files.get(&number).map_or(&alone[..], Vec::as_slice);
        let entries = files.iter().map(|&file| images[file]).collect();
        plans.push(Plan { entries, split, label, metadata });
    }
    plans
}

/// The labels of the table, where they count.
fn labels_from(
    places: &[Place],
    known: &mut Known,
    store: &mut StoreBuilder<'_>,
) -> Option<Vec<Option<String>>> {
    let class = |place: &Place| match place {
        Place::In { class, .. } => class.clone(),
        _ => None,
    };
    let classes: BTreeSet<String> = places.iter().filter_map(class).collect();
    let labels = known.labels.take()?;
    if classes.is_empty() {
        return Some(labels);
    }
    let (folders, hint) = match known.stated {
        true => {
            ("but are those of the table, which was stated", "without `{labels}` those of the folders count")
        }
        false => ("and are those of the folders", "`{labels} FILE` makes those of the table count"),
    };
    if classes.len() < 2 {
        return Some(labels); // one folder around all images says nothing
    }
    let message = format!("labels could come from the folders and from {}, {folders}", known.name);
    store.tell(Notice::new("labels-twice", message).hint(hint));
    known.stated.then_some(labels)
}

/// Fields whose files are looked at before a pattern that was found counts.
const LOOKED_AT: usize = 3;

/// Whether the files of fields can be channels of one image: where a pattern was found, those of a few are looked at, and it is
/// told what speaks against it.
fn fit(tree: &Tree, images: &[usize], fields: &Fields, store: &mut StoreBuilder<'_>) -> bool {
    if !fields.found {
        return true;
    }
    let step = fields.fields.len().div_ceil(LOOKED_AT).max(1);
    for field in fields.fields.iter().step_by(step) {
        let entries: Vec<usize> = field.files.iter().map(|&file| images[file]).collect();
        let decoded: Result<Vec<Decoded>, Refusal> =
            entries.iter().map(|&entry| decode_file(tree, entry, store.settings(), store.limit)).collect();
        // What cannot be decoded says nothing of the others.
        let Ok(decoded) = decoded else { continue };
        if let Err(refusal) = merge::merged(tree, &entries, decoded) {
            let message = format!("files have {}, but are not merged: {}", fields.origin, refusal.reason);
            let hint = "`{channels_from} PATTERN` merges files by a pattern of yours";
            store.tell(Notice::new("not-merged", message).hint(hint));
            return false;
        }
    }
    true
}

/// Gives each field, at the place of its first file, what the folders of all its files say alike; its other files, and files
/// that are of no field, have no place. A field in several splits is left out.
fn join_places(fields: &Fields, paths: &[&str], places: &mut [Place], store: &mut StoreBuilder<'_>) {
    let mut joined = vec![Place::LeftOut; places.len()];
    for files in fields.fields.iter().map(|field| &field.files) {
        let Place::In { split, class } = &places[files[0]] else { continue };
        let said = |file: &usize| match &places[*file] {
            Place::In { split, class } => (*split, class.as_ref()),
            _ => (None, None),
        };
        if files.iter().any(|file| said(file).0 != *split) {
            let message = "images whose channels lie in the folders of several splits are left out";
            store.tell(Notice::new("left-out", message).about(paths[files[0]]));
            continue;
        }
        let counts = !fields.by_folders && files.iter().all(|file| said(file).1 == class.as_ref());
        joined[files[0]] = Place::In { split: *split, class: class.clone().filter(|_| counts) };
    }
    places.clone_from_slice(&joined);
}

/// The splits of the table, where they count.
fn splits_from(
    places: &[Place],
    known: &mut Known,
    settings: &DataSettings,
    store: &mut StoreBuilder<'_>,
) -> Option<Vec<Option<Role>>> {
    let splits = known.splits.take()?;
    if settings.splits == SplitPolicy::Column {
        return Some(splits);
    }
    let divided = places.iter().any(|place| matches!(place, Place::In { split: Some(_), .. }));
    let (message, hint) = match divided {
        true => (
            "splits are those of the folders or files, not those of a column of",
            "`{splits} column` takes those of the table",
        ),
        false => ("splits are those of a column of", "`{splits} drawn` draws them instead"),
    };
    store.tell(Notice::new("split-column", format!("{message} {}", known.name)).hint(hint));
    (!divided).then_some(splits)
}

/// Decodes what is planned into the store, split by split.
pub(super) fn read_plans(
    tree: &Tree,
    plans: Vec<Plan>,
    classes: &[String],
    store: &mut StoreBuilder<'_>,
) -> Result<(), DataError> {
    read_parts(tree, parts(plans, classes, None), store)
}

/// The files of each split.
pub(super) type Parts = BTreeMap<Option<Split>, Vec<File>>;

fn parts(plans: Vec<Plan>, classes: &[String], slice: Option<usize>) -> Parts {
    let numbers: BTreeMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut parts = Parts::new();
    for Plan { entries, split, label, metadata } in plans {
        let label = label.and_then(|label| numbers.get(label.name()).copied());
        parts.entry(split).or_default().push(File { entries, label, tags: None, metadata, slice });
    }
    parts
}

fn read_parts(tree: &Tree, parts: Parts, store: &mut StoreBuilder<'_>) -> Result<(), DataError> {
    for (split, files) in parts {
        store.begin(split, split.map_or("images", Split::name));
        read_files(tree, files, store)?;
    }
    check_any(tree, store)
}

/// Refuses images that are not of the channels that are wanted by name.
fn check_channels(store: &StoreBuilder<'_>) -> Result<(), DataError> {
    let (wanted, found) = (&store.settings().channels, store.channel_names());
    let alike = wanted.len() == found.len()
        && wanted.iter().zip(found).all(|(one, other)| one.to_lowercase() == other.to_lowercase());
    if wanted.is_empty() || alike {
        return Ok(());
    }
    let expected = match found {
        [] => "nothing, as the files do not all say what their channels are called".to_owned(),
        found => format!("some of {}", shown(&found.join(", "), SENTENCE)),
    };
    Err(DataError::BadOption { name: "channels", expected, got: wanted.join(", ") })
}

/// Folders in which no image lies that is read here.
fn barren(tree: &Tree, images: &[&str]) -> Vec<String> {
    fn above(path: &str) -> impl Iterator<Item = &str> {
        path.match_indices('/').map(|(at, _)| &path[..at])
    }
    let of_images: BTreeSet<&str> = images.iter().flat_map(|path| above(path)).collect();
    let files = tree.entries.iter().flat_map(|entry| above(&entry.path));
    let empty = tree.folders.iter().flat_map(|path| above(path).chain([path.as_str()]));
    let all: BTreeSet<&str> = files.chain(empty).filter(|path| !of_images.contains(path)).collect();
    all.into_iter().map(String::from).collect()
}

/// Tells image files of kinds that are not decoded here.
fn tell_not_read(tree: &Tree, images: &[usize], store: &mut StoreBuilder<'_>) {
    for (index, entry) in tree.entries.iter().enumerate() {
        let what = match entry.kind {
            Kind::Known(what) => Some(what),
            Kind::Other | Kind::Unreadable => by_ending(&entry.path),
            _ => None,
        };
        if let Some(what) = what.filter(|_| images.binary_search(&index).is_err()) {
            let message = format!("files of a kind that is not read here are left out: {what}");
            store.tell(Notice::new("not-read", message).hint(advice(what)).about(&entry.path));
        }
    }
}

/// Tells folders beside those of the classes that hold no image: classes of which nothing is left.
fn tell_empty_classes(paths: &[&str], places: &[Place], barren: &[String], store: &mut StoreBuilder<'_>) {
    let (mut parents, mut classes) = (BTreeSet::new(), BTreeSet::new());
    for (path, place) in paths.iter().zip(places) {
        let Place::In { class: Some(class), .. } = place else { continue };
        let mut at = 0;
        for part in path.split('/') {
            if layout::composed(part) == *class {
                parents.insert(&path[..at]);
                classes.insert(class.as_str());
                break;
            }
            at += part.len() + 1;
        }
    }
    for folder in barren {
        let name = folder.rfind('/').map_or(0, |at| at + 1);
        if parents.contains(&folder[..name]) && !classes.contains(layout::composed(&folder[name..]).as_str())
        {
            let message = "folders beside those of the classes hold no image that is read here";
            let hint = "if they are classes, convert their images to PNG, JPEG or TIFF";
            store.tell(Notice::new("empty-class", message).hint(hint).about(folder));
        }
    }
}

/// An image file and what is known of it.
pub(super) struct File {
    /// Its number, or those of the files of its channels.
    pub(super) entries: Box<[usize]>,
    pub(super) label: Option<u32>,
    pub(super) tags: Option<Vec<Tag>>,
    /// One text for each of the store's columns; or so many for every page.
    pub(super) metadata: Vec<String>,
    /// The column that the number of a slice goes to.
    pub(super) slice: Option<usize>,
}

/// Decodes files into the store, in their order.
pub(super) fn read_files(
    tree: &Tree,
    files: Vec<File>,
    store: &mut StoreBuilder<'_>,
) -> Result<(), DataError> {
    let (mut files, mut size) = (files.into_iter(), FIRST_BATCH);
    while files.len() > 0 {
        let largest = read_batch(tree, files.by_ref().take(size).collect(), store)?;
        // Twice the largest, as images of one set are seldom of one size.
        let fitting = store.limit / largest.saturating_mul(2).max(1);
        size = fitting.clamp(1, BATCH as u64) as usize;
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
        hint: skipped.first.first().and_then(|bad| bad.hint.clone()),
    })
}

/// Decodes files side by side, each within its share of the memory limit, and those that need more one by one, so that no
/// more than the limit is held at a time. Returns the bytes of the largest.
fn read_batch(tree: &Tree, batch: Vec<File>, store: &mut StoreBuilder<'_>) -> Result<u64, DataError> {
    let (settings, limit, columns) = (store.settings(), store.limit, store.column_count());
    let share = limit / batch.len().max(1) as u64;
    let decoded: Vec<Result<Decoded, Refusal>> =
        batch.par_iter().map(|file| decode_files(tree, &file.entries, settings, share)).collect();
    let (mut samples, mut largest) = (Vec::with_capacity(batch.len()), 0);
    for (file, mut decoded) in batch.into_iter().zip(decoded) {
        let path = &tree.entries[file.entries[0]].path;
        if decoded.is_err() && share < limit {
            store.push(tree.place(), std::mem::take(&mut samples))?;
            decoded = decode_files(tree, &file.entries, settings, limit);
        }
        match decoded {
            Ok(decoded) => {
                let stored = file.entries.iter().filter_map(|&entry| tree.entries[entry].len).sum();
                let bytes = decoded.bytes().max(stored);
                largest = largest.max(bytes);
                decoded.remarks.iter().for_each(|remark| store.tell(remark.notice(path)));
                store.describe(&decoded.about, path);
                store.expect(decoded.images.len() - 1);
                samples.extend(samples_of(file, path, (decoded, bytes), columns));
            }
            Err(refusal) => store.bad_sample(tree.place_of(file.entries[0]), path, refusal)?,
        }
    }
    store.push(tree.place(), samples)?;
    Ok(largest)
}

/// Decodes the files of one image, which together may need `limit` bytes.
fn decode_files(
    tree: &Tree,
    entries: &[usize],
    settings: &DataSettings,
    limit: u64,
) -> Result<Decoded, Refusal> {
    let &[entry] = entries else {
        // As much again is needed to merge them.
        let share = limit / (2 * entries.len().max(1) as u64);
        let decode = |&entry: &usize| {
            let decoded = decode_file(tree, entry, settings, share);
            decoded.map_err(|refusal| refusal.of_file(&tree.entries[entry].path))
        };
        let decoded = entries.iter().map(decode).collect::<Result<_, _>>()?;
        return merge::merged(tree, entries, decoded);
    };
    merge::chosen(decode_file(tree, entry, settings, limit)?, &settings.channels)
}

/// Decodes a file that may need `limit` bytes.
fn decode_file(tree: &Tree, entry: usize, settings: &DataSettings, limit: u64) -> Result<Decoded, Refusal> {
    let options = DecodeOptions::of(settings, limit);
    let Entry { path, kind, .. } = &tree.entries[entry];
    if let Some(what) = slide_by_ending(path) {
        return Err(not_read(what));
    }
    match tree.bytes(entry, limit) {
        Err(DataError::TooLarge { needed, limit, .. }) if *kind == Kind::Image(ImageFormat::Tiff) => {
            let reason = format!("it needs {needed} bytes of memory or more, the limit is {limit}");
            Err(Refusal::new(reason, "read it in tiles with {tile_size} 224, or raise the memory limit"))
        }
        Ok(bytes) if *kind == Kind::Npy => npy::image(&bytes, settings, limit).map(Decoded::one),
        Ok(bytes) if is_pair(&bytes) => {
            let numbers = volumes::numbers_of(tree, entry).map(|numbers| tree.bytes(numbers, limit));
            decode_pair(&bytes, numbers.transpose()?.as_deref(), &options)
        }
        Ok(bytes) => decode(&bytes, &options),
        Err(error) => Err(error.into()),
    }
}

/// The files of a tree, for images that are not held.
struct Files {
    tree: Arc<Tree>,
    settings: DataSettings,
    limit: u64,
    /// Held alone by whoever decodes a file that needs more than its share of the limit.
    decoding: RwLock<()>,
}

impl ImageFiles for Files {
    fn image(&self, FilePlace { entries, page, .. }: &FilePlace) -> Result<Option<Image>, DataError> {
        let decode = |limit: u64| decode_files(&self.tree, entries, &self.settings, limit);
        let share = self.limit / (2 * rayon::current_num_threads() as u64);
        let shared = || {
            let _others = self.decoding.read().unwrap_or_else(PoisonError::into_inner);
            decode(share)
        };
        let decoded = shared().or_else(|_| {
            let _alone = self.decoding.write().unwrap_or_else(PoisonError::into_inner);
            decode(self.limit)
        });
        let decoded =
            decoded.map_err(|refusal| DataError::bad_sample(self.tree.place_of(entries[0]), refusal))?;
        Ok(decoded.images.into_iter().nth(*page))
    }
}

/// Where images of `tree` can be decoded from at any time, each within `limit` bytes.
pub(super) fn files(tree: &Arc<Tree>, settings: &DataSettings, limit: u64) -> Option<Arc<dyn ImageFiles>> {
    let decoding = RwLock::new(());
    Some(Arc::new(Files { tree: tree.clone(), settings: settings.clone(), limit, decoding }))
}

/// The images of one file; pages are named by their number. A volume is not decoded again for each of its slices, so these
/// have no place.
fn samples_of(
    file: File,
    path: &str,
    (decoded, bytes): (Decoded, u64),
    columns: usize,
) -> impl Iterator<Item = Sample> {
    let Decoded { first_page, volume, .. } = decoded;
    let only = first_page == Some(0) && decoded.images.len() == 1;
    let path = path.to_string();
    let metadata = move |all: &[String], place: usize| match all.len() {
        len if len <= columns => all.to_vec(),
        _ => all.chunks(columns.max(1)).nth(place).unwrap_or_default().to_vec(),
    };
    decoded.images.into_iter().enumerate().map(move |(place, image)| {
        let page = first_page.map(|first| (first + place).to_string());
        let mut metadata = metadata(&file.metadata, place);
        if let (true, Some(page), Some(column)) = (volume, &page, file.slice) {
            metadata[column].clone_from(page);
        }
        Sample {
            place: (!volume).then_some(FilePlace { entries: file.entries.clone(), page: place, bytes }),
            label: file.label,
            tags: file.tags.clone(),
            metadata,
            name: Some(page.filter(|_| !only).map_or(path.clone(), |page| format!("{path}[{page}]"))),
            ..Sample::of(image)
        }
    })
}
