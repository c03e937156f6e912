//! Seeded, stratified splitting, of images or of whole groups.

use std::collections::{BTreeMap, BTreeSet};

use twinlens_random::{Purpose, Stream};

use crate::groups::members;
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
///
/// Where the source knows groups ([`ImageSource::group_column`]), none is divided. First test, then validation take groups in
/// a random order, those with the rarest class first, as long as a group brings the split nearer to its share of the images,
/// and brings a class that the split lacks, or its classes nearer to their shares (the sum over classes of
/// `(n - share N)^2 / (share N)`); then any that bring it nearer to its share of the images. Of 16 orders that is taken which lacks the
/// fewest classes, and of these the one with the least of that sum. Rarest first is iterative stratification (Sechidis et
/// al., "On the stratification of multi-label data", 2011), and the whole serves the purpose of scikit-learn's
/// `StratifiedGroupKFold`, for unequal shares. Every class keeps a training sample, and so does at least one group. Test and validation
/// each miss their share by no more than half the largest group, unless that would take the last training samples of a
/// class; one that would have no group gets the smallest.
pub fn draw_splits(source: &dyn ImageSource, shares: SplitShares, seed: u64) -> [Vec<usize>; 3] {
    if source.group_column().is_some() {
        let mut drawing = Drawing::new(source, seed);
        let [test, val] = [shares.test, shares.val].map(|share| drawing.take(share));
        return [drawing.rest(), val, test];
    }
    let (mut test, rest) = take_share(source, shares.test, seed);
    let (mut val, mut train) = take_from(rest, source, shares.val / (1.0 - shares.test), seed);
    for held_out in [&mut val, &mut test] {
        give_back(source, held_out, &mut train);
    }
    [train, val, test]
}

/// As [`take_share`], but a class that would have no sample left keeps one; by whole groups where these are known.
pub(crate) fn draw_val(source: &dyn ImageSource, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    if source.group_column().is_some() {
        let mut drawing = Drawing::new(source, seed);
        return (drawing.take(share), drawing.rest());
    }
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

/// Orders in which groups are tried.
const ORDERS: usize = 16;

/// Samples that belong together.
struct Group {
    indices: Vec<usize>,
    /// Number of samples by class; those without a label are of one more class, `None`.
    classes: BTreeMap<Option<usize>, usize>,
}

impl Group {
    fn len(&self) -> usize {
        self.indices.len()
    }
}

/// Groups of which splits are drawn.
struct Drawing {
    /// Those that no split has yet, each once.
    left: Vec<Group>,
    /// Samples of all groups by class.
    all: BTreeMap<Option<usize>, usize>,
    stream: Stream,
}

/// Some of the groups that are left.
struct Taking<'a> {
    left: &'a [Group],
    share: f64,
    all: &'a BTreeMap<Option<usize>, usize>,
    /// By class, samples that were taken and samples that remain.
    counts: BTreeMap<Option<usize>, (usize, usize)>,
    taken: Vec<usize>,
}

impl Drawing {
    fn new(source: &dyn ImageSource, seed: u64) -> Drawing {
        let group = |indices: Vec<usize>| {
            let mut classes = BTreeMap::new();
            indices.iter().for_each(|&index| *classes.entry(source.label(index)).or_default() += 1);
            Group { indices, classes }
        };
        let left: Vec<Group> = members(source, 0..source.len()).into_iter().map(group).collect();
        let all = by_class(&left);
        Drawing { left, all, stream: Stream::new(seed, Purpose::Split, [0; 3]) }
    }

