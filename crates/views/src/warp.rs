//! Images read at places between their pixels: rotations, affine maps and everything else that bends.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::border::PaddingMode;
use crate::canvas::{Canvas, Scratch, Shape};
use crate::compute::narrow;
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
pub struct WarpOptions {
    /// How the value between pixels is found.
    pub interpolation: Sampling,
    /// What lies beyond the edge.
    pub padding_mode: PaddingMode,
    /// The value beyond the edge where `padding_mode` is constant. `None` is torchvision's `fill=None`: black,
    /// blended into the edge once. Any value, 0 too, is blended as torchvision does it: v the image read with
    /// black around it and m the share of it that lies inside, `m (v - fill) + fill`, which weighs v by m twice.
    pub fill: Option<Fill>,
}

/// Farther outside than this, all places look alike. Below 2^22: see [`SHIFT`].
const FAR: f32 = 1e6;

/// Redraws the canvas with `out_shape`: the pixel at (column, row) shows what `locate(row)(column)` finds there, in
/// pixels of the present image, whose centres are at whole numbers.
pub fn warp<T: Sample, L: Fn(u32) -> [f32; 2]>(
    canvas: &mut Canvas<'_, T>,
    out_shape: Shape,
    lens: &WarpOptions,
    locate: impl Fn(usize) -> L,
) {
    canvas.redraw(out_shape, |shape, samples, out, scratch| {
        let fill = lens.fill.as_ref().map(|fill| fill.values(shape.channels));
        let source = Source { samples, shape, padding_mode: lens.padding_mode, fill: fill.as_deref() };
        let Scratch { planes, row: values, .. } = scratch;
        planes.resize(2 * out_shape.width, 0.0);
        let (x, y) = planes.split_at_mut(out_shape.width);
        for (row, line) in out.chunks_exact_mut(out_shape.width * shape.channels).enumerate() {
            find(&locate(row), x, y);
            match lens.interpolation {
                Sampling::Nearest => source.draw_nearest([x, y], line),
                Sampling::Bilinear => source.draw_bilinear([x, y], values, line),
            }
        }
    });
}

