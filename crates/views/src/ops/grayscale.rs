//! Colour taken away: torchvision's `RandomGrayscale`.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::compute::luma;
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Makes all three channels `0.2989 R + 0.587 G + 0.114 B`. Does nothing to gray images; refused for other
/// channel counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grayscale {
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Grayscale {
    fn default() -> Self {
        Grayscale { p: 0.1 }
    }
}

impl Operation for Grayscale {
    type Drawn = Gray;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        if self.p > 0.0 {
            check.rgb_or_gray("p", "0");
        }
    }

    fn draw(&self, _: &mut Stream, _: Shape, _: &BuildContext) -> Gray {
        Gray {}
    }
}

/// The image without colour, in as many channels as before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gray {}

impl Transform for Gray {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        if canvas.shape().channels == 3 {
            canvas.edit(|_, samples, _| gray(samples));
        }
    }
}

/// Pixels whose lumas are computed before any is written: apart, both loops become vector instructions.
const BLOCK: usize = 512;

#[multiversion(targets("x86_64+avx2"))]
fn gray<T: Sample>(samples: &mut [T]) {
    for block in samples.chunks_mut(3 * BLOCK) {
        let pixels = block.as_chunks_mut::<3>().0;
        let mut lumas = [T::default(); BLOCK];
        for (luminance, pixel) in lumas.iter_mut().zip(&*pixels) {
            let [red, green, blue] = pixel.map(T::widen);
            *luminance = T::nearest(luma::<T>(red, green, blue));
        }
        for (pixel, luminance) in pixels.iter_mut().zip(lumas) {
            *pixel = [luminance; 3];
        }
    }
}
