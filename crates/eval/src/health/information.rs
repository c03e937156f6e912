//! How much features say of an image and its views: the Gaussian entropies of the information bottleneck.

use serde::{Deserialize, Serialize};

use super::{centre_columns, widened};
use crate::linalg::{add_transposed_product, eigenvalues, product_with_transposed};
use crate::settings::above_zero;
use crate::{EvalError, Features};

/// The two terms of the information bottleneck (Zbontar et al., "Barlow Twins: self-supervised learning via redundancy
/// reduction", ICML 2021, appendix A), with features Z of the views of an image X taken as Gaussian:
///
/// ```text
/// IB = E_X log |C_{Z|X}| + (1 - beta) / beta  log |C_Z|
/// ```
///
/// `C_Z` is the covariance over all images and views, `C_{Z|X}` that over the V views of one image, both with their numbers of
/// rows as divisors, so that `C_Z` is the mean of `C_{Z|X}` plus the covariance of the images' means. V views span V - 1
/// directions; so that determinants exist, the same multiple of the identity is added to both,
///
/// ```text
/// rho = ridge  trace(C_Z) / D
/// ```
///
/// and the mean of the second is never above the first. Features times `a` add `2 D ln a` to both. Only differences between
/// features of one width and number of views mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Information {
    /// The share `ridge` of the mean variance that was added.
    pub ridge: f64,
    /// V, the views of each image.
    pub views: usize,
    /// `log |C_Z + rho I|`: large where images and views spread in all directions.
    pub log_det: f64,
    /// `E_X log |C_{Z|X} + rho I|`: small where views do not matter.
    pub log_det_given_image: f64,
}

/// Measures `views`, each the features of the same images in the same order. In f64.
///
/// # Errors
/// [`EvalError::TooFew`] for one view; [`EvalError::Length`] and [`EvalError::SplitsDiffer`] for views of different shape;
/// [`EvalError::Setting`] unless `ridge` is above 0; [`EvalError::Undefined`] where all rows are the same;
/// [`EvalError::Numeric`] if the eigenvalue iteration fails.
pub fn information(views: &[&Features], ridge: f64) -> Result<Information, EvalError> {
    above_zero("ridge", &[ridge])?;
    let [first, others @ ..] = views else {
        return Err(EvalError::TooFew { what: "views", expected: 2, got: 0 });
    };
    if others.is_empty() {
        return Err(EvalError::TooFew { what: "views", expected: 2, got: 1 });
    }
    others.iter().try_for_each(|other| super::check_same_shape(first, other))?;
    let dim = first.dim();
    let mut all: Vec<f64> = views.iter().flat_map(|view| widened(view)).collect();
    centre_columns(&mut all, dim);
    let rows = (all.len() / dim) as f64;
    let trace = all.iter().map(|value| value * value).sum::<f64>() / rows;
    if trace == 0.0 {
        let reason = "all images and views have the same features".to_owned();
        return Err(EvalError::Undefined { what: "the determinant of their covariance", reason });
    }
    let rho = ridge * trace / dim as f64;
    let mut given_image = 0.0;
    for image in 0..first.rows() {
        let mut values: Vec<f64> =
            views.iter().flat_map(|view| view.row(image)).map(|&value| value.into()).collect();
        centre_columns(&mut values, dim);
        given_image += log_det(&values, dim, rho)?;
    }
    Ok(Information {
        ridge,
        views: views.len(),
        log_det: log_det(&all, dim, rho)?,
        log_det_given_image: given_image / first.rows() as f64,
    })
}

