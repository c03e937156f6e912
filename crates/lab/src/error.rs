//! What can go wrong in the lab.

use std::path::PathBuf;

use twinlens_data::{DataError, Split};
use twinlens_eval::EvalError;
use twinlens_nn::NnError;
use twinlens_run::RunError;
use twinlens_ssl::SslError;
use twinlens_views::ViewsError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// Data that cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What can go wrong between features and numbers.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// Weights or a device that cannot be used.
    #[error(transparent)]
    Nn(#[from] NnError),
    /// A run's folder that cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What can go wrong in training, and in putting images through an encoder.
    #[error(transparent)]
    Ssl(#[from] SslError),
    /// A policy that cannot be built, or an image that does not fit it.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// An image could not be read.
    #[error("{reason}")]
    Image {
        /// Which one and why.
        reason: String,
    },
    /// Neither a run nor an encoder's file.
    #[error("{source}")]
    NoEncoder {
        /// Where it was looked for.
        path: PathBuf,
        /// What was found.
        source: NnError,
    },
    /// Images of other channels than the encoder learned from.
    #[error("the images have {got} channels, the encoder was trained on {expected}")]
    Channels {
        /// The encoder's.
        expected: usize,
        /// The images'.
        got: usize,
    },
    /// A split that is not there.
    #[error("data set {data} has no {} images", split.name())]
    NoSplit {
        /// The data set.
        data: String,
        /// The split.
        split: Split,
    },
    /// No image in any of the splits asked for.
    #[error("data set {data} has no images of this split")]
    NoImages {
        /// The data set.
        data: String,
    },
    /// Images without labels where labels are needed.
    #[error("the {} images of {data} have no labels, or not all of them", split.name())]
    NoLabels {
        /// The data set.
        data: String,
        /// The split.
        split: Split,
    },
    /// Views of raw pixels.
    #[error("views of raw pixels differ in place, not in content: their alignment says nothing")]
    ViewsOfPixels,
    /// Stages of raw pixels.
    #[error("raw pixels pass through no network: they have no stages and no maps")]
    StagesOfPixels,
}

impl LabError {
    /// What to do about it, if there is more to say than the message. `{name}` stands for the argument or action of that
    /// name, which every front end spells its own way.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            LabError::Run(error) => error.hint(),
            LabError::Nn(error) => return error.hint(),
            LabError::Ssl(error) => return error.hint(),
            LabError::NoEncoder { .. } => {
                "give a run's folder, or an encoder.safetensors with its encoder.json beside it; `{import}` makes one of another \
                 program's weights"
            }
            LabError::Channels { expected: 3, got: 1 } => "{rgb} gives grey images as RGB",
            LabError::Channels { .. } => "`{import}` with {channels} adapts weights to other channels",
            LabError::NoSplit { .. } | LabError::NoImages { .. } => "`{inspect}` shows its splits",
            LabError::NoLabels { .. } => "judging needs labels; `{embed}` does not",
            LabError::ViewsOfPixels => "leave the views out: {policy} none",
            LabError::StagesOfPixels => "an encoder has stages: {features} trained or untrained",
            _ => return None,
        })
    }
}
