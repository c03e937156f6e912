//! Intervals of proportions of which only the counts are known, such as an accuracy in a log.

use super::Interval;
use super::checks::check_level;
use super::distributions::{beta_quantile, normal_reach};
use crate::EvalError;

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The proportion `p` of `n` trials with its 95 % score interval
///
/// `(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)`
///
/// (Wilson, "Probable inference, the law of succession, and statistical inference", 1927); all of 0 to 1 without trials.
pub fn proportion(p: f64, n: usize) -> Interval {
    score_interval(p, n, Z)
}

/// [`proportion`] with `successes` of `trials` at any `level` of confidence.
///
/// # Errors
/// [`EvalError::Setting`] for the level, or more successes than trials; [`EvalError::TooFew`] without trials.
pub fn wilson(successes: usize, trials: usize, level: f64) -> Result<Interval, EvalError> {
    let p = share(successes, trials, level)?;
    Ok(score_interval(p, trials, normal_reach(level)))
}

/// `successes` of `trials` with the interval of Clopper and Pearson ("The use of confidence or fiducial limits", 1934), which holds
/// the true proportion with probability `level` at least:
///
/// `B^-1(a / 2; x, n - x + 1)` to `B^-1(1 - a / 2; x + 1, n - x)`, `a = 1 - level`,
///
/// with quantiles of beta distributions; 0 where no trial succeeds, 1 where all do.
///
/// # Errors
/// As [`wilson`].
pub fn clopper_pearson(successes: usize, trials: usize, level: f64) -> Result<Interval, EvalError> {
    let value = share(successes, trials, level)?;
    let (x, rest, tail) = (successes as f64, (trials - successes) as f64, 0.5 * (1.0 - level));
    let low = if successes == 0 { 0.0 } else { beta_quantile(tail, x, rest + 1.0) };
    let high = if successes == trials { 1.0 } else { beta_quantile(1.0 - tail, x + 1.0, rest) };
    Ok(Interval { value, low, high, groups: None })
}

/// `successes` of `trials` with Jeffreys' interval, the middle `level` of the beta distribution with `x + 1/2` and `n - x + 1/2`
/// (Brown, Cai and DasGupta, "Interval estimation for a binomial proportion", 2001, section 3.1.2). Its ends are not moved to 0 or 1
/// where none or all succeed, so that it may not hold its value there.
///
/// # Errors
/// As [`wilson`].
pub fn jeffreys(successes: usize, trials: usize, level: f64) -> Result<Interval, EvalError> {
    let value = share(successes, trials, level)?;
    let (a, b) = (successes as f64 + 0.5, (trials - successes) as f64 + 0.5);
    let tail = 0.5 * (1.0 - level);
    let [low, high] = [tail, 1.0 - tail].map(|share| beta_quantile(share, a, b));
    Ok(Interval { value, low, high, groups: None })
}

fn share(successes: usize, trials: usize, level: f64) -> Result<f64, EvalError> {
    check_level(level)?;
    if trials == 0 {
        return Err(EvalError::TooFew { what: "trials", expected: 1, got: 0 });
    }
    if successes > trials {
        let expected = format!("give at most the number of trials, {trials}");
        return Err(EvalError::Setting { setting: "successes", value: successes as f64, expected });
    }
    Ok(successes as f64 / trials as f64)
}

fn score_interval(p: f64, n: usize, z: f64) -> Interval {
    if n == 0 {
        return Interval { value: p, low: 0.0, high: 1.0, groups: None };
    }
    let (n, z2) = (n as f64, z * z);
    let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let (centre, scale) = (p + z2 / (2.0 * n), 1.0 + z2 / n);
    Interval {
        value: p,
        low: ((centre - half) / scale).clamp(0.0, p),
        high: ((centre + half) / scale).clamp(p, 1.0),
        groups: None,
    }
}

