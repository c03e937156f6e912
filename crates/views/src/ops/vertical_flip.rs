//! Top and bottom exchanged: torchvision's `RandomVerticalFlip`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Mirrors the image top to bottom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerticalFlip {
    /// Probability of being applied.
    pub p: f64,
}

impl Default for VerticalFlip {
    fn default() -> Self {
        VerticalFlip { p: 0.5 }
    }
}

impl Operation for VerticalFlip {
    type Drawn = VerticallyFlipped;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, _: &mut Check<'_>) {}

    fn draw(&self, _: &mut Stream, _: Shape, _: &BuildContext) -> VerticallyFlipped {
        VerticallyFlipped {}
    }
}

/// The image mirrored top to bottom.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerticallyFlipped {}

impl Transform for VerticallyFlipped {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|shape, samples, _| {
            let line = shape.width * shape.channels;
            let (upper, lower) = samples.split_at_mut(shape.height / 2 * line);
            for (top, bottom) in upper.chunks_exact_mut(line).zip(lower.chunks_exact_mut(line).rev()) {
                top.swap_with_slice(bottom);
            }
        });
    }
}
