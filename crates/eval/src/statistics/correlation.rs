//! Correlation of pairs, with the probability of one as strong between unrelated quantities.

use super::checks::check_pairs;
use super::distributions::{normal_two_sided, student_two_sided};
use crate::EvalError;

/// Up to this many pairs without ties Kendall's p-value is counted exactly, as in SciPy.
const EXACT_PAIRS: usize = 33;

/// A correlation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// From -1 to 1.
    pub coefficient: f64,
    /// Probability of one at least as strong, either way, if the quantities were unrelated.
    pub p_value: f64,
}

/// Pearson's `r = cov(x, y) / (std(x) std(y))`; p from `t = r sqrt((n - 2) / (1 - r^2))` with `n - 2` degrees
/// of freedom (exact for normal quantities).
///
/// # Errors
/// Fewer than 3 pairs, lists of different length, numbers that are not finite, a constant list.
pub fn pearson(x: &[f64], y: &[f64]) -> Result<Correlation, EvalError> {
    check_pairs(x, y, 3)?;
    of_moments("Pearson's r", x, y)
}

/// Spearman's rho: [`pearson`] of the ranks, equal values sharing their mean rank; p likewise.
///
/// # Errors
/// As [`pearson`].
pub fn spearman(x: &[f64], y: &[f64]) -> Result<Correlation, EvalError> {
    check_pairs(x, y, 3)?;
    of_moments("Spearman's rho", &ranks(x), &ranks(y))
}

fn of_moments(what: &'static str, x: &[f64], y: &[f64]) -> Result<Correlation, EvalError> {
    let (x, y) = (unit(what, "x", x)?, unit(what, "y", y)?);
    let r = product(&x, &y);
    Ok(Correlation { coefficient: r, p_value: p_of_moments(r, x.len()) })
}

/// The correlation of two lists of which [`unit`] has been taken.
pub(crate) fn product(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>().clamp(-1.0, 1.0)
}

/// The p-value of a correlation `r` of `n` pairs, by [`pearson`] or [`spearman`]; it falls with the size of `r`.
pub(crate) fn p_of_moments(r: f64, n: usize) -> f64 {
    let freedom = (n - 2) as f64;
    // (1 - r)(1 + r) keeps the digits that 1 - r^2 would lose near 1.
    student_two_sided(r * (freedom / ((1.0 - r) * (1.0 + r))).sqrt(), freedom)
}

/// The values without their mean, scaled to length 1; `what` and `list` are for the error.
pub(crate) fn unit(what: &'static str, list: &str, values: &[f64]) -> Result<Vec<f64>, EvalError> {
    // Relative to the largest, so that no square overflows.
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let constant = || undefined(what, list);
    if largest == 0.0 || values.iter().all(|value| *value == values[0]) {
        return Err(constant());
    }
    let mean = values.iter().map(|value| value / largest).sum::<f64>() / values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|value| value / largest - mean).collect();
    let length = centred.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length == 0.0 {
        Err(constant())
    } else {
        Ok(centred.into_iter().map(|value| value / length).collect())
    }
}

fn undefined(what: &'static str, list: &str) -> EvalError {
    EvalError::Undefined { what, reason: format!("all values of {list} are equal") }
}

/// Ranks from 1, equal values sharing their mean rank.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = before as f64 + 0.5 * (tied.len() + 1) as f64;
        tied.iter().for_each(|&place| ranks[place] = mean);
        before += tied.len();
    }
    ranks
}

/// Kendall's tau-b (Kendall, "The treatment of ties in ranking problems", 1945):
///
/// ```text
/// tau_b = (concordant - discordant) / sqrt((pairs not tied in x) (pairs not tied in y))
/// ```
///
/// Without ties and with at most 33 pairs of values (or at most one pair out of order), p is counted over all
/// orders; else it is that of a normal with the variance corrected for ties. SciPy's `kendalltau` chooses
/// alike. `O(n^2)`.
///
/// # Errors
/// As [`pearson`], from 2 pairs on.
pub fn kendall_tau_b(x: &[f64], y: &[f64]) -> Result<Correlation, EvalError> {
    check_pairs(x, y, 2)?;
    let n = x.len();
    let (mut concordant, mut discordant) = (0_u64, 0_u64);
    for i in 0..n {
        for j in 0..i {
            match order(x[i], x[j]) * order(y[i], y[j]) {
                1 => concordant += 1,
                -1 => discordant += 1,
                _ => {}
            }
        }
    }
    let (ties_x, ties_y) = (Ties::of(x), Ties::of(y));
    for (list, ties) in [("x", &ties_x), ("y", &ties_y)] {
        if ties.pairs == pairs_of(n) {
            return Err(undefined("Kendall's tau", list));
        }
    }
    Ok(kendall_of_counts(n, concordant as i64 - discordant as i64, &ties_x, &ties_y))
}

