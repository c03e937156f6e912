//! How far a map keeps neighbours.

use crate::distances::{Distance, Distances};
use crate::{EvalError, Features};

/// What a map does to the `k` nearest others of each row (Venna and Kaski, 2001). Both are 1 where nothing
/// changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faithfulness {
    /// Are neighbours on the map neighbours in truth?
    ///
    /// ```text
    /// 1 - 2 / (n k (2n - 3k - 1)) sum_i sum_{j among the k nearest of i on the map} max(0, rank_i(j) - k)
    /// ```
    ///
    /// with `rank_i(j)` the place of `j` among the others of `i` by distance in the features.
    pub trustworthiness: f64,
    /// Are neighbours in truth neighbours on the map? The same with features and map exchanged.
    pub continuity: f64,
}

/// Compares the neighbourhoods of `features` and `map`, row by row (Euclidean distances; of equal ones the
/// lower row is nearer). `O(rows^2 (dim + log rows))`.
///
/// # Errors
/// [`EvalError::Length`] for another number of rows, [`EvalError::Setting`] unless `1 <= k < rows / 2`.
pub fn faithfulness(features: &Features, map: &Features, k: usize) -> Result<Faithfulness, EvalError> {
    let rows = features.rows();
    if map.rows() != rows {
        return Err(EvalError::Length { what: "rows of the map", expected: rows, got: map.rows() });
    }
    if k == 0 || 2 * k >= rows {
        let expected =
            format!("choose a number of neighbours above 0 and below {}, half the rows", rows.div_ceil(2));
        return Err(EvalError::Setting { setting: "k", value: k as f64, expected });
    }
    Ok(Faithfulness { trustworthiness: kept(features, map, k), continuity: kept(map, features, k) })
}

/// The trustworthiness of `map` as a map of `truth`.
fn kept(truth: &Features, map: &Features, k: usize) -> f64 {
    let nearest = Distances::new(map, Distance::Euclidean).map_rows(|row, distances| {
        let mut others = by_distance(row, distances);
        others.truncate(k);
        others
    });
    let intrusion = |row: usize, distances: &[f64]| -> usize {
        let mut rank = vec![0_usize; distances.len()];
        by_distance(row, distances).into_iter().zip(1..).for_each(|(other, place)| rank[other] = place);
        nearest[row].iter().map(|&other| rank[other].saturating_sub(k)).sum()
    };
    let intrusions: usize = Distances::new(truth, Distance::Euclidean).map_rows(intrusion).into_iter().sum();
    let (n, k) = (truth.rows() as f64, k as f64);
    1.0 - 2.0 * intrusions as f64 / (n * k * (2.0 * n - 3.0 * k - 1.0))
}

/// All rows but `row`, nearest first.
fn by_distance(row: usize, distances: &[f64]) -> Vec<usize> {
    let mut others: Vec<usize> = (0..distances.len()).filter(|&other| other != row).collect();
    others.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
    others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{features_of, on_threads, random_features};
    use proptest::prelude::*;

    #[test]
    fn golden_trustworthiness() {
        for case in twinlens_golden::cases("metrics/trustworthiness") {
            let (features, map) = (features_of(&case, "in.x"), features_of(&case, "in.embedding"));
            let found = faithfulness(&features, &map, case.count("n_neighbors")).unwrap();
            case.check("out.trustworthiness", &[found.trustworthiness]);
            case.check("out.continuity", &[found.continuity]);
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let (features, short) = (random_features(10, 3, 1), random_features(9, 2, 1));
        assert!(matches!(faithfulness(&features, &short, 2), Err(EvalError::Length { .. })));
        for k in [0, 5] {
            let refused = faithfulness(&features, &features, k).unwrap_err().to_string();
            assert!(refused.contains("above 0 and below 5, half the rows"), "{refused}");
        }
        assert!(faithfulness(&features, &features, 4).is_ok());
    }

    proptest! {
        #[test]
        fn a_copy_is_faithful_and_noise_is_not(seed: u64, k in 1usize..10) {
            let features = random_features(60, 4, seed);
            let grown = Features::new(60, 4, features.values().iter().map(|v| 8.0 * v).collect()).unwrap();
            let copy = faithfulness(&features, &grown, k).unwrap();
            prop_assert_eq!((copy.trustworthiness, copy.continuity), (1.0, 1.0));
            let noise = random_features(60, 2, !seed);
            let run = || faithfulness(&features, &noise, k).unwrap();
            let (there, back) = (run(), faithfulness(&noise, &features, k).unwrap());
            prop_assert_eq!(there.trustworthiness, back.continuity);
            prop_assert!(there.trustworthiness > 0.2 && there.trustworthiness < 0.8);
            prop_assert_eq!(there, on_threads(3, run));
        }
    }
}
