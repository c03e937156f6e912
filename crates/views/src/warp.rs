//! Images read at places between their pixels: rotations, affine maps and everything else that bends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::border::PaddingMode;
use crate::canvas::{Canvas, Shape};
use crate::sample::Sample;
use crate::settings::Fill;

/// How the value between pixels is found when an image is turned or bent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// The nearest pixel.
    #[default]
    Nearest,
    /// The four pixels around, by distance.
    Bilinear,
}

/// How a warp reads its image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lens {
    /// How the value between pixels is found.
    pub interpolation: Sampling,
    /// What lies beyond the edge.
    pub padding_mode: PaddingMode,
    /// The value beyond the edge where `padding_mode` is constant. `None` is torchvision's `fill=None`: black,
    /// blended into the edge once. Any value, 0 too, is blended as torchvision does it: v the image read with
    /// black around it and m the share of it that lies inside, `m (v - fill) + fill`, which weighs v by m twice.
    pub fill: Option<Fill>,
}

/// Farther outside than this, all places look alike.
const FAR: f32 = 1e6;

/// Redraws the canvas with `out_shape`: the pixel at (column, row) shows what `locate` finds there, in pixels of
/// the present image, whose centres are at whole numbers.
pub fn warp<T: Sample>(
    canvas: &mut Canvas<'_, T>,
    out_shape: Shape,
    lens: &Lens,
    locate: impl Fn(f32, f32) -> [f32; 2],
) {
    let near = |[x, y]: [f32; 2]| [x, y].map(|v| if v.abs() < FAR { v } else { -FAR });
    let locate = |x: f32, y: f32| near(locate(x, y));
    canvas.redraw(out_shape, |shape, samples, out, _| {
        let fill = lens.fill.as_ref().map(|fill| fill.values(shape.channels));
        let source = Source { samples, shape, padding_mode: lens.padding_mode, fill: fill.as_deref() };
        match (lens.interpolation, shape.channels) {
            (Sampling::Nearest, _) => {
                each_pixel(out, out_shape, |x, y, pixel| source.nearest(locate(x, y), pixel));
            }
            (Sampling::Bilinear, 1) => source.each_bilinear::<1>(out, out_shape, locate),
            (Sampling::Bilinear, 3) => source.each_bilinear::<3>(out, out_shape, locate),
            _ => each_pixel(out, out_shape, |x, y, pixel| source.bilinear_any(locate(x, y), pixel)),
        }
    });
}

fn each_pixel<T: Sample>(out: &mut [T], shape: Shape, draw: impl Fn(f32, f32, &mut [T])) {
    for (row, line) in out.chunks_exact_mut(shape.width * shape.channels).enumerate() {
        for (column, pixel) in line.chunks_exact_mut(shape.channels).enumerate() {
            draw(column as f32, row as f32, pixel);
        }
    }
}

/// The image that is read.
struct Source<'a, T> {
    samples: &'a [T],
    shape: Shape,
    padding_mode: PaddingMode,
    fill: Option<&'a [f32]>,
}

/// Offset and weight of the four pixels around a place; none where the fixed value is.
type Corners = [Option<(usize, f32)>; 4];

