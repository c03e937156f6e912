//! An answer, or why there is none.

use serde::{Deserialize, Serialize};

use crate::EvalError;

/// What an analysis found, or why these data do not answer it. That is a result like any other, to be shown as "not tested", and no
/// error: a study of few values or classes has many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tested<T> {
    /// The answer.
    Tested(T),
    /// Why there is none.
    NotTested(String),
}

impl<T> Tested<T> {
    /// The answer, if there is one.
    pub fn tested(&self) -> Option<&T> {
        match self {
            Tested::Tested(found) => Some(found),
            Tested::NotTested(_) => None,
        }
    }

    /// Why there is no answer.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Tested::Tested(_) => None,
            Tested::NotTested(reason) => Some(reason),
        }
    }

    /// Not tested, as there are too few of something.
    pub(super) fn too_few(what: &str, least: usize, got: usize) -> Tested<T> {
        Tested::NotTested(format!("{what}: at least {least} are needed, got {got}"))
    }

    /// Of the errors of a statistic, those that speak of the data and not of a mistake: too few of them, or a quantity that they
    /// leave undefined.
    ///
    /// # Errors
    /// All others.
    pub(super) fn of(found: Result<T, EvalError>) -> Result<Tested<T>, EvalError> {
        match found {
            Ok(found) => Ok(Tested::Tested(found)),
            Err(EvalError::TooFew { what, expected, got }) => Ok(Tested::too_few(what, expected, got)),
            Err(error @ EvalError::Undefined { .. }) => Ok(Tested::NotTested(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_data_leave_open_is_no_error_and_mistakes_are() {
        let few = Tested::<f64>::of(Err(EvalError::TooFew { what: "points", expected: 3, got: 1 })).unwrap();
        assert_eq!(few.reason(), Some("points: at least 3 are needed, got 1"));
        assert_eq!((few.tested(), Tested::Tested(2).tested()), (None, Some(&2)));
        assert!(Tested::<f64>::of(Err(EvalError::Empty { what: "a list".to_owned() })).is_err());
        let json = serde_json::to_string(&few).unwrap();
        assert_eq!(json, r#"{"not_tested":"points: at least 3 are needed, got 1"}"#);
        assert_eq!(serde_json::from_str::<Tested<f64>>(&json).unwrap(), few);
    }
}
