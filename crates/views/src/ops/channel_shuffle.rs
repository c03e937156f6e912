//! Channels in another order: torchvision's `RandomChannelPermutation`.

use multiversion::multiversion;
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
            if let [red, green, blue] = self.permutation[..] {
                return shuffle_rgb(samples, [red, green, blue]);
            }
            let mut before = vec![T::default(); shape.channels];
            for pixel in samples.chunks_exact_mut(shape.channels) {
                before.copy_from_slice(pixel);
                pixel.iter_mut().zip(&self.permutation).for_each(|(sample, &from)| *sample = before[from]);
            }
        });
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn shuffle_rgb<T: Sample>(samples: &mut [T], permutation: [usize; 3]) {
    let pixels = samples.as_chunks_mut::<3>().0;
    // Five loops with fixed places become vector instructions, one with places that vary does not.
    match permutation {
        [0, 2, 1] => pixels.iter_mut().for_each(|p| *p = [p[0], p[2], p[1]]),
        [1, 0, 2] => pixels.iter_mut().for_each(|p| *p = [p[1], p[0], p[2]]),
        [1, 2, 0] => pixels.iter_mut().for_each(|p| *p = [p[1], p[2], p[0]]),
        [2, 0, 1] => pixels.iter_mut().for_each(|p| *p = [p[2], p[0], p[1]]),
        [2, 1, 0] => pixels.iter_mut().for_each(|p| *p = [p[2], p[1], p[0]]),
        _ => {}
    }
}
