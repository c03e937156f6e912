//! The whole range of values used: torchvision's `RandomAutocontrast`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::compute::truncate;
use crate::curves::{apply_curves, extremes};
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
            let stretch = |[low, high]: [f32; 2]| {
                let scale = (high - low) * (1.0 / T::WHITE);
                move |value| if scale > 0.0 { truncate::<T>((value - low) / scale) } else { value }
            };
            let curves: Vec<_> = extremes(samples, shape.channels).into_iter().map(stretch).collect();
            apply_curves(samples, &curves);
        });
    }
}
