//! Several methods on the same data sets, by ranks.

use super::checks::{check, check_level};
use super::correlation::{Ties, ranks};
use super::distributions::{chi_square_upper, fisher_upper, reach, studentised_range_upper};
use crate::EvalError;

/// The outcome of Friedman's test.
#[derive(Clone, Debug, PartialEq)]
pub struct Friedman {
    /// Mean rank of each method over the blocks; 1 is the best.
    pub mean_ranks: Vec<f64>,
    /// Friedman's statistic, corrected for ties.
    pub chi2: f64,
    /// Its p-value, chi-square with `k - 1` degrees of freedom.
    pub p_value: f64,
    /// Iman and Davenport's F; infinite where all blocks agree.
    pub f: f64,
    /// Its p-value, F with `k - 1` and `(k - 1) (n - 1)` degrees of freedom.
    pub f_p_value: f64,
}

/// Friedman's test ("The use of ranks to avoid the assumption of normality", 1937) with the F of Iman and Davenport (1980): whether
/// `k` methods rank alike. `blocks` (data sets, folds) holds the scores of all methods in each of `n` blocks; the largest has rank 1, equal
/// scores share their mean rank. With rank sums `R_j` and ties of `t` scores within blocks,
///
/// ```text
/// chi2 = [12 / (n k (k + 1)) sum R_j^2 - 3 n (k + 1)] / [1 - sum (t^3 - t) / (n k (k^2 - 1))]
/// F = (n - 1) chi2 / (n (k - 1) - chi2)
/// ```
///
/// # Errors
/// Fewer than two blocks or methods, blocks of different length, numbers that are not finite; [`EvalError::Undefined`] where all methods
/// score alike in every block.
pub fn friedman(blocks: &[Vec<f64>]) -> Result<Friedman, EvalError> {
    let methods = blocks.first().map_or(0, Vec::len);
    for (what, got) in [("blocks", blocks.len()), ("methods", methods)] {
        if got < 2 {
            return Err(EvalError::TooFew { what, expected: 2, got });
        }
    }
    let (mut sums, mut tied) = (vec![0.0; methods], 0.0);
    for block in blocks {
        if block.len() != methods {
            return Err(EvalError::Length { what: "scores of a block", expected: methods, got: block.len() });
        }
        check("scores of a block", block, 2)?;
        let falling = ranks(&block.iter().map(|score| -score).collect::<Vec<f64>>());
        sums.iter_mut().zip(&falling).for_each(|(sum, rank)| *sum += rank);
        tied += Ties::of(block).cubes();
    }
    let (n, k) = (blocks.len() as f64, methods as f64);
    let untied = 1.0 - tied / (n * k * (k * k - 1.0));
    if untied <= 0.0 {
        let reason = "all methods score alike in every block".to_owned();
        return Err(EvalError::Undefined { what: "Friedman's statistic", reason });
    }
    // Squares about the mean rank sum, which is the same and loses no digits.
    let squares: f64 = sums.iter().map(|sum| (sum - 0.5 * n * (k + 1.0)).powi(2)).sum();
    let chi2 = 12.0 / (n * k * (k + 1.0)) * squares / untied;
    let left = n * (k - 1.0) - chi2;
    let f = if left <= 0.0 { f64::INFINITY } else { (n - 1.0) * chi2 / left };
    Ok(Friedman {
        mean_ranks: sums.iter().map(|sum| sum / n).collect(),
        chi2,
        p_value: chi_square_upper(chi2, k - 1.0),
        f,
        f_p_value: fisher_upper(f, (k - 1.0, (k - 1.0) * (n - 1.0))),
    })
}

/// Which methods differ, after [`friedman`].
#[derive(Clone, Debug, PartialEq)]
pub struct Nemenyi {
    /// The upper `alpha` point of the studentised range over the root of 2.
    pub q: f64,
    /// Mean ranks further apart than this differ.
    pub critical_difference: f64,
    /// The p-value of each pair of methods, `[k, k]` row by row; 1 on the diagonal.
    pub p_values: Vec<f64>,
}

