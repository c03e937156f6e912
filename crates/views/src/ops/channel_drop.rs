//! Whole channels wiped out. torchvision has no such operation; the parameters are those of albumentations'
//! `ChannelDropout`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;
use crate::settings::Fill;

/// Wipes out a random number of channels, of which at least one is left: no stain or colour can be relied upon.
/// For images of two channels or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelDrop {
    /// Smallest and largest number of channels that go, each number equally likely; below the number of channels.
    pub channel_drop_range: [usize; 2],
    /// What is left of them, in the image's own units.
    pub fill: Fill,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for ChannelDrop {
    fn default() -> Self {
        ChannelDrop { channel_drop_range: [1, 1], fill: Fill::default(), p: 0.5 }
    }
}

impl Operation for ChannelDrop {
    type Drawn = ChannelsDropped;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.channels(self.p, 2..=usize::MAX, "an image of one channel has none to spare");
        let [low, high] = self.channel_drop_range;
        let most = check.context.channels.saturating_sub(1).max(1);
        let good = 1 <= low && low <= high && high <= most;
        let expected = format!("[low, high] with low <= high, both from 1 to {most}");
        check.require(good, "channel_drop_range", expected, self.channel_drop_range);
        self.fill.check(check, "fill");
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, _: &BuildContext) -> ChannelsDropped {
        let [low, high] = self.channel_drop_range;
        let number = low + stream.below(high - low + 1);
        let mut channels = stream.permutation(shape.channels);
        channels.truncate(number);
        channels.sort_unstable();
        ChannelsDropped { channels, fill: self.fill.clone() }
    }
}

/// The image without some of its channels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelsDropped {
    /// The numbers of the channels that go.
    pub channels: Vec<usize>,
    /// What is left of them.
    pub fill: Fill,
}

impl Transform for ChannelsDropped {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let fill: Vec<(usize, T)> =
            self.channels.iter().map(|&channel| (channel, T::nearest(self.fill.of(channel)))).collect();
        canvas.edit(|shape, samples, _| {
            for pixel in samples.chunks_exact_mut(shape.channels) {
                fill.iter().for_each(|&(channel, value)| pixel[channel] = value);
            }
        });
    }
}
