//! How features lie on the unit sphere.

use super::centre_columns;
use crate::distances::{Distance, Distances};
use crate::features::MIN_NORM;
use crate::settings::above_zero;
use crate::{EvalError, Features};

/// The standard deviation (n - 1) of each feature of the L2-normalised rows, averaged over the features.
///
/// It is 0 for a collapsed encoder and near `1 / sqrt(dim)` for one that uses all directions alike (Chen and
/// He, "Exploring simple Siamese representation learning", CVPR 2021, section 4.1; its code divides by
/// n - 1 as well). One row alone has deviation 0.
pub fn embedding_std(features: &Features) -> f64 {
    let (rows, dim) = (features.rows(), features.dim());
    let mut unit = unit(features);
    centre_columns(&mut unit, dim);
    let mut sums = vec![0.0; dim];
    for row in unit.chunks_exact(dim) {
        sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v * v);
    }
    let divisor = rows.saturating_sub(1).max(1) as f64;
    sums.iter().map(|sum| (sum / divisor).sqrt()).sum::<f64>() / dim as f64
}

/// `mean over rows of ||x / ||x|| - y / ||y||||^alpha`, for the features `x` and `y` of two views of the same
/// images: 0 when views do not matter (Wang and Isola, "Understanding contrastive representation learning
/// through alignment and uniformity on the hypersphere", ICML 2020, section 4; `alpha` 2 there).
///
/// # Errors
/// [`EvalError::Length`] and [`EvalError::SplitsDiffer`] for views of different shape, [`EvalError::Setting`]
/// unless `alpha` is above 0.
pub fn alignment(x: &Features, y: &Features, alpha: f64) -> Result<f64, EvalError> {
    above_zero("alpha", &[alpha])?;
    super::check_same_shape(x, y)?;
    let power = |(x, y): (&[f64], &[f64])| {
        x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().powf(alpha / 2.0)
    };
    let dim = x.dim();
    let (x, y) = (unit(x), unit(y));
    let pairs = x.chunks_exact(dim).zip(y.chunks_exact(dim));
    Ok(pairs.map(power).sum::<f64>() / (x.len() / dim) as f64)
}

/// `log mean over pairs i < j of exp(-t ||x_i - x_j||^2)` of the unit rows: from 0, all in one place, down to
/// about `-2 t` where they spread over the whole sphere (Wang and Isola 2020, section 4; `t` 2 there).
/// `O(rows^2 dim)`.
///
/// # Errors
/// [`EvalError::TooFew`] for one row, [`EvalError::Setting`] unless `t` is above 0, [`EvalError::Undefined`] for a `t` at which
/// all pairs are infinitely far apart.
pub fn uniformity(x: &Features, t: f64) -> Result<f64, EvalError> {
    above_zero("t", &[t])?;
    if x.rows() < 2 {
        return Err(EvalError::TooFew { what: "rows of features", expected: 2, got: x.rows() });
    }
    // Of unit rows, ||a - b||^2 = 2 (1 - cos).
    let with_later = |row: usize, distances: &[f64]| -> f64 {
        distances[row + 1..].iter().map(|distance| (-2.0 * t * distance).exp()).sum()
    };
    let pairs = x.rows() as f64 * (x.rows() - 1) as f64 / 2.0;
    let sum: f64 = Distances::new(x, Distance::Cosine).map_rows(with_later).into_iter().sum();
    if sum == 0.0 {
        let reason = format!("exp(-t d^2) is 0 of all pairs at t = {t}; a smaller t tells them apart");
        return Err(EvalError::Undefined { what: "uniformity", reason });
    }
    Ok((sum / pairs).ln())
}

/// All rows in f64, divided by their L2 norms.
fn unit(features: &Features) -> Vec<f64> {
    let mut unit = super::widened(features);
    for row in unit.chunks_exact_mut(features.dim()) {
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt().max(MIN_NORM);
        row.iter_mut().for_each(|v| *v /= norm);
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{features_of, random_features};
    use proptest::prelude::*;

    #[test]
    fn golden_alignment_uniformity() {
        for case in twinlens_golden::cases("metrics/alignment_uniformity") {
            let (x, y) = (features_of(&case, "in.x"), features_of(&case, "in.y"));
            case.check("out.alignment", &[alignment(&x, &y, case.number("alpha")).unwrap()]);
            case.check("out.uniformity_a", &[uniformity(&x, case.number("t")).unwrap()]);
            case.check("out.uniformity_b", &[uniformity(&y, case.number("t")).unwrap()]);
        }
    }

    #[test]
    fn isotropic_features_have_the_deviation_and_uniformity_of_the_sphere() {
        let wide = random_features(4000, 64, 2);
        assert!((embedding_std(&wide) * 8.0 - 1.0).abs() < 0.01, "{}", embedding_std(&wide));
        // The cosine of random directions has variance 1 / 64: log E exp(4 cos - 4) = -4 + 16 / 128.
        let spread = uniformity(&wide.subset(&(0..1500).collect::<Vec<_>>()).unwrap(), 2.0).unwrap();
        assert!((spread + 4.0 - 0.125).abs() < 0.01, "{spread}");
    }

    #[test]
    fn a_sharpness_at_which_nothing_is_near_has_no_uniformity() {
        let features = random_features(8, 4, 3);
        let reason = uniformity(&features, 1e308).unwrap_err().to_string();
        assert!(reason.contains("a smaller t"), "{reason}");
    }

    #[test]
    fn views_that_do_not_fit_are_refused() {
        let (x, wide) = (random_features(4, 2, 1), random_features(4, 3, 1));
        assert!(matches!(
            alignment(&x, &wide, 2.0),
            Err(EvalError::SplitsDiffer { expected: 2, got: 3, .. })
        ));
        let short = x.subset(&[0]).unwrap();
        assert!(matches!(alignment(&x, &short, 2.0), Err(EvalError::Length { expected: 4, got: 1, .. })));
        assert!(matches!(alignment(&x, &x, 0.0), Err(EvalError::Setting { setting: "alpha", .. })));
        assert!(matches!(uniformity(&short, 2.0), Err(EvalError::TooFew { .. })));
        assert!(matches!(uniformity(&x, f64::NAN), Err(EvalError::Setting { setting: "t", .. })));
    }

    proptest! {
        #[test]
        fn scale_of_rows_does_not_matter_and_copies_are_aligned_and_in_one_place(
            seed: u64, exponents in prop::collection::vec(-20i32..20, 12)
        ) {
            let (x, y) = (random_features(12, 7, seed), random_features(12, 7, !seed));
            let factor = |at: usize| 2f32.powi(exponents[at / 7]);
            let values = x.values().iter().enumerate().map(|(at, value)| value * factor(at)).collect();
            let scaled = Features::new(12, 7, values).unwrap();
            prop_assert_eq!(embedding_std(&x), embedding_std(&scaled));
            prop_assert_eq!(alignment(&x, &y, 2.0), alignment(&scaled, &y, 2.0));
            prop_assert_eq!(uniformity(&x, 2.0), uniformity(&scaled, 2.0));
            prop_assert_eq!(alignment(&x, &scaled, 2.0), Ok(0.0));
            let copies = Features::new(12, 7, x.row(0).repeat(12)).unwrap();
            prop_assert!(uniformity(&copies, 2.0).unwrap().abs() < 1e-12);
            prop_assert!((-8.0..=0.0).contains(&uniformity(&x, 2.0).unwrap()));
        }
    }
}
