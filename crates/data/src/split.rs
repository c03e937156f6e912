//! Seeded, stratified splitting, image by image or group by group (a patient, a volume).

use std::collections::{BTreeMap, BTreeSet};

use twinlens_random::{Purpose, Stream};

use crate::{ImageSource, SplitShares};

/// The indices of `source` split into two: the share `share` of every class (of the samples without label
/// as of one more class) is taken, the rest remains. Both are ascending.
///
/// Samples are shuffled, put in the order of their classes, and taken at even distances: of `n` samples
/// `floor(n * share)` are taken, and of every class its share, give or take less than one.
pub fn take_share(source: &dyn ImageSource, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let units = Units::of(source, None);
    take_from((0..source.len()).collect(), &units, share, seed)
}

/// Indices of training, validation and test samples, drawn from one undivided source; each ascending.
///
/// A class that would have no training sample gets one back: of those drawn for validation, else of those for test.
pub fn draw_splits(source: &dyn ImageSource, shares: SplitShares, seed: u64) -> [Vec<usize>; 3] {
    draw_grouped_splits(source, None, shares, seed)
}

/// As [`draw_splits`], but images whose metadata say the same in `column` stay together: groups are drawn, each as one sample of
/// the class that most of its images have.
pub(crate) fn draw_grouped_splits(
    source: &dyn ImageSource,
    column: Option<usize>,
    shares: SplitShares,
    seed: u64,
) -> [Vec<usize>; 3] {
    let units = Units::of(source, column);
    let (mut test, rest) = take_from((0..units.labels.len()).collect(), &units, shares.test, seed);
    let (mut val, mut train) = take_from(rest, &units, shares.val / (1.0 - shares.test), seed);
    for held_out in [&mut val, &mut test] {
        units.give_back(held_out, &mut train);
    }
    [train, val, test].map(|split| units.images(&split))
}

/// As [`take_share`] of images, or of groups as [`draw_grouped_splits`] has them, but a class that would have no sample left
/// keeps one.
pub(crate) fn draw_val(
    source: &dyn ImageSource,
    column: Option<usize>,
    share: f64,
    seed: u64,
) -> (Vec<usize>, Vec<usize>) {
    let units = Units::of(source, column);
    let (mut val, mut train) = take_from((0..units.labels.len()).collect(), &units, share, seed);
    units.give_back(&mut val, &mut train);
    (units.images(&val), units.images(&train))
}

/// What is drawn as one: an image, or all images of a group.
struct Units {
    members: Vec<Vec<usize>>,
    labels: Vec<Option<usize>>,
}

impl Units {
    /// The images of `source`, or its groups by the metadata in `column`, in the order of their first images. An image of which
    /// the metadata say nothing is a group of its own.
    fn of(source: &dyn ImageSource, column: Option<usize>) -> Units {
        let mut members: Vec<Vec<usize>> = Vec::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for index in 0..source.len() {
            let name = column.and_then(|column| source.metadata(index).get(column));
            match name.filter(|name| !name.is_empty()) {
                None => members.push(vec![index]),
                Some(name) => {
                    let unit = *known.entry(name).or_insert(members.len());
                    if unit == members.len() {
                        members.push(Vec::new());
                    }
                    members[unit].push(index);
                }
            }
        }
        let labels = members.iter().map(|members| most(members.iter().map(|&at| source.label(at)))).collect();
        Units { members, labels }
    }

    /// The images of these units, ascending.
    fn images(&self, units: &[usize]) -> Vec<usize> {
        let mut images: Vec<usize> =
            units.iter().flat_map(|&unit| self.members[unit].iter().copied()).collect();
        images.sort_unstable();
        images
    }

    /// Moves one unit of every class that `train` lacks from `held_out` to it.
    fn give_back(&self, held_out: &mut Vec<usize>, train: &mut Vec<usize>) {
        let mut present: BTreeSet<usize> = train.iter().filter_map(|&unit| self.labels[unit]).collect();
        let lacking = |unit: &usize| self.labels[*unit].is_some_and(|label| present.insert(label));
        let (back, kept) = std::mem::take(held_out).into_iter().partition(lacking);
        *held_out = kept;
        train.extend::<Vec<usize>>(back);
        train.sort_unstable();
    }
}

/// The label that occurs most; of several, the lowest.
fn most(labels: impl Iterator<Item = Option<usize>>) -> Option<usize> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    labels.flatten().for_each(|label| *counts.entry(label).or_default() += 1);
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(label, _)| label)
}

fn take_from(candidates: Vec<usize>, units: &Units, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut order = candidates;
    Stream::new(seed, Purpose::Split, [0; 3]).shuffle(&mut order);
    order.sort_by_key(|&unit| units.labels[unit]); // stable: shuffled within each class
    let due = |count: usize| (count as f64 * share + 1e-9) as usize;
    let (mut taken, mut left) = (Vec::new(), Vec::new());
    for (position, unit) in order.into_iter().enumerate() {
        let take = due(position + 1) > due(position);
        if take { taken.push(unit) } else { left.push(unit) }
    }
    taken.sort_unstable();
    left.sort_unstable();
    (taken, left)
}