/// Kendall's tau-b of two lists of `n` values with these ties, neither constant, of whose pairs `difference` more are concordant
/// than discordant. The p-value falls with the size of the difference.
pub(crate) fn kendall_of_counts(n: usize, difference: i64, x: &Ties, y: &Ties) -> Correlation {
    let pairs = pairs_of(n);
    // Two roots, as the product of the counts could lose digits that their ratio has.
    let tau = difference as f64 / (pairs - x.pairs).sqrt() / (pairs - y.pairs).sqrt();
    // Without ties every pair is one or the other.
    let fewer = (n * (n - 1) / 2).saturating_sub(difference.unsigned_abs() as usize) / 2;
    let p_value = if x.is_empty() && y.is_empty() && (n <= EXACT_PAIRS || fewer <= 1) {
        exact_p(n, fewer)
    } else {
        normal_two_sided(difference as f64 / tied_variance(n as f64, x, y).sqrt())
    };
    Correlation { coefficient: tau.clamp(-1.0, 1.0), p_value }
}

fn pairs_of(n: usize) -> f64 {
    n as f64 * (n as f64 - 1.0) / 2.0
}

fn order(a: f64, b: f64) -> i32 {
    i32::from(a > b) - i32::from(a < b)
}

/// Sums over the groups of `t` equal values.
pub(crate) struct Ties {
    /// `t (t - 1) / 2`.
    pairs: f64,
    /// `t (t - 1) (t - 2)`.
    triples: f64,
    /// `t (t - 1) (2 t + 5)`.
    weighted: f64,
}

impl Ties {
    pub(crate) fn of(values: &[f64]) -> Ties {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut ties = Ties { pairs: 0.0, triples: 0.0, weighted: 0.0 };
        for group in sorted.chunk_by(|a, b| a == b) {
            let t = group.len() as f64;
            ties.pairs += t * (t - 1.0) / 2.0;
            ties.triples += t * (t - 1.0) * (t - 2.0);
            ties.weighted += t * (t - 1.0) * (2.0 * t + 5.0);
        }
        ties
    }

    /// `t^3 - t`, by which the variances of rank sums shrink.
    pub(super) fn cubes(&self) -> f64 {
        self.triples + 6.0 * self.pairs
    }

    /// Whether all values differ.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs == 0.0
    }
}

/// The variance of `concordant - discordant` between unrelated lists with these ties (Kendall, "Rank
/// correlation methods", chapter 4).
fn tied_variance(n: f64, x: &Ties, y: &Ties) -> f64 {
    let ordered = n * (n - 1.0);
    let three = if n > 2.0 { x.triples * y.triples / (9.0 * ordered * (n - 2.0)) } else { 0.0 };
    (ordered * (2.0 * n + 5.0) - x.weighted - y.weighted) / 18.0 + 2.0 * x.pairs * y.pairs / ordered + three
}