/// Sets `x` and `y` to the places of one row's pixels.
#[multiversion(targets("x86_64+avx2"))]
fn find<L: Fn(u32) -> [f32; 2]>(locate: &L, x: &mut [f32], y: &mut [f32]) {
    for (column, (x, y)) in (0..).zip(x.iter_mut().zip(y)) {
        let near = |v: f32| if v.abs() < FAR { v } else { -FAR };
        let [place_x, place_y] = locate(column);
        (*x, *y) = (near(place_x), near(place_y));
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
    /// Draws a row from `places`, x and y.
    fn draw_nearest(&self, places: [&[f32]; 2], line: &mut [T]) {
        match self.shape.channels {
            1 => nearest_fixed::<T, 1>(self, places, line),
            3 => nearest_fixed::<T, 3>(self, places, line),
            channels => {
                for (i, pixel) in line.chunks_exact_mut(channels).enumerate() {
                    self.nearest_any(places.map(|v| v[i].round_ties_even() as i64), pixel);
                }
            }
        }
    }

    /// Draws a row from `places`, x and y, by way of `values`.
    fn draw_bilinear(&self, places: [&[f32]; 2], values: &mut Vec<f32>, line: &mut [T]) {
        // One more, for what the last pixel of three writes as a fourth.
        values.resize(line.len() + 1, 0.0);
        match self.shape.channels {
            1 => bilinear_fixed::<T, 1, 1>(self, places, values),
            3 => bilinear_fixed::<T, 3, 4>(self, places, values),
            channels => {
                for (i, pixel) in values.chunks_exact_mut(channels).enumerate() {
                    let floors = places.map(|v| v[i].floor());
                    let shares = [0, 1].map(|axis| places[axis][i] - floors[axis]);
                    self.bilinear_any(floors.map(|v| v as i32), shares, pixel);
                }
            }
        }
        narrow(values, line);
    }

    fn nearest_any(&self, [x, y]: [i64; 2], pixel: &mut [T]) {
        let Shape { height, width, channels } = self.shape;
        match (self.padding_mode.index(x, width), self.padding_mode.index(y, height)) {
            (Some(x), Some(y)) => {
                let offset = (y * width + x) * channels;
                pixel.copy_from_slice(&self.samples[offset..offset + channels]);
            }
            _ => {
                for (channel, sample) in pixel.iter_mut().enumerate() {
                    *sample = T::nearest(self.fill.map_or(0.0, |fill| fill[channel]));
                }
            }
        }
    }

    /// The pixel at a place wherever the four around it lie: the first of them at (left, top), from which it is
    /// `shares` of a pixel away.
    #[inline(always)]
    fn bilinear_any(&self, [left, top]: [i32; 2], shares: [f32; 2], pixel: &mut [f32]) {
        let touches = |at: i32, side: usize| (-1..side as i64).contains(&i64::from(at));
        let beyond = !(touches(left, self.shape.width) && touches(top, self.shape.height));
        if !beyond || self.padding_mode != PaddingMode::Constant {
            return self.weigh_corners([left, top], shares, pixel);
        }
        match self.fill {
            Some(fill) => pixel.copy_from_slice(fill),
            None => pixel.fill(0.0),
        }
    }

    /// [`Source::bilinear_any`] where at least one of the four pixels has a value.
    fn weigh_corners(&self, [left, top]: [i32; 2], [across, down]: [f32; 2], pixel: &mut [f32]) {
        let Shape { height, width, channels } = self.shape;
        let columns = [0, 1].map(|d| self.padding_mode.index(i64::from(left) + d, width));
        let rows = [0, 1].map(|d| self.padding_mode.index(i64::from(top) + d, height));
        let weights = |share: f32| [1.0 - share, share];
        let (across, down) = (weights(across), weights(down));
        let corner =
            |i: usize, j: usize| Some(((rows[j]? * width + columns[i]?) * channels, across[i] * down[j]));
        let corners: Corners = [corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1)];
        let inside: f32 = corners.iter().flatten().map(|(_, weight)| weight).sum();
        for (channel, value) in pixel.iter_mut().enumerate() {
            let values =
                corners.iter().flatten().map(|(at, weight)| weight * self.samples[at + channel].widen());
            let sum: f32 = values.sum();
            *value = match self.fill {
                Some(fill) if inside < 1.0 => inside * (sum - fill[channel]) + fill[channel],
                _ => sum,
            };
        }
    }

    /// The pixel at a place whose four neighbours lie inside, the first of them at the index `first`: `LANES`
    /// samples, of which those from `C` on mean nothing but fill a vector. `None` where the image ends before them.
    #[inline(always)]
    fn blend<const C: usize, const LANES: usize>(
        &self,
        first: usize,
        [across, down]: [f32; 2],
    ) -> Option<[f32; LANES]> {
        let below = first + self.shape.width * C;
        let upper = self.samples.get(first..first + C + LANES)?;
        let lower = self.samples.get(below..below + C + LANES)?;
        let along = |row: &[T], i: usize| row[i].widen() * (1.0 - across) + row[C + i].widen() * across;
        let mut pixel = [0.0; LANES];
        for (i, value) in pixel.iter_mut().enumerate() {
            *value = along(upper, i) * (1.0 - down) + along(lower, i) * down;
        }
        Some(pixel)
    }
}

/// Places that are rounded at once.
const BLOCK: usize = 32;

/// Added to a whole number within 2^22 of 0, it leaves that number in the low bits of the sum. Casts would be done
/// one by one.
const SHIFT: f32 = 1.5 * 8_388_608.0;

/// Places between pixels: the pixel and how far behind it.
struct Split {
    pixel: [i32; BLOCK],
    share: [f32; BLOCK],
}

