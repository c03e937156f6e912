//! A line seen from its best point.

use crate::statistics::checks::check;
use crate::{Better, EvalError};

/// Every value less the best of them (B, figure 2: accuracy less the method's best), so that lines of different height can be compared in
/// shape. The best is the largest or the smallest, as `better` says: 0 there, below it everywhere else where more is better. It is the
/// best of noisy values and so too good: of a flat line the others lie below it all the same.
///
/// # Errors
/// [`EvalError::TooFew`] without values, [`EvalError::NumberNotFinite`].
pub fn minus_best(values: &[f64], better: Better) -> Result<Vec<f64>, EvalError> {
    check("values of a line", values, 1)?;
    let best = values.iter().copied().fold(values[0], |best, value| match better {
        Better::Higher => best.max(value),
        Better::Lower => best.min(value),
    });
    Ok(values.iter().map(|value| value - best).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(minus_best(&[1.0, 3.0, 2.0], Better::Higher), Ok(vec![-2.0, 0.0, -1.0]));
        assert_eq!(minus_best(&[1.0, 3.0, 2.0], Better::Lower), Ok(vec![0.0, 2.0, 1.0]));
        assert!(minus_best(&[], Better::Higher).is_err());
        assert!(minus_best(&[f64::NAN], Better::Higher).is_err());
    }
}
