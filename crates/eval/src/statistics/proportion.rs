//! Intervals of proportions of which only the counts are known, such as an accuracy in a log.

use super::Interval;

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The proportion `p` of `n` trials with its 95 % score interval
///
/// `(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)`
///
/// (Wilson, "Probable inference, the law of succession, and statistical inference", 1927); all of 0 to 1 without trials.
pub fn proportion(p: f64, n: usize) -> Interval {
    if n == 0 {
        return Interval { value: p, low: 0.0, high: 1.0, groups: None };
    }
    let (n, z2) = (n as f64, Z * Z);
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
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

    proptest! {
        #[test]
        fn an_interval_holds_its_value_and_shrinks_with_trials(hits in 0usize..=50, more in 2usize..20) {
            let p = hits as f64 / 50.0;
            let (few, many) = (proportion(p, 50), proportion(p, 50 * more));
            prop_assert!(few.low <= p && p <= few.high && 0.0 <= few.low && few.high <= 1.0);
            prop_assert!(many.high - many.low < few.high - few.low);
        }
    }
}
