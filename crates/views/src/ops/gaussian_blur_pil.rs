//! Blurring as Pillow does it: the blur of the published runs whose views were made from Pillow images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::border::edge;
use crate::canvas::{Canvas, Scratch, Shape};
use crate::compute::{Tap, widen};
use crate::filter::{filter_columns, filter_rows_repeatedly, set_kernel};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;
use crate::settings::Interval;

/// Blurs like Pillow's `ImageFilter.GaussianBlur`, with the edge repeated beyond the image. `gaussian_blur` differs
/// from it by a few levels, near the edge by more. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianBlurPil {
    /// Standard deviation in pixels; `[low, high]` is drawn uniformly.
    pub radius: Interval,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for GaussianBlurPil {
    fn default() -> Self {
        GaussianBlurPil { radius: Interval::Between([0.1, 2.0]), p: 1.0 }
    }
}

impl Operation for GaussianBlurPil {
    type Drawn = BoxBlurred;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("radius", self.radius.bounds(), 0.0..=500.0);
    }

    fn draw(&self, stream: &mut Stream, _: Shape, _: &BuildContext) -> BoxBlurred {
        BoxBlurred { radius: self.radius.draw(stream) }
    }
}

/// The image blurred three times by extended boxes, which have together the variance `radius^2` (P. Gwosdek et al.,
/// "Theoretical foundations of Gaussian convolution by extended box filtering", SSVM 2011): of each box, the
/// outermost pixels count in part. Integers are rounded after each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoxBlurred {
    /// Standard deviation in pixels.
    pub radius: f64,
}

const BOXES: u32 = 3;

impl BoxBlurred {
    /// Sets `taps` to one box.
    fn set_box(&self, taps: &mut Vec<Tap>) {
        let variance = self.radius * self.radius / f64::from(BOXES);
        let whole = (((12.0 * variance + 1.0).sqrt() - 1.0) / 2.0).floor();
        let part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
            / (6.0 * (variance - (whole + 1.0).powi(2)));
        let outermost = whole as i64 + 1;
        let total = 2.0 * (whole + part) + 1.0;
        let weight = |t: i64| if t.abs() == outermost { part } else { 1.0 };
        set_kernel(taps, (-outermost..=outermost).map(|t| (weight(t) / total) as f32));
    }
}

impl Transform for BoxBlurred {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|shape, samples, scratch| {
            self.set_box(&mut scratch.taps);
            filter_rows_repeatedly(samples, shape, edge, BOXES, scratch);
            let Scratch { planes, row, taps, .. } = scratch;
            planes.resize(shape.samples(), 0.0);
            for _ in 0..BOXES {
                widen(samples, planes);
                filter_columns(planes, shape, edge, taps, row, samples);
            }
        });
    }
}
