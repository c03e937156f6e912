//! Bright values inverted: torchvision's `RandomSolarize`.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::PixelType;
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::{Sample, white};

/// Replaces every value x at or above `threshold` by white - x. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Solarize {
    /// The smallest value that is inverted, in the image's own units; by default 128, 32768 for 16-bit and
    /// 0.5 for floating-point images.
    pub threshold: Option<f64>,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Solarize {
    fn default() -> Self {
        Solarize { threshold: None, p: 0.5 }
    }
}

impl Operation for Solarize {
    type Drawn = Solarized;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        let white = f64::from(white(check.context.pixel_type));
        check.within("threshold", self.threshold.unwrap_or(0.0), 0.0..=white);
    }

    fn draw(&self, _: &mut Stream, _: Shape, context: &BuildContext) -> Solarized {
        let middle = match context.pixel_type {
            PixelType::U8 => 128.0,
            PixelType::U16 => 32768.0,
            _ => 0.5,
        };
        Solarized { threshold: self.threshold.unwrap_or(middle) }
    }
}

/// The image with values at or above a threshold inverted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Solarized {
    /// The smallest value that is inverted.
    pub threshold: f64,
}

impl Transform for Solarized {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        canvas.edit(|_, samples, _| solarize(samples, self.threshold as f32));
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn solarize<T: Sample>(samples: &mut [T], threshold: f32) {
    for sample in samples {
        *sample = if sample.widen() >= threshold { sample.invert() } else { *sample };
    }
}
