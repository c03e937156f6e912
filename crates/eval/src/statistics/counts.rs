//! Two methods on the same samples, of which only the direction counts.

use super::distributions::{chi_square_upper, fair_coin_two_sided};
use super::paired::differences;
use crate::EvalError;

/// Two methods that are right or wrong on the same samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct McNemar {
    /// Samples that only the first gets right, `b`.
    pub only_a: usize,
    /// Samples that only the second gets right, `c`.
    pub only_b: usize,
    /// `min(1, 2 P(X <= min(b, c)))` for a binomial X of `b + c` trials of one half.
    pub p_exact: f64,
    /// `(b - c)^2 / (b + c)`.
    pub chi2: f64,
    /// Its p-value, chi-square with one degree of freedom.
    pub p_chi2: f64,
    /// `(|b - c| - 1)^2 / (b + c)`; not clipped, so that `b = c` gives `1 / (b + c)`.
    pub chi2_corrected: f64,
    /// Its p-value.
    pub p_chi2_corrected: f64,
}

/// McNemar's test ("Note on the sampling error of the difference between correlated proportions", 1947; the correction is Edwards',
/// 1948): whether two methods, right or wrong on the same samples, are right equally often. Without samples that only one gets right,
/// statistics are 0 and p-values 1.
///
/// # Errors
/// [`EvalError::Length`] for lists of different length.
pub fn mcnemar(correct_a: &[bool], correct_b: &[bool]) -> Result<McNemar, EvalError> {
    if correct_a.len() != correct_b.len() {
        let (expected, got) = (correct_a.len(), correct_b.len());
        return Err(EvalError::Length { what: "samples of the second method", expected, got });
    }
    let only = |this: &[bool], other: &[bool]| this.iter().zip(other).filter(|(a, b)| **a && !**b).count();
    let (only_a, only_b) = (only(correct_a, correct_b), only(correct_b, correct_a));
    let (gap, sum) = (only_a.abs_diff(only_b) as f64, (only_a + only_b) as f64);
    let over_sum = |square: f64| if sum == 0.0 { 0.0 } else { square / sum };
    let (chi2, chi2_corrected) = (over_sum(gap * gap), over_sum((gap - 1.0).powi(2)));
    Ok(McNemar {
        only_a,
        only_b,
        p_exact: fair_coin_two_sided(only_a, only_b),
        chi2,
        p_chi2: chi_square_upper(chi2, 1.0),
        chi2_corrected,
        p_chi2_corrected: chi_square_upper(chi2_corrected, 1.0),
    })
}

/// How often one list lies above another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignTest {
    /// Pairs in which the first is larger.
    pub above: usize,
    /// Pairs in which it is smaller.
    pub below: usize,
    /// Pairs that are equal; they say nothing and are left out.
    pub equal: usize,
    /// `min(1, 2 P(X <= min(above, below)))` for a binomial X of `above + below` trials of one half.
    pub p_value: f64,
}

/// The sign test of the pairs (x, y) (Arbuthnot, 1710; Dixon and Mood, "The statistical sign test", 1946).
///
/// # Errors
/// No pairs, lists of different length, numbers that are not finite.
pub fn sign_test(x: &[f64], y: &[f64]) -> Result<SignTest, EvalError> {
    let differences = differences(x, y)?;
    let count = |holds: fn(&&f64) -> bool| differences.iter().filter(holds).count();
    let (above, below) = (count(|d| **d > 0.0), count(|d| **d < 0.0));
    let p_value = fair_coin_two_sided(above, below);
    Ok(SignTest { above, below, equal: differences.len() - above - below, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::doubles;
    use proptest::prelude::*;

    #[test]
    fn golden_mcnemar() {
        for case in twinlens_golden::cases("statistics2/mcnemar") {
            let correct = |key| case.i64(key).iter().map(|&correct| correct == 1).collect::<Vec<bool>>();
            let found = mcnemar(&correct("in.correct_a"), &correct("in.correct_b")).unwrap();
            case.check_exact("out.only_a_correct", &[found.only_a as i64]);
            case.check_exact("out.only_b_correct", &[found.only_b as i64]);
            case.check("out.p_exact", &[found.p_exact]);
            case.check("out.log10_p_exact", &[found.p_exact.log10()]);
            case.check("out.chi2", &[found.chi2]);
            case.check("out.p_chi2", &[found.p_chi2]);
            case.check("out.chi2_corrected", &[found.chi2_corrected]);
            case.check("out.p_chi2_corrected", &[found.p_chi2_corrected]);
        }
    }

    #[test]
    fn golden_sign_test() {
        for case in twinlens_golden::cases("statistics2/sign_test") {
            let found = sign_test(&doubles(&case, "in.x"), &doubles(&case, "in.y")).unwrap();
            case.check_exact("out.n_plus", &[found.above as i64]);
            case.check_exact("out.n_minus", &[found.below as i64]);
            case.check_exact("out.n_zero", &[found.equal as i64]);
            case.check("out.p_value", &[found.p_value]);
        }
    }

    #[test]
    fn lists_must_fit() {
        assert!(matches!(mcnemar(&[true], &[]), Err(EvalError::Length { expected: 1, got: 0, .. })));
        assert!(sign_test(&[], &[]).is_err() && sign_test(&[1.0], &[f64::NAN]).is_err());
    }

    proptest! {
        /// Both are the same test, seen from either side.
        #[test]
        fn mcnemar_is_a_sign_test(pairs in prop::collection::vec((any::<bool>(), any::<bool>()), 1..60)) {
            let (a, b): (Vec<bool>, Vec<bool>) = pairs.into_iter().unzip();
            let numbers = |list: &[bool]| list.iter().map(|&correct| f64::from(correct)).collect::<Vec<f64>>();
            let (found, turned) = (mcnemar(&a, &b).unwrap(), mcnemar(&b, &a).unwrap());
            let signs = sign_test(&numbers(&a), &numbers(&b)).unwrap();
            prop_assert_eq!((found.only_a, found.only_b, found.p_exact), (signs.above, signs.below, signs.p_value));
            prop_assert_eq!((found.p_exact, found.chi2), (turned.p_exact, turned.chi2));
            prop_assert!((0.0..=1.0).contains(&found.p_exact));
        }
    }
}
