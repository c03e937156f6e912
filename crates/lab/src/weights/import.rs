//! An encoder of a file that another program wrote.

use std::path::Path;

use twinlens_nn::encoders::{Recognised, recognise, torchvision_names};
use twinlens_nn::weights::{
    EncoderDescription, EncoderFile, IMAGENET_MEAN, IMAGENET_SIZE, IMAGENET_STD, PUBLISHED, Weights,
    adapt_statistics, read_weights,
};
use twinlens_run::write_atomically;
use twinlens_views::EvalResize;

use super::{WeightsError, file_sha256, published, torchvision, unused};
use crate::LabError;
use crate::files::write_json;

/// How an encoder is taken in: what its file does not say. An encoder of this program has its description beside it, which says
/// what is not given.
///
/// By default, images as torchvision's weights expect them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// Channels of the images, to which the first convolution is adapted; those of the file if none are given.
    pub channels: Option<usize>,
    /// Side of the images in pixels; that of ImageNet if none is given.
    pub size: Option<usize>,
    /// How images are brought to that side; the shorter side resized if nothing is said.
    pub eval_resize: Option<EvalResize>,
    /// What is subtracted from each channel, scaled to `[0, 1]`; ImageNet's means if none are given.
    pub mean: Option<Vec<f32>>,
    /// What each channel is then divided by; ImageNet's standard deviations if none are given.
    pub std: Option<Vec<f32>>,
    /// What the encoder's names start with, where the file holds several.
    pub prefix: Option<String>,
}

/// An encoder that was taken in.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its weights and what is to be known about it.
    pub encoder: EncoderFile,
    /// The SHA-256 of its file, in hexadecimal digits.
    pub sha256: String,
    /// The tensors of its file that are no part of it.
    pub unused: Vec<String>,
}

impl Import {
    /// The encoder in a file: safetensors, or what `torch.save` wrote. No code in it is run.
    ///
    /// # Errors
    /// A file that cannot be read, holds no encoder or several, or has the name of one that torchvision publishes but another
    /// content; as many means or deviations as there are no channels.
    pub fn read(&self, path: &Path) -> Result<Imported, LabError> {
        let tensors = torchvision_names(read_weights(path)?);
        let found = recognise(&tensors, self.prefix.as_deref())?;
        let channels = self.channels.unwrap_or(found.channels);
        let sha256 = file_sha256(path)?;
        keeps_its_name(path, &sha256)?;
        let known = EncoderDescription::beside(path);
        let origin = origin(path, &sha256, &found, channels);
        let description = self.describe(&found, channels, known.as_ref(), origin)?;
        let mut weights = Weights::zeroed(&twinlens_nn::device::open("cpu")?);
        found.spec.build(&mut weights.root(), found.stem, channels);
        weights.import("", &found.take(&tensors, channels))?;
        let encoder = EncoderFile { description, tensors: weights.export("") };
        Ok(Imported { encoder, sha256, unused: unused(&tensors, &found) })
    }

    fn describe(
        &self,
        found: &Recognised,
        channels: usize,
        known: Option<&EncoderDescription>,
        origin: String,
    ) -> Result<EncoderDescription, WeightsError> {
        let statistics = |argument, given: &Option<Vec<f32>>, usual: &[f32]| match given {
            Some(given) if given.len() != channels => {
                Err(WeightsError::Statistics { argument, values: given.len(), channels })
            }
            Some(given) => Ok(given.clone()),
            None => Ok(adapt_statistics(usual, channels)),
        };
        let (size, mean, std) = match known {
            Some(known) => (known.size, &known.mean[..], &known.std[..]),
            None => (IMAGENET_SIZE, &IMAGENET_MEAN[..], &IMAGENET_STD[..]),
        };
        Ok(EncoderDescription {
            version: 2,
            encoder: found.spec.id.to_owned(),
            stem: found.stem.name().to_owned(),
            channels,
            features: found.spec.features,
            size: self.size.unwrap_or(size),
            range: known.and_then(|known| known.range.clone()),
            stain: known.and_then(|known| known.stain.clone()),
            bag_of_channels: known.is_some_and(|known| known.bag_of_channels),
            mean: statistics("mean", &self.mean, mean)?,
            std: statistics("std", &self.std, std)?,
            eval_resize: self.eval_resize.or(known.map(|known| known.eval_resize)).unwrap_or_default(),
            origin,
        })
    }
}

impl Imported {
    /// Writes the encoder to a `.safetensors` file, and its description beside it with `.json`.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), LabError> {
        write_atomically(path, &torchvision(&self.encoder.tensors)?)?;
        write_json(&path.with_extension("json"), &self.encoder.description)
    }
}

/// Where imported weights come from, for people.
fn origin(path: &Path, sha256: &str, found: &Recognised, channels: usize) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut text = match published(sha256) {
        Some(known) => format!("torchvision's {} {} ({name})", known.encoder, known.version),
        None => format!("{name} (sha256 {}...)", &sha256[..8]),
    };
    if channels != found.channels {
        text += &format!(", adapted from {} to {channels} channel(s)", found.channels);
    }
    text
}

/// Refuses a file with the name of one that torchvision publishes but another content.
fn keeps_its_name(path: &Path, sha256: &str) -> Result<(), WeightsError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match PUBLISHED.iter().find(|known| known.file_name() == name) {
        Some(expected) if !sha256.starts_with(expected.sha256) => {
            let (path, sha256) = (path.to_path_buf(), sha256.to_owned());
            Err(WeightsError::NotPublished { path, sha256, expected })
        }
        _ => Ok(()),
    }
}