/// Nemenyi's test of all pairs of methods with these mean ranks over `blocks` (Nemenyi, "Distribution-free multiple comparisons", 1963;
/// Demsar, "Statistical comparisons of classifiers over multiple data sets", 2006, section 3.2.2):
///
/// ```text
/// critical difference = q_alpha sqrt(k (k + 1) / (6 n))
/// ```
///
/// # Errors
/// Fewer than two methods, no blocks, numbers that are not finite, `alpha` outside 0 to 1.
pub fn nemenyi(mean_ranks: &[f64], blocks: usize, alpha: f64) -> Result<Nemenyi, EvalError> {
    check("mean ranks", mean_ranks, 2)?;
    crate::settings::at_least("blocks", 1, blocks)?;
    check_level(1.0 - alpha)?;
    let k = mean_ranks.len();
    let error = ((k * (k + 1)) as f64 / (6 * blocks) as f64).sqrt();
    let root = std::f64::consts::SQRT_2;
    let q = reach(|range| studentised_range_upper(range, k) > alpha) / root;
    let p_value = |a: f64, b: f64| studentised_range_upper(root * (a - b).abs() / error, k);
    Ok(Nemenyi {
        q,
        critical_difference: q * error,
        p_values: mean_ranks.iter().flat_map(|&a| mean_ranks.iter().map(move |&b| p_value(a, b))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check_p, doubles};
    use proptest::prelude::*;

    #[test]
    fn golden_friedman() {
        for case in twinlens_golden::cases("statistics2/friedman") {
            let methods = case.shape("in.scores")[1];
            let blocks: Vec<Vec<f64>> =
                doubles(&case, "in.scores").chunks(methods).map(<[f64]>::to_vec).collect();
            let found = friedman(&blocks).unwrap();
            case.check("out.mean_ranks", &found.mean_ranks);
            case.check("out.chi2", &[found.chi2]);
            check_p(&case, found.p_value);
            case.check("out.iman_davenport_f", &[found.f]);
            case.check("out.iman_davenport_p", &[found.f_p_value]);
        }
    }

    #[test]
    fn golden_nemenyi() {
        for case in twinlens_golden::cases("statistics2/nemenyi") {
            let ranks = doubles(&case, "in.mean_ranks");
            let found = nemenyi(&ranks, case.count("n_blocks"), case.number("alpha")).unwrap();
            case.check("out.q_alpha", &[found.q]);
            case.check("out.critical_difference", &[found.critical_difference]);
            case.check("out.p_values", &found.p_values);
            let apart = |a: f64, b: f64| i64::from((a - b).abs() > found.critical_difference);
            let different: Vec<i64> =
                ranks.iter().flat_map(|&a| ranks.iter().map(move |&b| apart(a, b))).collect();
            case.check_exact("out.different", &different);
        }
    }

    #[test]
    fn what_has_no_ranks_is_refused() {
        assert!(matches!(friedman(&[vec![1.0, 1.0], vec![2.0, 2.0]]), Err(EvalError::Undefined { .. })));
        assert!(matches!(friedman(&[vec![1.0, 2.0]]), Err(EvalError::TooFew { what: "blocks", .. })));
        assert!(matches!(friedman(&[vec![1.0, 2.0], vec![2.0]]), Err(EvalError::Length { .. })));
        assert!(nemenyi(&[1.0, 2.0], 0, 0.05).is_err() && nemenyi(&[1.0, 2.0], 3, 1.0).is_err());
        let agreed = friedman(&[vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]).unwrap();
        assert_eq!(
            (agreed.f, agreed.f_p_value, &agreed.mean_ranks[..]),
            (f64::INFINITY, 0.0, &[3.0, 2.0, 1.0][..])
        );
    }

    proptest! {
        #[test]
        fn growing_maps_change_nothing(scores in prop::collection::vec(-3i8..3, 20)) {
            let blocks: Vec<Vec<f64>> =
                scores.chunks(4).map(|block| block.iter().map(|&score| f64::from(score)).collect()).collect();
            let mapped: Vec<Vec<f64>> =
                blocks.iter().map(|block| block.iter().map(|score| score.exp() + 1.0).collect()).collect();
            prop_assert_eq!(friedman(&blocks), friedman(&mapped));
        }
    }
}
