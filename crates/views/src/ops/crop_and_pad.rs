//! A crop that may be larger than the image. torchvision has no such operation (its `RandomResizedCrop` falls
//! back to the whole image); the name is that of imgaug and albumentations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use super::pad::cut;
use super::resize::Resized;
use crate::border::PaddingMode;
use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, TINY, Transform};
use crate::resample::Interpolation;
use crate::sample::Sample;
use crate::settings::Fill;

/// Cuts out a rectangle of random area and aspect ratio at a random place and resizes it to a square. Where the
/// rectangle is larger than the image, it lies anywhere around it and the rest is padded. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CropAndPad {
    /// Rows and columns of the result; the view's size if not given.
    pub size: Option<usize>,
    /// Smallest and largest area as a share of the image's, drawn uniformly; up to 16.
    pub scale: [f64; 2],
    /// Smallest and largest width / height, drawn log-uniformly.
    pub ratio: [f64; 2],
    /// How values between pixels are found.
    pub interpolation: Interpolation,
    /// Whether shrinking averages over all pixels it covers.
    pub antialias: bool,
    /// What is shown beyond the image.
    pub padding_mode: PaddingMode,
    /// The value beyond the image where `padding_mode` is constant, in the image's own units.
    pub fill: Fill,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for CropAndPad {
    fn default() -> Self {
        CropAndPad {
            size: None,
            scale: [0.9, 1.1],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            interpolation: Interpolation::Bilinear,
            antialias: true,
            padding_mode: PaddingMode::Constant,
            fill: Fill::default(),
            p: 1.0,
        }
    }
}

impl Operation for CropAndPad {
    type Drawn = CroppedOrPadded;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.size("size", self.size);
        check.interval("scale", self.scale, TINY..=16.0);
        check.interval("ratio", self.ratio, 1e-3..=1e3);
        self.fill.check(check, "fill");
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, context: &BuildContext) -> CroppedOrPadded {
        let area = shape.pixels() as f64 * stream.range(self.scale[0], self.scale[1]);
        let ratio = stream.range(self.ratio[0].ln(), self.ratio[1].ln()).exp();
        let side = |length: f64| (length.sqrt().round_ties_even() as usize).max(1);
        let (height, width) = (side(area / ratio), side(area * ratio));
        // Anywhere inside the image, or anywhere with the image inside.
        let mut first = |image: usize, crop: usize| {
            let room = stream.below(image.abs_diff(crop) + 1) as i64;
            if crop > image { -room } else { room }
        };
        let (top, left) = (first(shape.height, height), first(shape.width, width));
        let size = self.size.unwrap_or(context.size);
        let CropAndPad { interpolation, antialias, padding_mode, ref fill, .. } = *self;
        let (out_height, out_width, fill) = (size, size, fill.clone());
        CroppedOrPadded {
            top,
            left,
            height,
            width,
            out_height,
            out_width,
            interpolation,
            antialias,
            padding_mode,
            fill,
        }
    }

    fn output_size(&self, context: &BuildContext) -> Option<usize> {
        (self.p == 1.0).then(|| self.size.unwrap_or(context.size))
    }
}

/// A rectangle, which may reach beyond the image, resized.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CroppedOrPadded {
    /// First row of the rectangle; negative above the image.
    pub top: i64,
    /// First column of the rectangle; negative left of the image.
    pub left: i64,
    /// Rows of the rectangle.
    pub height: usize,
    /// Columns of the rectangle.
    pub width: usize,
    /// Rows of the result.
    pub out_height: usize,
    /// Columns of the result.
    pub out_width: usize,
    /// How values between pixels are found.
    pub interpolation: Interpolation,
    /// Whether shrinking averages over all pixels it covers.
    pub antialias: bool,
    /// What is shown beyond the image.
    pub padding_mode: PaddingMode,
    /// The value beyond the image where `padding_mode` is constant.
    pub fill: Fill,
}

impl Transform for CroppedOrPadded {
    fn output(&self, shape: Shape) -> Shape {
        Shape { height: self.out_height, width: self.out_width, channels: shape.channels }
    }

    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let cropped = Shape { height: self.height, width: self.width, channels: canvas.shape().channels };
        cut(canvas, [self.top, self.left], cropped, self.padding_mode, &self.fill);
        let CroppedOrPadded { out_height, out_width, interpolation, antialias, .. } = *self;
        Resized { out_height, out_width, interpolation, antialias }.apply(canvas);
    }
}
