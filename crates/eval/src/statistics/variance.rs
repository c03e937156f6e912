//! Do groups differ in their mean?

use super::checks::check;
use super::distributions::fisher_upper;
use crate::EvalError;

/// The outcome of a one-way analysis of variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anova {
    /// Variance between groups over variance within; infinite when nothing varies within.
    pub f: f64,
    /// Its degrees of freedom: groups less 1, values less groups.
    pub freedom: (f64, f64),
    /// Probability of an F at least as large if the groups had one mean (and were normal with one variance).
    pub p_value: f64,
}

/// One-way analysis of variance, `F = [SSB / (g - 1)] / [SSW / (n - g)]`: `groups` gives the group of each
/// value, by any numbers.
///
/// # Errors
/// Lists of different length, numbers that are not finite, fewer than two groups or no more values than
/// groups, values that are all equal.
pub fn anova_oneway(values: &[f64], groups: &[usize]) -> Result<Anova, EvalError> {
    check("values", values, 3)?;
    let (groups, count) = grouped(groups, values.len())?;
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let mut sums = vec![(0.0, 0.0); count];
    for (&group, value) in groups.iter().zip(values) {
        sums[group].0 += value - mean;
        sums[group].1 += 1.0;
    }
    let between: f64 = sums.iter().map(|(sum, size)| sum * sum / size).sum();
    let residual = |(&group, value): (&usize, &f64)| {
        let (sum, size) = sums[group];
        (value - mean - sum / size).powi(2)
    };
    let within: f64 = groups.iter().zip(values).map(residual).sum();
    let freedom = (count as f64 - 1.0, n - count as f64);
    let f = (between / freedom.0) / (within / freedom.1);
    if f.is_nan() {
        let reason = "all values are equal".to_string();
        return Err(EvalError::Undefined { what: "F", reason });
    }
    Ok(Anova { f, freedom, p_value: fisher_upper(f, freedom) })
}

/// Groups numbered from 0 and their number, if there are at least two, and more of `values` than groups.
pub(super) fn grouped(groups: &[usize], values: usize) -> Result<(Vec<usize>, usize), EvalError> {
    if groups.len() != values {
        return Err(EvalError::Length { what: "groups", expected: values, got: groups.len() });
    }
    let (groups, count) = crate::features::numbered(groups);
    if count < 2 {
        return Err(EvalError::TooFew { what: "different groups", expected: 2, got: count });
    }
    if values <= count {
        return Err(EvalError::TooFew { what: "values in these groups", expected: count + 1, got: values });
    }
    Ok((groups, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::pearson;
    use crate::testing::{check_p, classes_of, doubles};
    use proptest::prelude::*;

    #[test]
    fn golden_anova_oneway() {
        for case in twinlens_golden::cases("metrics/anova_oneway") {
            let found = anova_oneway(&doubles(&case, "in.values"), &classes_of(&case, "in.groups")).unwrap();
            case.check("out.f", &[found.f]);
            check_p(&case, found.p_value);
        }
    }

    #[test]
    fn what_cannot_be_analysed_is_refused() {
        let refused =
            |values: &[f64], groups: &[usize]| anova_oneway(values, groups).unwrap_err().to_string();
        assert_eq!(refused(&[1.0, 2.0, 3.0], &[4; 3]), "different groups: expected at least 2, got 1");
        assert!(refused(&[1.0, 2.0, 3.0], &[0, 1, 2]).starts_with("values in these groups"));
        assert_eq!(refused(&[5.0; 4], &[0, 0, 1, 1]), "F is undefined: all values are equal");
        assert!(refused(&[1.0, 2.0, f64::INFINITY], &[0, 0, 1]).contains("position 2"));
        assert_eq!(anova_oneway(&[1.0, 1.0, 2.0, 2.0], &[0, 0, 1, 1]).unwrap().p_value, 0.0);
    }

    proptest! {
        /// With two groups, F is the square of the t of the correlation with the group.
        #[test]
        fn two_groups_are_a_correlation(values in prop::collection::vec(-9.0f64..9.0, 6..40)) {
            let groups: Vec<usize> = (0..values.len()).map(|i| i % 2).collect();
            let found = anova_oneway(&values, &groups).unwrap();
            let sides: Vec<f64> = groups.iter().map(|&group| group as f64).collect();
            let r = pearson(&sides, &values).unwrap();
            prop_assert!((found.p_value - r.p_value).abs() < 1e-9);
            let moved: Vec<f64> = values.iter().map(|value| 100.0 - 3.0 * value).collect();
            let renamed: Vec<usize> = groups.iter().map(|group| 9 - 4 * group).collect();
            let again = anova_oneway(&moved, &renamed).unwrap();
            prop_assert!((found.f - again.f).abs() <= 1e-7 * (1.0 + found.f));
        }
    }
}
