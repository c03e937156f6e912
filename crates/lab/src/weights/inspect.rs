//! What a file of weights holds.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use twinlens_nn::NnError;
use twinlens_nn::encoders::{recognise, torchvision_names};
use twinlens_nn::weights::{Published, read_weights};

use super::{file_sha256, published, unused};
use crate::LabError;

/// A file of weights in figures.
#[derive(Debug)]
pub struct WeightsInspection {
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// What torchvision publishes under this hash.
    pub published: Option<&'static Published>,
    /// The encoder in it, or why there is none.
    pub encoder: Result<EncoderFound, NnError>,
    /// Numbers in all tensors together.
    pub values: usize,
    /// The shape of every tensor, by its name in the file.
    pub tensors: BTreeMap<String, Vec<usize>>,
}

/// An encoder in a file of weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EncoderFound {
    /// Its name.
    pub name: &'static str,
    /// Its stem.
    pub stem: &'static str,
    /// Channels of its images.
    pub channels: usize,
    /// Width of its features.
    pub features: usize,
    /// What its names start with in the file.
    pub prefix: String,
    /// The tensors that are no part of it, as torchvision names those of its kind.
    pub unused: Vec<String>,
}

/// Tells what a file of weights holds: safetensors, or what `torch.save` wrote. `prefix` is what the encoder's names start with,
/// where the file holds several.
///
/// # Errors
/// A file that cannot be read. One without an encoder is none.
pub fn inspect(path: &Path, prefix: Option<&str>) -> Result<WeightsInspection, LabError> {
    let tensors = read_weights(path)?;
    let sha256 = file_sha256(path)?;
    let values = tensors.values().map(|tensor| tensor.values.len()).sum();
    let shapes = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
    let tensors = torchvision_names(tensors);
    let encoder = recognise(&tensors, prefix).map(|found| EncoderFound {
        name: found.spec.id,
        stem: found.stem.name(),
        channels: found.channels,
        features: found.spec.features,
        unused: unused(&tensors, &found),
        prefix: found.prefix,
    });
    Ok(WeightsInspection { published: published(&sha256), sha256, encoder, values, tensors: shapes })
}
