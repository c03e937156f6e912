//! ResNet (He et al., "Deep residual learning for image recognition", CVPR 2016), torchvision's variant.

use super::stem::Stem;
use crate::layers::{BatchNorm, Conv2d, MaxPool2d};
use crate::network::{Encoder, Layer, Residual, Stage};
use crate::weights::Scope;

/// Channels after the stem.
const WIDTH: usize = 64;

/// `depths` residual blocks of one kind in each of four stages, `layer1` to `layer4`, after the stem.
pub(super) fn resnet(
    scope: &mut Scope<'_>,
    stem: Stem,
    channels: usize,
    branch: Branch,
    depths: [usize; 4],
) -> Encoder {
    let mut stages = vec![first(scope, stem, channels)];
    let mut inputs = WIDTH;
    for (stage, depth) in depths.into_iter().enumerate() {
        let (name, planes) = (format!("layer{}", stage + 1), WIDTH << stage);
        let outputs = branch.outputs(planes);
        let layers = |scope: &mut Scope<'_>| {
            let block = |index| {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let inputs = if index == 0 { inputs } else { outputs };
                block(&mut scope.at(index), inputs, branch.convolutions(planes, stride), stride)
            };
            (0..depth).map(block).collect()
        };
        stages.push(Stage::new(&name, outputs).module(scope, &name, layers));
        inputs = outputs;
    }
    Encoder::new(stages)
}

/// The stem, called after the last of torchvision's modules in it.
fn first(scope: &mut Scope<'_>, stem: Stem, channels: usize) -> Stage {
    let (name, [kernel, stride, padding]) = match stem {
        Stem::Imagenet => ("maxpool", [7, 2, 3]),
        Stem::Cifar => ("relu", [3, 1, 1]),
    };
    let conv = |scope: &mut Scope<'_>| Conv2d::new(scope, [channels, WIDTH], kernel, stride, padding);
    let stage = Stage::new(name, WIDTH)
        .layer(Layer::InPrecision)
        .module(scope, "conv1", |scope| vec![Layer::Conv(conv(scope))])
        .module(scope, "bn1", |scope| vec![rectified(BatchNorm::new(scope, WIDTH))]);
    match stem {
        Stem::Imagenet => stage.layer(Layer::MaxPool(MaxPool2d { kernel_size: 3, stride: 2, padding: 1 })),
        Stem::Cifar => stage,
    }
}

fn rectified(norm: BatchNorm) -> Layer {
    Layer::BatchNorm { norm, relu: true }
}

/// The residual branch of a block.
#[derive(Clone, Copy, Debug)]
pub(super) enum Branch {
    /// Two 3x3 convolutions: ResNet-18 and 34.
    Basic,
    /// 1x1 down, 3x3, 1x1 up to four times as many channels: ResNet-50, 101 and 152. The stride is at the 3x3
    /// convolution, torchvision's "v1.5"; the paper has it at the first.
    Bottleneck,
}

/// One convolution of a residual branch.
#[derive(Clone, Copy, Debug)]
struct Convolution {
    kernel: usize,
    outputs: usize,
    stride: usize,
}

impl Branch {
    fn outputs(self, planes: usize) -> usize {
        match self {
            Branch::Basic => planes,
            Branch::Bottleneck => 4 * planes,
        }
    }

    /// All but the last convolution, and the last.
    fn convolutions(self, planes: usize, stride: usize) -> (Vec<Convolution>, Convolution) {
        let convolution = |kernel, outputs, stride| Convolution { kernel, outputs, stride };
        let outputs = self.outputs(planes);
        match self {
            Branch::Basic => (vec![convolution(3, planes, stride)], convolution(3, outputs, 1)),
            Branch::Bottleneck => {
                (vec![convolution(1, planes, 1), convolution(3, planes, stride)], convolution(1, outputs, 1))
            }
        }
    }
}

/// In the branch, every convolution is normalised, and all but the last rectified.
fn block(
    scope: &mut Scope<'_>,
    inputs: usize,
    (inner, last): (Vec<Convolution>, Convolution),
    stride: usize,
) -> Layer {
    let (mut branch, mut width) = (Vec::new(), inputs);
    for (place, &convolution) in (1..).zip(&inner) {
        let (conv, norm) = normalised(scope, place, width, convolution);
        branch.extend([conv, rectified(norm)]);
        width = convolution.outputs;
    }
    let (conv, norm) = normalised(scope, inner.len() + 1, width, last);
    branch.push(conv);
    Layer::Residual(Residual { branch, norm, shortcut: shortcut(scope, [inputs, last.outputs], stride) })
}

/// Number `place` of a block's convolutions, and its norm.
fn normalised(
    scope: &mut Scope<'_>,
    place: usize,
    inputs: usize,
    Convolution { kernel, outputs, stride }: Convolution,
) -> (Layer, BatchNorm) {
    let mut at = scope.at(format!("conv{place}"));
    let conv = Conv2d::new(&mut at, [inputs, outputs], kernel, stride, kernel / 2);
    (Layer::Conv(conv), BatchNorm::new(&mut scope.at(format!("bn{place}")), outputs))
}

/// The identity, or where the shape changes a 1x1 convolution with its norm.
fn shortcut(scope: &mut Scope<'_>, channels: [usize; 2], stride: usize) -> Vec<Layer> {
    if stride == 1 && channels[0] == channels[1] {
        return Vec::new();
    }
    let mut scope = scope.at("downsample");
    let conv = Conv2d::new(&mut scope.at(0), channels, 1, stride, 0);
    let norm = BatchNorm::new(&mut scope.at(1), channels[1]);
    vec![Layer::Conv(conv), Layer::BatchNorm { norm, relu: false }]
}
