//! Antialiased, separable resizing, as torchvision and Pillow do it.
//!
//! Width first, then height; the intermediate image is rounded to the sample type, as in both references.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canvas::{Scratch, Shape};
use crate::compute::{Tap, narrow, weighted_sum, widen};
use crate::sample::Sample;

/// How values between pixels are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// A triangle over the two nearest pixels.
    #[default]
    Bilinear,
    /// Keys' cubic over the four nearest pixels, with a = -0.5 when antialiased and -0.75 otherwise.
    Bicubic,
}

impl Interpolation {
    /// Distance, in pixels, beyond which a pixel has no weight.
    fn support(self) -> f64 {
        match self {
            Interpolation::Bilinear => 1.0,
            Interpolation::Bicubic => 2.0,
        }
    }

    /// Weight of a pixel at distance `x`; `a` is the slope parameter of Keys' cubic.
    fn weight(self, x: f64, a: f64) -> f64 {
        let x = x.abs();
        match self {
            Interpolation::Bilinear => (1.0 - x).max(0.0),
            Interpolation::Bicubic if x < 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Interpolation::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * a,
            Interpolation::Bicubic => 0.0,
        }
    }
}

/// The weights that make each of `output` values from the values of one axis.
#[derive(Debug, Default)]
pub struct Axis {
    /// For each output: the first input and the range of its weights.
    windows: Vec<Window>,
    weights: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    first: usize,
    start: usize,
    end: usize,
}

impl Axis {
    /// Sets the weights for `input` to `output` values.
    ///
    /// With `antialias` and r = input / output, output i sums the inputs j with weight
    /// `f((j + 0.5 - (i + 0.5) r) / max(r, 1))`, normalised over the inputs there are. Without it the filter
    /// keeps its own width and inputs beyond the edge repeat the edge.
    fn set(&mut self, input: usize, output: usize, interpolation: Interpolation, antialias: bool) {
        self.windows.clear();
        self.weights.clear();
        let ratio = input as f64 / output as f64;
        for i in 0..output {
            let center = (i as f64 + 0.5) * ratio;
            if antialias {
                self.push_antialiased(center, ratio.max(1.0), input, interpolation);
            } else {
                self.push_clamped(center, input, interpolation);
            }
        }
    }

    fn push_antialiased(&mut self, center: f64, scale: f64, input: usize, interpolation: Interpolation) {
        let support = interpolation.support() * scale;
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(input);
        let start = self.weights.len();
        let weights = (first..end).map(|j| interpolation.weight((j as f64 + 0.5 - center) / scale, -0.5));
        self.weights.extend(weights.map(|weight| weight as f32));
        let total: f32 = self.weights[start..].iter().sum();
        for weight in &mut self.weights[start..] {
            *weight /= total;
        }
        self.windows.push(Window { first, start, end: self.weights.len() });
    }

    fn push_clamped(&mut self, center: f64, input: usize, interpolation: Interpolation) {
        let reach = interpolation.support() as i64;
        let left = (center - 0.5).floor() as i64;
        let inside = |j: i64| j.clamp(0, input as i64 - 1) as usize;
        let (first, last) = (inside(left - reach + 1), inside(left + reach));
        let start = self.weights.len();
        self.weights.resize(start + last - first + 1, 0.0);
        for j in left - reach + 1..=left + reach {
            let weight = interpolation.weight(j as f64 + 0.5 - center, -0.75);
            self.weights[start + inside(j) - first] += weight as f32;
        }
        self.windows.push(Window { first, start, end: self.weights.len() });
    }
}

/// A rectangle of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rectangle {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

/// Cuts `crop` out of `samples` (of `shape`) and resizes it to `out` (of `out_shape`, same channels).
#[expect(
    clippy::too_many_arguments,
    reason = "two images, each with its extent, and how to get from one to the other"
)]
pub fn resized_crop<T: Sample>(
    samples: &[T],
    shape: Shape,
    crop: Rectangle,
    out: &mut [T],
    out_shape: Shape,
    interpolation: Interpolation,
    antialias: bool,
    scratch: &mut Scratch,
) {
    let Scratch { planes, row, taps, axis } = scratch;
    let (line, out_line) = (crop.width * shape.channels, out_shape.width * shape.channels);
    planes.resize(crop.height * out_line + SURPLUS, 0.0);
    axis.set(crop.width, out_shape.width, interpolation, antialias);
    row.resize(line + SURPLUS, 0.0);
    for y in 0..crop.height {
        let resized = &mut planes[y * out_line..][..out_line + SURPLUS];
        let start = ((crop.top + y) * shape.width + crop.left) * shape.channels;
        if crop.width == out_shape.width {
            widen(&samples[start..start + line], resized);
        } else {
            widen(&samples[start..start + line], row);
            resize_row::<T>(row, axis, shape.channels, resized);
        }
    }
    if crop.height == out_shape.height {
        return narrow(planes, out);
    }
    row.resize(out_line, 0.0);
    axis.set(crop.height, out_shape.height, interpolation, antialias);
    for (window, line) in axis.windows.iter().zip(out.chunks_exact_mut(out_line)) {
        let rows = window.first * out_line..;
        taps.clear();
        taps.extend(
            axis.weights[window.start..window.end]
                .iter()
                .zip(rows.step_by(out_line))
                .map(|(&weight, offset)| Tap { weight, offset }),
        );
        weighted_sum(row, planes, taps);
        narrow(row, line);
    }
}

/// What a row has beyond its end, so that three channels can be read and written as a vector of four.
const SURPLUS: usize = 1;

/// Resizes one row of interleaved values, rounding to the sample type `T`; both rows have their [`SURPLUS`].
fn resize_row<T: Sample>(row: &[f32], axis: &Axis, channels: usize, out: &mut [f32]) {
    match channels {
        1 => resize_fixed::<T, 1, 1>(row, axis, out),
        3 => resize_fixed::<T, 3, 4>(row, axis, out),
        _ => {
            for (window, pixel) in axis.windows.iter().zip(out.chunks_exact_mut(channels)) {
                let weights = &axis.weights[window.start..window.end];
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let values = row[window.first * channels + channel..].iter().step_by(channels);
                    *value = T::quantise(weights.iter().zip(values).map(|(w, v)| w * v).sum());
                }
            }
        }
    }
}

/// [`resize_row`] for `C` channels, in vectors of `LANES`. What these write beyond a pixel, the next one overwrites.
#[multiversion(targets("x86_64+avx2"))]
fn resize_fixed<T: Sample, const C: usize, const LANES: usize>(row: &[f32], axis: &Axis, out: &mut [f32]) {
    for (window, to) in axis.windows.iter().zip((0..).step_by(C)) {
        let mut sums = [0.0f32; LANES];
        let mut from = window.first * C;
        for weight in &axis.weights[window.start..window.end] {
            for (sum, value) in sums.iter_mut().zip(&row[from..from + LANES]) {
                *sum += weight * value;
            }
            from += C;
        }
        for (value, sum) in out[to..to + LANES].iter_mut().zip(sums) {
            *value = T::quantise(sum);
        }
    }
}
