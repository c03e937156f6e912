//! What can go wrong in the lab.

use twinlens_eval::EvalError;
use twinlens_views::ViewsError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// What can go wrong between features and numbers.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A policy that cannot be built, or an image that does not fit it.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// An image could not be read.
    #[error("{reason}")]
    Image {
        /// Which one and why.
        reason: String,
    },
}
