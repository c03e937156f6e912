//! The random streams of evaluation, one place for all, so that no two share numbers.

use twinlens_random::{Purpose, Stream};

/// What is drawn.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Draw {
    /// The first centroids of a restart of k-means.
    Centroids = 1,
    /// One permutation of labels.
    Permutation = 2,
    /// One bootstrap sample.
    Bootstrap = 3,
    /// The rows that stand for all.
    Sample = 4,
    /// The rows on a map.
    Map = 5,
    /// Folds of a cross-validation.
    Fold = 6,
    /// The order of coordinates in a descent.
    Coordinates = 7,
    /// The values of a parameter, within each class.
    Values = 8,
    /// Which classes belong to a method's.
    Members = 9,
    /// Which class has which properties.
    Properties = 10,
}

/// The stream of the `number`-th draw of its kind.
pub(crate) fn stream(seed: u64, draw: Draw, number: usize) -> Stream {
    // A u32 of restarts, permutations or resamples is more than anyone waits for; beyond, they repeat.
    Stream::new(seed, Purpose::Evaluation, [draw as u32, number as u32, 0])
}