/// `places`, at most [`BLOCK`] of them, where `round` says which pixel one belongs to.
#[inline(always)]
fn split(places: &[f32], round: impl Fn(f32) -> f32) -> Split {
    let mut split = Split { pixel: [0; BLOCK], share: [0.0; BLOCK] };
    for ((pixel, share), &place) in split.pixel.iter_mut().zip(&mut split.share).zip(places) {
        let rounded = round(place);
        *pixel = (rounded + SHIFT).to_bits().wrapping_sub(SHIFT.to_bits()) as i32;
        *share = place - rounded;
    }
    split
}

/// The index of the pixel (x, y) in an image of `width`, if x is within `columns` and y within `rows`.
#[inline(always)]
fn index_within([x, y]: [i32; 2], [columns, rows]: [usize; 2], width: usize) -> Option<usize> {
    // What is negative becomes larger than any image.
    let (x, y) = (x as u32 as usize, y as u32 as usize);
    (x < columns && y < rows).then(|| y * width + x)
}

#[multiversion(targets("x86_64+avx2"))]
fn nearest_fixed<T: Sample, const C: usize>(source: &Source<'_, T>, [x, y]: [&[f32]; 2], line: &mut [T]) {
    let Shape { height, width, .. } = source.shape;
    let pixels = source.samples.as_chunks::<C>().0;
    let blocks = x.chunks(BLOCK).zip(y.chunks(BLOCK));
    for ((x, y), line) in blocks.zip(line.as_chunks_mut::<C>().0.chunks_mut(BLOCK)) {
        let (x, y) = (split(x, f32::round_ties_even).pixel, split(y, f32::round_ties_even).pixel);
        for ((&x, &y), pixel) in x.iter().zip(&y).zip(line) {
            match index_within([x, y], [width, height], width) {
                Some(index) => *pixel = pixels[index],
                None => source.nearest_any([x, y].map(i64::from), pixel),
            }
        }
    }
}

/// Sets `values`, which are one pixel's surplus of `LANES` over `C` longer than the row, to the row's pixels.
#[multiversion(targets("x86_64+avx2"))]
fn bilinear_fixed<T: Sample, const C: usize, const LANES: usize>(
    source: &Source<'_, T>,
    [x, y]: [&[f32]; 2],
    values: &mut [f32],
) {
    let Shape { height, width, .. } = source.shape;
    let blocks = x.chunks(BLOCK).zip(y.chunks(BLOCK));
    for (number, (x, y)) in blocks.enumerate() {
        let (length, x, y) = (x.len(), split(x, f32::floor), split(y, f32::floor));
        for i in 0..length {
            let (corner, shares) = ([x.pixel[i], y.pixel[i]], [x.share[i], y.share[i]]);
            let start = (number * BLOCK + i) * C;
            let first = index_within(corner, [width - 1, height - 1], width);
            if let Some(pixel) = first.and_then(|first| source.blend::<C, LANES>(first * C, shares)) {
                // The pixels to come overwrite the surplus.
                values[start..start + LANES].copy_from_slice(&pixel);
                continue;
            }
            let pixel = &mut values[start..start + C];
            match first.and_then(|first| source.blend::<C, C>(first * C, shares)) {
                Some(blended) => pixel.copy_from_slice(&blended),
                None => source.bilinear_any(corner, shares, pixel),
            }
        }
    }
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
    pub fn warp<T: Sample>(self, canvas: &mut Canvas<'_, T>, out_shape: Shape, lens: &WarpOptions) {
        let middle = |shape: Shape| [shape.width, shape.height].map(|side| (side as f32 - 1.0) / 2.0);
        let ([from_x, from_y], [to_x, to_y]) = (middle(canvas.shape()), middle(out_shape));
        let [a, b, c, d, e, f] = self.0.map(|v| v as f32);
        warp(canvas, out_shape, lens, |row| {
            let y = row as f32 - to_y;
            let (along_x, along_y) = (b * y + c, e * y + f);
            move |column| {
                let x = column as f32 - to_x;
                [a * x + along_x + from_x, d * x + along_y + from_y]
            }
        });
    }
}
