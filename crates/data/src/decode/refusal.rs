//! Why a file is not decoded.

use crate::DataError;

/// Why an image file cannot be read, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    /// What helps, where that is known, in the form of [`DataError::hint`].
    pub(crate) hint: Option<String>,
}

impl Refusal {
    pub(crate) fn new(reason: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into(), hint: Some(hint.into()) }
    }

    /// The same of one of several files.
    pub(crate) fn of_file(self, path: &str) -> Refusal {
        Refusal { reason: format!("{path}: {}", self.reason), ..self }
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Refusal {
        Refusal { reason, hint: None }
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Refusal {
        Refusal::from(reason.to_owned())
    }
}

impl From<DataError> for Refusal {
    fn from(error: DataError) -> Refusal {
        match error {
            // The place is told beside the reason.
            DataError::Damaged { reason, .. } => Refusal::from(reason),
            error => Refusal::new(error.to_string(), error.hint()),
        }
    }
}
