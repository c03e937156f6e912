//! p-values of many hypotheses, adjusted so that false discoveries stay few.

use super::checks::check_shares;
use crate::EvalError;

/// Benjamini and Hochberg's adjusted p-values ("Controlling the false discovery rate", 1995), in the order of `p_values`: with
/// `p_(1) <= .. <= p_(m)`,
///
/// ```text
/// adjusted_(i) = min over j >= i of min(1, m p_(j) / j)
/// ```
///
/// Of the hypotheses with `adjusted <= q`, at most the share `q` is true on average, if the p-values are independent or
/// positively dependent.
///
/// # Errors
/// [`EvalError::TooFew`] without p-values, [`EvalError::Setting`] for one outside 0 to 1.
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, EvalError> {
    let order = rising(p_values)?;
    let m = p_values.len() as f64;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least: f64 = 1.0;
    for (before, &at) in order.iter().enumerate().rev() {
        least = least.min(m * p_values[at] / (before + 1) as f64);
        adjusted[at] = least;
    }
    Ok(adjusted)
}

/// Holm's adjusted p-values ("A simple sequentially rejective multiple test procedure", 1979), in the order of `p_values`: with
/// `p_(1) <= .. <= p_(m)`,
///
/// ```text
/// adjusted_(i) = max over j <= i of min(1, (m - j + 1) p_(j))
/// ```
///
/// The probability that any true hypothesis has `adjusted <= alpha` is at most `alpha`, however the p-values depend on
/// each other.
///
/// # Errors
/// As [`benjamini_hochberg`].
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, EvalError> {
    let order = rising(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (before, &at) in order.iter().enumerate() {
        largest = largest.max((p_values.len() - before) as f64 * p_values[at]).min(1.0);
        adjusted[at] = largest;
    }
    Ok(adjusted)
}

/// The places of the p-values by rising size.
fn rising(p_values: &[f64]) -> Result<Vec<usize>, EvalError> {
    check_shares("p-values", p_values)?;
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::doubles;
    use proptest::prelude::*;

    fn golden(item: &str, adjust: fn(&[f64]) -> Result<Vec<f64>, EvalError>) {
        for case in twinlens_golden::cases(item) {
            let adjusted = adjust(&doubles(&case, "in.p")).unwrap();
            case.check("out.adjusted", &adjusted);
            let rejected: Vec<i64> = adjusted.iter().map(|&p| i64::from(p <= case.number("alpha"))).collect();
            case.check_exact("out.reject", &rejected);
        }
    }

    #[test]
    fn golden_benjamini_hochberg() {
        golden("statistics2/benjamini_hochberg", benjamini_hochberg);
    }

    #[test]
    fn golden_holm() {
        golden("statistics2/holm", holm);
    }

    #[test]
    fn what_is_no_p_value_is_refused() {
        assert_eq!(holm(&[]).unwrap_err().to_string(), "p-values: expected at least 1, got 0");
        assert!(benjamini_hochberg(&[0.1, 1.5]).unwrap_err().to_string().contains("1.5"));
        assert!(holm(&[0.1, f64::NAN]).unwrap_err().to_string().contains("position 1"));
    }

    proptest! {
        /// Both only ever raise p-values and keep their order; Holm's are at least as large.
        #[test]
        fn adjusting_raises_and_keeps_the_order(p_values in prop::collection::vec(0.0f64..=1.0, 1..40)) {
            let (fdr, all) = (benjamini_hochberg(&p_values).unwrap(), holm(&p_values).unwrap());
            for (at, &p) in p_values.iter().enumerate() {
                prop_assert!(p <= fdr[at] + 1e-15 && fdr[at] <= all[at] + 1e-15 && all[at] <= 1.0);
                for (other, &q) in p_values.iter().enumerate() {
                    prop_assert!(p > q || (fdr[at] <= fdr[other] && all[at] <= all[other]));
                }
            }
        }
    }
}