/// `log |R^T R / n + rho I|` of `n` centred rows, from the eigenvalues of the smaller of `R^T R` and `R R^T`.
fn log_det(centred: &[f64], dim: usize, rho: f64) -> Result<f64, EvalError> {
    let rows = centred.len() / dim;
    let side = rows.min(dim);
    let mut gram = vec![0.0; side * side];
    if rows < dim {
        product_with_transposed(&mut gram, centred, centred, dim);
    } else {
        add_transposed_product(&mut gram, centred, centred, rows);
    }
    let spread = eigenvalues(&gram, side)?;
    let along = spread.iter().map(|value| (value.max(0.0) / rows as f64 + rho).ln()).sum::<f64>();
    Ok(along + (dim - side) as f64 * rho.ln())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::random_features;

    fn features(dim: usize, values: Vec<f32>) -> Features {
        Features::new(values.len() / dim, dim, values).unwrap()
    }

    fn scaled(of: &Features, by: f32) -> Features {
        features(of.dim(), of.values().iter().map(|value| value * by).collect())
    }

    /// Rows `+-s_i e_i` have the variances `s_i^2 / D`.
    #[test]
    fn known_covariances_have_their_determinants() {
        let rows = |sizes: [f32; 3]| {
            let row =
                |at: usize, sign: f32| (0..3).map(move |i| if i == at { sign * sizes[at] } else { 0.0 });
            features(3, (0..3).flat_map(|at| row(at, 1.0).chain(row(at, -1.0))).collect())
        };
        let view = rows([1.0, 2.0, 5.0]);
        let found = information(&[&view, &view], 1e-9).unwrap();
        let expected = [1.0f64, 4.0, 25.0].iter().map(|square| (square / 3.0).ln()).sum::<f64>();
        assert!((found.log_det - expected).abs() < 1e-7, "{found:?}");
        // Views that are alike have no covariance but the ridge.
        let rho = 1e-9 * 30.0 / 9.0f64;
        assert!((found.log_det_given_image - 3.0 * rho.ln()).abs() < 1e-9, "{found:?}");
        assert_eq!((found.views, found.ridge), (2, 1e-9));
        // Two views of one image, at +-d: one direction of variance |d|^2.
        let (one, other) = (features(2, vec![3.0, 4.0]), features(2, vec![-3.0, -4.0]));
        let found = information(&[&one, &other], 0.01).unwrap();
        let expected = (25.0f64 + 0.125).ln() + 0.125f64.ln();
        assert!((found.log_det - expected).abs() < 1e-12 && found.log_det == found.log_det_given_image);
    }

    /// `log |S|` of two correlated Gaussian columns, S = [[1, 0.6], [0.6, 4]].
    #[test]
    fn gaussian_columns_have_that_of_their_covariance() {
        let draw = |seed| {
            let normal = random_features(20_000, 2, seed);
            let mix = |row: &[f32]| [row[0], 0.6 * row[0] + (4f32 - 0.36).sqrt() * row[1]];
            features(2, normal.iter().flat_map(mix).collect())
        };
        let found = information(&[&draw(1), &draw(2)], 1e-9).unwrap();
        assert!((found.log_det - 3.64f64.ln()).abs() < 0.03, "{found:?}");
    }

    #[test]
    fn what_has_no_covariance_is_refused() {
        let x = random_features(5, 3, 1);
        assert!(matches!(information(&[&x], 1e-4), Err(EvalError::TooFew { expected: 2, got: 1, .. })));
        assert!(matches!(information(&[], 1e-4), Err(EvalError::TooFew { got: 0, .. })));
        assert!(matches!(information(&[&x, &x], 0.0), Err(EvalError::Setting { setting: "ridge", .. })));
        let short = random_features(4, 3, 1);
        assert!(matches!(information(&[&x, &short], 1e-4), Err(EvalError::Length { .. })));
        let narrow = random_features(5, 2, 1);
        assert!(matches!(information(&[&x, &narrow], 1e-4), Err(EvalError::SplitsDiffer { .. })));
        let equal = features(2, vec![1.0; 8]);
        assert!(matches!(information(&[&equal, &equal], 1e-4), Err(EvalError::Undefined { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn scale_adds_its_logarithm_and_images_never_take_away(seed in 0u64..1000, scale in 0.1f32..9.0, wide: bool) {
            let (rows, dim) = if wide { (5, 12) } else { (30, 4) };
            let views: Vec<Features> = (0..3).map(|view| random_features(rows, dim, 3 * seed + view)).collect();
            let of = |views: &[Features]| information(&views.iter().collect::<Vec<_>>(), 1e-3).unwrap();
            let plain = of(&views);
            let larger = of(&views.iter().map(|view| scaled(view, scale)).collect::<Vec<_>>());
            let added = 2.0 * dim as f64 * f64::from(scale).ln();
            prop_assert!((larger.log_det - plain.log_det - added).abs() < 1e-4);
            prop_assert!((larger.log_det_given_image - plain.log_det_given_image - added).abs() < 1e-4);
            prop_assert!(plain.log_det_given_image <= plain.log_det + 1e-9, "{plain:?}");
            let swapped = of(&[views[2].clone(), views[0].clone(), views[1].clone()]);
            prop_assert!((swapped.log_det - plain.log_det).abs() < 1e-9);
        }
    }
}
