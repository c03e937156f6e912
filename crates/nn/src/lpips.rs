//! LPIPS, the perceptual distance of Zhang et al., "The unreasonable effectiveness of deep features as a perceptual
//! metric", CVPR 2018, version 0.1 with AlexNet:
//!
//! ```text
//! d(x, y) = sum_l 1 / (H_l W_l) sum_hw sum_c w_lc (x^l_hwc / |x^l_hw| - y^l_hwc / |y^l_hw|)^2
//! ```
//!
//! where `x^l` is the map after the `l`-th ReLU of AlexNet (Krizhevsky, "One weird trick for parallelizing convolutional
//! neural networks", 2014; torchvision's variant) and `w_l >= 0` are learnt from judgements of people.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};

use crate::NnError;
use crate::layers::Conv2d;
use crate::ops::{max_pool2d, read};
use crate::weights::{Id, Init, NamedTensor, Pass, WeightOrder, Weights, missing};

/// The mean and deviation of image channels in `[-1, 1]`, as the published weights were trained with.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// Added to norms, so that a pixel without any activation has a direction too: none.
const EPS: f64 = 1e-10;

/// Images below this many pixels a side have no maps in the last layers.
pub const SMALLEST_SIDE: usize = 31;

/// A convolution of AlexNet.
struct Shape {
    /// Its number in torchvision's `features`.
    place: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// Whether a 3x3 max pooling of stride 2 comes before it.
    pooled: bool,
}

const ALEXNET: [Shape; 5] = [
    Shape { place: 0, kernel: 11, stride: 4, padding: 2, pooled: false },
    Shape { place: 3, kernel: 5, stride: 1, padding: 2, pooled: true },
    Shape { place: 6, kernel: 3, stride: 1, padding: 1, pooled: true },
    Shape { place: 8, kernel: 3, stride: 1, padding: 1, pooled: false },
    Shape { place: 10, kernel: 3, stride: 1, padding: 1, pooled: false },
];

/// The distance with its weights.
#[derive(Debug)]
pub struct Lpips {
    layers: Vec<Layer>,
    weights: Weights,
}

#[derive(Debug)]
struct Layer {
    conv: Conv2d,
    pooled: bool,
    /// The weights of the channels of its map.
    lin: Id,
    channels: usize,
}

impl Lpips {
    /// From tensors under torchvision's names (`features.0.weight`) and LPIPS's (`lin0.model.1.weight`), or all under
    /// those of LPIPS's own files (`net.slice1.0.weight`). Others are passed over; widths are those of the tensors.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape, a value that is not finite, a negative weight of a channel.
    pub fn new(tensors: BTreeMap<String, NamedTensor>, device: &Device) -> Result<Lpips, NnError> {
        let tensors: BTreeMap<String, NamedTensor> =
            tensors.into_iter().map(|(name, tensor)| (torchvision_name(name), tensor)).collect();
        let mut weights = Weights::zeroed(device);
        let mut layers = Vec::new();
        let mut inputs = 3;
        for (number, shape) in ALEXNET.iter().enumerate() {
            let layer = Layer::declare(&mut weights, number, shape, inputs, &tensors)?;
            inputs = layer.channels;
            layers.push(layer);
        }
        weights.import("", &tensors)?;
        for entry in weights.entries().iter().filter(|entry| entry.name().starts_with("lin")) {
            let values = read(entry.value().clone());
            if let Some(position) = values.iter().position(|value| *value < 0.0) {
                let (name, value) = (entry.name().to_owned(), values[position]);
                return Err(NnError::WeightValue { name, position, value });
            }
        }
        Ok(Lpips { layers, weights })
    }

    /// The device that holds the weights.
    pub fn device(&self) -> &Device {
        self.weights.device()
    }

