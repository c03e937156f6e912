//! VGG (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015),
//! torchvision's variant, without its three fully connected layers.

use burn::tensor::Tensor;

use super::Encoder;
use crate::layers::{BatchNorm, Conv2d};
use crate::onnx::{Graph, Map};
use crate::ops;
use crate::weights::{Pass, Scope};

/// Channels of the convolutions in each stage; a stage ends in a 2x2 max pooling. Table 1 of the paper, A.
pub(super) const VGG11: Stages = [&[64], &[128], &[256; 2], &[512; 2], &[512; 2]];
/// Table 1, B.
pub(super) const VGG13: Stages = [&[64; 2], &[128; 2], &[256; 2], &[512; 2], &[512; 2]];
/// Table 1, D.
pub(super) const VGG16: Stages = [&[64; 2], &[128; 2], &[256; 3], &[512; 3], &[512; 3]];

type Stages = [&'static [usize]; 5];

/// Features of the last map, averaged over its pixels.
#[derive(Clone, Debug)]
pub(super) struct Vgg {
    stages: Vec<Stage>,
}

/// The layers between two poolings, and their names.
#[derive(Clone, Debug)]
struct Stage {
    layers: Vec<(Conv2d, Option<BatchNorm>)>,
    modules: Vec<String>,
}

impl Vgg {
    /// 3x3 convolutions with biases, with or without batch normalisation before each ReLU.
    ///
    /// Entries are numbered as in torchvision's `features`, where ReLUs and poolings have numbers too.
    pub(super) fn new(scope: &mut Scope<'_>, channels: usize, stages: Stages, batch_norm: bool) -> Vgg {
        let mut scope = scope.at("features");
        let (mut place, mut width) = (0, channels);
        let mut stage = |outputs: &[usize]| {
            let (mut layers, mut modules) = (Vec::new(), Vec::new());
            for &outputs in outputs {
                let mut at = scope.at(place);
                let conv = Conv2d::new(&mut at, [width, outputs], 3, 1, 1).with_bias(&mut at);
                let norm = batch_norm.then(|| BatchNorm::new(&mut scope.at(place + 1), outputs));
                let parts = if batch_norm { 2 } else { 1 };
                modules.extend((place..place + parts).map(|part| format!("features.{part}")));
                // One more is the ReLU.
                place += parts + 1;
                width = outputs;
                layers.push((conv, norm));
            }
            place += 1;
            Stage { layers, modules }
        };
        Vgg { stages: stages.into_iter().map(&mut stage).collect() }
    }
}

impl Encoder for Vgg {
    fn features(&self) -> usize {
        512
    }

    fn forward(&self, pass: &mut Pass<'_>, mut x: Tensor<4>) -> Tensor<2> {
        x = ops::in_precision(x, pass.precision());
        for stage in &self.stages {
            for (conv, norm) in &stage.layers {
                x = match norm {
                    Some(norm) => {
                        x = conv.forward(pass, x);
                        norm.forward(pass, x, None, true)
                    }
                    None => conv.forward_relu(pass, x),
                };
            }
            x = pool(x);
        }
        ops::global_average_pool(x)
    }

    fn onnx(&self, graph: &mut Graph<'_>, mut x: Map) -> Option<String> {
        for stage in &self.stages {
            for (conv, norm) in &stage.layers {
                x = conv.onnx(graph, &x);
                if let Some(norm) = norm {
                    x = norm.onnx(graph, &x);
                }
                x = graph.relu(&x);
            }
            if is_pooled(x.size) {
                x = graph.max_pool(&x, 2, 2, 0);
            }
        }
        Some(graph.global_average_pool(&x))
    }

    fn blocks(&self) -> Vec<Vec<String>> {
        self.stages.iter().map(|stage| stage.modules.clone()).collect()
    }
}

/// 2x2 max pooling of stride 2. A map of a single line or column is left as it is, so that images below 32 pixels
/// have features too; torchvision refuses them.
fn pool(x: Tensor<4>) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    if is_pooled([height, width]) { ops::max_pool2d(x, 2, 2, 0) } else { x }
}

fn is_pooled([height, width]: [usize; 2]) -> bool {
    height.min(width) > 1
}
