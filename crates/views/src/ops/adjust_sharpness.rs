//! Sharper or softer: torchvision's `RandomAdjustSharpness`.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::compute::truncate;
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;
use crate::settings::Interval;

/// Moves the image away from (above 1) or towards (below 1) a softened copy. Any number of channels
/// (torchvision: 1 or 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdjustSharpness {
    /// 0 gives the softened copy, 1 the image, 2 twice the difference; `[low, high]` is drawn uniformly.
    /// torchvision has one number and no default.
    pub sharpness_factor: Interval,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for AdjustSharpness {
    fn default() -> Self {
        AdjustSharpness { sharpness_factor: Interval::One(2.0), p: 0.5 }
    }
}

impl Operation for AdjustSharpness {
    type Drawn = Sharpened;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("sharpness_factor", self.sharpness_factor.bounds(), 0.0..=1e6);
    }

    fn draw(&self, stream: &mut Stream, _: Shape, _: &BuildContext) -> Sharpened {
        Sharpened { sharpness_factor: self.sharpness_factor.draw(stream) }
    }
}

/// The image x with its inner pixels replaced by `x + (1 - factor) (b - x)`, b the mean of 3 x 3 pixels of which
/// the middle counts five times. Pixels of the edge stay.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sharpened {
    /// 0 softens, 1 changes nothing, more sharpens.
    pub sharpness_factor: f64,
}

impl Transform for Sharpened {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let Shape { height, width, channels } = canvas.shape();
        if height <= 2 || width <= 2 {
            return;
        }
        let softness = (1.0 - self.sharpness_factor) as f32;
        canvas.redraw(canvas.shape(), |_, samples, out, scratch| {
            out.copy_from_slice(samples);
            let line = width * channels;
            scratch.row.resize(line, 0.0);
            for y in 1..height - 1 {
                let rows = [y - 1, y, y + 1].map(|y| &samples[y * line..(y + 1) * line]);
                sharpen_row(rows, channels, softness, &mut scratch.row, &mut out[y * line..(y + 1) * line]);
            }
        });
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn sharpen_row<T: Sample>(
    [above, row, below]: [&[T]; 3],
    channels: usize,
    softness: f32,
    sums: &mut [f32],
    out: &mut [T],
) {
    for (((sum, above), here), below) in sums.iter_mut().zip(above).zip(row).zip(below) {
        *sum = above.widen() + here.widen() + below.widen();
    }
    let inner = channels..row.len() - channels;
    let neighbours = sums.iter().zip(&sums[channels..]).zip(&sums[2 * channels..]);
    for ((out, here), ((left, middle), right)) in
        out[inner.clone()].iter_mut().zip(&row[inner]).zip(neighbours)
    {
        let here = here.widen();
        let soft = T::quantise((left + middle + right + 4.0 * here) * (1.0 / 13.0));
        *out = T::nearest(truncate::<T>(here + softness * (soft - here)));
    }
}
