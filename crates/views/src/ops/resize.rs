//! Resizing with the aspect ratio kept: torchvision's `Resize` with one number.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::resample::{Interpolation, Rectangle, resized_crop};
use crate::sample::Sample;

/// Resizes the image so that its shorter side has `size` pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resize {
    /// Pixels of the shorter side; the view's size if not given.
    pub size: Option<usize>,
    /// How values between pixels are found.
    pub interpolation: Interpolation,
    /// Whether shrinking averages over all pixels it covers.
    pub antialias: bool,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Resize {
    fn default() -> Self {
        Resize { size: None, interpolation: Interpolation::Bilinear, antialias: true, p: 1.0 }
    }
}

impl Operation for Resize {
    type Drawn = Resized;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.size("size", self.size);
    }

    fn draw(&self, _: &mut Stream, shape: Shape, context: &BuildContext) -> Resized {
        let size = self.size.unwrap_or(context.size);
        let long = |long: usize, short: usize| ((size * long) / short).max(1);
        let (out_height, out_width) = if shape.height < shape.width {
            (size, long(shape.width, shape.height))
        } else {
            (long(shape.height, shape.width), size)
        };
        Resized { out_height, out_width, interpolation: self.interpolation, antialias: self.antialias }
    }
}

/// The whole image resized.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resized {
    /// Rows of the result.
    pub out_height: usize,
    /// Columns of the result.
    pub out_width: usize,
    /// How values between pixels are found.
    pub interpolation: Interpolation,
    /// Whether shrinking averages over all pixels it covers.
    pub antialias: bool,
}

impl Transform for Resized {
    fn output(&self, shape: Shape) -> Shape {
        Shape { height: self.out_height, width: self.out_width, channels: shape.channels }
    }

    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let shape = canvas.shape();
        let out_shape = self.output(shape);
        if out_shape == shape {
            return;
        }
        let all = Rectangle { top: 0, left: 0, height: shape.height, width: shape.width };
        canvas.redraw(out_shape, |shape, samples, out, scratch| {
            resized_crop(samples, shape, all, out, out_shape, self.interpolation, self.antialias, scratch);
        });
    }
}
