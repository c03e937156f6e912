//! ResNet (He et al., "Deep residual learning for image recognition", CVPR 2016), torchvision's variant.

use burn::tensor::Tensor;

use super::{Encoder, Stem};
use crate::layers::{BatchNorm, Conv2d};
use crate::onnx::{Graph, Map};
use crate::ops;
use crate::weights::{Id, Pass, Scope};

const STAGES: usize = 4;

/// Features of the pooled last map; no classifier.
#[derive(Clone, Debug)]
pub(super) struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    pooled_stem: bool,
    blocks: Vec<Block>,
    features: usize,
}

impl ResNet {
    /// `depths` blocks of one kind in each stage.
    pub(super) fn new(
        scope: &mut Scope<'_>,
        stem: Stem,
        channels: usize,
        branch: Branch,
        depths: [usize; STAGES],
    ) -> ResNet {
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
            for index in 0..depth {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let convolutions = branch.convolutions(64 << stage, stride);
                blocks.push(Block::new(&mut scope.at(index), width, &convolutions, stride));
                width = convolutions[convolutions.len() - 1].outputs;
            }
        }
        ResNet { conv1, bn1, pooled_stem: stem == Stem::Imagenet, blocks, features: width }
    }
}

impl Encoder for ResNet {
    fn features(&self) -> usize {
        self.features
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<2> {
        let x = self.conv1.forward(pass, ops::in_precision(x, pass.precision()));
        let mut x = self.bn1.forward(pass, x, None, true);
        if self.pooled_stem {
            x = ops::max_pool2d(x, 3, 2, 1);
        }
        for block in &self.blocks {
            x = block.forward(pass, x);
        }
        ops::global_average_pool(x)
    }

    fn onnx(&self, graph: &mut Graph<'_>, x: Map) -> Option<String> {
        let x = normalised(graph, &self.conv1, &self.bn1, &x);
        let mut x = graph.relu(&x);
        if self.pooled_stem {
            x = graph.max_pool(&x, 3, 2, 1);
        }
        for block in &self.blocks {
            x = block.onnx(graph, &x);
        }
        Some(graph.global_average_pool(&x))
    }

    fn blocks(&self) -> Vec<Vec<String>> {
        let stem = ["conv1", "bn1"].map(str::to_owned).to_vec();
        let stages = (1..=STAGES).map(|stage| vec![format!("layer{stage}")]);
        std::iter::once(stem).chain(stages).collect()
    }

    fn residual_scales(&self) -> Vec<Id> {
        self.blocks.iter().filter_map(|block| block.layers.last()?.1.scale()).collect()
    }
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
    fn convolutions(self, planes: usize, stride: usize) -> Vec<Convolution> {
        let convolution = |kernel, outputs, stride| Convolution { kernel, outputs, stride };
        match self {
            Branch::Basic => vec![convolution(3, planes, stride), convolution(3, planes, 1)],
            Branch::Bottleneck => {
                vec![convolution(1, planes, 1), convolution(3, planes, stride), convolution(1, 4 * planes, 1)]
            }
        }
    }
}

/// `relu(branch(x) + shortcut(x))`; in the branch, every convolution is normalised, and all but the last rectified.
#[derive(Clone, Debug)]
struct Block {
    layers: Vec<(Conv2d, BatchNorm)>,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl Block {
    fn new(scope: &mut Scope<'_>, inputs: usize, convolutions: &[Convolution], stride: usize) -> Block {
        let mut layers = Vec::new();
        let mut width = inputs;
        for (index, &Convolution { kernel, outputs, stride }) in convolutions.iter().enumerate() {
            let place = index + 1;
            let mut at = scope.at(format!("conv{place}"));
            let conv = Conv2d::new(&mut at, [width, outputs], kernel, stride, kernel / 2);
            layers.push((conv, BatchNorm::new(&mut scope.at(format!("bn{place}")), outputs)));
            width = outputs;
        }
        let downsample = (stride != 1 || inputs != width).then(|| {
            let mut scope = scope.at("downsample");
            let conv = Conv2d::new(&mut scope.at(0), [inputs, width], 1, stride, 0);
            (conv, BatchNorm::new(&mut scope.at(1), width))
        });
        Block { layers, downsample }
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let [mut y, mut shortcut] = ops::fork(x);
        if let Some((conv, norm)) = &self.downsample {
            shortcut = conv.forward(pass, shortcut);
            shortcut = norm.forward(pass, shortcut, None, false);
        }
        let mut shortcut = Some(shortcut);
        for (index, (conv, norm)) in self.layers.iter().enumerate() {
            y = conv.forward(pass, y);
            let last = index + 1 == self.layers.len();
            y = norm.forward(pass, y, shortcut.take_if(|_| last), true);
        }
        y
    }

    fn onnx(&self, graph: &mut Graph<'_>, x: &Map) -> Map {
        let shortcut = match &self.downsample {
            Some((conv, norm)) => normalised(graph, conv, norm, x),
            None => x.clone(),
        };
        let mut y = x.clone();
        for (index, (conv, norm)) in self.layers.iter().enumerate() {
            y = normalised(graph, conv, norm, &y);
            if index + 1 == self.layers.len() {
                y = y.renamed(graph.node("Add", &[&y.name, &shortcut.name], Vec::new()));
            }
            y = graph.relu(&y);
        }
        y
    }
}

/// The nodes of a convolution and its norm.
fn normalised(graph: &mut Graph<'_>, conv: &Conv2d, norm: &BatchNorm, x: &Map) -> Map {
    let y = conv.onnx(graph, x);
    norm.onnx(graph, &y)
}
