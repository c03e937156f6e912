//! Left and right exchanged: torchvision's `RandomHorizontalFlip`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Mirrors the image left to right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HorizontalFlip {
    /// Probability of being applied.
    pub p: f64,
}

impl Default for HorizontalFlip {
    fn default() -> Self {
        HorizontalFlip { p: 0.5 }
    }
}

impl Operation for HorizontalFlip {
    type Drawn = HorizontallyFlipped;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, _: &mut Check<'_>) {}

    fn draw(&self, _: &mut Stream, _: Shape, _: &BuildContext) -> HorizontallyFlipped {
        HorizontallyFlipped {}
    }
}

/// The image mirrored left to right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HorizontallyFlipped {}

impl Transform for HorizontallyFlipped {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|shape, samples, _| match shape.channels {
            1 => reverse_rows::<T, 1>(samples, shape.width),
            3 => reverse_rows::<T, 3>(samples, shape.width),
            channels => {
                for row in samples.chunks_exact_mut(shape.width * channels) {
                    row.reverse();
                    row.chunks_exact_mut(channels).for_each(<[T]>::reverse);
                }
            }
        });
    }
}

fn reverse_rows<T: Sample, const C: usize>(samples: &mut [T], width: usize) {
    samples.as_chunks_mut::<C>().0.chunks_exact_mut(width).for_each(<[[T; C]]>::reverse);
}
