//! Numbers along an axis.

/// `count` numbers from `low` to `high` at equal distances; both ends are among them exactly.
pub fn linspace((low, high, count): (f64, f64, usize)) -> Result<Vec<f64>, String> {
    check(low, high, count)?;
    let last = count.saturating_sub(1).max(1) as f64;
    Ok((0..count)
        .map(|at| {
            if at + 1 == count { end(low, high, count) } else { tidy(low + (high - low) * at as f64 / last) }
        })
        .collect())
}

/// `count` numbers from `low` to `high` at equal ratios; both ends are among them exactly.
pub fn geomspace((low, high, count): (f64, f64, usize)) -> Result<Vec<f64>, String> {
    check(low, high, count)?;
    if low <= 0.0 || high <= 0.0 {
        return Err(format!("geomspace from {low} to {high}: both must be above 0"));
    }
    let last = count.saturating_sub(1).max(1) as f64;
    let between = |at: usize| tidy(low * (high / low).powf(at as f64 / last));
    Ok((0..count)
        .map(|at| {
            if at + 1 == count {
                end(low, high, count)
            } else if at == 0 {
                low
            } else {
                between(at)
            }
        })
        .collect())
}

/// The last of `count` numbers: of a single one, the first.
fn end(low: f64, high: f64, count: usize) -> f64 {
    if count == 1 { low } else { high }
}

fn check(low: f64, high: f64, count: usize) -> Result<(), String> {
    match count {
        0 => Err("a count of numbers must be at least 1".to_owned()),
        _ if !low.is_finite() || !high.is_finite() => Err(format!("{low} to {high} are no two numbers")),
        _ => Ok(()),
    }
}

/// Rounded to twelve digits: 0.30000000000000004 is a fault of arithmetic, and would be the name of a level.
fn tidy(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_those_of_numpy() {
        assert_eq!(linspace((0.0, 0.5, 6)).unwrap(), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!(geomspace((16.0, 256.0, 5)).unwrap(), [16.0, 32.0, 64.0, 128.0, 256.0]);
        assert_eq!(linspace((0.2, 1.0, 1)).unwrap(), [0.2]);
    }

    proptest! {
        #[test]
        fn ends_are_exact_and_order_holds(low in 0.001..10.0f64, more in 0.1..10.0f64, count in 2..40usize) {
            for numbers in [linspace((low, low + more, count)).unwrap(), geomspace((low, low + more, count)).unwrap()] {
                prop_assert_eq!(numbers.len(), count);
                prop_assert_eq!(numbers[count - 1], low + more);
                prop_assert!((numbers[0] - low).abs() <= 1e-11 * low);
                prop_assert!(numbers.windows(2).all(|two| two[0] < two[1]));
            }
        }
    }
}
