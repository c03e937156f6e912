//! Values that several operations take in their settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::operation::Check;

/// A parameter of an operation: one number, or `[low, high]` from which it is drawn uniformly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number or [low, high]")]
pub enum Interval {
    /// Always this number; of parameters that are symmetric about zero, the largest magnitude.
    One(f64),
    /// The smallest and the largest.
    Between([f64; 2]),
}

impl Interval {
    /// The smallest and the largest value.
    pub fn bounds(self) -> [f64; 2] {
        match self {
            Interval::One(value) => [value, value],
            Interval::Between(bounds) => bounds,
        }
    }

    /// As [`Interval::bounds`], but one number `x` stands for `[-x, x]`, as in torchvision's `degrees`.
    pub fn symmetric(self) -> [f64; 2] {
        match self {
            Interval::One(value) => [-value, value],
            Interval::Between(bounds) => bounds,
        }
    }

    pub(crate) fn draw(self, stream: &mut Stream) -> f64 {
        draw(self.bounds(), stream)
    }

    pub(crate) fn draw_symmetric(self, stream: &mut Stream) -> f64 {
        draw(self.symmetric(), stream)
    }
}

fn draw([low, high]: [f64; 2], stream: &mut Stream) -> f64 {
    stream.range(low, high)
}

/// The value of pixels that come from nowhere, in the image's own units: 0 to 255, 65535 or 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number or a list of numbers, one for each channel")]
pub enum Fill {
    /// The same for every channel.
    One(f64),
    /// One value for each channel.
    PerChannel(Vec<f64>),
}

impl Default for Fill {
    fn default() -> Self {
        Fill::One(0.0)
    }
}

impl Fill {
    /// The value of `channel`.
    pub fn of(&self, channel: usize) -> f32 {
        match self {
            Fill::One(value) => *value as f32,
            Fill::PerChannel(values) => values.get(channel).copied().unwrap_or(0.0) as f32,
        }
    }

    /// The values of the first `channels` channels.
    pub(crate) fn values(&self, channels: usize) -> Vec<f32> {
        (0..channels).map(|channel| self.of(channel)).collect()
    }

    /// Reports `key` unless there is one value or one for each channel, all of which the image type can hold.
    pub(crate) fn check(&self, check: &mut Check<'_>, key: &str) {
        let (white, channels) = (check.white(), check.context.channels);
        let good = match self {
            Fill::One(value) => (0.0..=white).contains(value),
            Fill::PerChannel(values) => {
                values.len() == channels && values.iter().all(|value| (0.0..=white).contains(value))
            }
        };
        let expected = format!("one number or one for each of {channels} channels, from 0 to {white}");
        check.require(good, key, expected, self);
    }
}
