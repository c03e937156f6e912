//! What can go wrong between encoders and the files of other programs, beside what readers of weights say.

use std::io;
use std::path::PathBuf;

use twinlens_nn::weights::Published;

/// The encoders that detectron2's C4 models have.
pub(super) const DETECTRON2: [&str; 3] = ["resnet50", "resnet101", "resnet152"];

/// Why weights were not taken in or given out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A file that cannot be read.
    #[error("{source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// As many means or deviations as the images have no channels.
    #[error("{argument} has {values} values, the images {channels} channels")]
    Statistics {
        /// `mean` or `std`.
        argument: &'static str,
        /// How many there are.
        values: usize,
        /// Channels of the images.
        channels: usize,
    },
    /// A file with the name of one that torchvision publishes but another content.
    #[error("{} is not torchvision's file of this name: its SHA-256 is {sha256}", path.display())]
    NotPublished {
        /// The file.
        path: PathBuf,
        /// The SHA-256 of its content.
        sha256: String,
        /// What torchvision publishes under its name.
        expected: &'static Published,
    },
    /// An encoder that no model of detectron2 has.
    #[error("detectron2 has no {encoder} with the {stem} stem")]
    NotDetectron2 {
        /// The encoder.
        encoder: &'static str,
        /// Its stem.
        stem: &'static str,
    },
    /// A file that belongs to what is to be given out.
    #[error("{} belongs to the encoder itself, and would be overwritten", path.display())]
    OverItself {
        /// The file.
        path: PathBuf,
    },
    /// A name that says no format in which encoders are given out.
    #[error("expected a name that ends in .safetensors, .onnx or .pkl")]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
}

impl WeightsError {
    /// What to do about it; as [`crate::LabError::hint`].
    pub fn hint(&self) -> Option<String> {
        match self {
            WeightsError::NotPublished { expected, .. } => {
                Some(format!("fetch it again from {}", expected.url()))
            }
            WeightsError::NotDetectron2 { .. } => {
                Some(format!("it takes the imagenet stem and one of {}", DETECTRON2.join(", ")))
            }
            WeightsError::OverItself { .. } => Some("choose another name with {out}".to_owned()),
            _ => None,
        }
    }
}
