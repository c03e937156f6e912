//! ResNet (He et al., "Deep residual learning for image recognition", CVPR 2016), torchvision's variant.

use burn::tensor::Tensor;

use super::{Encoder, Stem};
use crate::layers::{BatchNorm, Conv2d};
use crate::ops;
use crate::weights::{Pass, Scope};

/// Features of the pooled last map; no classifier.
#[derive(Clone, Debug)]
pub(super) struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    pooled_stem: bool,
    blocks: Vec<BasicBlock>,
}

impl ResNet {
    /// The networks of two 3x3 convolutions a block, `depths` blocks a stage.
    pub(super) fn basic(scope: &mut Scope<'_>, stem: Stem, channels: usize, depths: [usize; 4]) -> ResNet {
        let [kernel, stride, padding] = match stem {
            Stem::Imagenet => [7, 2, 3],
            Stem::Cifar => [3, 1, 1],
        };
        let conv1 = Conv2d::new(&mut scope.at("conv1"), [channels, 64], kernel, stride, padding);
        let bn1 = BatchNorm::new(&mut scope.at("bn1"), 64);
        let mut blocks = Vec::new();
        let mut width = 64;
        for (stage, depth) in depths.into_iter().enumerate() {
            let mut scope = scope.at(format!("layer{}", stage + 1));
            let planes = 64 << stage;
            for index in 0..depth {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                blocks.push(BasicBlock::new(&mut scope.at(index), [width, planes], stride));
                width = planes;
            }
        }
        ResNet { conv1, bn1, pooled_stem: stem == Stem::Imagenet, blocks }
    }
}

impl Encoder for ResNet {
    fn features(&self) -> usize {
        512
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<2> {
        let x = self.conv1.forward(pass, x);
        let mut x = self.bn1.forward(pass, x, None, true);
        if self.pooled_stem {
            x = ops::max_pool2d(x, 3, 2, 1);
        }
        for block in &self.blocks {
            x = block.forward(pass, x);
        }
        ops::global_average_pool(x)
    }
}

/// `relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))`.
#[derive(Clone, Debug)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl BasicBlock {
    fn new(scope: &mut Scope<'_>, [width, planes]: [usize; 2], stride: usize) -> BasicBlock {
        let conv1 = Conv2d::new(&mut scope.at("conv1"), [width, planes], 3, stride, 1);
        let bn1 = BatchNorm::new(&mut scope.at("bn1"), planes);
        let conv2 = Conv2d::new(&mut scope.at("conv2"), [planes, planes], 3, 1, 1);
        let bn2 = BatchNorm::new(&mut scope.at("bn2"), planes);
        let downsample = (stride != 1 || width != planes).then(|| {
            let mut scope = scope.at("downsample");
            let conv = Conv2d::new(&mut scope.at(0), [width, planes], 1, stride, 0);
            (conv, BatchNorm::new(&mut scope.at(1), planes))
        });
        BasicBlock { conv1, bn1, conv2, bn2, downsample }
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let y = self.conv1.forward(pass, x.clone());
        let y = self.bn1.forward(pass, y, None, true);
        let y = self.conv2.forward(pass, y);
        let shortcut = match &self.downsample {
            Some((conv, norm)) => {
                let projected = conv.forward(pass, x);
                norm.forward(pass, projected, None, false)
            }
            None => x,
        };
        self.bn2.forward(pass, y, Some(shortcut), true)
    }
}