impl<T: Sample> Source<'_, T> {
    fn offset(&self, x: i64, y: i64) -> Option<usize> {
        let x = self.padding_mode.index(x, self.shape.width)?;
        let y = self.padding_mode.index(y, self.shape.height)?;
        Some((y * self.shape.width + x) * self.shape.channels)
    }

    #[inline(always)]
    fn nearest(&self, [x, y]: [f32; 2], pixel: &mut [T]) {
        match self.offset(x.round_ties_even() as i64, y.round_ties_even() as i64) {
            Some(offset) => pixel.copy_from_slice(&self.samples[offset..offset + pixel.len()]),
            None => self.fill_pixel(pixel),
        }
    }

    fn fill_pixel(&self, pixel: &mut [T]) {
        for (channel, sample) in pixel.iter_mut().enumerate() {
            *sample = T::nearest(self.fill.map_or(0.0, |fill| fill[channel]));
        }
    }

    /// Draws every pixel of `out` for a fixed number of channels, fast where all four pixels around lie inside.
    fn each_bilinear<const C: usize>(
        &self,
        out: &mut [T],
        out_shape: Shape,
        locate: impl Fn(f32, f32) -> [f32; 2],
    ) {
        let Shape { height, width, .. } = self.shape;
        let pixels = self.samples.as_chunks::<C>().0;
        for (row, line) in out.as_chunks_mut::<C>().0.chunks_exact_mut(out_shape.width).enumerate() {
            for (column, pixel) in line.iter_mut().enumerate() {
                let [x, y] = locate(column as f32, row as f32);
                let (left, top) = (x.floor(), y.floor());
                let inside =
                    left >= 0.0 && top >= 0.0 && left + 1.0 < width as f32 && top + 1.0 < height as f32;
                if !inside {
                    self.bilinear_any([x, y], pixel);
                    continue;
                }
                let first = top as usize * width + left as usize;
                let upper = blend([&pixels[first], &pixels[first + 1]], x - left);
                let lower = blend([&pixels[first + width], &pixels[first + width + 1]], x - left);
                let share = y - top;
                *pixel = std::array::from_fn(|c| T::nearest(upper[c] * (1.0 - share) + lower[c] * share));
            }
        }
    }

    fn bilinear_any(&self, [x, y]: [f32; 2], pixel: &mut [T]) {
        let (left, top) = (x.floor(), y.floor());
        let weights = |share: f32| [1.0 - share, share];
        let (across, down) = (weights(x - left), weights(y - top));
        let Shape { height, width, channels } = self.shape;
        let columns = [0, 1].map(|d| self.padding_mode.index(left as i64 + d, width));
        let rows = [0, 1].map(|d| self.padding_mode.index(top as i64 + d, height));
        if columns == [None; 2] || rows == [None; 2] {
            return self.fill_pixel(pixel);
        }
        let corner =
            |i: usize, j: usize| Some(((rows[j]? * width + columns[i]?) * channels, across[i] * down[j]));
        let corners: Corners = [corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1)];
        let inside: f32 = corners.iter().flatten().map(|(_, weight)| weight).sum();
        for (channel, sample) in pixel.iter_mut().enumerate() {
            let values =
                corners.iter().flatten().map(|(at, weight)| weight * self.samples[at + channel].widen());
            let value: f32 = values.sum();
            *sample = T::nearest(match self.fill {
                Some(fill) if inside < 1.0 => inside * (value - fill[channel]) + fill[channel],
                _ => value,
            });
        }
    }
}

/// The values `share` of the way from one pixel to the other.
#[inline(always)]
fn blend<T: Sample, const C: usize>([left, right]: [&[T; C]; 2], share: f32) -> [f32; C] {
    std::array::from_fn(|c| left[c].widen() * (1.0 - share) + right[c].widen() * share)
}

/// A map from places of a new image to places of an old one, both in pixels from their centres:
/// `x' = a x + b y + c`, `y' = d x + e y + f` for `[a, b, c, d, e, f]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matrix(pub [f64; 6]);

impl Matrix {
    /// Where an affine map of torchvision's parameters finds its pixels: the inverse of
    /// `T(translate) * scale * [[a, b], [c, d]]` with r the angle, sx and sy the shears,
    /// `a = cos(r - sy) / cos sy`, `b = -(a tan sx + sin r)`, `c = sin(r - sy) / cos sy`, `d = cos r - c tan sx`.
    pub fn inverse_affine(angle: f64, translate: [f64; 2], scale: f64, shear: [f64; 2]) -> Matrix {
        let (angle, [shear_x, shear_y]) = (angle.to_radians(), shear.map(f64::to_radians));
        let a = (angle - shear_y).cos() / shear_y.cos();
        let b = -(a * shear_x.tan() + angle.sin());
        let c = (angle - shear_y).sin() / shear_y.cos();
        let d = angle.cos() - c * shear_x.tan();
        let [dx, dy] = translate;
        let [a, b, c, d] = [d / scale, -b / scale, -c / scale, a / scale];
        Matrix([a, b, -(a * dx + b * dy), c, d, -(c * dx + d * dy)])
    }

    /// Redraws the canvas with `out_shape` through the map.
    pub fn warp<T: Sample>(self, canvas: &mut Canvas<'_, T>, out_shape: Shape, lens: &Lens) {
        let middle = |shape: Shape| [shape.width, shape.height].map(|side| (side as f32 - 1.0) / 2.0);
        let ([from_x, from_y], [to_x, to_y]) = (middle(canvas.shape()), middle(out_shape));
        let [a, b, c, d, e, f] = self.0.map(|v| v as f32);
        warp(canvas, out_shape, lens, |column, row| {
            let (x, y) = (column - to_x, row - to_y);
            [a * x + (b * y + c) + from_x, d * x + (e * y + f) + from_y]
        });
    }
}