    /// Takes groups that are `share` of all samples; their samples, ascending.
    fn take(&mut self, share: f64) -> Vec<usize> {
        let mut best: Option<((usize, f64), Vec<usize>)> = None;
        for _ in 0..ORDERS {
            let mut order: Vec<usize> = (0..self.left.len()).collect();
            self.stream.shuffle(&mut order);
            let rarest = |group: &usize| self.left[*group].classes.keys().map(|class| self.all[class]).min();
            order.sort_by_key(rarest); // stable: shuffled where the rarest class is the same
            let taking = Taking::of(&self.left, share, &self.all, &order);
            let distance = taking.distance();
            if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                best = Some((distance, taking.taken));
            }
        }
        let taken: BTreeSet<usize> = best.map(|(_, taken)| taken).unwrap_or_default().into_iter().collect();
        let (mut split, mut left) = (Vec::new(), Vec::new());
        for (number, group) in std::mem::take(&mut self.left).into_iter().enumerate() {
            if taken.contains(&number) { split.push(group) } else { left.push(group) }
        }
        self.left = left;
        samples(split)
    }

    /// The samples that are left, ascending.
    fn rest(self) -> Vec<usize> {
        samples(self.left)
    }
}

impl<'a> Taking<'a> {
    /// Of the groups `left` in this `order`.
    fn of(
        left: &'a [Group],
        share: f64,
        all: &'a BTreeMap<Option<usize>, usize>,
        order: &[usize],
    ) -> Taking<'a> {
        let counts = by_class(left).into_iter().map(|(class, count)| (class, (0, count))).collect();
        let mut taking = Taking { left, share, all, counts, taken: Vec::new() };
        if share <= 0.0 {
            return taking;
        }
        let total: usize = all.values().sum();
        let mut due = share * total as f64;
        let mut open = vec![true; left.len()];
        for stratified in [true, false] {
            for &number in order {
                // Nearer to the share: at most as far beyond it as it was below.
                let nearer = left[number].len() as f64 <= 2.0 * due + 1e-9;
                if open[number] && nearer && taking.may(number) && (!stratified || taking.suits(number)) {
                    open[number] = false;
                    due -= left[number].len() as f64;
                    taking.add(number);
                }
            }
        }
        if taking.taken.is_empty() {
            let smallest = order.iter().copied().filter(|&number| taking.may(number));
            if let Some(smallest) = smallest.min_by_key(|&number| left[number].len()) {
                taking.add(smallest);
            }
        }
        taking
    }

    /// Whether groups and samples of every class remain without this group.
    fn may(&self, number: usize) -> bool {
        let remain =
            |(class, count): (&Option<usize>, &usize)| class.is_none() || self.counts[class].1 > *count;
        self.taken.len() + 1 < self.left.len() && self.left[number].classes.iter().all(remain)
    }

    /// Whether this group brings a class that is not there yet, or the classes nearer to their shares.
    fn suits(&self, number: usize) -> bool {
        let lacked = |class: &Option<usize>| class.is_some() && self.counts[class].0 == 0;
        let change = self.left[number].classes.iter().map(|(class, &count)| {
            let taken = self.counts[class].0;
            self.distance_of(class, taken + count) - self.distance_of(class, taken)
        });
        self.left[number].classes.keys().any(lacked) || change.sum::<f64>() < 0.0
    }

    fn add(&mut self, number: usize) {
        for (class, count) in &self.left[number].classes {
            if let Some((taken, remain)) = self.counts.get_mut(class) {
                (*taken, *remain) = (*taken + count, *remain - count);
            }
        }
        self.taken.push(number);
    }

    /// How many classes are not there, and how far all are from their shares.
    fn distance(&self) -> (usize, f64) {
        let lacking = self.counts.iter().filter(|(class, (taken, _))| class.is_some() && *taken == 0);
        let distance = self.counts.iter().map(|(class, (taken, _))| self.distance_of(class, *taken));
        (lacking.count(), distance.sum())
    }

    fn distance_of(&self, class: &Option<usize>, taken: usize) -> f64 {
        let due = self.share * self.all[class] as f64;
        (taken as f64 - due).powi(2) / due
    }
}

/// Number of samples by class.
fn by_class(groups: &[Group]) -> BTreeMap<Option<usize>, usize> {
    let mut counts = BTreeMap::new();
    for (class, count) in groups.iter().flat_map(|group| &group.classes) {
        *counts.entry(*class).or_default() += count;
    }
    counts
}

/// All samples of `groups`, ascending.
fn samples(groups: Vec<Group>) -> Vec<usize> {
    let mut indices: Vec<usize> = groups.into_iter().flat_map(|group| group.indices).collect();
    indices.sort_unstable();
    indices
}