    /// The distance of each image of `one` from the same of `other`: both `[N, H, W, 3]`, red, green and blue from -1 to
    /// 1, at least [`SMALLEST_SIDE`] pixels a side. Sums are taken in double precision, in a fixed order.
    ///
    /// # Panics
    /// When the shapes differ or the images are smaller.
    pub fn distances(&mut self, one: Tensor<4>, other: Tensor<4>) -> Vec<f64> {
        assert_eq!(one.dims(), other.dims(), "two images are compared pixel by pixel");
        let [images, height, width, _] = one.dims();
        assert!(height.min(width) >= SMALLEST_SIDE, "{height} x {width} pixels are too few for AlexNet");
        let pass = Pass::evaluate(&mut self.weights);
        let [mut one, mut other] = [one, other].map(scaled);
        let mut distances = vec![0.0; images];
        for layer in &self.layers {
            (one, other) = (layer.forward(&pass, one), layer.forward(&pass, other));
            let weights = read(pass.tensor(layer.lin, [layer.channels]));
            let maps = [read(one.clone()), read(other.clone())];
            let length = maps[0].len() / images.max(1);
            let pairs = maps[0].chunks_exact(length.max(1)).zip(maps[1].chunks_exact(length.max(1)));
            for (distance, (one, other)) in distances.iter_mut().zip(pairs) {
                *distance += between(one, other, &weights);
            }
        }
        distances
    }
}

impl Layer {
    fn declare(
        weights: &mut Weights,
        number: usize,
        shape: &Shape,
        inputs: usize,
        tensors: &BTreeMap<String, NamedTensor>,
    ) -> Result<Layer, NnError> {
        let name = format!("features.{}", shape.place);
        let channels = outputs(&format!("{name}.weight"), [inputs, shape.kernel, shape.kernel], tensors)?;
        let mut root = weights.root();
        let mut scope = root.at(name);
        let (kernel, stride, padding) = (shape.kernel, shape.stride, shape.padding);
        let conv =
            Conv2d::initialised(&mut scope, [inputs, channels], kernel, stride, padding, Init::Constant(0.0));
        let conv = conv.with_bias(&mut scope).with_relu();
        let name = format!("lin{number}.model.1.weight");
        let lin = root.parameter(&name, &[1, channels, 1, 1], WeightOrder::Plain, Init::Constant(0.0));
        Ok(Layer { conv, pooled: shape.pooled, lin, channels })
    }

    fn forward(&self, pass: &Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let x = if self.pooled { max_pool2d(x, 3, 2, 0) } else { x };
        self.conv.forward(pass, x)
    }
}

/// The output channels of a convolution's weight, whose other dimensions must be `rest`.
fn outputs(name: &str, rest: [usize; 3], tensors: &BTreeMap<String, NamedTensor>) -> Result<usize, NnError> {
    let tensor = tensors.get(name).ok_or_else(|| missing(name, tensors))?;
    match tensor.shape.as_slice() {
        [outputs, shape @ ..] if *outputs > 0 && shape == rest => Ok(*outputs),
        shape => {
            let outputs = shape.first().copied().unwrap_or(1).max(1);
            let expected = [outputs].into_iter().chain(rest).collect();
            Err(NnError::WeightShape { name: name.to_owned(), expected, got: shape.to_vec() })
        }
    }
}

/// `net.slice2.3.weight` is torchvision's `features.3.weight`.
fn torchvision_name(name: String) -> String {
    match name.strip_prefix("net.slice").and_then(|rest| rest.split_once('.')) {
        Some((_, rest)) => format!("features.{rest}"),
        None => name,
    }
}

/// `(x - shift) / scale` for each channel.
fn scaled(x: Tensor<4>) -> Tensor<4> {
    let device = x.device();
    let channels =
        |values: [f32; 3]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 1, 1, 3]), &device);
    (x - channels(SHIFT)) / channels(SCALE)
}

