//! A power of every value: torchvision's `adjust_gamma`, which has no random form there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::compute::truncate;
use crate::curves::apply_curves;
use crate::operation::{BuildContext, Check, Operation, TINY, Transform};
use crate::sample::{Sample, clamp};
use crate::settings::Interval;

/// Raises every value, as a share of white, to a random power. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gamma {
    /// The power: above 1 darkens, below 1 brightens; `[low, high]` is drawn uniformly.
    pub gamma: Interval,
    /// Factor of the result; `[low, high]` is drawn uniformly.
    pub gain: Interval,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Gamma {
    fn default() -> Self {
        Gamma { gamma: Interval::Between([0.8, 1.25]), gain: Interval::One(1.0), p: 1.0 }
    }
}

impl Operation for Gamma {
    type Drawn = GammaAdjusted;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("gamma", self.gamma.bounds(), TINY..=100.0);
        check.interval("gain", self.gain.bounds(), 0.0..=1e6);
    }

    fn draw(&self, stream: &mut Stream, _: Shape, _: &BuildContext) -> GammaAdjusted {
        GammaAdjusted { gamma: self.gamma.draw(stream), gain: self.gain.draw(stream) }
    }
}

/// `gain (x / white)^gamma` clamped to black and white; integers drop the fraction of `(white + 0.999)` times
/// that. Negative values of floating-point images count as black.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GammaAdjusted {
    /// The power.
    pub gamma: f64,
    /// The factor.
    pub gain: f64,
}

impl Transform for GammaAdjusted {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let (gamma, gain) = (self.gamma as f32, self.gain as f32);
        let scale = if T::INTEGER { T::WHITE + 0.999 } else { T::WHITE };
        let curve = |value: f32| {
            let share = if value > 0.0 { value / T::WHITE } else { 0.0 };
            truncate::<T>(clamp(gain * share.powf(gamma), 1.0) * scale)
        };
        canvas.edit(|_, samples, _| apply_curves(samples, &[curve]));
    }
}
