//! An encoder's weights as other programs take them.

use std::collections::BTreeMap;
use std::path::Path;

use twinlens_nn::encoders::{EncoderSettings, Recognised, Stem, recognise};
use twinlens_nn::onnx::write_onnx;
use twinlens_nn::weights::{EncoderDescription, NamedTensor, Weights, write_detectron2};
use twinlens_run::write_atomically;

use super::error::DETECTRON2;
use super::{WeightsError, torchvision};
use crate::{LabError, encoder_file, read_encoder};

/// A format in which encoders are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tensors under torchvision's names.
    Safetensors,
    /// A model from images `[N, C, size, size]`, scaled to `[0, 1]` and normalised, to features `[N, D]`.
    Onnx,
    /// The backbone of detectron2's C4 models.
    Detectron2,
}

/// An encoder that was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The encoder's name.
    pub encoder: &'static str,
    /// How many tensors it has.
    pub tensors: usize,
}

impl Format {
    /// The format that the name of a file says.
    ///
    /// # Errors
    /// [`WeightsError::UnknownFormat`].
    pub fn of(path: &Path) -> Result<Format, WeightsError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => Ok(Format::Safetensors),
            Some("onnx") => Ok(Format::Onnx),
            Some("pkl") => Ok(Format::Detectron2),
            _ => Err(WeightsError::UnknownFormat { path: path.to_path_buf() }),
        }
    }
}

/// Writes the encoder of a run's folder or an encoder's file to `out`, whose name says the format.
///
/// # Errors
/// An encoder that cannot be read, or that the format does not know; a file that cannot be written, or that is one of the
/// encoder's own.
pub fn export(encoder: &Path, out: &Path) -> Result<Exported, LabError> {
    let format = Format::of(out)?;
    let own = if encoder.is_dir() { encoder_file(encoder) } else { encoder.to_owned() };
    if matches!((out.canonicalize(), own.canonicalize()), (Ok(out), Ok(own)) if out == own) {
        return Err(WeightsError::OverItself { path: out.to_path_buf() }.into());
    }
    let file = read_encoder(encoder)?;
    let found = recognise(&file.tensors, Some(""))?;
    let backbone = found.take(&file.tensors, found.channels);
    let mut tensors = backbone.clone();
    if EncoderSettings::of(&file.description)?.features() != found.spec.features {
        // The layer that gives the features is a part of the encoder, where it mostly is a classifier.
        let of_layer = |(name, _): &(&String, &NamedTensor)| name.starts_with("fc.");
        let layer = file.tensors.iter().filter(of_layer);
        tensors.extend(layer.map(|(name, tensor)| (name.clone(), tensor.clone())));
    }
    let bytes = match format {
        Format::Safetensors => torchvision(&tensors)?,
        Format::Onnx => onnx(&tensors, &file.description)?,
        Format::Detectron2 => detectron2(&found, &backbone)?,
    };
    write_atomically(out, &bytes)?;
    Ok(Exported { encoder: found.spec.id, tensors: tensors.len() })
}

fn onnx(
    tensors: &BTreeMap<String, NamedTensor>,
    description: &EncoderDescription,
) -> Result<Vec<u8>, LabError> {
    let mut weights = Weights::zeroed(&twinlens_nn::device::open("cpu")?);
    let settings = EncoderSettings::of(description)?;
    let encoder = settings.build_in(&mut weights.root(), description.channels);
    weights.import("", tensors)?;
    Ok(write_onnx(&encoder, &weights, description))
}

fn detectron2(found: &Recognised, tensors: &BTreeMap<String, NamedTensor>) -> Result<Vec<u8>, WeightsError> {
    if !DETECTRON2.contains(&found.spec.id) || found.stem != Stem::Imagenet {
        return Err(WeightsError::NotDetectron2 { encoder: found.spec.id, stem: found.stem.name() });
    }
    Ok(write_detectron2(tensors))
}
