//! One number of a whole range of values.

use super::Tested;
use crate::EvalError;
use crate::statistics::{Summary, mean_and_deviation};

/// A measure over the values of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanOver {
    /// At each value, over seeds.
    pub at: Vec<Summary>,
    /// Mean of these means: each value counts alike, however many seeds it has.
    pub mean: f64,
    /// Their deviation (divisor n - 1): how far the parameter, and what is left of the seeds, moves the measure.
    pub std: f64,
}

/// For each value of a parameter the mean over its seeds, then the mean and deviation of these over the values (N, table 5: 20
/// probabilities of changing the hue). `values` holds the measures of each value's seeds, which may be of different number.
///
/// Not tested: fewer than two values.
///
/// # Errors
/// [`EvalError::TooFew`] for a value without seeds, [`EvalError::NumberNotFinite`], [`EvalError::Setting`] unless `level`, that of
/// the intervals over seeds, is between 0 and 1.
pub fn mean_over(values: &[Vec<f64>], level: f64) -> Result<Tested<MeanOver>, EvalError> {
    let at: Vec<Summary> =
        values.iter().map(|seeds| Summary::of("seeds", seeds, level)).collect::<Result<_, EvalError>>()?;
    let means: Vec<f64> = at.iter().map(|summary| summary.mean).collect();
    Ok(match Tested::of(mean_and_deviation("values of the parameter", &means))? {
        Tested::Tested((mean, std)) => Tested::Tested(MeanOver { at, mean, std }),
        Tested::NotTested(reason) => Tested::NotTested(reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let found = mean_over(&[vec![0.1, 0.3], vec![0.4], vec![0.5, 0.6, 0.7]], 0.95).unwrap();
        let found = found.tested().unwrap();
        assert!((found.mean - 0.4).abs() < 1e-12 && (found.std - 0.2).abs() < 1e-12, "{found:?}");
        assert_eq!(found.at.iter().map(|at| at.count).collect::<Vec<_>>(), [2, 1, 3]);
        let one = mean_over(&[vec![0.1, 0.3]], 0.95).unwrap();
        assert_eq!(one.reason(), Some("values of the parameter: at least 2 are needed, got 1"));
        assert!(matches!(
            mean_over(&[vec![0.1], Vec::new()], 0.95),
            Err(EvalError::TooFew { what: "seeds", .. })
        ));
    }
}
