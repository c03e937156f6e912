//! What can go wrong with a picture or a page.

/// Why a picture or a page could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The parts of the input do not fit together.
    #[error("cannot draw {figure}: expected {expected}, got {got}")]
    Input {
        /// The picture.
        figure: &'static str,
        /// What was expected.
        expected: String,
        /// What was given.
        got: String,
        /// How to fix it.
        hint: &'static str,
    },
    /// Drawing or encoding failed in the plotting or image library.
    #[error("cannot draw {figure}: {reason}")]
    Drawing {
        /// The picture.
        figure: &'static str,
        /// The library's message.
        reason: String,
    },
    /// The page could not be put together.
    #[error("cannot write the report page: {0}")]
    Page(#[from] askama::Error),
}

impl ReportError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            ReportError::Input { hint, .. } => hint,
            ReportError::Drawing { .. } => "this is a defect of twinlens; please report it with the data",
            ReportError::Page(_) => "this is a defect of twinlens; please report it",
        }
    }
}