/// The mean over pixels of the weighted squared difference of two maps, `[pixels, channels]`, whose pixels are scaled to
/// length 1.
fn between(one: &[f32], other: &[f32], weights: &[f32]) -> f64 {
    let channels = weights.len();
    let pixels = one.chunks_exact(channels).zip(other.chunks_exact(channels));
    let count = pixels.len();
    let norm = |pixel: &[f32]| pixel.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() + EPS;
    let distance = |(one, other): (&[f32], &[f32])| -> f64 {
        let (a, b) = (norm(one), norm(other));
        let gaps = one.iter().zip(other).map(|(x, y)| f64::from(*x) / a - f64::from(*y) / b);
        gaps.zip(weights).map(|(gap, weight)| f64::from(*weight) * gap * gap).sum()
    };
    pixels.map(distance).sum::<f64>() / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use twinlens_random::{Purpose, Stream};

    /// Random weights of a narrow AlexNet, under torchvision's names.
    fn narrow() -> BTreeMap<String, NamedTensor> {
        let mut stream = Stream::new(1, Purpose::Weights, [0; 3]);
        let mut tensors = BTreeMap::new();
        let mut add = |name: String, shape: Vec<usize>, low: f64| {
            let length = shape.iter().product();
            let values = (0..length).map(|_| stream.range(low, 0.2) as f32).collect();
            tensors.insert(name, NamedTensor { shape, values });
        };
        let mut inputs = 3;
        for (number, (shape, outputs)) in ALEXNET.iter().zip([4, 3, 2, 5, 3]).enumerate() {
            let kernel = shape.kernel;
            add(format!("features.{}.weight", shape.place), vec![outputs, inputs, kernel, kernel], -0.2);
            add(format!("features.{}.bias", shape.place), vec![outputs], -0.2);
            add(format!("lin{number}.model.1.weight"), vec![1, outputs, 1, 1], 0.0);
            inputs = outputs;
        }
        tensors
    }

    fn images(count: usize, seed: u64) -> Tensor<4> {
        let mut stream = Stream::new(seed, Purpose::Evaluation, [0; 3]);
        let values = (0..count * 33 * 31 * 3).map(|_| stream.range(-1.0, 1.0) as f32).collect::<Vec<_>>();
        Tensor::from_data(TensorData::new(values, [count, 33, 31, 3]), &Device::flex())
    }

    fn error(tensors: BTreeMap<String, NamedTensor>) -> String {
        Lpips::new(tensors, &Device::flex()).unwrap_err().to_string()
    }

    #[test]
    fn tensors_that_are_missing_or_do_not_fit_are_named() {
        for name in ["features.0.weight", "features.8.bias", "lin4.model.1.weight"] {
            let mut tensors = narrow();
            tensors.remove(name);
            let text = error(tensors);
            assert!(text.contains("no entry") && text.contains(name), "{text}");
        }
        for (name, shape) in [
            ("features.3.weight", [3, 4, 3, 3]),
            ("lin1.model.1.weight", [1, 9, 1, 1]),
            ("features.0.weight", [0; 4]),
        ] {
            let mut tensors = narrow();
            let values = vec![0.1; shape.iter().product()];
            tensors.insert(name.to_owned(), NamedTensor { shape: shape.to_vec(), values });
            let text = error(tensors);
            assert!(text.contains(name) && text.contains("expected"), "{text}");
        }
        for value in [f32::NAN, -0.5] {
            let mut tensors = narrow();
            tensors.get_mut("lin2.model.1.weight").unwrap().values[1] = value;
            let text = error(tensors);
            assert!(text.contains("lin2.model.1.weight") && text.contains("position 1"), "{text}");
        }
    }

    #[test]
    fn names_of_lpips_own_files_are_known() {
        let renamed = |name: String| match name.strip_prefix("features.") {
            Some(rest) => format!("net.slice3.{rest}"),
            None => name,
        };
        let own = narrow().into_iter().map(|(name, tensor)| (renamed(name), tensor)).collect();
        let distance =
            |tensors| Lpips::new(tensors, &Device::flex()).unwrap().distances(images(2, 1), images(2, 2));
        assert_eq!(distance(own), distance(narrow()));
    }

    #[test]
    fn golden_lpips() {
        for case in twinlens_golden::cases("metrics/lpips") {
            let tensor =
                |key: &str| NamedTensor { shape: case.shape(key).to_vec(), values: case.f32(key).to_vec() };
            let weights =
                case.keys().filter_map(|key| Some((key.strip_prefix("in.weight.")?.to_owned(), tensor(key))));
            let mut lpips = Lpips::new(weights.collect(), &Device::flex()).unwrap();
            let images = |key: &str| {
                let shape: [usize; 4] = case.shape(key).try_into().unwrap();
                let data = TensorData::new(case.f32(key).to_vec(), shape);
                Tensor::<4>::from_data(data, &Device::flex()).permute([0, 2, 3, 1])
            };
            case.check("out.distance", &lpips.distances(images("in.one"), images("in.other")));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn it_is_symmetric_zero_for_equal_images_and_positive_otherwise(seed in 0u64..1000) {
            let mut lpips = Lpips::new(narrow(), &Device::flex()).unwrap();
            let (one, other) = (images(2, seed), images(2, seed + 1000));
            prop_assert_eq!(lpips.distances(one.clone(), one.clone()), vec![0.0; 2]);
            let there = lpips.distances(one.clone(), other.clone());
            prop_assert_eq!(&there, &lpips.distances(other, one));
            prop_assert!(there.iter().all(|distance| *distance > 0.0));
        }
    }
}
