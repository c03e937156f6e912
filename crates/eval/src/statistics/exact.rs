//! Permutation tests of few numbers, over all permutations.

use super::checks::check;
use super::paired::differences;
use crate::EvalError;

/// More numbers than this have too many permutations.
const MOST: usize = 20;

/// Statistics that differ by less than this share are equal: sums in another order round differently.
const SLACK: f64 = 1e-9;

/// A statistic among those of all permutations, the one observed included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExactPermutation {
    /// The statistic.
    pub statistic: f64,
    /// How many permutations there are.
    pub permutations: usize,
    /// Share of them with a statistic at least as large.
    pub p_greater: f64,
    /// At most as large.
    pub p_less: f64,
    /// At least as large in size.
    pub p_two_sided: f64,
}

/// The mean of the differences `x - y` among those with all `2^n` signs (Fisher, "The design of experiments", 1935, section 21).
///
/// # Errors
/// No pairs or more than 20, lists of different length, numbers that are not finite.
pub fn permutation_paired(x: &[f64], y: &[f64]) -> Result<ExactPermutation, EvalError> {
    let differences = differences(x, y)?;
    let n = differences.len() as f64;
    let total: f64 = differences.iter().sum();
    // Turning the signs of a subset takes it off twice.
    let all = subset_sums(&differences)?;
    Ok(among(total / n, all.iter().map(|sum| (total - 2.0 * sum) / n)))
}

/// `mean(x) - mean(y)` among those of all ways to choose as many numbers as `x` has from both (Pitman, "Significance tests which may be
/// applied to samples from any populations", 1937).
///
/// # Errors
/// An empty list or more than 20 numbers in both, numbers that are not finite.
pub fn permutation_two_samples(x: &[f64], y: &[f64]) -> Result<ExactPermutation, EvalError> {
    check("x", x, 1)?;
    check("y", y, 1)?;
    let pooled: Vec<f64> = x.iter().chain(y).copied().collect();
    let total: f64 = pooled.iter().sum();
    let difference = |sum: f64| sum / x.len() as f64 - (total - sum) / y.len() as f64;
    let all = subset_sums(&pooled)?;
    let chosen = all.iter().enumerate().filter(|(subset, _)| subset.count_ones() as usize == x.len());
    Ok(among(difference(x.iter().sum()), chosen.map(|(_, sum)| difference(*sum))))
}

/// The sum of every subset, at the place whose bits say which numbers it holds.
fn subset_sums(values: &[f64]) -> Result<Vec<f64>, EvalError> {
    if values.len() > MOST {
        let expected = format!("choose at most {MOST}, or draw permutations");
        return Err(EvalError::Setting {
            setting: "numbers to permute",
            value: values.len() as f64,
            expected,
        });
    }
    let mut sums = vec![0.0];
    for value in values {
        sums.extend_from_within(..);
        let with = sums.len() / 2;
        sums[with..].iter_mut().for_each(|sum| *sum += value);
    }
    Ok(sums)
}

fn among(statistic: f64, all: impl Iterator<Item = f64>) -> ExactPermutation {
    let slack = SLACK * statistic.abs().max(1.0);
    let (mut permutations, mut counts) = (0, [0_usize; 3]);
    for other in all {
        permutations += 1;
        let beyond =
            [other >= statistic - slack, other <= statistic + slack, other.abs() >= statistic.abs() - slack];
        counts.iter_mut().zip(beyond).for_each(|(count, beyond)| *count += usize::from(beyond));
    }
    let [p_greater, p_less, p_two_sided] = counts.map(|count| count as f64 / permutations as f64);
    ExactPermutation { statistic, permutations, p_greater, p_less, p_two_sided }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::doubles;
    use proptest::prelude::*;

    #[test]
    fn golden_permutation_test_exact() {
        for case in twinlens_golden::cases("statistics2/permutation_test_exact") {
            let (x, y) = (doubles(&case, "in.x"), doubles(&case, "in.y"));
            let found = match case.text("kind") {
                "paired_sign_flip" => permutation_paired(&x, &y),
                _ => permutation_two_samples(&x, &y),
            }
            .unwrap();
            case.check("out.statistic", &[found.statistic]);
            case.check_exact("out.n_permutations", &[found.permutations as i64]);
            case.check("out.p_greater", &[found.p_greater]);
            case.check("out.p_less", &[found.p_less]);
            case.check("out.p_two_sided", &[found.p_two_sided]);
        }
    }

    #[test]
    fn too_many_numbers_are_refused() {
        let refused = permutation_paired(&[1.0; 21], &[0.0; 21]).unwrap_err().to_string();
        assert_eq!(refused, "numbers to permute = 21: choose at most 20, or draw permutations");
        assert!(permutation_two_samples(&[1.0; 11], &[0.0; 10]).is_err());
        assert!(permutation_two_samples(&[1.0], &[]).is_err());
    }

    proptest! {
        /// Swapping samples swaps the sides.
        #[test]
        fn swapping_swaps_sides(x in prop::collection::vec(-9i8..9, 1..6), y in prop::collection::vec(-9i8..9, 1..6)) {
            let numbers = |list: &[i8]| list.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
            let (x, y) = (numbers(&x), numbers(&y));
            let (found, turned) = (permutation_two_samples(&x, &y).unwrap(), permutation_two_samples(&y, &x).unwrap());
            prop_assert_eq!((found.p_greater, found.p_less), (turned.p_less, turned.p_greater));
            prop_assert_eq!(found.p_two_sided, turned.p_two_sided);
            // The one observed is among them, and those alike are on both sides.
            prop_assert!(found.p_greater * found.permutations as f64 >= 1.0 && found.p_greater + found.p_less > 1.0);
        }
    }
}
