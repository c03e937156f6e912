//! ConvNeXt (Liu et al., "A ConvNet for the 2020s", CVPR 2022), torchvision's variant.

use burn::tensor::Tensor;

use super::Encoder;
use crate::layers::{Conv2d, DepthwiseConv2d, LayerNorm, Linear, StochasticDepth};
use crate::onnx::{Graph, Map};
use crate::ops;
use crate::weights::{Id, Init, Order, Pass, Scope};

/// Every weight starts normal with this standard deviation, every bias from 0.
const INIT: Init = Init::Normal(0.02);
/// The factor of every residual branch starts here (Touvron et al., "Going deeper with image transformers", 2021).
const LAYER_SCALE: f32 = 1e-6;
const EPS: f64 = 1e-6;

/// The sizes of a ConvNeXt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Channels of each stage.
    pub widths: [usize; 4],
    /// Blocks of each stage.
    pub depths: [usize; 4],
    /// The probability with which the last block drops its branch; it rises linearly from 0 at the first block.
    pub drop: f64,
}

/// ConvNeXt-T (section 3), with torchvision's stochastic depth.
pub(super) const TINY: Sizes = Sizes { widths: [96, 192, 384, 768], depths: [3, 3, 9, 3], drop: 0.1 };

/// Features of the pooled and normalised last map; no classifier.
#[derive(Clone, Debug)]
pub(super) struct ConvNext {
    stem: (Conv2d, LayerNorm),
    stages: Vec<Stage>,
    norm: LayerNorm,
    features: usize,
}

/// Blocks, before which all but the first stage halve the image.
#[derive(Clone, Debug)]
struct Stage {
    downsample: Option<(LayerNorm, Conv2d)>,
    blocks: Vec<Block>,
}

impl ConvNext {
    pub(super) fn new(scope: &mut Scope<'_>, channels: usize, sizes: Sizes) -> ConvNext {
        let Sizes { widths, depths, drop } = sizes;
        let last_block = depths.iter().sum::<usize>() - 1;
        let mut features = scope.at("features");
        let mut at = features.at(0);
        let patches = convolution(&mut at.at(0), [channels, widths[0]], 4);
        let stem = (patches, LayerNorm::new(&mut at.at(1), widths[0], EPS));
        let mut stages = Vec::new();
        let mut layer = 0;
        for (stage, (width, depth)) in widths.into_iter().zip(depths).enumerate() {
            let downsample = (stage > 0).then(|| {
                let mut at = features.at(2 * stage);
                let norm = LayerNorm::new(&mut at.at(0), widths[stage - 1], EPS);
                (norm, convolution(&mut at.at(1), [widths[stage - 1], width], 2))
            });
            let mut at = features.at(2 * stage + 1);
            let mut blocks = Vec::new();
            for index in 0..depth {
                let drop = drop * layer as f64 / last_block as f64;
                blocks.push(Block::new(&mut at.at(index), width, StochasticDepth::new(layer, drop)));
                layer += 1;
            }
            stages.push(Stage { downsample, blocks });
        }
        let norm = LayerNorm::new(&mut scope.at("classifier").at(0), widths[3], EPS);
        ConvNext { stem, stages, norm, features: widths[3] }
    }
}

/// A convolution with bias whose windows lie side by side.
fn convolution(scope: &mut Scope<'_>, channels: [usize; 2], kernel: usize) -> Conv2d {
    Conv2d::initialised(scope, channels, kernel, kernel, 0, INIT).with_bias(scope)
}

