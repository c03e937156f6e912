//! A random rectangle of the image, resized: torchvision's `RandomResizedCrop`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, TINY, Transform};
use crate::resample::{Interpolation, Rectangle, resized_crop};
use crate::sample::Sample;

/// Crops a rectangle of random area and aspect ratio at a random place and resizes it to a square.
///
/// Up to ten times, an area is drawn uniformly from `scale` (as a share of the image's) and a ratio
/// log-uniformly from `ratio`; the first rectangle that fits is placed uniformly. If none fits, the largest
/// central rectangle whose ratio is within `ratio` is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// Rows and columns of the result; `relative_size` of the view's size if not given.
    pub size: Option<usize>,
    /// The result's size as a share of the view's, rounded: the 96 of 224 pixels of a local crop, whatever the size
    /// of the views.
    pub relative_size: f64,
    /// Smallest and largest share of the image's area, above 0 to 1.
    pub scale: [f64; 2],
    /// Smallest and largest width / height.
    pub ratio: [f64; 2],
    /// How values between pixels are found.
    pub interpolation: Interpolation,
    /// Whether shrinking averages over all pixels it covers.
    pub antialias: bool,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        RandomResizedCrop {
            size: None,
            relative_size: 1.0,
            scale: [0.08, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            interpolation: Interpolation::Bilinear,
            antialias: true,
            p: 1.0,
        }
    }
}

impl RandomResizedCrop {
    fn side(&self, context: &BuildContext) -> usize {
        let relative = (self.relative_size * context.size as f64).round_ties_even() as usize;
        self.size.unwrap_or(relative.max(1))
    }

    fn rectangle(&self, stream: &mut Stream, shape: Shape) -> Rectangle {
        let (image_height, image_width) = (shape.height as f64, shape.width as f64);
        let [low, high] = self.ratio;
        for _ in 0..10 {
            let area = image_height * image_width * stream.range(self.scale[0], self.scale[1]);
            let ratio = stream.range(low.ln(), high.ln()).exp();
            let width = (area * ratio).sqrt().round_ties_even() as usize;
            let height = (area / ratio).sqrt().round_ties_even() as usize;
            if (1..=shape.width).contains(&width) && (1..=shape.height).contains(&height) {
                let top = stream.below(shape.height - height + 1);
                let left = stream.below(shape.width - width + 1);
                return Rectangle { top, left, height, width };
            }
        }
        let ratio = (image_width / image_height).clamp(low, high);
        let side = |length: f64, limit: usize| (length.round_ties_even() as usize).clamp(1, limit);
        let height = side((image_width / ratio).min(image_height), shape.height);
        let width = side((image_height * ratio).min(image_width), shape.width);
        Rectangle { top: (shape.height - height) / 2, left: (shape.width - width) / 2, height, width }
    }
}

impl Operation for RandomResizedCrop {
    type Drawn = ResizedCrop;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.size("size", self.size);
        check.within("relative_size", self.relative_size, TINY..=1.0);
        check.interval("scale", self.scale, TINY..=1.0);
        check.interval("ratio", self.ratio, TINY..=1.0 / TINY);
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, context: &BuildContext) -> ResizedCrop {
        let Rectangle { top, left, height, width } = self.rectangle(stream, shape);
        let size = self.side(context);
        let RandomResizedCrop { interpolation, antialias, .. } = *self;
        ResizedCrop { top, left, height, width, out_height: size, out_width: size, interpolation, antialias }
    }

    fn output_size(&self, context: &BuildContext) -> Option<usize> {
        (self.p == 1.0).then(|| self.side(context))
    }
}

/// A rectangle cut out and resized: torchvision's `resized_crop`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResizedCrop {
    /// First row of the rectangle.
    pub top: usize,
    /// First column of the rectangle.
    pub left: usize,
    /// Rows of the rectangle; it must lie within the image.
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
}

impl Transform for ResizedCrop {
    fn output(&self, shape: Shape) -> Shape {
        Shape { height: self.out_height, width: self.out_width, channels: shape.channels }
    }

    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let crop = Rectangle { top: self.top, left: self.left, height: self.height, width: self.width };
        let out_shape = self.output(canvas.shape());
        canvas.redraw(out_shape, |shape, samples, out, scratch| {
            resized_crop(samples, shape, crop, out, out_shape, self.interpolation, self.antialias, scratch);
        });
    }
}
