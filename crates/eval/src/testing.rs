//! Made-up features for tests.

use twinlens_golden::Case;
use twinlens_random::{Purpose, Stream};

use crate::{Features, Labelled};

/// Standard normal features.
pub(crate) fn random_features(rows: usize, dim: usize, seed: u64) -> Features {
    let mut stream = Stream::new(seed, Purpose::Evaluation, [0; 3]);
    Features::new(rows, dim, (0..rows * dim).map(|_| stream.normal() as f32).collect()).unwrap()
}

/// Rows of class `row % classes`, around centres (the same for every seed) with deviation `spread`.
pub(crate) fn blobs(rows: usize, classes: usize, dim: usize, spread: f32, seed: u64) -> Labelled {
    let centres = random_features(classes, dim, 999);
    let noise = random_features(rows, dim, seed);
    let labels: Vec<usize> = (0..rows).map(|row| row % classes).collect();
    let row = |row: usize| {
        noise
            .row(row)
            .iter()
            .zip(centres.row(row % classes))
            .map(move |(noise, centre)| centre + spread * noise)
    };
    let features = Features::new(rows, dim, (0..rows).flat_map(row).collect()).unwrap();
    Labelled::new(features, labels, (0..classes).map(|class| class.to_string()).collect()).unwrap()
}

/// The labels stored in the i64 tensor `key`.
pub(crate) fn classes_of(case: &Case, key: &str) -> Vec<usize> {
    case.i64(key).iter().map(|&label| usize::try_from(label).unwrap()).collect()
}

/// The f32 matrix `key` of a case.
pub(crate) fn features_of(case: &Case, key: &str) -> Features {
    let shape = case.shape(key);
    Features::new(shape[0], shape[1], case.f32(key).to_vec()).unwrap()
}

/// The labelled features of a case, with classes named by their numbers.
pub(crate) fn labelled(case: &Case, features: &str, labels: &str) -> Labelled {
    let matrix = features_of(case, features);
    let classes = (0..case.count("num_classes")).map(|class| class.to_string()).collect();
    Labelled::new(matrix, classes_of(case, labels), classes).unwrap()
}

/// The values of the f32 tensor `key`.
pub(crate) fn doubles(case: &Case, key: &str) -> Vec<f64> {
    case.f32(key).iter().map(|&value| value.into()).collect()
}

/// Checks a p-value and its logarithm, in which small ones show their digits.
pub(crate) fn check_p(case: &Case, p_value: f64) {
    case.check("out.p_value", &[p_value]);
    case.check("out.log10_p", &[p_value.log10()]);
}

/// Runs `work` on a pool of that many threads.
pub(crate) fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}
