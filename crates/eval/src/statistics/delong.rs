//! Two areas under the ROC curve on the same samples.

use super::checks::check;
use super::correlation::ranks;
use super::distributions::normal_two_sided;
use super::{Interval, mean_and_deviation};
use crate::EvalError;

/// A variance of the difference up to this is none.
const NO_VARIANCE: f64 = 1e-12;

/// The 97.5 % point of the normal distribution, as DeLong's intervals are usually given.
const Z: f64 = 1.959_964;

/// Two areas under the ROC curve with their variances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeLong {
    /// The area of the first scores, with its 95 % interval, cut off at 0 and 1.
    pub a: Interval,
    /// The area of the second.
    pub b: Interval,
    /// Variance of the first area.
    pub variance_a: f64,
    /// Variance of the second.
    pub variance_b: f64,
    /// Covariance of both.
    pub covariance: f64,
    /// `variance_a + variance_b - 2 covariance`.
    pub variance_difference: f64,
    /// The difference of the areas over its deviation; 0 where it has none.
    pub z: f64,
    /// Its p-value, from a normal distribution; 1 where the difference has no deviation.
    pub p_value: f64,
}

/// Compares two areas under correlated ROC curves (DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated
/// receiver operating characteristic curves: a nonparametric approach", 1988, equations 3 to 7), by ranks (Sun and Xu, "Fast implementation
/// of DeLong's algorithm", 2014): with `m` positives `X_i` and `n` negatives `Y_j`, and `psi` 1, 1/2, 0 for larger, equal, smaller,
///
/// ```text
/// V10_i = mean_j psi(X_i, Y_j),   V01_j = mean_i psi(X_i, Y_j),   AUC = mean V10
/// S = cov(V10 of a, b) / m + cov(V01 of a, b) / n
/// ```
///
/// # Errors
/// [`EvalError::Length`] for lists of different length, [`EvalError::TooFew`] unless there are two positives and two negatives,
/// [`EvalError::NumberNotFinite`].
pub fn delong(positive: &[bool], scores_a: &[f64], scores_b: &[f64]) -> Result<DeLong, EvalError> {
    for got in [scores_a.len(), scores_b.len()] {
        if got != positive.len() {
            return Err(EvalError::Length { what: "scores", expected: positive.len(), got });
        }
    }
    let count = positive.iter().filter(|positive| **positive).count();
    for (what, got) in [("positive samples", count), ("negative samples", positive.len() - count)] {
        if got < 2 {
            return Err(EvalError::TooFew { what, expected: 2, got });
        }
    }
    let (a, b) = (Placements::of(positive, scores_a)?, Placements::of(positive, scores_b)?);
    let (variance_a, variance_b, covariance) = (a.covariance(&a), b.covariance(&b), a.covariance(&b));
    let variance_difference = variance_a + variance_b - 2.0 * covariance;
    let (area_a, area_b) = (a.interval(variance_a)?, b.interval(variance_b)?);
    let none = variance_difference <= NO_VARIANCE;
    let z = if none { 0.0 } else { (area_a.value - area_b.value) / variance_difference.sqrt() };
    Ok(DeLong {
        a: area_a,
        b: area_b,
        variance_a,
        variance_b,
        covariance,
        variance_difference,
        z,
        p_value: normal_two_sided(z),
    })
}

/// Of each positive the share of negatives below it, of each negative the share of positives above it.
struct Placements {
    positives: Vec<f64>,
    negatives: Vec<f64>,
}

impl Placements {
    fn of(positive: &[bool], scores: &[f64]) -> Result<Placements, EvalError> {
        check("scores", scores, 1)?;
        let side = |of: bool| -> Vec<usize> { (0..scores.len()).filter(|&at| positive[at] == of).collect() };
        let (m, n) = (side(true), side(false));
        let all = ranks(scores);
        // A rank among all less one's rank among one's own counts the others below, equal ones half.
        let others_below = |own: &[usize]| -> Vec<f64> {
            let among_own = ranks(&own.iter().map(|&at| scores[at]).collect::<Vec<f64>>());
            own.iter().zip(among_own).map(|(&at, rank)| all[at] - rank).collect()
        };
        Ok(Placements {
            positives: others_below(&m).into_iter().map(|below| below / n.len() as f64).collect(),
            negatives: others_below(&n).into_iter().map(|below| 1.0 - below / m.len() as f64).collect(),
        })
    }

    fn covariance(&self, other: &Placements) -> f64 {
        covariance_of_mean(&self.positives, &other.positives)
            + covariance_of_mean(&self.negatives, &other.negatives)
    }

    fn interval(&self, variance: f64) -> Result<Interval, EvalError> {
        let (value, _) = mean_and_deviation("placements", &self.positives)?;
        let half = Z * variance.max(0.0).sqrt();
        Ok(Interval { value, low: (value - half).max(0.0), high: (value + half).min(1.0), groups: None })
    }
}

/// The covariance of two lists (divisor `n - 1`) over their length.
fn covariance_of_mean(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / (n - 1.0) / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::auc;
    use crate::testing::{check_p, doubles};
    use proptest::prelude::*;

    #[test]
    fn golden_delong() {
        for case in twinlens_golden::cases("statistics2/delong") {
            let positive: Vec<bool> = case.i64("in.labels").iter().map(|&label| label == 1).collect();
            let found = delong(&positive, &doubles(&case, "in.scores_a"), &doubles(&case, "in.scores_b"));
            if case.has("out.error") {
                assert!(found.is_err(), "{}", case.name());
                continue;
            }
            let found = found.unwrap();
            case.check("out.auc_a", &[found.a.value]);
            case.check("out.auc_b", &[found.b.value]);
            case.check("out.ci_a", &[found.a.low, found.a.high]);
            case.check("out.ci_b", &[found.b.low, found.b.high]);
            case.check("out.variance_a", &[found.variance_a]);
            case.check("out.variance_b", &[found.variance_b]);
            case.check("out.covariance", &[found.covariance]);
            case.check("out.variance_difference", &[found.variance_difference]);
            case.check("out.z", &[found.z]);
            check_p(&case, found.p_value);
        }
    }

    proptest! {
        #[test]
        fn areas_are_those_of_the_metric(samples in prop::collection::vec((any::<bool>(), -5i8..5, -5i8..5), 4..40)) {
            let positive: Vec<bool> = samples.iter().map(|sample| sample.0).collect();
            let scores = |of: fn(&(bool, i8, i8)) -> i8| samples.iter().map(|s| f64::from(of(s))).collect::<Vec<f64>>();
            let (a, b) = (scores(|sample| sample.1), scores(|sample| sample.2));
            if let Ok(found) = delong(&positive, &a, &b) {
                prop_assert!((found.a.value - auc(&positive, &a).unwrap().unwrap()).abs() < 1e-12);
                let turned = delong(&positive, &b, &a).unwrap();
                prop_assert!((found.z + turned.z).abs() < 1e-9 && (found.p_value - turned.p_value).abs() < 1e-9);
            }
        }
    }
}
