//! Two lists of numbers whose entries belong together: two methods on the same seeds, folds or images.

use statrs::function::gamma::ln_gamma;

use super::checks::{check, check_level, check_pairs};
use super::distributions::{student_reach, student_two_sided};
use super::{Interval, mean_and_deviation, pearson};
use crate::EvalError;

/// The mean of `values` with its interval `mean -+ t_{(1 + level) / 2, n - 1} sd / sqrt(n)`, which holds the true mean with
/// probability `level` (0 to 1) if the values are independent and normal; `what` names them in an error.
///
/// # Errors
/// [`EvalError::TooFew`] below two values, [`EvalError::NumberNotFinite`], [`EvalError::Setting`] for the level.
pub fn mean_interval(what: &'static str, values: &[f64], level: f64) -> Result<Interval, EvalError> {
    check_level(level)?;
    let (mean, deviation) = mean_and_deviation(what, values)?;
    let n = values.len() as f64;
    let half = student_reach(level, n - 1.0) * deviation / n.sqrt();
    Ok(Interval { value: mean, low: mean - half, high: mean + half, groups: None })
}

/// How far the first list lies above the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedT {
    /// The mean difference with its interval ([`mean_interval`]).
    pub difference: Interval,
    /// Standard deviation of the differences (divisor n - 1).
    pub deviation: f64,
    /// `mean / (sd / sqrt(n))`; 0 where all differences are 0, infinite where they are equal otherwise.
    pub t: f64,
    /// Probability of a t at least as large, either way, if the true mean were 0 (`n - 1` degrees of freedom).
    pub p_value: f64,
}

/// The paired t-test (Student, "The probable error of a mean", 1908) of the differences `x - y`.
///
/// # Errors
/// As [`mean_interval`]; lists of different length.
pub fn paired_t(x: &[f64], y: &[f64], level: f64) -> Result<PairedT, EvalError> {
    let differences = differences(x, y)?;
    let difference = mean_interval("differences", &differences, level)?;
    let deviation = mean_and_deviation("differences", &differences)?.1;
    let n = differences.len() as f64;
    let t = if difference.value == 0.0 { 0.0 } else { difference.value / (deviation / n.sqrt()) };
    Ok(PairedT { difference, deviation, t, p_value: student_two_sided(t, n - 1.0) })
}

/// Sizes of the difference of paired lists, in standard deviations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedEffect {
    /// `mean(d) / sd(d)` of the differences `d = x - y`.
    pub d_z: f64,
    /// `mean(d) / ((sd(x) + sd(y)) / 2)`.
    pub d_av: f64,
    /// `d_z sqrt(2 (1 - r))` with Pearson's `r` of x and y.
    pub d_rm: f64,
    /// Hedges' factor against the bias of few pairs, `Gamma(v / 2) / (sqrt(v / 2) Gamma((v - 1) / 2))` with `v = n - 1`.
    pub correction: f64,
    /// `d_z` times the correction.
    pub g_z: f64,
    /// Pearson's r of x and y.
    pub correlation: f64,
}

/// Cohen's d of paired lists in its three readings (Lakens, "Calculating and reporting effect sizes to facilitate cumulative
/// science", 2013, equations 6, 8 and 10), and Hedges' g (Hedges, "Distribution theory for Glass's estimator of effect size",
/// 1981).
///
/// # Errors
/// As [`paired_t`], below three pairs; [`EvalError::Undefined`] when a list is constant or all differences are equal.
pub fn cohens_d_paired(x: &[f64], y: &[f64]) -> Result<PairedEffect, EvalError> {
    let differences = differences(x, y)?;
    let correlation = pearson(x, y)?.coefficient;
    let (mean, deviation) = mean_and_deviation("differences", &differences)?;
    if deviation == 0.0 {
        let reason = "all differences are equal".to_owned();
        return Err(EvalError::Undefined { what: "Cohen's d", reason });
    }
    let apart = mean_and_deviation("x", x)?.1 + mean_and_deviation("y", y)?.1;
    let half = (differences.len() - 1) as f64 / 2.0;
    let correction = (ln_gamma(half) - ln_gamma(half - 0.5)).exp() / half.sqrt();
    let d_z = mean / deviation;
    Ok(PairedEffect {
        d_z,
        d_av: mean / (apart / 2.0),
        d_rm: d_z * (2.0 * (1.0 - correlation)).sqrt(),
        correction,
        g_z: d_z * correction,
        correlation,
    })
}

/// `x - y` of lists of the same length.
pub(super) fn differences(x: &[f64], y: &[f64]) -> Result<Vec<f64>, EvalError> {
    check_pairs(x, y, 1)?;
    let differences: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
    check("differences", &differences, 1)?;
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check_p, doubles};
    use proptest::prelude::*;

    #[test]
    fn golden_paired_t() {
        for case in twinlens_golden::cases("statistics2/paired_t") {
            let level = case.number("confidence");
            let found = paired_t(&doubles(&case, "in.x"), &doubles(&case, "in.y"), level).unwrap();
            case.check("out.mean_difference", &[found.difference.value]);
            case.check("out.sd_difference", &[found.deviation]);
            case.check("out.t", &[found.t]);
            case.check("out.ci", &[found.difference.low, found.difference.high]);
            check_p(&case, found.p_value);
        }
    }

    #[test]
    fn golden_cohens_d_paired() {
        for case in twinlens_golden::cases("statistics2/cohens_d_paired") {
            let found = cohens_d_paired(&doubles(&case, "in.x"), &doubles(&case, "in.y")).unwrap();
            case.check("out.d_z", &[found.d_z]);
            case.check("out.d_av", &[found.d_av]);
            case.check("out.d_rm", &[found.d_rm]);
            case.check("out.hedges_correction", &[found.correction]);
            case.check("out.hedges_g_z", &[found.g_z]);
            case.check("out.correlation", &[found.correlation]);
        }
    }

    #[test]
    fn equal_lists_do_not_differ_and_what_has_no_answer_is_refused() {
        let same = paired_t(&[1.0, 2.0, 4.0], &[1.0, 2.0, 4.0], 0.95).unwrap();
        assert_eq!((same.difference.low, same.t, same.p_value), (0.0, 0.0, 1.0));
        assert!(matches!(
            cohens_d_paired(&[1.0, 2.0, 4.0], &[1.0, 2.0, 4.0]),
            Err(EvalError::Undefined { .. })
        ));
        assert!(matches!(paired_t(&[1.0], &[2.0], 0.95), Err(EvalError::TooFew { expected: 2, .. })));
        assert!(matches!(paired_t(&[1.0; 3], &[2.0; 2], 0.95), Err(EvalError::Length { .. })));
        assert!(paired_t(&[1.0; 3], &[2.0; 3], 1.0).unwrap_err().to_string().starts_with("level = 1"));
    }

    proptest! {
        /// The interval misses 0 where, and only where, the test rejects it; swapping the lists turns it.
        #[test]
        fn interval_and_test_agree(pairs in prop::collection::vec((-9.0f64..9.0, -9.0f64..9.0), 3..30)) {
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let (found, turned) = (paired_t(&x, &y, 0.95).unwrap(), paired_t(&y, &x, 0.95).unwrap());
            prop_assert!((found.p_value - turned.p_value).abs() < 1e-12);
            prop_assert!((found.difference.low + turned.difference.high).abs() < 1e-9);
            let misses = found.difference.low > 0.0 || found.difference.high < 0.0;
            prop_assert!(misses == (found.p_value < 0.05) || (found.p_value - 0.05).abs() < 1e-6);
        }
    }
}