/// The share of orders of `n` values with at most `fewer` pairs out of order, doubled: both ends.
fn exact_p(n: usize, fewer: usize) -> f64 {
    if 4 * fewer == n * (n - 1) {
        return 1.0;
    }
    // shares[c]: of the orders of the first values, those with c pairs out of order. The next value may stand
    // before 0 to `placed` of them.
    let mut shares = vec![0.0; fewer + 1];
    shares[0] = 1.0;
    for placed in 1..n {
        let of = |c: usize| shares[c.saturating_sub(placed)..=c].iter().sum::<f64>() / (placed + 1) as f64;
        shares = (0..=fewer).map(of).collect();
    }
    (2.0 * shares.iter().sum::<f64>()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check_p, doubles};
    use proptest::prelude::*;
    use twinlens_golden::Case;

    fn pairs(case: &Case) -> (Vec<f64>, Vec<f64>) {
        (doubles(case, "in.x"), doubles(case, "in.y"))
    }

    #[test]
    fn golden_pearson() {
        for case in twinlens_golden::cases("metrics/pearson") {
            let (x, y) = pairs(&case);
            let found = pearson(&x, &y).unwrap();
            case.check("out.r", &[found.coefficient]);
            check_p(&case, found.p_value);
        }
    }

    #[test]
    fn golden_spearman() {
        for case in twinlens_golden::cases("metrics/spearman") {
            let (x, y) = pairs(&case);
            let found = spearman(&x, &y).unwrap();
            case.check("out.rho", &[found.coefficient]);
            check_p(&case, found.p_value);
        }
    }

    #[test]
    fn golden_kendall_tau_b() {
        for case in twinlens_golden::cases("metrics/kendall_tau_b") {
            let (x, y) = pairs(&case);
            let found = kendall_tau_b(&x, &y).unwrap();
            case.check("out.tau", &[found.coefficient]);
            check_p(&case, found.p_value);
        }
    }

    #[test]
    fn exact_probabilities_count_the_orders() {
        // Of the 24 orders of four values 1, 3, 5, 6, 5, 3, 1 have 0 to 6 pairs out of order.
        let counts = [1.0, 4.0, 9.0].map(|orders: f64| 2.0 * orders / 24.0);
        for (fewer, p) in counts.into_iter().enumerate() {
            assert!((exact_p(4, fewer) - p).abs() < 1e-15);
        }
        assert_eq!(exact_p(4, 3), 1.0);
        let long: Vec<f64> = (0..100).map(f64::from).collect();
        let found = kendall_tau_b(&long, &long).unwrap();
        assert!(found.coefficient > 1.0 - 1e-12 && found.p_value < 1e-150, "{found:?}");
    }

    #[test]
    fn what_has_no_correlation_is_refused() {
        let message = |result: Result<Correlation, EvalError>| result.unwrap_err().to_string();
        let constant = pearson(&[1.0, 2.0, 3.0], &[0.1; 3]);
        assert_eq!(message(constant), "Pearson's r is undefined: all values of y are equal");
        assert!(message(spearman(&[2.0; 4], &[1.0, 2.0, 3.0, 4.0])).contains("all values of x"));
        assert!(message(kendall_tau_b(&[2.0; 2], &[1.0, 2.0])).contains("all values of x"));
        assert_eq!(message(pearson(&[1.0, 2.0], &[1.0, 2.0])), "x: expected at least 3, got 2");
        assert!(message(pearson(&[1.0; 3], &[1.0; 4])).contains("expected 3, got 4"));
        assert!(message(spearman(&[1.0, 2.0, 3.0], &[1.0, f64::NAN, 2.0])).contains("position 1"));
    }

    type Measure = fn(&[f64], &[f64]) -> Result<Correlation, EvalError>;

    proptest! {
        #[test]
        fn symmetric_bounded_and_blind_to_scale_and_to_monotone_maps(
            samples in prop::collection::vec((-20i8..20, -20i8..20), 4..40)
        ) {
            let (x, y): (Vec<f64>, Vec<f64>) = samples.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).unzip();
            let varies = |values: &[f64]| values.iter().any(|value| *value != values[0]);
            prop_assume!(varies(&x) && varies(&y));
            let close = |a: Correlation, b: Correlation, sign: f64| {
                (a.coefficient - sign * b.coefficient).abs() < 1e-9 && (a.p_value - b.p_value).abs() < 1e-7
            };
            let map = |f: fn(f64) -> f64| x.iter().map(|&x| f(x)).collect::<Vec<f64>>();
            for measure in [pearson, spearman, kendall_tau_b] as [Measure; 3] {
                let found = measure(&x, &y).unwrap();
                prop_assert!((-1.0..=1.0).contains(&found.coefficient) && (0.0..=1.0).contains(&found.p_value));
                prop_assert!(close(found, measure(&y, &x).unwrap(), 1.0));
                prop_assert!(close(found, measure(&map(|x| 3.0 - 2.0 * x), &y).unwrap(), -1.0));
                prop_assert!(measure(&x, &x).unwrap().coefficient > 1.0 - 1e-9);
            }
            for measure in [spearman, kendall_tau_b] as [Measure; 2] {
                let found = measure(&x, &y).unwrap();
                prop_assert!(close(found, measure(&map(|x| (x / 9.0).exp()), &y).unwrap(), 1.0));
            }
        }
    }
}
