//! How large the maps of a network are: most of the memory that a step of training takes.

use super::{Encoder, Layer, LayerScale, PixelLayer, Residual};
use crate::layers::Conv2d;

/// Height, width and channels of a map.
type Extent = [usize; 3];

/// What layers make of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Maps {
    /// Numbers in all their maps together.
    values: usize,
    /// The last map.
    last: Extent,
}

impl Encoder {
    /// Numbers in all maps that the network makes of an image of `size` x `size` pixels with `channels` channels. A step of training
    /// holds them until its gradients are known.
    pub fn map_values(&self, channels: usize, size: usize) -> usize {
        let images = Maps { values: 0, last: [size, size, channels] };
        self.stages.iter().fold(images, |maps, stage| maps.through(&stage.layers)).values
    }
}

impl Maps {
    fn through(self, layers: &[Layer]) -> Maps {
        layers.iter().fold(self, Maps::with)
    }

    /// With one map more.
    fn and(self, last: Extent) -> Maps {
        Maps { values: self.values + last.iter().product::<usize>(), last }
    }

    fn with(self, layer: &Layer) -> Maps {
        match layer {
            Layer::InPrecision => self,
            Layer::Conv(conv) => self.and(after(conv, self.last)),
            Layer::DepthwiseConv(_) | Layer::BatchNorm { .. } => self.and(self.last),
            Layer::MaxPool(pool) => {
                let [height, width, channels] = self.last;
                let [height, width] = pool.size_after([height, width]);
                self.and([height, width, channels])
            }
            Layer::Pixels(layers) => layers.iter().fold(self, Maps::with_pixels),
            Layer::Residual(Residual { branch, shortcut, .. }) => {
                let branch = self.through(branch);
                let shortcut = self.through(shortcut).values - self.values;
                Maps { values: branch.values + shortcut, last: branch.last }.and(branch.last)
            }
            Layer::LayerScale(LayerScale { branch, .. }) => self.through(branch).and(self.last),
        }
    }

    fn with_pixels(self, layer: &PixelLayer) -> Maps {
        let [height, width, channels] = self.last;
        self.and([height, width, layer.outputs().unwrap_or(channels)])
    }
}

fn after(conv: &Conv2d, [height, width, _]: Extent) -> Extent {
    let [height, width] = conv.size_after([height, width]);
    [height, width, conv.out_channels()]
}
