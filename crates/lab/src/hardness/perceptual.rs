//! LPIPS of views of any size: what is done with images before [`Lpips`] sees them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use twinlens_data::{Image, Pixels};
use twinlens_eval::EvalError;
use twinlens_eval::hardness::Pair;
use twinlens_nn::lpips::Lpips;
use twinlens_nn::weights::read_weights;
use twinlens_ssl::Settings;
use twinlens_views::ops::Resized;
use twinlens_views::{Interpolation, Workspace, transform};

use crate::LabError;

/// Smaller images are enlarged to so many pixels of their shorter side.
pub const PERCEPTUAL_SIDE: usize = 64;

/// LPIPS with the weights in these files together, on the device of the settings; nothing without a file.
///
/// # Errors
/// Files that cannot be read, or that lack some of the weights; a missing device.
pub fn read_lpips(files: &[PathBuf], settings: &Settings) -> Result<Option<Lpips>, LabError> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut tensors = BTreeMap::new();
    for file in files {
        tensors.extend(read_weights(file)?);
    }
    let device = settings.open_device()?;
    Lpips::new(tensors, &device).map(Some).map_err(LabError::LpipsWeights)
}

/// LPIPS of each pair, all of one shape. Grey is repeated to three channels; images with a side below [`PERCEPTUAL_SIDE`]
/// are first enlarged to it, bilinearly, their ratio kept.
///
/// # Errors
/// [`EvalError::Undefined`] for other channels than 1 and 3, [`EvalError::Length`] for pairs of several shapes.
pub fn perceptual_distances(pairs: &[Pair<'_>], lpips: &mut Lpips) -> Result<Vec<f64>, LabError> {
    let Some(first) = pairs.first() else { return Ok(Vec::new()) };
    let channels = first.shape()[2];
    if channels != 1 && channels != 3 {
        let reason = format!(
            "the images have {channels} channels, and AlexNet sees red, green and blue, or grey; leave its weights out"
        );
        return Err(EvalError::Undefined { what: "LPIPS", reason }.into());
    }
    if let Some(pair) = pairs.iter().find(|pair| pair.shape() != first.shape()) {
        let [expected, got] = [first, pair].map(|pair| pair.shape().iter().product());
        return Err(EvalError::Length { what: "values of an image", expected, got }.into());
    }
    let [one, other] = [0, 1].map(|side| batch(pairs, side, lpips));
    Ok(lpips.distances(one?, other?))
}

/// The images of one side of all pairs, `[N, H, W, 3]` from -1 to 1.
fn batch(pairs: &[Pair<'_>], side: usize, lpips: &Lpips) -> Result<Tensor<4>, LabError> {
    let mut workspace = Workspace::default();
    let mut values = Vec::new();
    let mut shape = [pairs.len(), 0, 0, 3];
    for pair in pairs {
        let image = enlarged(pair.images()[side], pair.shape(), &mut workspace)?;
        let Pixels::F32(samples) = &image.pixels else { continue };
        let repeats = 3 / image.channels;
        values.extend(samples.iter().flat_map(|value| std::iter::repeat_n(2.0 * value - 1.0, repeats)));
        (shape[1], shape[2]) = (image.height, image.width);
    }
    Ok(Tensor::from_data(TensorData::new(values, shape), lpips.device()))
}

fn enlarged(values: &[f32], shape: [usize; 3], workspace: &mut Workspace) -> Result<Image, LabError> {
    let [height, width, channels] = shape;
    let image = Image::new(height, width, channels, Pixels::F32(values.to_vec()))?;
    let shorter = height.min(width);
    if shorter >= PERCEPTUAL_SIDE {
        return Ok(image);
    }
    let [out_height, out_width] = [height, width].map(|side| side * PERCEPTUAL_SIDE / shorter);
    let resized = Resized { out_height, out_width, interpolation: Interpolation::Bilinear, antialias: true };
    Ok(transform(&image, &resized, workspace)?)
}

#[cfg(test)]
pub(super) mod tests {
    use burn::tensor::Device;
    use twinlens_golden::Case;
    use twinlens_nn::weights::NamedTensor;

    use super::*;

    /// The weights stored in a case.
    pub(in super::super) fn lpips_of(case: &Case) -> Lpips {
        let tensor =
            |key: &str| NamedTensor { shape: case.shape(key).to_vec(), values: case.f32(key).to_vec() };
        let named = |key: &str| Some((key.strip_prefix("in.weight.")?.to_owned(), tensor(key)));
        let tensors: BTreeMap<String, NamedTensor> = case.keys().filter_map(named).collect();
        Lpips::new(tensors, &Device::flex()).unwrap()
    }

    #[test]
    fn golden_lpips_of_views() {
        for case in twinlens_golden::cases("metrics/lpips_views") {
            let shape = case.shape("in.one").try_into().unwrap();
            let pair = Pair::new(case.f32("in.one"), case.f32("in.other"), shape).unwrap();
            case.check("out.distance", &perceptual_distances(&[pair], &mut lpips_of(&case)).unwrap());
        }
    }

    #[test]
    fn images_of_other_channels_are_refused() {
        let case = twinlens_golden::cases("metrics/lpips_views").swap_remove(0);
        let values = [0.5; 40];
        let pair = Pair::new(&values, &values, [4, 5, 2]).unwrap();
        let error = perceptual_distances(&[pair], &mut lpips_of(&case)).unwrap_err().to_string();
        assert!(error.contains("LPIPS is undefined") && error.contains("2 channels"), "{error}");
    }
}
