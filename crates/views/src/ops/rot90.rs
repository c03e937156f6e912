//! Quarter turns, for images without an up and a down. torchvision has no such operation; as `torch.rot90`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::compute::copy_pixels;
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

/// Turns the image counter-clockwise by 0, 90, 180 or 270 degrees, each equally likely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rot90 {
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Rot90 {
    fn default() -> Self {
        Rot90 { p: 1.0 }
    }
}

impl Operation for Rot90 {
    type Drawn = QuarterTurns;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, _: &mut Check<'_>) {}

    fn draw(&self, stream: &mut Stream, _: Shape, _: &BuildContext) -> QuarterTurns {
        QuarterTurns { k: stream.below(4) }
    }
}

/// The image turned counter-clockwise by `k` quarters, `k` taken modulo 4.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuarterTurns {
    /// Number of quarter turns.
    pub k: usize,
}

impl Transform for QuarterTurns {
    fn output(&self, shape: Shape) -> Shape {
        match self.k % 2 {
            0 => shape,
            _ => Shape { height: shape.width, width: shape.height, channels: shape.channels },
        }
    }

    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let out_shape = self.output(canvas.shape());
        let turns = self.k % 4;
        if turns == 0 {
            return;
        }
        canvas.redraw(out_shape, |shape, samples, out, _| {
            let Shape { height, width, channels } = shape;
            if turns == 2 {
                return copy_pixels(samples, out, channels, |i| height * width - 1 - i);
            }
            // Column x of the image becomes a row: read downwards when turned clockwise.
            for (row, line) in out.chunks_exact_mut(height * channels).enumerate() {
                if turns == 1 {
                    copy_pixels(samples, line, channels, |y| y * width + width - 1 - row);
                } else {
                    copy_pixels(samples, line, channels, |y| (height - 1 - y) * width + row);
                }
            }
        });
    }
}
