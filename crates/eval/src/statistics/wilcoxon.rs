//! Ranks of the differences of pairs.

use super::correlation::{Ties, ranks};
use super::distributions::normal_two_sided;
use super::paired::differences;
use crate::EvalError;

/// Up to this many differences the p-value is counted over all signs.
const EXACT_DIFFERENCES: usize = 300;

/// What becomes of differences that are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// They are left out before ranks are given (Wilcoxon).
    LeftOut,
    /// They are ranked with the others, then their ranks are left out (Pratt, "Remarks on zeros and ties in the Wilcoxon signed rank
    /// procedures", 1959).
    Ranked,
}

/// The outcome of a signed rank test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wilcoxon {
    /// Sum of the ranks of positive differences.
    pub above: f64,
    /// Sum of the ranks of negative ones.
    pub below: f64,
    /// How many differences are not 0.
    pub used: usize,
    /// `min(1, 2 min(P(W <= w), P(W >= w)))` over all signs of the ranks, ties among them or not; `None` of more than 300 differences.
    pub p_exact: Option<f64>,
    /// `above` less its mean, over its deviation, both corrected for ties and zeros; `None` where all differences are 0.
    pub z: Option<f64>,
    /// The p-value of `z`.
    pub p_normal: f64,
    /// The same with `above` half a rank nearer to its mean.
    pub p_normal_corrected: f64,
}

/// Wilcoxon's signed rank test of the differences `x - y` ("Individual comparisons by ranking methods", 1945): whether they lie about 0
/// symmetrically. Equal sizes share their mean rank. With `n` ranked differences, `z` zeros among them, and ties of `t` sizes,
///
/// ```text
/// mean = [n (n + 1) - z (z + 1)] / 4
/// variance = [n (n + 1) (2 n + 1) - z (z + 1) (2 z + 1) - sum (t^3 - t) / 2] / 24
/// ```
///
/// # Errors
/// No pairs, lists of different length, numbers that are not finite.
pub fn wilcoxon_signed_rank(x: &[f64], y: &[f64], zeros: Zeros) -> Result<Wilcoxon, EvalError> {
    let mut differences = differences(x, y)?;
    if zeros == Zeros::LeftOut {
        differences.retain(|difference| *difference != 0.0);
    }
    let sizes: Vec<f64> = differences.iter().map(|difference| difference.abs()).collect();
    let ranked: Vec<(f64, f64)> = ranks(&sizes)
        .into_iter()
        .zip(&differences)
        .filter(|(_, difference)| **difference != 0.0)
        .map(|(rank, difference)| (rank, difference.signum()))
        .collect();
    let sum = |sign: f64| ranked.iter().filter(|(_, of)| *of == sign).map(|(rank, _)| rank).sum();
    let (above, below): (f64, f64) = (sum(1.0), sum(-1.0));
    let used = ranked.len();
    if used == 0 {
        return Ok(Wilcoxon {
            above,
            below,
            used,
            p_exact: Some(1.0),
            z: None,
            p_normal: 1.0,
            p_normal_corrected: 1.0,
        });
    }
    let ranks: Vec<f64> = ranked.into_iter().map(|(rank, _)| rank).collect();
    let (n, zeros) = (differences.len() as f64, (differences.len() - used) as f64);
    let mean = (n * (n + 1.0) - zeros * (zeros + 1.0)) / 4.0;
    let cubes = |n: f64| n * (n + 1.0) * (2.0 * n + 1.0);
    let deviation = ((cubes(n) - cubes(zeros) - Ties::of(&ranks).cubes() / 2.0) / 24.0).sqrt();
    let z = (above - mean) / deviation;
    Ok(Wilcoxon {
        above,
        below,
        used,
        p_exact: (used <= EXACT_DIFFERENCES).then(|| exact_p(&ranks, above)),
        z: Some(z),
        p_normal: normal_two_sided(z),
        p_normal_corrected: normal_two_sided((z.abs() - 0.5 / deviation).max(0.0)),
    })
}

/// The two-sided p-value of a sum `above` of ranks, each of which counts or not with probability one half.
fn exact_p(ranks: &[f64], above: f64) -> f64 {
    // Mean ranks are halves: doubled, sums are whole numbers.
    let doubled: Vec<usize> = ranks.iter().map(|rank| (2.0 * rank) as usize).collect();
    let mut shares = vec![0.0; doubled.iter().sum::<usize>() + 1];
    shares[0] = 1.0;
    let mut largest = 0;
    for rank in doubled {
        largest += rank;
        for sum in (0..=largest).rev() {
            let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = 0.5 * (shares[sum] + with);
        }
    }
    let at = (2.0 * above) as usize;
    let (below, beyond): (f64, f64) = (shares[..=at].iter().sum(), shares[at..].iter().sum());
    (2.0 * below.min(beyond)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::doubles;
    use proptest::prelude::*;

    #[test]
    fn golden_wilcoxon_signed_rank() {
        for case in twinlens_golden::cases("statistics2/wilcoxon_signed_rank") {
            let zeros = match case.text("zero_method") {
                "wilcox" => Zeros::LeftOut,
                _ => Zeros::Ranked,
            };
            let found =
                wilcoxon_signed_rank(&doubles(&case, "in.x"), &doubles(&case, "in.y"), zeros).unwrap();
            case.check("out.w_plus", &[found.above]);
            case.check("out.w_minus", &[found.below]);
            case.check("out.statistic", &[found.above.min(found.below)]);
            case.check_exact("out.n_used", &[found.used as i64]);
            case.check("out.p_exact", &[found.p_exact.unwrap()]);
            case.check("out.p_normal", &[found.p_normal]);
            case.check("out.p_normal_corrected", &[found.p_normal_corrected]);
            assert_eq!(case.has("out.z"), found.z.is_some());
            found.z.iter().for_each(|&z| case.check("out.z", &[z]));
        }
    }

    #[test]
    fn long_lists_have_a_normal_p_value_alone() {
        let x: Vec<f64> = (0..400).map(|i| f64::from(i % 7) + 1.0).collect();
        let found = wilcoxon_signed_rank(&x, &vec![0.0; 400], Zeros::LeftOut).unwrap();
        assert!(found.p_exact.is_none() && found.p_normal < 1e-60 && found.below == 0.0);
    }

    proptest! {
        #[test]
        fn swapping_lists_swaps_sums(pairs in prop::collection::vec((-5i8..5, -5i8..5), 1..20), pratt: bool) {
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).unzip();
            let zeros = if pratt { Zeros::Ranked } else { Zeros::LeftOut };
            let test = |x: &[f64], y: &[f64]| wilcoxon_signed_rank(x, y, zeros).unwrap();
            let (found, turned) = (test(&x, &y), test(&y, &x));
            prop_assert_eq!((found.above, found.below), (turned.below, turned.above));
            prop_assert!((found.p_exact.unwrap() - turned.p_exact.unwrap()).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&found.p_exact.unwrap()) && found.p_normal <= found.p_normal_corrected);
        }
    }
}
