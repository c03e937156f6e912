//! Channels in another order: torchvision's `RandomChannelPermutation`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Puts the channels into a random order, the present one included. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelShuffle {
    /// Probability of being applied.
    pub p: f64,
}

impl Default for ChannelShuffle {
    fn default() -> Self {
        ChannelShuffle { p: 1.0 }
    }
}

impl Operation for ChannelShuffle {
    type Drawn = ChannelsShuffled;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, _: &mut Check<'_>) {}

    fn draw(&self, stream: &mut Stream, shape: Shape, _: &BuildContext) -> ChannelsShuffled {
        ChannelsShuffled { permutation: stream.permutation(shape.channels) }
    }
}

/// The image with channel `permutation[c]` as its channel c; torchvision's `permute_channels`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelsShuffled {
    /// For each channel, which one it becomes; every channel once.
    pub permutation: Vec<usize>,
}

impl Transform for ChannelsShuffled {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|shape, samples, _| {
            let mut before = vec![T::default(); shape.channels];
            for pixel in samples.chunks_exact_mut(shape.channels) {
                before.copy_from_slice(pixel);
                pixel.iter_mut().zip(&self.permutation).for_each(|(sample, &from)| *sample = before[from]);
            }
        });
    }
}
