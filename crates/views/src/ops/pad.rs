//! A frame around the image: torchvision's `Pad`, whose width there is fixed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::border::PaddingMode;
use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;
use crate::settings::{Fill, Interval};

/// Adds a frame whose width is a random share of the image's: the object becomes smaller in its view. The image
/// grows, so an operation that brings it to the view's size must follow. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pad {
    /// Pixels added on each side, as a share of the image's height (above and below) and width (left and right);
    /// `[low, high]` is drawn uniformly, once for all sides.
    pub share: Interval,
    /// What the frame shows.
    pub padding_mode: PaddingMode,
    /// The frame's value where `padding_mode` is constant, in the image's own units.
    pub fill: Fill,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Pad {
    fn default() -> Self {
        let share = Interval::Between([0.1, 0.4]);
        Pad { share, padding_mode: PaddingMode::Constant, fill: Fill::default(), p: 1.0 }
    }
}

impl Operation for Pad {
    type Drawn = Padded;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("share", self.share.bounds(), 0.0..=2.0);
        self.fill.check(check, "fill");
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, _: &BuildContext) -> Padded {
        let share = self.share.draw(stream);
        let [x, y] = [shape.width, shape.height].map(|side| (share * side as f64).round_ties_even() as usize);
        let Pad { padding_mode, ref fill, .. } = *self;
        Padded { left: x, top: y, right: x, bottom: y, padding_mode, fill: fill.clone() }
    }
}

/// The image in a frame; torchvision's `pad`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Padded {
    /// Columns added on the left.
    pub left: usize,
    /// Rows added on top.
    pub top: usize,
    /// Columns added on the right.
    pub right: usize,
    /// Rows added below.
    pub bottom: usize,
    /// What the frame shows.
    pub padding_mode: PaddingMode,
    /// The frame's value where `padding_mode` is constant.
    pub fill: Fill,
}

impl Transform for Padded {
    fn output(&self, shape: Shape) -> Shape {
        let Shape { height, width, channels } = shape;
        Shape { height: self.top + height + self.bottom, width: self.left + width + self.right, channels }
    }

    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        let out_shape = self.output(canvas.shape());
        if out_shape != canvas.shape() {
            let origin = [-(self.top as i64), -(self.left as i64)];
            cut(canvas, origin, out_shape, self.padding_mode, &self.fill);
        }
    }
}

/// Redraws the canvas with the rectangle of `out_shape` whose first pixel is at `[top, left]`, which may reach
/// beyond the image.
pub(super) fn cut<T: Sample>(
    canvas: &mut Canvas<'_, T>,
    [top, left]: [i64; 2],
    out_shape: Shape,
    padding_mode: PaddingMode,
    fill: &Fill,
) {
    canvas.redraw(out_shape, |shape, samples, out, _| {
        let Shape { height, width, channels } = shape;
        let fill: Vec<T> = fill.values(channels).into_iter().map(T::nearest).collect();
        let filled = fill.repeat(out_shape.width);
        // The first column of the image that is shown, and the columns of the result that show the image itself.
        let (out_width, first) = (out_shape.width as i64, left.clamp(0, width as i64));
        let start = (first - left).clamp(0, out_width);
        let end = (width as i64 - left).clamp(start, out_width);
        let (start, end) = (start as usize, end as usize);
        for (y, line) in out.chunks_exact_mut(out_shape.width * channels).enumerate() {
            let Some(row) = padding_mode.index(top + y as i64, height) else {
                line.copy_from_slice(&filled);
                continue;
            };
            let row = &samples[row * width * channels..][..width * channels];
            let from = first as usize * channels;
            line[start * channels..end * channels]
                .copy_from_slice(&row[from..from + (end - start) * channels]);
            if matches!(padding_mode, PaddingMode::Constant) {
                line[..start * channels].copy_from_slice(&filled[..start * channels]);
                line[end * channels..].copy_from_slice(&filled[end * channels..]);
                continue;
            }
            for x in (0..start).chain(end..out_shape.width) {
                let pixel = match padding_mode.index(left + x as i64, width) {
                    Some(column) => &row[column * channels..(column + 1) * channels],
                    None => &fill,
                };
                line[x * channels..(x + 1) * channels].copy_from_slice(pixel);
            }
        }
    });
}
