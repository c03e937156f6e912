//! How many directions features use.

use super::{centre_columns, widened};
use crate::linalg::{add_transposed_product, eigenvalues, product_with_transposed};
use crate::{EvalError, Features};

/// Added to every share of the spectrum by [`rankme`] (Garrido et al. 2023, equation 1).
const RANKME_EPSILON: f64 = 1e-7;

/// The singular values of the features (`min(rows, dim)` of them, falling), with every column's mean taken
/// off first if `centre`.
///
/// Computed in f64 as the square roots of the eigenvalues of the smaller Gram matrix, which is far cheaper
/// than a decomposition of the features: values below about 1e-8 of the largest are rounding, and those
/// that cannot be told from 0 are 0.
///
/// # Errors
/// [`EvalError::Numeric`] if the eigenvalue iteration fails.
pub fn singular_values(features: &Features, centre: bool) -> Result<Vec<f64>, EvalError> {
    let (rows, dim) = (features.rows(), features.dim());
    let mut values = widened(features);
    if centre {
        centre_columns(&mut values, dim);
    }
    let side = rows.min(dim);
    let mut gram = vec![0.0; side * side];
    if rows < dim {
        product_with_transposed(&mut gram, &values, &values, dim);
    } else {
        add_transposed_product(&mut gram, &values, &values, rows);
    }
    let squares = eigenvalues(&gram, side)?;
    let rounding = squares.last().copied().unwrap_or(0.0) * side as f64 * f64::EPSILON;
    Ok(squares.iter().rev().map(|&square| if square > rounding { square.sqrt() } else { 0.0 }).collect())
}

/// The eigenvalues of the covariance of the columns (divisor `n - 1`), falling, `dim` of them: the variances
/// along the principal components. Divided by their sum they are the shares of the variance explained.
///
/// # Errors
/// [`EvalError::TooFew`] for one row, [`EvalError::Numeric`] if the eigenvalue iteration fails.
pub fn covariance_spectrum(features: &Features) -> Result<Vec<f64>, EvalError> {
    let rows = features.rows();
    if rows < 2 {
        return Err(EvalError::TooFew { what: "rows of features", expected: 2, got: rows });
    }
    let mut spectrum: Vec<f64> =
        singular_values(features, true)?.iter().map(|s| s * s / (rows - 1) as f64).collect();
    // Fewer rows than columns leave the other directions without variance.
    spectrum.resize(features.dim(), 0.0);
    Ok(spectrum)
}

/// `exp(-sum q log q)` of the shares `q = s / sum s` of the singular values (Roy and Vetterli, "The
/// effective rank", EUSIPCO 2007): how many directions carry the representation, from 1 to their number. 0
/// when all are 0.
pub fn effective_rank(singular_values: &[f64]) -> f64 {
    exponential_of_entropy(singular_values, 0.0)
}

/// RankMe (Garrido et al., "RankMe: assessing the downstream performance of pretrained self-supervised
/// representations by their rank", ICML 2023, equation 1): [`effective_rank`] with 1e-7 added to each share.
/// The paper does not centre the features first.
pub fn rankme(singular_values: &[f64]) -> f64 {
    exponential_of_entropy(singular_values, RANKME_EPSILON)
}

/// `(sum s^2)^2 / sum s^4`: the number of directions that share the variance, dominated by the large ones
/// (with centred features, that of the covariance's eigenvalues). 0 when all are 0.
pub fn participation_ratio(singular_values: &[f64]) -> f64 {
    // Relative to the largest, so that no fourth power overflows.
    let largest = singular_values.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return 0.0;
    }
    let squares = || singular_values.iter().map(|s| (s / largest).powi(2));
    squares().sum::<f64>().powi(2) / squares().map(|square| square * square).sum::<f64>()
}

