//! How many numbers it takes to say where a row lies, seen from distances to its neighbours.
//!
//! Distances come from differences in f64. Rows with a copy of themselves have a neighbour at distance 0, which
//! says nothing about dimension; they are left out as centres, and stay as neighbours.

use serde::{Deserialize, Serialize};

use crate::distances::nearest_distances;
use crate::settings::at_least;
use crate::{EvalError, Features};

/// Two readings of TwoNN (Facco et al., "Estimating the intrinsic dimension of datasets by a minimal
/// neighborhood information", Scientific Reports 2017), from the ratio `mu = r_2 / r_1` of each row's distances
/// to its two nearest others, which has `P(mu > x) = x^-d` in `d` dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwoNn {
    /// The most likely dimension, `n / sum log mu`.
    pub mle: f64,
    /// The slope of a line through the origin fitted to `-log(1 - F(mu))` over `log mu`, as in the paper.
    pub fit: f64,
}

/// The dimension by two neighbours. Of the ratios in rising order, the share `keep` (0.9 in the paper) is
/// fitted: the largest are the noisiest. `O(rows^2 dim)`.
///
/// # Errors
/// [`EvalError::TooFew`] below 3 rows, [`EvalError::Setting`] unless `keep` is above 0 and at most 1,
/// [`EvalError::Undefined`] when too few rows differ, or all ratios are 1.
pub fn two_nn(features: &Features, keep: f64) -> Result<TwoNn, EvalError> {
    check_rows(features, 3)?;
    check_keep(keep)?;
    let nearest = nearest_distances(features, 2);
    let ratios = nearest.iter().filter(|near| near[0] > 0.0).map(|near| (near[1] / near[0]).ln());
    let mut logs: Vec<f64> = ratios.collect();
    logs.sort_by(f64::total_cmp);
    let n = logs.len() as f64;
    // The largest has F = 1, whose logarithm is infinite.
    let kept = ((keep * n) as usize).min(logs.len().saturating_sub(1));
    let (mut products, mut squares) = (0.0, 0.0);
    for (i, log) in logs[..kept].iter().enumerate() {
        products -= log * (1.0 - (i + 1) as f64 / n).ln();
        squares += log * log;
    }
    if squares == 0.0 {
        let reason = format!("{kept} of {} rows have two different nearest others", features.rows());
        return Err(EvalError::Undefined { what: "the dimension by two neighbours", reason });
    }
    Ok(TwoNn { mle: n / logs.iter().sum::<f64>(), fit: products / squares })
}

/// Refuses a share of the ratios outside (0, 1].
pub(super) fn check_keep(keep: f64) -> Result<(), EvalError> {
    if keep > 0.0 && keep <= 1.0 {
        return Ok(());
    }
    let expected = "choose a share above 0 and at most 1".to_string();
    Err(EvalError::Setting { setting: "keep", value: keep, expected })
}

/// Two averages of the dimension around each row (Levina and Bickel, "Maximum likelihood estimation of
/// intrinsic dimension", NIPS 2004): with distances `T_1 <= .. <= T_k` to the `k` nearest others,
///
/// ```text
/// 1 / d_i = 1 / (k - 1) sum_{j < k} log(T_k / T_j)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevinaBickel {
    /// `mean_i d_i`, as in the paper.
    pub mean: f64,
    /// `1 / mean_i (1 / d_i)`, the correction of MacKay and Ghahramani (2005), less biased for small `k`.
    pub harmonic: f64,
}

/// The dimension by `k` neighbours. Rows whose `k` nearest others are equally far have no dimension and are
/// left out. `O(rows^2 dim)`.
///
/// # Errors
/// [`EvalError::TooFew`] unless there are more than `k` rows, [`EvalError::Setting`] for `k` below 2,
/// [`EvalError::Undefined`] when no row is left.
pub fn levina_bickel(features: &Features, k: usize) -> Result<LevinaBickel, EvalError> {
    at_least("k", 2, k)?;
    check_rows(features, k + 1)?;
    let inverse = |near: &Vec<f64>| near.iter().map(|t| (near[k - 1] / t).ln()).sum::<f64>() / (k - 1) as f64;
    let nearest = nearest_distances(features, k);
    let usable = nearest.iter().filter(|near| near[0] > 0.0).map(inverse).filter(|&inverse| inverse > 0.0);
    let inverses: Vec<f64> = usable.collect();
    if inverses.is_empty() {
        let reason = format!("no row has {k} other rows at different distances");
        return Err(EvalError::Undefined { what: "the dimension by k neighbours", reason });
    }
    let n = inverses.len() as f64;
    let mean = inverses.iter().map(|inverse| 1.0 / inverse).sum::<f64>() / n;
    Ok(LevinaBickel { mean, harmonic: n / inverses.iter().sum::<f64>() })
}

