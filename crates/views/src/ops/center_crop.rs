//! The middle of the image: torchvision's `CenterCrop`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Cuts the central square out; where the image is smaller, it is padded with zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CenterCrop {
    /// Rows and columns of the result; the view's size if not given.
    pub size: Option<usize>,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for CenterCrop {
    fn default() -> Self {
        CenterCrop { size: None, p: 1.0 }
    }
}

impl Operation for CenterCrop {
    type Drawn = CenterCropped;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.size("size", self.size);
    }

    fn draw(&self, _: &mut Stream, _: Shape, context: &BuildContext) -> CenterCropped {
        let size = self.size.unwrap_or(context.size);
        CenterCropped { out_height: size, out_width: size }
    }

    fn output_size(&self, context: &BuildContext) -> Option<usize> {
        (self.p == 1.0).then(|| self.size.unwrap_or(context.size))
    }
}

/// The central rectangle, zero where it reaches beyond the image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CenterCropped {
    /// Rows of the result.
    pub out_height: usize,
    /// Columns of the result.
    pub out_width: usize,
}

impl Transform for CenterCropped {
    fn output(&self, shape: Shape) -> Shape {
        Shape { height: self.out_height, width: self.out_width, channels: shape.channels }
    }

    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let out_shape = self.output(canvas.shape());
        if out_shape == canvas.shape() {
            return;
        }
        canvas.redraw(out_shape, |shape, samples, out, _| {
            let (from_row, to_row, rows) = overlap(shape.height, out_shape.height);
            let (from_column, to_column, columns) = overlap(shape.width, out_shape.width);
            let line = columns * shape.channels;
            out.fill(T::default());
            for row in 0..rows {
                let from = ((from_row + row) * shape.width + from_column) * shape.channels;
                let to = ((to_row + row) * out_shape.width + to_column) * shape.channels;
                out[to..to + line].copy_from_slice(&samples[from..from + line]);
            }
        });
    }
}

/// Where the overlap of `input` and `output` pixels with a common centre starts in each, and its length.
///
/// torchvision cuts from `round((input - output) / 2)`, halves to even, but pads `(output - input) / 2`
/// rounded down in front.
fn overlap(input: usize, output: usize) -> (usize, usize, usize) {
    if input >= output {
        (((input - output) as f64 / 2.0).round_ties_even() as usize, 0, output)
    } else {
        (0, (output - input) / 2, input)
    }
}
