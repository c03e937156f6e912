//! Left and right exchanged: torchvision's `RandomHorizontalFlip`.

use multiversion::multiversion;
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
        canvas.edit(|shape, samples, _| {
            for row in samples.chunks_exact_mut(shape.width * shape.channels) {
                reverse_pixels(row, shape.channels);
            }
        });
    }
}

/// All samples in reverse, then those of each pixel in order again: both become vector instructions for up to three channels,
/// which moving pixels does not.
#[multiversion(targets("x86_64+avx2"))]
fn reverse_pixels<T: Sample>(row: &mut [T], channels: usize) {
    row.reverse();
    match channels {
        1 => {}
        3 => row.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = [pixel[2], pixel[1], pixel[0]]),
        _ => row.chunks_exact_mut(channels).for_each(<[T]>::reverse),
    }
}