fn exponential_of_entropy(singular_values: &[f64], epsilon: f64) -> f64 {
    let sum: f64 = singular_values.iter().sum();
    if sum == 0.0 {
        return 0.0;
    }
    let shares = singular_values.iter().map(|value| value / sum + epsilon);
    let entropy: f64 = shares.filter(|&share| share > 0.0).map(|share| -share * share.ln()).sum();
    entropy.exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::embedding_std;
    use crate::testing::{features_of, random_features};
    use proptest::prelude::*;

    #[test]
    fn golden_effective_rank() {
        for case in twinlens_golden::cases("metrics/effective_rank") {
            assert_eq!(case.number("epsilon"), RANKME_EPSILON);
            let features = features_of(&case, "in.x");
            let spectrum = singular_values(&features, case.flag("center")).unwrap();
            case.check("out.singular_values", &spectrum);
            case.check("out.effective_rank", &[effective_rank(&spectrum)]);
            case.check("out.rankme", &[rankme(&spectrum)]);
            case.check("out.participation_ratio", &[participation_ratio(&spectrum)]);
        }
    }

    #[test]
    fn golden_covariance_spectrum() {
        for case in twinlens_golden::cases("metrics/covariance_spectrum") {
            assert_eq!(case.count("ddof"), 1);
            let spectrum = covariance_spectrum(&features_of(&case, "in.x")).unwrap();
            let total: f64 = spectrum.iter().sum();
            let shares: Vec<f64> = spectrum.iter().map(|value| value / total).collect();
            case.check("out.eigenvalues", &spectrum);
            case.check("out.explained_variance_ratio", &shares);
        }
    }

    #[test]
    fn the_covariance_needs_two_rows_and_has_a_value_for_every_column() {
        let features = random_features(3, 6, 1);
        let spectrum = covariance_spectrum(&features).unwrap();
        assert_eq!((spectrum.len(), spectrum.iter().filter(|&&value| value > 0.0).count()), (6, 2));
        let one = covariance_spectrum(&features.subset(&[0]).unwrap());
        assert!(matches!(one, Err(EvalError::TooFew { expected: 2, got: 1, .. })));
    }

    #[test]
    fn orthonormal_columns_have_full_rank_and_copies_rank_one() {
        let (rows, dim) = (8, 4);
        // Columns of a Hadamard matrix: entry (i, j) is the parity of i & j.
        let bits_shared = |at: usize| ((at / dim) & (at % dim + 1)).count_ones();
        let sign = |at: usize| if bits_shared(at).is_multiple_of(2) { 1.0 } else { -1.0 };
        let orthogonal = Features::new(rows, dim, (0..rows * dim).map(sign).collect()).unwrap();
        for centre in [false, true] {
            let spectrum = singular_values(&orthogonal, centre).unwrap();
            assert!((effective_rank(&spectrum) - 4.0).abs() < 1e-9);
            assert!((participation_ratio(&spectrum) - 4.0).abs() < 1e-9);
        }
        let row = random_features(1, 40, 1);
        for rows in [20, 60] {
            let copies = Features::new(rows, 40, row.values().repeat(rows)).unwrap();
            let spectrum = singular_values(&copies, false).unwrap();
            assert!((effective_rank(&spectrum) - 1.0).abs() < 1e-6);
            assert!((participation_ratio(&spectrum) - 1.0).abs() < 1e-9);
            assert!(embedding_std(&copies) < 1e-12);
        }
    }

    #[test]
    fn nothing_has_rank_zero() {
        let zeros = Features::new(3, 2, vec![0.0; 6]).unwrap();
        let spectrum = singular_values(&zeros, true).unwrap();
        assert_eq!(spectrum, [0.0, 0.0]);
        assert_eq!((effective_rank(&spectrum), rankme(&spectrum)), (0.0, 0.0));
        assert_eq!((participation_ratio(&spectrum), embedding_std(&zeros)), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn ranks_lie_between_one_and_the_smaller_side(seed: u64, rows in 1usize..20, dim in 1usize..20) {
            let features = random_features(rows, dim, seed);
            let spectrum = singular_values(&features, false).unwrap();
            prop_assert_eq!(spectrum.len(), rows.min(dim));
            prop_assert!(spectrum.is_sorted_by(|a, b| a >= b));
            let range = 1.0 - 1e-6..=rows.min(dim) as f64 + 1e-4;
            for rank in [effective_rank(&spectrum), rankme(&spectrum), participation_ratio(&spectrum)] {
                prop_assert!(range.contains(&rank), "{}", rank);
            }
            let energy: f64 = features.values().iter().map(|&v| f64::from(v).powi(2)).sum();
            let of_spectrum: f64 = spectrum.iter().map(|s| s * s).sum();
            prop_assert!((energy - of_spectrum).abs() < 1e-9 * energy);
            if rows > 1 {
                // The eigenvalues of the covariance sum to the variances of the columns.
                let mean = features.column_means();
                let deviation = |(at, &v): (usize, &f32)| (f64::from(v) - mean[at % dim]).powi(2);
                let variances: f64 = features.values().iter().enumerate().map(deviation).sum::<f64>() / (rows - 1) as f64;
                let sum: f64 = covariance_spectrum(&features).unwrap().iter().sum();
                prop_assert!((variances - sum).abs() < 1e-9 * variances);
            }
        }

        #[test]
        fn scale_does_not_matter(seed: u64, exponent in -30i32..30) {
            let features = random_features(12, 7, seed);
            let values = features.values().iter().map(|value| value * 2f32.powi(exponent)).collect();
            let scaled = Features::new(12, 7, values).unwrap();
            let (a, b) = (singular_values(&features, true).unwrap(), singular_values(&scaled, true).unwrap());
            prop_assert!((effective_rank(&a) - effective_rank(&b)).abs() < 1e-9);
            prop_assert!((participation_ratio(&a) - participation_ratio(&b)).abs() < 1e-9);
        }
    }
}
