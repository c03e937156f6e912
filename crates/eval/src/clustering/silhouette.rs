//! Silhouettes: are samples nearer to their own cluster than to the next?

use crate::distances::{Distance, Distances};
use crate::{EvalError, Features};

/// `s = (b - a) / max(a, b)` of every row: `a` its mean distance to the others of its cluster, `b` the
/// smallest mean distance to another cluster; 0 for a row alone in its cluster (Rousseeuw, 1987). From -1,
/// in the wrong cluster, to 1, far from all others. `clusters` are any numbers. `O(rows^2 dim)`.
///
/// # Errors
/// [`EvalError::Length`] unless there is a cluster for each row; [`EvalError::Undefined`] for fewer than two
/// clusters, or as many as rows.
pub fn silhouette_samples(
    features: &Features,
    clusters: &[usize],
    distance: Distance,
) -> Result<Vec<f64>, EvalError> {
    let partition = Partition::new(features, clusters)?;
    Ok(Distances::new(features, distance).map_rows(|row, distances| partition.silhouette(row, distances)))
}

/// The mean of [`silhouette_samples`].
///
/// # Errors
/// As [`silhouette_samples`].
pub fn silhouette(features: &Features, clusters: &[usize], distance: Distance) -> Result<f64, EvalError> {
    Ok(silhouettes(features, &[clusters], distance)?[0])
}

/// [`silhouette`] of several clusterings of the same rows, with every distance computed once.
pub(super) fn silhouettes(
    features: &Features,
    clusterings: &[&[usize]],
    distance: Distance,
) -> Result<Vec<f64>, EvalError> {
    let partitions: Result<Vec<Partition>, EvalError> =
        clusterings.iter().map(|clusters| Partition::new(features, clusters)).collect();
    let partitions = partitions?;
    let of_row = |row: usize, distances: &[f64]| -> Vec<f64> {
        partitions.iter().map(|partition| partition.silhouette(row, distances)).collect()
    };
    let mut sums = vec![0.0; partitions.len()];
    for row in Distances::new(features, distance).map_rows(of_row) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    Ok(sums.into_iter().map(|sum| sum / features.rows() as f64).collect())
}

/// Clusters numbered from 0, none of them empty.
struct Partition {
    clusters: Vec<usize>,
    sizes: Vec<usize>,
}

impl Partition {
    fn new(features: &Features, clusters: &[usize]) -> Result<Partition, EvalError> {
        let rows = features.rows();
        if clusters.len() != rows {
            return Err(EvalError::Length { what: "clusters", expected: rows, got: clusters.len() });
        }
        let (clusters, count) = crate::features::numbered(clusters);
        if count < 2 || count == rows {
            let reason = format!("{count} clusters of {rows} rows; it takes from 2 to one less than rows");
            return Err(EvalError::Undefined { what: "the silhouette", reason });
        }
        let mut sizes = vec![0; count];
        clusters.iter().for_each(|&cluster| sizes[cluster] += 1);
        Ok(Partition { clusters, sizes })
    }

    fn silhouette(&self, row: usize, distances: &[f64]) -> f64 {
        let own = self.clusters[row];
        if self.sizes[own] == 1 {
            return 0.0;
        }
        let mut sums = vec![0.0; self.sizes.len()];
        self.clusters.iter().zip(distances).for_each(|(&cluster, distance)| sums[cluster] += distance);
        let inside = sums[own] / (self.sizes[own] - 1) as f64;
        let others = (0..sums.len()).filter(|&cluster| cluster != own);
        let outside =
            others.map(|other| sums[other] / self.sizes[other] as f64).fold(f64::INFINITY, f64::min);
        let larger = inside.max(outside);
        if larger > 0.0 { (outside - inside) / larger } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{blobs, classes_of, features_of, on_threads, random_features};
    use proptest::prelude::*;

    #[test]
    fn golden_silhouette() {
        for case in twinlens_golden::cases("metrics/silhouette") {
            let (features, labels) = (features_of(&case, "in.x"), classes_of(&case, "in.labels"));
            let distance = serde_json::from_value(case.text("metric").into()).unwrap();
            case.check("out.samples", &silhouette_samples(&features, &labels, distance).unwrap());
            case.check("out.silhouette", &[silhouette(&features, &labels, distance).unwrap()]);
        }
    }

    #[test]
    fn what_has_no_silhouette_is_refused() {
        let features = random_features(4, 2, 1);
        let refused = |clusters: &[usize]| silhouette(&features, clusters, Distance::Euclidean).unwrap_err();
        assert_eq!(
            refused(&[7; 4]).to_string(),
            "the silhouette is undefined: 1 clusters of 4 rows; it takes from 2 to one less than rows"
        );
        assert!(matches!(refused(&[0, 1, 2, 3]), EvalError::Undefined { .. }));
        assert!(matches!(refused(&[0, 1, 2]), EvalError::Length { expected: 4, got: 3, .. }));
        let equal = Features::new(4, 2, vec![1.5; 8]).unwrap();
        assert_eq!(silhouette(&equal, &[0, 0, 1, 1], Distance::Euclidean), Ok(0.0));
    }

    proptest! {
        #[test]
        fn names_and_scale_do_not_matter_and_groups_apart_reach_one(seed: u64) {
            let set = blobs(40, 4, 6, 0.001, seed);
            let apart = silhouette(set.features(), set.labels(), Distance::Euclidean).unwrap();
            prop_assert!(apart > 0.98 && apart <= 1.0, "{}", apart);
            let (features, labels) = (random_features(40, 3, seed), set.labels());
            let samples = silhouette_samples(&features, labels, Distance::Euclidean).unwrap();
            prop_assert!(samples.iter().all(|s| (-1.0..=1.0).contains(s)));
            let renamed: Vec<usize> = labels.iter().map(|&label| 90 - 7 * label).collect();
            let scaled = features.values().iter().map(|v| 4.0 * v).collect();
            let scaled = Features::new(40, 3, scaled).unwrap();
            let again = silhouette_samples(&scaled, &renamed, Distance::Euclidean).unwrap();
            prop_assert!(samples.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_number_of_threads() {
        let set = blobs(500, 4, 9, 1.0, 1);
        let run = || silhouette(set.features(), set.labels(), Distance::Cosine).unwrap();
        assert_eq!(on_threads(1, run), on_threads(3, run));
    }
}
