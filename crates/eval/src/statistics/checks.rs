//! What every statistic asks of its input.

use crate::EvalError;

/// Refuses short lists and numbers that are not finite.
pub(crate) fn check(what: &'static str, values: &[f64], least: usize) -> Result<(), EvalError> {
    if values.len() < least {
        return Err(EvalError::TooFew { what, expected: least, got: values.len() });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(EvalError::NumberNotFinite { what, position, value: values[position] }),
        None => Ok(()),
    }
}

/// [`check`] of two lists that belong together.
pub(crate) fn check_pairs(x: &[f64], y: &[f64], least: usize) -> Result<(), EvalError> {
    check("x", x, least)?;
    if y.len() != x.len() {
        return Err(EvalError::Length { what: "y", expected: x.len(), got: y.len() });
    }
    check("y", y, least)
}

/// Refuses an empty list and what is no share or probability.
pub(crate) fn check_shares(what: &'static str, values: &[f64]) -> Result<(), EvalError> {
    check(what, values, 1)?;
    match values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        Some(&value) => {
            Err(EvalError::Setting { setting: what, value, expected: "give numbers from 0 to 1".to_string() })
        }
        None => Ok(()),
    }
}

/// Refuses a level of confidence that is not between 0 and 1.
pub(crate) fn check_level(level: f64) -> Result<(), EvalError> {
    if level > 0.0 && level < 1.0 {
        return Ok(());
    }
    let expected = "choose a number above 0 and below 1, such as 0.95".to_string();
    Err(EvalError::Setting { setting: "level", value: level, expected })
}
