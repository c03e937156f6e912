//! Each channel brighter or darker by itself. torchvision has no such operation; it models the stains of
//! fluorescence microscopy, whose strengths vary independently.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::curves::apply_curves;
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::{Sample, clamp};
use crate::settings::Interval;

/// Multiplies each channel by its own factor and adds its own offset. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelIntensity {
    /// The factor; `[low, high]` is drawn uniformly for each channel.
    pub scale: Interval,
    /// The offset as a share of white; `[low, high]` is drawn uniformly for each channel.
    pub shift: Interval,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for ChannelIntensity {
    fn default() -> Self {
        ChannelIntensity { scale: Interval::Between([0.8, 1.2]), shift: Interval::One(0.0), p: 1.0 }
    }
}

impl Operation for ChannelIntensity {
    type Drawn = ChannelsScaled;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("scale", self.scale.bounds(), 0.0..=1e6);
        check.interval("shift", self.shift.bounds(), -1.0..=1.0);
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, _: &BuildContext) -> ChannelsScaled {
        let (scale, shift) =
            (0..shape.channels).map(|_| (self.scale.draw(stream), self.shift.draw(stream))).unzip();
        ChannelsScaled { scale, shift }
    }
}

/// The image with `clamp(scale x + shift white)` in each channel, rounded to the nearest level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelsScaled {
    /// The factor of each channel.
    pub scale: Vec<f64>,
    /// The offset of each channel, as a share of white.
    pub shift: Vec<f64>,
}

impl Transform for ChannelsScaled {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let curve = |(&scale, &shift): (&f64, &f64)| {
            let (scale, shift) = (scale as f32, shift as f32 * T::WHITE);
            move |value| clamp(scale * value + shift, T::WHITE)
        };
        let curves: Vec<_> = self.scale.iter().zip(&self.shift).map(curve).collect();
        canvas.edit(|_, samples, _| apply_curves(samples, &curves));
    }
}
