//! Dark and bright exchanged: torchvision's `RandomInvert`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Replaces every value x by white - x. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Invert {
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Invert {
    fn default() -> Self {
        Invert { p: 0.5 }
    }
}

impl Operation for Invert {
    type Drawn = Inverted;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, _: &mut Check<'_>) {}

    fn draw(&self, _: &mut Stream, _: Shape, _: &BuildContext) -> Inverted {
        Inverted {}
    }
}

/// The negative of the image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inverted {}

impl Transform for Inverted {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|_, samples, _| {
            for sample in samples {
                *sample = sample.invert();
            }
        });
    }
}