fn check_rows(features: &Features, least: usize) -> Result<(), EvalError> {
    if features.rows() < least {
        return Err(EvalError::TooFew { what: "rows of features", expected: least, got: features.rows() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{features_of, on_threads, random_features};
    use proptest::prelude::*;

    #[test]
    fn golden_intrinsic_dimension() {
        for case in twinlens_golden::cases("metrics/intrinsic_dimension") {
            let features = features_of(&case, "in.x");
            let by_two = two_nn(&features, case.number("twonn_keep_fraction")).unwrap();
            case.check("out.twonn_mle", &[by_two.mle]);
            case.check("out.twonn_fit", &[by_two.fit]);
            let by_k = levina_bickel(&features, case.count("k")).unwrap();
            case.check("out.mle_levina_bickel", &[by_k.mean]);
            case.check("out.mle_mackay_ghahramani", &[by_k.harmonic]);
        }
    }

    /// `rows` points of `flat` dimensions, turned into 10.
    fn sheet(rows: usize, flat: usize, seed: u64) -> Features {
        let (points, axes) = (random_features(rows, flat, seed), random_features(flat, 10, 77));
        let coordinate = |row: &[f32], column: usize| -> f32 {
            row.iter().enumerate().map(|(axis, value)| value * axes.row(axis)[column]).sum()
        };
        let values = points.iter().flat_map(|row| (0..10).map(|c| coordinate(row, c)).collect::<Vec<_>>());
        Features::new(rows, 10, values.collect()).unwrap()
    }

    #[test]
    fn sheets_in_ten_dimensions_have_their_own() {
        for flat in [1, 2, 4] {
            let features = sheet(1500, flat, 5);
            let run = || (two_nn(&features, 0.9).unwrap(), levina_bickel(&features, 12).unwrap());
            let (by_two, by_k) = run();
            for dimension in [by_two.mle, by_two.fit, by_k.mean, by_k.harmonic] {
                assert!((dimension / flat as f64 - 1.0).abs() < 0.15, "{flat}: {by_two:?} {by_k:?}");
            }
            assert_eq!((by_two, by_k), on_threads(3, run));
        }
    }

    #[test]
    fn copies_are_left_out_and_grids_refused() {
        let features = sheet(300, 2, 1);
        let values = [features.values(), features.row(0)].concat();
        let with_copy = Features::new(301, 10, values).unwrap();
        let (plain, copied) = (two_nn(&features, 0.9).unwrap(), two_nn(&with_copy, 0.9).unwrap());
        assert!((plain.mle / copied.mle - 1.0).abs() < 0.05 && copied.fit.is_finite());
        let equal = Features::new(20, 2, vec![1.0; 40]).unwrap();
        assert!(matches!(two_nn(&equal, 0.9), Err(EvalError::Undefined { .. })));
        assert!(matches!(levina_bickel(&equal, 3), Err(EvalError::Undefined { .. })));
        assert!(matches!(two_nn(&features, 0.0), Err(EvalError::Setting { setting: "keep", .. })));
        assert!(matches!(levina_bickel(&features, 1), Err(EvalError::Setting { setting: "k", .. })));
        let few = levina_bickel(&features, 300);
        assert!(matches!(few, Err(EvalError::TooFew { expected: 301, got: 300, .. })));
    }

    proptest! {
        #[test]
        fn scale_does_not_matter(seed: u64, exponent in -20i32..20) {
            let features = random_features(40, 3, seed);
            let values = features.values().iter().map(|value| value * 2f32.powi(exponent)).collect();
            let scaled = Features::new(40, 3, values).unwrap();
            let (a, b) = (two_nn(&features, 0.9).unwrap(), two_nn(&scaled, 0.9).unwrap());
            prop_assert!((a.mle / b.mle - 1.0).abs() < 1e-9 && (a.fit / b.fit - 1.0).abs() < 1e-9);
            let (a, b) = (levina_bickel(&features, 6).unwrap(), levina_bickel(&scaled, 6).unwrap());
            prop_assert!((a.mean / b.mean - 1.0).abs() < 1e-9 && a.mean >= a.harmonic - 1e-9);
            prop_assert!((a.harmonic / b.harmonic - 1.0).abs() < 1e-9);
        }
    }
}
