//! Do the same features of two views agree, and do different ones repeat each other?

use serde::{Deserialize, Serialize};

use super::{centre_columns, widened};
use crate::linalg::add_transposed_product;
use crate::{EvalError, Features};

/// The cross-correlation of the features `x`, `y` of two views of the same images (Zbontar et al., "Barlow Twins:
/// self-supervised learning via redundancy reduction", ICML 2021, equation 2): with all columns centred over the images,
///
/// ```text
/// C_ij = sum_b x_bi y_bj / ( sqrt(sum_b x_bi^2) sqrt(sum_b y_bj^2) )
/// ```
///
/// from -1 to 1, and 0 where a column is constant. It is the identity where views do not matter and no feature repeats
/// another.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossCorrelation {
    dim: usize,
    values: Vec<f64>,
}

/// What is said of a [`CrossCorrelation`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorrelationMeans {
    /// Mean of `C_ii`: 1 where views do not matter.
    pub diagonal: f64,
    /// Mean of `C_ij`, `i != j`; 0 of one feature.
    pub off_diagonal: f64,
    /// Mean of `|C_ij|`, `i != j`: 0 where no feature repeats another.
    pub off_diagonal_size: f64,
}

impl CrossCorrelation {
    /// Of the features of two views. In f64.
    ///
    /// # Errors
    /// [`EvalError::Length`] and [`EvalError::SplitsDiffer`] for views of different shape.
    pub fn new(x: &Features, y: &Features) -> Result<CrossCorrelation, EvalError> {
        super::check_same_shape(x, y)?;
        let dim = x.dim();
        let mut values = vec![0.0; dim * dim];
        add_transposed_product(&mut values, &unit_columns(x), &unit_columns(y), x.rows());
        Ok(CrossCorrelation { dim, values })
    }

    /// Features.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// `C`, row by row: rows are features of `x`.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// What is said of it.
    pub fn means(&self) -> CorrelationMeans {
        let (mut diagonal, mut sum, mut size) = (0.0, 0.0, 0.0);
        for (at, value) in self.values.iter().enumerate() {
            if at % (self.dim + 1) == 0 {
                diagonal += value;
            } else {
                sum += value;
                size += value.abs();
            }
        }
        let others = (self.dim * (self.dim - 1)).max(1) as f64;
        CorrelationMeans {
            diagonal: diagonal / self.dim as f64,
            off_diagonal: sum / others,
            off_diagonal_size: size / others,
        }
    }
}

/// Centred columns of length 1; 0 where a column is constant, whatever rounding leaves of its mean.
fn unit_columns(features: &Features) -> Vec<f64> {
    let dim = features.dim();
    let mut values = widened(features);
    centre_columns(&mut values, dim);
    let mut scales = vec![0.0; dim];
    for row in values.chunks_exact(dim) {
        scales.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * value);
    }
    let first = features.row(0);
    for (column, scale) in scales.iter_mut().enumerate() {
        let constant = features.iter().all(|row| row[column] == first[column]);
        *scale = if constant { 0.0 } else { scale.sqrt().recip() };
    }
    for row in values.chunks_exact_mut(dim) {
        row.iter_mut().zip(&scales).for_each(|(value, scale)| *value *= scale);
    }
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{features_of, random_features};

    fn features(dim: usize, values: Vec<f32>) -> Features {
        Features::new(values.len() / dim, dim, values).unwrap()
    }

    #[test]
    fn golden_barlow_twins_cross_correlation() {
        let mut checked = 0;
        // The loss adds eps to variances; where it is next to nothing, both are the same.
        for case in twinlens_golden::cases("losses/barlow_twins").iter().filter(|c| c.number("eps") < 1e-9) {
            if case.name().contains("constant") {
                continue;
            }
            let found = CrossCorrelation::new(&features_of(case, "in.z_a"), &features_of(case, "in.z_b"));
            case.check("out.c", found.unwrap().values());
            checked += 1;
        }
        assert!(checked > 0);
    }

    /// Columns (1, -1, 0, 0) and (0, 0, 1, -1) against the first, its negative, and a constant.
    #[test]
    fn correlations_by_hand() {
        let x = features(2, vec![1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0]);
        let y = features(2, vec![-2.0, 0.1, 2.0, 0.1, 0.0, 0.1, 0.0, 0.1]);
        let found = CrossCorrelation::new(&x, &y).unwrap();
        let near = |wanted: [f64; 4]| found.values().iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near([-1.0, 0.0, 0.0, 0.0]), "{found:?}");
        let means = found.means();
        assert!((means.diagonal + 0.5).abs() < 1e-12, "{means:?}");
        assert_eq!((means.off_diagonal, means.off_diagonal_size), (0.0, 0.0));
        let single =
            CrossCorrelation::new(&features(1, vec![1.0, 2.0]), &features(1, vec![2.0, 4.0])).unwrap();
        assert!((single.means().diagonal - 1.0).abs() < 1e-12 && single.means().off_diagonal == 0.0);
        assert!(CrossCorrelation::new(&x, &features(2, vec![0.0; 4])).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn scale_shift_and_swap(seed in 0u64..1000, scale in 0.1f32..9.0, shift in -3f32..3.0) {
            let (x, y) = (random_features(25, 5, 2 * seed), random_features(25, 5, 2 * seed + 1));
            let moved = features(5, x.values().iter().map(|value| scale * value + shift).collect());
            let plain = CrossCorrelation::new(&x, &y).unwrap();
            let mapped = CrossCorrelation::new(&moved, &y).unwrap();
            let swapped = CrossCorrelation::new(&y, &x).unwrap();
            let own = CrossCorrelation::new(&x, &x).unwrap();
            for at in 0..25 {
                prop_assert!((plain.values()[at] - mapped.values()[at]).abs() < 1e-5);
                prop_assert!((plain.values()[at] - swapped.values()[at % 5 * 5 + at / 5]).abs() < 1e-12);
                prop_assert!(plain.values()[at].abs() <= 1.0 + 1e-12);
            }
            prop_assert!((own.means().diagonal - 1.0).abs() < 1e-12);
            prop_assert!(plain.means().off_diagonal.abs() <= plain.means().off_diagonal_size);
        }
    }
}
