//! What every statistic asks of its input.

use crate::EvalError;

/// Refuses short lists and numbers that are not finite.
pub(super) fn check(what: &'static str, values: &[f64], least: usize) -> Result<(), EvalError> {
    if values.len() < least {
        return Err(EvalError::TooFew { what, expected: least, got: values.len() });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(EvalError::NumberNotFinite { what, position, value: values[position] }),
        None => Ok(()),
    }
}

/// [`check`] of two lists that belong together.
pub(super) fn check_pairs(x: &[f64], y: &[f64], least: usize) -> Result<(), EvalError> {
    check("x", x, least)?;
    if y.len() != x.len() {
        return Err(EvalError::Length { what: "y", expected: x.len(), got: y.len() });
    }
    check("y", y, least)
}
