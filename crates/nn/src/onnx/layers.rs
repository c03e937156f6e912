//! The nodes of a network's layers, in evaluation mode.

use super::graph::{Attribute, Graph, Map, windows};
use crate::layers::{BatchNorm, Conv2d, DepthwiseConv2d, LayerNorm, Linear, MaxPool2d};
use crate::network::{Encoder, Layer, LayerScale, PixelLayer, Residual};
use crate::weights::Id;

impl Graph<'_> {
    /// From images to features; the result is their name.
    pub fn encoder(&mut self, encoder: &Encoder, images: Map) -> String {
        let map = encoder.stages().iter().fold(images, |x, stage| self.layers(stage.layers(), x));
        let pooled = self.node("GlobalAveragePool", &[&map.name], Vec::new());
        let pooled = self.node("Flatten", &[&pooled], vec![("axis", Attribute::Int(1))]);
        self.pixel_layers(encoder.head(), pooled)
    }

    fn layers(&mut self, layers: &[Layer], x: Map) -> Map {
        layers.iter().fold(x, |x, layer| self.layer(layer, x))
    }

    fn layer(&mut self, layer: &Layer, x: Map) -> Map {
        match layer {
            Layer::InPrecision => x,
            Layer::Conv(conv) => self.conv(conv, &x),
            Layer::DepthwiseConv(conv) => self.depthwise_conv(conv, &x),
            Layer::BatchNorm { norm, relu: false } => self.batch_norm(norm, &x),
            Layer::BatchNorm { norm, relu: true } => {
                let y = self.batch_norm(norm, &x);
                self.relu_of_map(&y)
            }
            Layer::MaxPool(pool) => self.max_pool(pool, x),
            Layer::Pixels(layers) => self.pixels(layers, &x),
            Layer::Residual(block) => self.residual(block, x),
            Layer::LayerScale(block) => self.layer_scale(block, x),
        }
    }

    fn conv(&mut self, conv: &Conv2d, x: &Map) -> Map {
        let options = conv.options_for(x.size);
        let (kernel, stride, padding) = (conv.kernel_size, options.stride, options.padding);
        let attributes = windows([kernel; 2], stride, padding);
        let name = self.convolution(x, [Some(conv.weight), conv.bias], attributes, 1);
        let y = Map { name, size: conv.size_after(x.size) };
        if options.relu { self.relu_of_map(&y) } else { y }
    }

    fn depthwise_conv(&mut self, conv: &DepthwiseConv2d, x: &Map) -> Map {
        let attributes = windows([conv.kernel_size; 2], [1; 2], [conv.kernel_size / 2; 2]);
        x.renamed(self.convolution(x, [Some(conv.weight), Some(conv.bias)], attributes, conv.channels))
    }

    /// A convolution's node; `ids` are weight and bias.
    fn convolution(
        &mut self,
        x: &Map,
        ids: [Option<Id>; 2],
        mut attributes: Vec<(&'static str, Attribute)>,
        groups: usize,
    ) -> String {
        let weights = ids.into_iter().flatten().map(|id| self.weight(id));
        let inputs: Vec<&str> = std::iter::once(x.name.as_str()).chain(weights).collect();
        attributes.push(("group", Attribute::Int(groups as u64)));
        self.node("Conv", &inputs, attributes)
    }

    fn batch_norm(&mut self, norm: &BatchNorm, x: &Map) -> Map {
        let [scale, shift] = match norm.affine {
            Some(ids) => ids.map(|id| self.weight(id).to_owned()),
            None => {
                [1.0, 0.0].map(|value| self.constant(&[norm.channels as u64], &vec![value; norm.channels]))
            }
        };
        let [mean, var] = [norm.running_mean, norm.running_var].map(|id| self.weight(id));
        let attributes = vec![("epsilon", Attribute::Float(BatchNorm::EPS as f32))];
        x.renamed(self.node("BatchNormalization", &[&x.name, &scale, &shift, mean, var], attributes))
    }

    fn max_pool(&mut self, pool: &MaxPool2d, x: Map) -> Map {
        if !pool.fits(x.size) {
            return x;
        }
        let MaxPool2d { kernel_size, stride, padding } = *pool;
        let attributes = windows([kernel_size; 2], [stride; 2], [padding; 2]);
        let name = self.node("MaxPool", &[&x.name], attributes);
        Map { name, size: pool.size_after(x.size) }
    }

    fn relu_of_map(&mut self, x: &Map) -> Map {
        x.renamed(self.relu(&x.name))
    }

    fn residual(&mut self, block: &Residual, x: Map) -> Map {
        let shortcut = self.layers(&block.shortcut, x.clone());
        let y = self.layers(&block.branch, x);
        let y = self.batch_norm(&block.norm, &y);
        let sum = self.node("Add", &[&y.name, &shortcut.name], Vec::new());
        self.relu_of_map(&y.renamed(sum))
    }

    fn layer_scale(&mut self, block: &LayerScale, x: Map) -> Map {
        let y = self.layers(&block.branch, x.clone());
        let scaled = self.node("Mul", &[&y.name, self.weight(block.scale)], Vec::new());
        x.renamed(self.node("Add", &[&x.name, &scaled], Vec::new()))
    }

    /// Layers on the last dimension, which is where ONNX's maps have their columns.
    fn pixels(&mut self, layers: &[PixelLayer], x: &Map) -> Map {
        let rows = self.transpose(&x.name, &[0, 2, 3, 1]);
        let rows = self.pixel_layers(layers, rows);
        x.renamed(self.transpose(&rows, &[0, 3, 1, 2]))
    }

    /// Layers on the last dimension.
    fn pixel_layers(&mut self, layers: &[PixelLayer], x: String) -> String {
        layers.iter().fold(x, |x, layer| match layer {
            PixelLayer::LayerNorm(norm) => self.layer_norm(norm, &x),
            PixelLayer::Linear(linear) => self.linear(linear, &x),
            PixelLayer::Gelu => self.gelu(&x),
            PixelLayer::Relu => self.relu(&x),
        })
    }

    fn layer_norm(&mut self, norm: &LayerNorm, x: &str) -> String {
        let [scale, shift] = norm.affine.map(|id| self.weight(id));
        let attributes = vec![("epsilon", Attribute::Float(norm.eps as f32))];
        self.node("LayerNormalization", &[x, scale, shift], attributes)
    }

    fn linear(&mut self, linear: &Linear, x: &str) -> String {
        let turned = self.transpose(self.weight(linear.weight), &[1, 0]);
        let y = self.node("MatMul", &[x, &turned], Vec::new());
        match linear.bias {
            Some(bias) => self.node("Add", &[&y, self.weight(bias)], Vec::new()),
            None => y,
        }
    }

    /// As [`crate::ops::gelu`].
    fn gelu(&mut self, x: &str) -> String {
        let numbers = [std::f32::consts::SQRT_2, 1.0, 0.5];
        let [root, one, half] = numbers.map(|number| self.constant(&[], &[number]));
        let scaled = self.node("Div", &[x, &root], Vec::new());
        let erf = self.node("Erf", &[&scaled], Vec::new());
        let shifted = self.node("Add", &[&erf, &one], Vec::new());
        let doubled = self.node("Mul", &[x, &shifted], Vec::new());
        self.node("Mul", &[&doubled, &half], Vec::new())
    }

    /// `max(x, 0)`.
    fn relu(&mut self, x: &str) -> String {
        self.node("Relu", &[x], Vec::new())
    }
}
