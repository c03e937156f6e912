//! The kinds of layers, and what each computes.

use burn::tensor::{Tensor, activation};

use crate::layers::{BatchNorm, Conv2d, DepthwiseConv2d, LayerNorm, Linear, MaxPool2d, StochasticDepth};
use crate::ops;
use crate::weights::{Id, Pass};

/// A layer on maps `[N, H, W, C]`.
#[derive(Clone, Debug)]
pub enum Layer {
    /// From here on, maps are kept in the pass's precision, see [`ops::in_precision`].
    InPrecision,
    /// A convolution, with ReLU where it says so.
    Conv(Conv2d),
    /// A convolution of each channel by itself.
    DepthwiseConv(DepthwiseConv2d),
    /// A batch norm.
    BatchNorm {
        /// Its weights.
        norm: BatchNorm,
        /// Whether `max(y, 0)` follows.
        relu: bool,
    },
    /// The largest value of each window.
    MaxPool(MaxPool2d),
    /// Layers on the channels of each pixel by itself.
    Pixels(Vec<PixelLayer>),
    /// A residual block of a ResNet.
    Residual(Residual),
    /// A residual block with layer scale.
    LayerScale(LayerScale),
}

/// A layer on rows of features `[rows, C]`: the pixels of a map, or averaged maps.
#[derive(Clone, Copy, Debug)]
pub enum PixelLayer {
    /// Layer normalisation over the features.
    LayerNorm(LayerNorm),
    /// `x W^T + b`.
    Linear(Linear),
    /// See [`ops::gelu`].
    Gelu,
    /// `max(x, 0)`.
    Relu,
}

/// `relu(norm(branch(x)) + shortcut(x))`, figure 2 of He et al. 2016; an empty shortcut is the identity.
#[derive(Clone, Debug)]
pub struct Residual {
    /// The layers before the last norm.
    pub branch: Vec<Layer>,
    /// The norm that ends the branch.
    pub norm: BatchNorm,
    /// What brings `x` to the shape of the branch.
    pub shortcut: Vec<Layer>,
}

/// `x + drop(scale * branch(x))`, equation 3 of Touvron et al. 2021, with stochastic depth.
#[derive(Clone, Debug)]
pub struct LayerScale {
    /// The layers of the branch, which keep the shape.
    pub branch: Vec<Layer>,
    /// A factor for each channel.
    pub scale: Id,
    /// Channels.
    pub channels: usize,
    /// Which images skip the branch in training.
    pub depth: StochasticDepth,
}

/// `x [N, H, W, C]` through one layer after the other.
pub(super) fn on_maps(layers: &[Layer], pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<4> {
    layers.iter().fold(x, |x, layer| layer.forward(pass, x))
}

/// `x [rows, C]` through one layer after the other.
pub(super) fn on_rows(layers: &[PixelLayer], pass: &Pass<'_>, x: Tensor<2>) -> Tensor<2> {
    layers.iter().fold(x, |x, layer| layer.forward(pass, x))
}

impl Layer {
    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        match self {
            Layer::InPrecision => ops::in_precision(x, pass.precision()),
            Layer::Conv(conv) => conv.forward(pass, x),
            Layer::DepthwiseConv(conv) => conv.forward(pass, x),
            Layer::BatchNorm { norm, relu } => norm.forward(pass, x, None, *relu),
            Layer::MaxPool(pool) => pool.forward(x),
            Layer::Pixels(layers) => on_pixels(layers, pass, x),
            Layer::Residual(block) => block.forward(pass, x),
            Layer::LayerScale(block) => block.forward(pass, x),
        }
    }

    /// The scale of the norm that ends a residual branch.
    pub(super) fn residual_scale(&self) -> Option<Id> {
        match self {
            Layer::Residual(block) => block.norm.scale(),
            _ => None,
        }
    }
}

/// The pixels of `x [N, H, W, C]` as rows.
fn on_pixels(layers: &[PixelLayer], pass: &Pass<'_>, x: Tensor<4>) -> Tensor<4> {
    let [images, height, width, channels] = x.dims();
    let rows = on_rows(layers, pass, x.reshape([images * height * width, channels]));
    let [_, channels] = rows.dims();
    rows.reshape([images, height, width, channels])
}

impl PixelLayer {
    /// `x [rows, C]` to `[rows, C']`.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<2>) -> Tensor<2> {
        match self {
            PixelLayer::LayerNorm(norm) => norm.forward(pass, x),
            PixelLayer::Linear(linear) => linear.forward(pass, x),
            PixelLayer::Gelu => ops::gelu(x),
            PixelLayer::Relu => activation::relu(x),
        }
    }

    /// The width of its results, where it is not that of what comes in.
    pub(super) fn outputs(&self) -> Option<usize> {
        match self {
            PixelLayer::Linear(linear) => Some(linear.outputs()),
            _ => None,
        }
    }
}

impl Residual {
    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let [y, shortcut] = ops::fork(x);
        let shortcut = on_maps(&self.shortcut, pass, shortcut);
        let y = on_maps(&self.branch, pass, y);
        self.norm.forward(pass, y, Some(shortcut), true)
    }
}

impl LayerScale {
    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let kept = self.depth.kept(pass, x.dims()[0]);
        let [x, shortcut] = ops::fork(x);
        let y = on_maps(&self.branch, pass, ops::keep(x, &kept));
        ops::join(shortcut, y, pass.tensor(self.scale, [self.channels]), &kept)
    }
}
