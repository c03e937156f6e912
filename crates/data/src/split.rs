//! Seeded, stratified splitting.

use std::collections::BTreeSet;

use twinlens_random::{Purpose, Stream};

use crate::{ImageSource, SplitShares};

/// The indices of `source` split into two: the share `share` of every class (of the samples without label
/// as of one more class) is taken, the rest remains. Both are ascending.
///
/// Samples are shuffled, put in the order of their classes, and taken at even distances: of `n` samples
/// `floor(n * share)` are taken, and of every class its share, give or take less than one.
pub fn take_share(source: &dyn ImageSource, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    take_from((0..source.len()).collect(), source, share, seed)
}

/// Indices of training, validation and test samples, drawn from one undivided source; each ascending.
///
/// A class that would have no training sample gets one back: of those drawn for validation, else of those for test.
pub fn draw_splits(source: &dyn ImageSource, shares: SplitShares, seed: u64) -> [Vec<usize>; 3] {
    let (mut test, rest) = take_share(source, shares.test, seed);
    let (mut val, mut train) = take_from(rest, source, shares.val / (1.0 - shares.test), seed);
    for held_out in [&mut val, &mut test] {
        give_back(source, held_out, &mut train);
    }
    [train, val, test]
}

/// As [`take_share`], but a class that would have no sample left keeps one.
pub(crate) fn draw_val(source: &dyn ImageSource, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let (mut val, mut train) = take_share(source, share, seed);
    give_back(source, &mut val, &mut train);
    (val, train)
}

/// Moves one sample of every class that `train` lacks from `held_out` to it.
fn give_back(source: &dyn ImageSource, held_out: &mut Vec<usize>, train: &mut Vec<usize>) {
    let mut present: BTreeSet<usize> = train.iter().filter_map(|&index| source.label(index)).collect();
    let lacking = |index: &usize| source.label(*index).is_some_and(|label| present.insert(label));
    let (back, kept) = std::mem::take(held_out).into_iter().partition(lacking);
    *held_out = kept;
    train.extend::<Vec<usize>>(back);
    train.sort_unstable();
}

fn take_from(
    candidates: Vec<usize>,
    source: &dyn ImageSource,
    share: f64,
    seed: u64,
) -> (Vec<usize>, Vec<usize>) {
    let mut order = candidates;
    Stream::new(seed, Purpose::Split, [0; 3]).shuffle(&mut order);
    order.sort_by_key(|&index| source.label(index)); // stable: shuffled within each class
    let due = |count: usize| (count as f64 * share + 1e-9) as usize;
    let (mut taken, mut left) = (Vec::new(), Vec::new());
    for (position, index) in order.into_iter().enumerate() {
        let take = due(position + 1) > due(position);
        if take { taken.push(index) } else { left.push(index) }
    }
    taken.sort_unstable();
    left.sort_unstable();
    (taken, left)
}
