//! CIFAR-10 and CIFAR-100 in their binary version: records of labels and 32 x 32 pixels, one colour plane after
//! the other, without any header.
//!
//! Nothing in such a file says what it is, so it is known by its name: CIFAR-10's `data_batch_1.bin` to
//! `data_batch_5.bin` and `test_batch.bin` (one label a record), CIFAR-100's `train.bin` and `test.bin` beside
//! `fine_label_names.txt` (a coarse label, then the fine one, which is the class).

use std::io::Read;

use super::{Format, no_files, refuse_names};
use crate::error::read_error;
use crate::store::{Sample, StoreBuilder};
use crate::tree::Tree;
use crate::{DataError, Image, OpenOptions, Pixels, Split};

pub(super) const FORMAT: Format = Format {
    name: "cifar",
    description: "CIFAR-10's or CIFAR-100's binary batches with the text file of class names, in a folder, zip or \
                  tar.gz",
    claims: |tree| Layout::of(tree).map_or(0, |layout| layout.batches(tree).len()),
    read,
    files: no_files,
};

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const PIXELS: usize = SIDE * SIDE * CHANNELS;

/// Records read at a time.
const AT_ONCE: usize = 1024;

/// Longest text file of class names that is read.
const MAX_NAMES: u64 = 1 << 16;

/// What tells the two sets apart.
struct Layout {
    /// The file of class names, one a line.
    names: &'static str,
    classes: usize,
    /// Labels before the pixels; the last one is the class.
    labels: usize,
    split: fn(&str) -> Option<Split>,
}

const LAYOUTS: [Layout; 2] = [
    Layout { names: "batches.meta.txt", classes: 10, labels: 1, split: split_of_ten },
    Layout { names: "fine_label_names.txt", classes: 100, labels: 2, split: split_of_hundred },
];

fn split_of_ten(name: &str) -> Option<Split> {
    let numbered = name.strip_prefix("data_batch_").and_then(|rest| rest.strip_suffix(".bin"));
    match numbered {
        Some(number) if number.parse::<u32>().is_ok() => Some(Split::Train),
        _ => (name == "test_batch.bin").then_some(Split::Test),
    }
}

fn split_of_hundred(name: &str) -> Option<Split> {
    match name {
        "train.bin" => Some(Split::Train),
        "test.bin" => Some(Split::Test),
        _ => None,
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Layout {
    /// The layout whose file of class names is in the tree.
    fn of(tree: &Tree) -> Option<&'static Layout> {
        LAYOUTS.iter().find(|layout| layout.names_in(tree).is_some())
    }

    fn names_in(&self, tree: &Tree) -> Option<usize> {
        tree.entries.iter().position(|entry| file_name(&entry.path) == self.names)
    }

    /// The batches in the order in which they are read: training first, each split by name.
    fn batches(&self, tree: &Tree) -> Vec<(Split, usize)> {
        let split = |index: usize| (self.split)(file_name(&tree.entries[index].path));
        let mut found: Vec<(Split, usize)> =
            (0..tree.entries.len()).filter_map(|index| Some((split(index)?, index))).collect();
        found.sort();
        found
    }

    fn record(&self) -> usize {
        self.labels + PIXELS
    }
}

fn read(
    tree: &Tree,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<Vec<String>, DataError> {
    let Some(layout) = Layout::of(tree) else { return Ok(Vec::new()) }; // it claimed nothing
    refuse_names(options, "CIFAR's files")?;
    let names = names(tree, layout, options)?;
    let batches = layout.batches(tree);
    for (_, entry) in &batches {
        check_len(layout, &tree.place_of(*entry), tree.entries[*entry].len, store)?;
    }
    let mut largest = None;
    let mut current = None;
    for (split, entry) in batches {
        if current.replace(split) != Some(split) {
            store.begin(Some(split), split.name());
        }
        let place = tree.place_of(entry);
        let found =
            tree.with_reader(entry, |reader| read_batch(reader, layout, names.len(), &place, store))?;
        largest = largest.max(found);
    }
    Ok(largest.map_or(Vec::new(), |_| names))
}

/// The names of the classes: those asked for, else those of the set.
fn names(tree: &Tree, layout: &Layout, options: &OpenOptions<'_>) -> Result<Vec<String>, DataError> {
    if let (None, Some(entry)) = (&options.class_names, layout.names_in(tree)) {
        let text = tree.bytes(entry, MAX_NAMES)?;
        let text = String::from_utf8_lossy(&text);
        let names: Vec<String> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        if names.len() != layout.classes {
            let reason = format!("it names {} classes, expected {}", names.len(), layout.classes);
            return Err(DataError::Damaged { place: tree.place_of(entry), reason });
        }
        return Ok(names);
    }
    Ok(options.class_names.clone().unwrap_or_default())
}

/// Where the length is known, it must be a number of whole records.
fn check_len(
    layout: &Layout,
    place: &str,
    len: Option<u64>,
    store: &mut StoreBuilder<'_>,
) -> Result<(), DataError> {
    let Some(len) = len else { return Ok(()) };
    let record = layout.record() as u64;
    if len == 0 {
        return Err(DataError::Empty { place: place.into() });
    }
    if len % record != 0 {
        let reason = format!("{len} bytes are no whole number of records of {record} bytes");
        return Err(DataError::Damaged { place: place.into(), reason });
    }
    store.expect(usize::try_from(len / record).unwrap_or(usize::MAX));
    Ok(())
}

/// Reads records to the end and returns the largest class met.
fn read_batch(
    reader: &mut dyn Read,
    layout: &Layout,
    classes: usize,
    place: &str,
    store: &mut StoreBuilder<'_>,
) -> Result<Option<u32>, DataError> {
    let mut largest = None;
    let mut done = 0;
    loop {
        let mut bytes = Vec::new();
        let wanted = (AT_ONCE * layout.record()) as u64;
        Read::take(&mut *reader, wanted)
            .read_to_end(&mut bytes)
            .map_err(|source| read_error(place, source))?;
        let records = bytes.chunks_exact(layout.record());
        if !records.remainder().is_empty() {
            let reason = format!("it ends within record {}", done + records.len());
            return Err(DataError::Damaged { place: place.into(), reason });
        }
        if bytes.is_empty() {
            return Ok(largest);
        }
        let mut samples = Vec::with_capacity(records.len());
        for (position, record) in records.enumerate() {
            let (labels, planes) = record.split_at(layout.labels);
            let label = labels[layout.labels - 1];
            if usize::from(label) >= classes {
                let (sample, label, max) = (done + position, label.into(), classes.saturating_sub(1));
                return Err(DataError::LabelOutOfRange { place: place.into(), sample, label, max });
            }
            largest = largest.max(Some(u32::from(label)));
            let image = Image::new(SIDE, SIDE, CHANNELS, Pixels::U8(interleaved(planes)))?;
            samples.push(Sample { label: Some(label.into()), ..Sample::of(image) });
        }
        done += samples.len();
        store.push(place, samples)?;
    }
}

/// From plane after plane to pixel after pixel.
fn interleaved(planes: &[u8]) -> Vec<u8> {
    let size = planes.len() / CHANNELS;
    (0..planes.len()).map(|at| planes[at % CHANNELS * size + at / CHANNELS]).collect()
}
