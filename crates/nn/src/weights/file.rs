//! Weights in files: safetensors under torchvision's names, with a JSON description beside an encoder.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, View};
use serde::{Deserialize, Serialize};
use twinlens_data::PixelRange;
use twinlens_data::stain::FittedStain;
use twinlens_views::EvalResize;

use super::NamedTensor;
use super::torch::{half_to_f32, read_torch};
use crate::NnError;

/// What an encoder file holds and how images must be prepared for it (`encoder.json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderDescription {
    /// Version of this description.
    pub version: u32,
    /// The architecture, under torchvision's name.
    pub encoder: String,
    /// `imagenet` or `cifar`.
    pub stem: String,
    /// Channels of the input image.
    pub channels: usize,
    /// Whether each channel of an image goes through the encoder alone, and their features stand side by side. The input has one
    /// channel then, and an image as many features for each of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bag_of_channels: bool,
    /// Width of the features.
    pub features: usize,
    /// Side of the square input, in pixels.
    pub size: usize,
    /// Which values of its training images were black and white: values become `(value - low) / (high - low)`, cut off at
    /// 0 and 1. `None` for weights of another program; whole numbers are divided by the largest of their type then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<PixelRange>,
    /// What the colours of the stains in its training images were normalised to, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stain: Option<FittedStain>,
    /// Subtracted from each channel after scaling to `[0, 1]`.
    pub mean: Vec<f32>,
    /// Divides each channel after the mean is subtracted.
    pub std: Vec<f32>,
    /// How images are resized and cropped to `size`.
    #[serde(default, skip_serializing_if = "EvalResize::is_usual")]
    pub eval_resize: EvalResize,
    /// What trained it, for people: method, data set, epochs.
    pub origin: String,
}

/// An encoder's description and tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderFile {
    /// Architecture and preparation of images.
    pub description: EncoderDescription,
    /// Tensors by torchvision name.
    pub tensors: BTreeMap<String, NamedTensor>,
}

impl EncoderDescription {
    /// What stands beside a file of weights under the same name with `.json`, if that is the description of an encoder.
    pub fn beside(path: &Path) -> Option<EncoderDescription> {
        serde_json::from_slice(&read_bytes(&path.with_extension("json")).ok()?).ok()
    }
}

impl EncoderFile {
    /// Reads `path` (a `.safetensors` file) and the `.json` beside it.
    ///
    /// # Errors
    /// A missing, truncated or foreign file, or a description that does not parse.
    pub fn read(path: &Path) -> Result<EncoderFile, NnError> {
        let tensors = parse_safetensors(path, &read_bytes(path)?)?;
        let beside = path.with_extension("json");
        let description = serde_json::from_slice(&read_bytes(&beside)?)
            .map_err(|e| NnError::file(&beside, format!("not an encoder description: {e}")))?;
        Ok(EncoderFile { description, tensors })
    }
}

/// Reads every floating-point tensor of a file of weights as f32: safetensors, or what `torch.save` wrote (`.pt`,
/// `.pth`), told apart by their content. Nothing in the file is executed; see the errors for what is refused.
///
/// # Errors
/// A missing or damaged file, or one of another format.
pub fn read_weights(path: &Path) -> Result<BTreeMap<String, NamedTensor>, NnError> {
    let mut start = [0; 9];
    let read = File::open(path).and_then(|file| file.take(9).read(&mut start));
    read.map_err(|e| NnError::file(path, e.to_string()))?;
    // A safetensors file starts with the length of its JSON header in 8 bytes, and the header with a brace.
    if start[8] == b'{' { read_safetensors(path) } else { read_torch(path) }
}

/// Reads every tensor of a safetensors file as f32.
///
/// # Errors
/// A missing or truncated file, or a tensor that is not floating point.
pub fn read_safetensors(path: &Path) -> Result<BTreeMap<String, NamedTensor>, NnError> {
    parse_safetensors(path, &read_bytes(path)?)
}

/// The bytes of a safetensors file that holds `tensors`, with `metadata` in its header.
///
/// # Errors
/// Never for tensors whose shapes match their values.
pub fn write_safetensors(
    tensors: &BTreeMap<String, NamedTensor>,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>, NnError> {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    safetensors::serialize(tensors, Some(metadata))
        .map_err(|e| NnError::file(Path::new("(in memory)"), e.to_string()))
}

impl View for &NamedTensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.values.len() * size_of::<f32>()
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, NnError> {
    std::fs::read(path).map_err(|e| NnError::file(path, e.to_string()))
}

/// Reads every tensor of a safetensors file in memory; `path` is for messages.
///
/// # Errors
/// As [`read_safetensors`].
pub fn parse_safetensors(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, NamedTensor>, NnError> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| NnError::file(path, format!("not a complete safetensors file: {e}")))?;
    file.tensors()
        .into_iter()
        // Counters such as PyTorch's num_batches_tracked are integers and play no part in a forward pass.
        .filter(|(_, view)| view.dtype() != Dtype::I64)
        .map(|(name, view)| Ok((name.clone(), named(&name, &view)?)))
        .collect()
}

fn named(name: &str, view: &TensorView<'_>) -> Result<NamedTensor, NnError> {
    let data = view.data();
    let values = match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        Dtype::BF16 => data
            .as_chunks()
            .0
            .iter()
            .map(|&b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))
            .collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|&b| half_to_f32(u16::from_le_bytes(b))).collect(),
        other => return Err(NnError::WeightType { name: name.into(), got: format!("{other:?}") }),
    };
    Ok(NamedTensor { shape: view.shape().to_vec(), values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors() -> BTreeMap<String, NamedTensor> {
        let tensor = NamedTensor { shape: vec![2, 2], values: vec![1.0, -2.0, 0.5, 4.0] };
        BTreeMap::from([("conv1.weight".to_owned(), tensor)])
    }

    #[test]
    fn what_is_written_is_read_and_a_cut_file_is_refused() {
        let bytes = write_safetensors(&tensors(), &[("format", "pt".into())]).unwrap();
        assert_eq!(parse_safetensors(Path::new("x"), &bytes).unwrap(), tensors());
        for length in [0, 7, bytes.len() / 2, bytes.len() - 1] {
            let error =
                parse_safetensors(Path::new("cut.safetensors"), &bytes[..length]).unwrap_err().to_string();
            assert!(error.contains("cut.safetensors"), "{error}");
        }
    }
}
