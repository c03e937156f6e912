//! What DICOM files say of each other: whose they are, of which series, and in which order.
//!
//! The slices of a series come one after the other, by their place along the normal of the slice, and where they do not state
//! it, by their number (InstanceNumber). A patient and a series are told by hashes: nothing else of what a file says of a
//! person is read.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::DataSettings;
use crate::decode::{Facts, Frame, facts};
use crate::table::Known;
use crate::tree::{Kind, Tree};

/// What is kept of every image.
const COLUMNS: [&str; 6] = ["patient", "series", "modality", "slice", "position_mm", "window"];

/// Bytes that are read first: what tells of a file stands before its pixels.
const HEAD: u64 = 1 << 14;

/// Whether a file is the list of contents of a disk, which is no image.
pub(super) fn is_directory(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"))
}

/// The DICOM files of a tree.
pub(super) struct Series {
    /// The entries of the images, in the order of their paths.
    entries: Vec<usize>,
    /// What is known of each, by entry.
    known: BTreeMap<usize, One>,
}

/// One file.
struct One {
    facts: Facts,
    /// The place of its series among all, then its own place in the series.
    order: (usize, usize),
    /// Whether places along the normal order the series.
    placed: bool,
}

/// Normals that differ by less are the same.
const SAME: f64 = 1e-3;

impl Series {
    /// Reads the beginnings of all DICOM files among `images`.
    pub(super) fn read(tree: &Tree, images: &[usize], settings: &DataSettings, limit: u64) -> Series {
        let is_dicom = |entry: &&usize| tree.entries[**entry].kind == Kind::Dicom;
        let found: Vec<(usize, Facts)> = images
            .par_iter()
            .filter(is_dicom)
            .filter_map(|&entry| Some((entry, beginning(tree, entry, settings, limit)?)))
            .collect();
        let mut groups: BTreeMap<String, Vec<(usize, Facts)>> = BTreeMap::new();
        for (entry, facts) in found {
            groups
                .entry(group_of(&tree.entries[entry].path, entry, &facts))
                .or_default()
                .push((entry, facts));
        }
        let mut known = BTreeMap::new();
        for mut group in groups.into_values() {
            let first = group[0].0;
            let placed = sort(&mut group);
            for (number, (entry, facts)) in group.into_iter().enumerate() {
                known.insert(entry, One { facts, order: (first, number), placed });
            }
        }
        Series { entries: images.to_vec(), known }
    }

    /// Adds what is known of the images to their metadata, for every frame where each has its own; columns of a table that
    /// are called alike keep their name.
    pub(super) fn describe(&self, known: &mut Known, images: usize) {
        if self.known.is_empty() {
            return;
        }
        let taken = |name: &str| known.columns.iter().any(|column| column == name);
        let name = |name: &str| if taken(name) { format!("dicom_{name}") } else { name.to_owned() };
        let names = COLUMNS.map(name);
        let before = known.columns.len();
        known.columns.extend(names);
        known.metadata.resize(images, Vec::new());
        for (cells, entry) in known.metadata.iter_mut().zip(&self.entries) {
            cells.resize(before, String::new());
            match self.known.get(entry) {
                None => cells.resize(before + COLUMNS.len(), String::new()),
                Some(one) => {
                    let of_table = std::mem::take(cells);
                    let frames = 0..one.facts.frames.len();
                    *cells =
                        frames.flat_map(|frame| of_table.iter().cloned().chain(one.cells(frame))).collect();
                }
            }
        }
    }

    /// Sorts what belongs to images: the slices of a series stand where its first file stands.
    pub(super) fn sort<T>(&self, items: &mut [T], entry: impl Fn(&T) -> usize) {
        let order = |item: &T| self.known.get(&entry(item)).map_or((entry(item), 0), |one| one.order);
        items.sort_by_key(order);
    }
}

impl One {
    /// The texts of [`COLUMNS`] for a frame.
    fn cells(&self, frame: usize) -> [String; COLUMNS.len()] {
        let One { facts, order: (_, number), placed } = self;
        let number = if facts.frames.len() > 1 { frame } else { *number };
        let along = facts.frames[frame].along_normal().filter(|_| *placed);
        [
            facts.patient.clone(),
            facts.series.clone(),
            facts.modality.clone(),
            (number + 1).to_string(),
            along.map_or(String::new(), |(place, _)| ((place * 1000.0).round() / 1000.0).to_string()),
            facts.frames[frame].window.clone(),
        ]
    }
}

/// What the files of one series have in common. Where names were taken out of files, their series often were too: then the
/// slices of one folder that have places are a series, and any other file is one of its own.
fn group_of(path: &str, entry: usize, facts: &Facts) -> String {
    let Facts { series, patient, modality, frames, .. } = facts;
    match frames.first().and_then(Frame::along_normal) {
        _ if !series.is_empty() => series.clone(),
        Some(_) => format!("{patient} {modality} {}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
        None => format!("#{entry}"),
    }
}

/// Sorts the files of one series, and says whether their places did it.
fn sort(group: &mut [(usize, Facts)]) -> bool {
    let along = |facts: &Facts| facts.frames.first()?.along_normal();
    let first = along(&group[0].1);
    let parallel = |facts: &Facts| {
        let (Some((_, first)), Some((_, normal))) = (first, along(facts)) else { return false };
        normal.iter().zip(first).all(|(a, b)| (a - b).abs() < SAME)
    };
    let placed = group.iter().all(|(_, facts)| parallel(facts));
    let place = |facts: &Facts| along(facts).filter(|_| placed).map_or(0.0, |(place, _)| place);
    group.sort_by(|(_, a), (_, b)| place(a).total_cmp(&place(b)).then(a.instance.cmp(&b.instance)));
    placed
}

/// What the beginning of a file says; of a file with much before its pixels, ever more is read.
fn beginning(tree: &Tree, entry: usize, settings: &DataSettings, limit: u64) -> Option<Facts> {
    let share = limit / (2 * rayon::current_num_threads() as u64);
    let mut count = HEAD;
    loop {
        let head = tree.head(entry, count).ok()?;
        let ended = (head.len() as u64) < count;
        match facts(&head, share, settings) {
            Some((facts, whole)) if whole || ended || count >= share => return Some(facts),
            None if ended || count >= share => return None,
            _ => count = count.saturating_mul(8).min(share.max(HEAD)),
        }
    }
}
