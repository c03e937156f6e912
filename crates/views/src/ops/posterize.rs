//! Fewer levels: torchvision's `RandomPosterize`.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::PixelType;
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Keeps the highest `bits` bits of every value. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Posterize {
    /// Bits that are kept, up to 8 (16 for 16-bit images); torchvision has no default.
    pub bits: u32,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Posterize {
    fn default() -> Self {
        Posterize { bits: 4, p: 0.5 }
    }
}

impl Operation for Posterize {
    type Drawn = Posterized;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        let most = if check.context.pixel_type == PixelType::U16 { 16 } else { 8 };
        check.require(self.bits <= most, "bits", format!("from 0 to {most}"), self.bits);
    }

    fn draw(&self, _: &mut Stream, _: Shape, _: &BuildContext) -> Posterized {
        Posterized { bits: self.bits }
    }
}

/// The image in `2^bits` levels. Floating-point images: `floor(2^bits x) / 2^bits` clamped to the levels below 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Posterized {
    /// Bits that are kept.
    pub bits: u32,
}

impl Transform for Posterized {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let levels = f32::from(2u8).powi(self.bits as i32);
        let range = if T::INTEGER { T::WHITE + 1.0 } else { 1.0 };
        canvas.edit(|_, samples, _| posterize(samples, range / levels, levels - 1.0));
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn posterize<T: Sample>(samples: &mut [T], step: f32, highest: f32) {
    let per_step = 1.0 / step;
    for sample in samples {
        let level = (sample.widen() * per_step).floor();
        let level = if level < highest { level } else { highest };
        *sample = T::nearest(if level > 0.0 { level } else { 0.0 } * step);
    }
}