impl Encoder for ConvNext {
    fn features(&self) -> usize {
        self.features
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<2> {
        let x = self.stem.0.forward_any_size(pass, x);
        let mut x = self.stem.1.forward(pass, x);
        for stage in &self.stages {
            if let Some((norm, conv)) = &stage.downsample {
                x = norm.forward(pass, x);
                x = conv.forward_any_size(pass, x);
            }
            for block in &stage.blocks {
                x = block.forward(pass, x);
            }
        }
        self.norm.forward(pass, ops::global_average_pool(x))
    }

    fn onnx(&self, graph: &mut Graph<'_>, x: Map) -> Option<String> {
        let x = self.stem.0.padded_for(x.size).onnx(graph, &x);
        let mut x = normalised(graph, &self.stem.1, &x);
        for stage in &self.stages {
            if let Some((norm, conv)) = &stage.downsample {
                x = normalised(graph, norm, &x);
                x = conv.padded_for(x.size).onnx(graph, &x);
            }
            for block in &stage.blocks {
                x = block.onnx(graph, &x);
            }
        }
        let pooled = graph.global_average_pool(&x);
        Some(self.norm.onnx(graph, &pooled))
    }

    /// The stem, and every stage with the downsampling before it; the last norm goes with the last stage.
    fn blocks(&self) -> Vec<Vec<String>> {
        let last = self.stages.len() - 1;
        let modules = |stage: usize| {
            let downsample = (stage > 0).then(|| format!("features.{}", 2 * stage));
            let norm = (stage == last).then(|| "classifier.0".to_owned());
            downsample.into_iter().chain([format!("features.{}", 2 * stage + 1)]).chain(norm).collect()
        };
        std::iter::once(vec!["features.0".to_owned()]).chain((0..=last).map(modules)).collect()
    }
}

/// The nodes of a norm over the channels.
fn normalised(graph: &mut Graph<'_>, norm: &LayerNorm, x: &Map) -> Map {
    let rows = graph.transpose(&x.name, &[0, 2, 3, 1]);
    let rows = norm.onnx(graph, &rows);
    x.renamed(graph.transpose(&rows, &[0, 3, 1, 2]))
}

/// `x + drop(scale * linear(gelu(linear(norm(depthwise 7x7 (x))))))`, figure 4 of the paper.
#[derive(Clone, Debug)]
struct Block {
    scale: Id,
    depthwise: DepthwiseConv2d,
    norm: LayerNorm,
    expand: Linear,
    reduce: Linear,
    depth: StochasticDepth,
    width: usize,
}

impl Block {
    fn new(scope: &mut Scope<'_>, width: usize, depth: StochasticDepth) -> Block {
        let zero = Some(Init::Constant(0.0));
        let scale = scope.parameter("layer_scale", &[width, 1, 1], Order::Plain, Init::Constant(LAYER_SCALE));
        let mut scope = scope.at("block");
        // Number 1 permutes dimensions and number 4 is GELU, in torchvision's numbering.
        Block {
            scale,
            depthwise: DepthwiseConv2d::new(&mut scope.at(0), width, 7, INIT),
            norm: LayerNorm::new(&mut scope.at(2), width, EPS),
            expand: Linear::with(&mut scope.at(3), [width, 4 * width], INIT, zero),
            reduce: Linear::with(&mut scope.at(5), [4 * width, width], INIT, zero),
            depth,
            width,
        }
    }

    fn forward(&self, pass: &Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let kept = self.depth.kept(pass, x.dims()[0]);
        let [x, shortcut] = ops::fork(x);
        let x = ops::keep(x, &kept);
        let [images, height, width, channels] = x.dims();
        let y = self.depthwise.forward(pass, x).reshape([images * height * width, channels]);
        let y = self.norm.forward(pass, y);
        let y = ops::gelu(self.expand.forward(pass, y));
        let y = self.reduce.forward(pass, y).reshape([images, height, width, channels]);
        let scale = pass.tensor(self.scale, [self.width]);
        ops::join(shortcut, y, scale, &kept)
    }

    fn onnx(&self, graph: &mut Graph<'_>, x: &Map) -> Map {
        let y = self.depthwise.onnx(graph, x);
        let rows = graph.transpose(&y.name, &[0, 2, 3, 1]);
        let rows = self.norm.onnx(graph, &rows);
        let rows = self.expand.onnx(graph, &rows);
        let rows = graph.gelu(&rows);
        let rows = self.reduce.onnx(graph, &rows);
        let y = graph.transpose(&rows, &[0, 3, 1, 2]);
        let scale = graph.weight(self.scale).to_owned();
        let y = graph.node("Mul", &[&y, &scale], Vec::new());
        x.renamed(graph.node("Add", &[&x.name, &y], Vec::new()))
    }
}
