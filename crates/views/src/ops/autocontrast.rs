//! The whole range of values used: torchvision's `RandomAutocontrast`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::compute::{change_channel, channel, tabulated, truncate};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Stretches each channel so that its smallest value becomes black and its largest white. Any number of channels
/// (torchvision: 1 or 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Autocontrast {
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Autocontrast {
    fn default() -> Self {
        Autocontrast { p: 0.5 }
    }
}

impl Operation for Autocontrast {
    type Drawn = Autocontrasted;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, _: &mut Check<'_>) {}

    fn draw(&self, _: &mut Stream, _: Shape, _: &BuildContext) -> Autocontrasted {
        Autocontrasted {}
    }
}

/// The image with each channel stretched, `(x - min) white / (max - min)` without fraction for integers; a
/// constant channel stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Autocontrasted {}

impl Transform for Autocontrasted {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|shape, samples, _| {
            for number in 0..shape.channels {
                let values = channel(samples, shape.channels, number).map(T::widen);
                let (low, high) = values
                    .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
                let scale = (high - low) * (1.0 / T::WHITE);
                if scale > 0.0 {
                    let stretch = tabulated(shape.pixels(), |v| truncate::<T>((v - low) / scale));
                    change_channel(samples, shape.channels, number, stretch);
                }
            }
        });
    }
}
