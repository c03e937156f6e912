//! Several runs in two numbers.

use super::checks::{check, check_level};
use super::mean_interval;
use crate::EvalError;

/// Several runs of one thing: their mean, and how far they lie apart if there are several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many runs.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (divisor `n - 1`); `None` of one run.
    pub std: Option<f64>,
    /// Both ends of the t interval of the mean ([`mean_interval`]); `None` of one run.
    pub interval: Option<[f64; 2]>,
}

impl Summary {
    /// Summarises `values`, which `what` names in an error; the interval has the confidence `level`.
    ///
    /// # Errors
    /// [`EvalError::TooFew`] without values, [`EvalError::NumberNotFinite`], [`EvalError::Setting`] for the level.
    pub fn of(what: &'static str, values: &[f64], level: f64) -> Result<Summary, EvalError> {
        check_level(level)?;
        check(what, values, 1)?;
        if let [mean] = *values {
            return Ok(Summary { count: 1, mean, std: None, interval: None });
        }
        let (mean, std) = mean_and_deviation(what, values)?;
        let interval = mean_interval(what, values, level)?;
        Ok(Summary {
            count: values.len(),
            mean,
            std: Some(std),
            interval: Some([interval.low, interval.high]),
        })
    }
}

/// Mean and sample standard deviation (divisor `n - 1`) of a measure over seeds; `what` names the values in an
/// error.
///
/// # Errors
/// [`EvalError::TooFew`] below two values, [`EvalError::NumberNotFinite`].
pub fn mean_and_deviation(what: &'static str, values: &[f64]) -> Result<(f64, f64), EvalError> {
    check(what, values, 2)?;
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Ok((mean, (squares / (n - 1.0)).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_computation_by_hand() {
        assert_eq!(mean_and_deviation("seeds", &[1.0, 3.0, 5.0]), Ok((3.0, 2.0)));
        let alone = mean_and_deviation("seeds", &[1.0]).unwrap_err().to_string();
        assert_eq!(alone, "seeds: expected at least 2, got 1");
        let odd = mean_and_deviation("seeds", &[1.0, f64::NAN]).unwrap_err().to_string();
        assert!(odd.starts_with("seeds holds NaN at position 1"), "{odd}");
    }
}
