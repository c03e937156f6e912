//! ConvNeXt (Liu et al., "A ConvNet for the 2020s", CVPR 2022), torchvision's variant.

use crate::layers::{Conv2d, DepthwiseConv2d, LayerNorm, Linear, StochasticDepth};
use crate::network::{Encoder, Layer, LayerScale, PixelLayer, Stage};
use crate::weights::{Init, Scope, WeightOrder};

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

/// Features of the pooled and normalised last map. All stages but the first halve the image before their blocks.
pub(super) fn convnext(scope: &mut Scope<'_>, channels: usize, sizes: Sizes) -> Encoder {
    let Sizes { widths, depths, drop } = sizes;
    let last_block = depths.iter().sum::<usize>() - 1;
    let mut blocks_before = 0;
    let mut stages = vec![patches(scope, [channels, widths[0]])];
    for (number, (width, depth)) in widths.into_iter().zip(depths).enumerate() {
        let name = format!("features.{}", 2 * number + 1);
        let mut stage = Stage::new(&name, width);
        if number > 0 {
            let channels = [widths[number - 1], width];
            stage = stage.module(scope, format!("features.{}", 2 * number), |scope| halved(scope, channels));
        }
        let blocks = |scope: &mut Scope<'_>| {
            let depth_of =
                |layer: usize| StochasticDepth::new(layer as u32, drop * layer as f64 / last_block as f64);
            (0..depth)
                .map(|index| block(&mut scope.at(index), width, depth_of(blocks_before + index)))
                .collect()
        };
        stages.push(stage.module(scope, &name, blocks));
        blocks_before += depth;
    }
    let norm = |scope: &mut Scope<'_>| vec![PixelLayer::LayerNorm(LayerNorm::new(scope, widths[3], EPS))];
    Encoder::new(stages).head_module(scope, "classifier.0", norm)
}

/// The stem: patches of 4x4 pixels, normalised.
fn patches(scope: &mut Scope<'_>, channels: [usize; 2]) -> Stage {
    Stage::new("features.0", channels[1]).module(scope, "features.0", |scope| {
        let conv = convolution(&mut scope.at(0), channels, 4);
        vec![conv, normalised(&mut scope.at(1), channels[1])]
    })
}

fn halved(scope: &mut Scope<'_>, channels: [usize; 2]) -> Vec<Layer> {
    let norm = normalised(&mut scope.at(0), channels[0]);
    vec![norm, convolution(&mut scope.at(1), channels, 2)]
}

/// A convolution with bias whose windows lie side by side.
fn convolution(scope: &mut Scope<'_>, channels: [usize; 2], kernel: usize) -> Layer {
    let conv = Conv2d::initialised(scope, channels, kernel, kernel, 0, INIT).with_bias(scope);
    Layer::Conv(conv.for_any_size())
}

fn normalised(scope: &mut Scope<'_>, width: usize) -> Layer {
    Layer::Pixels(vec![PixelLayer::LayerNorm(LayerNorm::new(scope, width, EPS))])
}

/// `x + drop(scale * linear(gelu(linear(norm(depthwise 7x7 (x))))))`, figure 4 of the paper.
fn block(scope: &mut Scope<'_>, width: usize, depth: StochasticDepth) -> Layer {
    let zero = Some(Init::Constant(0.0));
    let scale =
        scope.parameter("layer_scale", &[width, 1, 1], WeightOrder::Plain, Init::Constant(LAYER_SCALE));
    let mut scope = scope.at("block");
    // Number 1 permutes dimensions and number 4 is GELU, in torchvision's numbering.
    let depthwise = DepthwiseConv2d::new(&mut scope.at(0), width, 7, INIT);
    let pixels = vec![
        PixelLayer::LayerNorm(LayerNorm::new(&mut scope.at(2), width, EPS)),
        PixelLayer::Linear(Linear::with(&mut scope.at(3), [width, 4 * width], INIT, zero)),
        PixelLayer::Gelu,
        PixelLayer::Linear(Linear::with(&mut scope.at(5), [4 * width, width], INIT, zero)),
    ];
    let branch = vec![Layer::DepthwiseConv(depthwise), Layer::Pixels(pixels)];
    Layer::LayerScale(LayerScale { branch, scale, channels: width, depth })
}
