//! What settings may be.

use crate::EvalError;

/// Refuses values that are not above 0.
pub(crate) fn above_zero(setting: &'static str, values: &[f64]) -> Result<(), EvalError> {
    match values.iter().find(|value| !(**value > 0.0 && value.is_finite())) {
        Some(&value) => {
            Err(EvalError::Setting { setting, value, expected: "choose a number above 0".to_string() })
        }
        None => Ok(()),
    }
}

/// Refuses a number below `least`.
pub(crate) fn at_least(setting: &'static str, least: usize, value: usize) -> Result<(), EvalError> {
    if value >= least {
        return Ok(());
    }
    Err(EvalError::Setting { setting, value: value as f64, expected: format!("choose at least {least}") })
}

/// Refuses a list to choose from that is empty.
pub(crate) fn some_of<T>(setting: &'static str, values: &[T]) -> Result<(), EvalError> {
    if values.is_empty() { Err(EvalError::NoValues { setting }) } else { Ok(()) }
}