/// `a - b` of two proportions of independent trials with the 95 % interval that follows from those of each
///
/// `d - √((a - l_a)² + (u_b - b)²)` to `d + √((u_a - a)² + (b - l_b)²)`
///
/// (Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10). Of two
/// proportions of the same images it is wider than need be.
pub fn difference_of_proportions(a: Interval, b: Interval) -> Interval {
    let value = a.value - b.value;
    Interval {
        value,
        low: value - (a.value - a.low).hypot(b.high - b.value),
        high: value + (a.high - a.value).hypot(b.value - b.low),
        groups: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_intervals_are_those_of_the_papers_examples() {
        // Newcombe's examples of single proportions (method 3) and of differences (method 10), to their four digits.
        for (hits, n, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)]
        {
            let found = proportion(f64::from(hits) / n as f64, n);
            assert!((found.low - low).abs() < 5e-5 && (found.high - high).abs() < 5e-5, "{found:?}");
        }
        let of = |hits: u32, n: usize| proportion(f64::from(hits) / n as f64, n);
        for (a, b, low, high) in [
            (of(56, 70), of(48, 80), 0.0524, 0.3339),
            (of(9, 10), of(3, 10), 0.1705, 0.8090),
            (of(10, 10), of(0, 10), 0.6075, 1.0),
        ] {
            let found = difference_of_proportions(a, b);
            assert!((found.low - low).abs() < 5e-5 && (found.high - high).abs() < 5e-5, "{found:?}");
        }
    }

    type Exact = fn(usize, usize, f64) -> Result<Interval, EvalError>;

    fn golden(item: &str, interval: Exact) {
        for case in twinlens_golden::cases(item) {
            let (successes, trials) = (case.i64("in.successes"), case.i64("in.trials"));
            let of =
                |(&x, &n): (&i64, &i64)| interval(x as usize, n as usize, case.number("confidence")).unwrap();
            let found: Vec<Interval> = successes.iter().zip(trials).map(of).collect();
            case.check("out.low", &found.iter().map(|found| found.low).collect::<Vec<f64>>());
            case.check("out.high", &found.iter().map(|found| found.high).collect::<Vec<f64>>());
        }
    }

    #[test]
    fn golden_wilson_interval() {
        golden("statistics2/wilson_interval", wilson);
    }

    #[test]
    fn golden_clopper_pearson() {
        golden("statistics2/clopper_pearson", clopper_pearson);
    }

    #[test]
    fn golden_jeffreys() {
        golden("statistics2/jeffreys", jeffreys);
    }

    #[test]
    fn counts_that_cannot_be_are_refused() {
        for interval in [wilson, clopper_pearson, jeffreys] as [Exact; 3] {
            assert_eq!(interval(0, 0, 0.95).unwrap_err().to_string(), "trials: expected at least 1, got 0");
            assert!(interval(4, 3, 0.95).unwrap_err().to_string().starts_with("successes = 4"));
            assert!(interval(1, 3, 1.0).unwrap_err().to_string().starts_with("level = 1"));
        }
    }

    proptest! {
        /// Clopper and Pearson's is the widest, and failures are successes seen from the other side.
        #[test]
        fn exact_intervals_hold_the_others_and_are_mirrored(n in 1usize..60, part in 0.0f64..=1.0) {
            let x = (part * n as f64) as usize;
            let (exact, jeffreys) = (clopper_pearson(x, n, 0.9).unwrap(), jeffreys(x, n, 0.9).unwrap());
            prop_assert!(exact.low <= jeffreys.low && jeffreys.high <= exact.high);
            let turned = clopper_pearson(n - x, n, 0.9).unwrap();
            prop_assert!((exact.low + turned.high - 1.0).abs() < 1e-9);
        }

        #[test]
        fn an_interval_holds_its_value_and_shrinks_with_trials(hits in 0usize..=50, more in 2usize..20) {
            let p = hits as f64 / 50.0;
            let (few, many) = (proportion(p, 50), proportion(p, 50 * more));
            prop_assert!(few.low <= p && p <= few.high && 0.0 <= few.low && few.high <= 1.0);
            prop_assert!(many.high - many.low < few.high - few.low);
        }
    }
}
