//! Separable filters: rows first, then columns.

use crate::canvas::{Scratch, Shape};
use crate::compute::{Tap, narrow, weighted_sum, widen};
use crate::sample::Sample;

/// Where the value for an index outside `0..length` is found.
pub type Fold = fn(i64, usize) -> usize;

/// Sets `taps` to `weights`.
pub fn set_kernel(taps: &mut Vec<Tap>, weights: impl Iterator<Item = f32>) {
    taps.clear();
    taps.extend(weights.map(|weight| Tap { weight, offset: 0 }));
}

/// Sets `taps` to the weights of a Gaussian of `kernel` pixels: `exp(-t^2 / (2 sigma^2))`, normalised.
pub fn set_gaussian(taps: &mut Vec<Tap>, kernel: usize, sigma: f64) {
    let weight = |i: usize| {
        let t = (i as f64 - (kernel / 2) as f64) / sigma;
        (-0.5 * t * t).exp()
    };
    let total: f64 = (0..kernel).map(weight).sum();
    set_kernel(taps, (0..kernel).map(|i| (weight(i) / total) as f32));
}

/// Every row of `samples` filtered with `taps`, an odd number of them.
fn filter_rows<T: Sample>(
    samples: &[T],
    shape: Shape,
    fold: Fold,
    taps: &mut [Tap],
    row: &mut Vec<f32>,
    out: &mut [f32],
) {
    let line = shape.width * shape.channels;
    set_row_offsets(taps, shape.channels);
    for (filtered, samples) in out.chunks_exact_mut(line).zip(samples.chunks_exact(line)) {
        filter_row(samples, shape.channels, fold, taps, row, filtered);
    }
}

/// One row filtered with `taps`, whose offsets are set, by way of `row`.
fn filter_row<T: Sample>(
    samples: &[T],
    channels: usize,
    fold: Fold,
    taps: &[Tap],
    row: &mut Vec<f32>,
    filtered: &mut [f32],
) {
    extend_row(samples, channels, taps.len() / 2, fold, row);
    weighted_sum(filtered, row, taps);
}

/// Every column of `values` filtered with `taps`, an odd number of them.
pub fn filter_columns<T: Sample>(
    values: &[f32],
    shape: Shape,
    fold: Fold,
    taps: &mut [Tap],
    row: &mut Vec<f32>,
    out: &mut [T],
) {
    let line = shape.width * shape.channels;
    let radius = (taps.len() / 2) as i64;
    row.resize(line, 0.0);
    for (y, filtered) in out.chunks_exact_mut(line).enumerate() {
        for (number, tap) in taps.iter_mut().enumerate() {
            tap.offset = fold((y + number) as i64 - radius, shape.height) * line;
        }
        weighted_sum(row, values, taps);
        narrow(row, filtered);
    }
}

/// Filters every row of `samples` `times` times with the odd number of taps in `scratch`, rounding after each.
pub fn filter_rows_repeatedly<T: Sample>(
    samples: &mut [T],
    shape: Shape,
    fold: Fold,
    times: u32,
    scratch: &mut Scratch,
) {
    let Scratch { planes: filtered, row, taps, .. } = scratch;
    let line = shape.width * shape.channels;
    filtered.resize(line, 0.0);
    set_row_offsets(taps, shape.channels);
    for samples in samples.chunks_exact_mut(line) {
        for _ in 0..times {
            filter_row(samples, shape.channels, fold, taps, row, filtered);
            narrow(filtered, samples);
        }
    }
}

/// Filters `samples` with Gaussians of (kernel, sigma) pixels along rows and along columns.
pub fn gaussian<T: Sample>(
    samples: &mut [T],
    shape: Shape,
    fold: Fold,
    [along_row, along_column]: [(usize, f64); 2],
    scratch: &mut Scratch,
) {
    let Scratch { planes, row, taps, .. } = scratch;
    planes.resize(shape.samples(), 0.0);
    set_gaussian(taps, along_row.0, along_row.1);
    filter_rows(samples, shape, fold, taps, row, planes);
    set_gaussian(taps, along_column.0, along_column.1);
    filter_columns(planes, shape, fold, taps, row, samples);
}

/// Lets `taps` weigh one pixel after the other.
fn set_row_offsets(taps: &mut [Tap], channels: usize) {
    for (number, tap) in taps.iter_mut().enumerate() {
        tap.offset = number * channels;
    }
}

/// Sets `row` to the samples with `radius` further pixels on either side.
fn extend_row<T: Sample>(samples: &[T], channels: usize, radius: usize, fold: Fold, row: &mut Vec<f32>) {
    let width = samples.len() / channels;
    let inside = radius * channels;
    row.resize(samples.len() + 2 * inside, 0.0);
    widen(samples, &mut row[inside..]);
    for x in (0..radius).chain(radius + width..2 * radius + width) {
        let from = (fold(x as i64 - radius as i64, width) + radius) * channels;
        for channel in 0..channels {
            row[x * channels + channel] = row[from + channel];
        }
    }
}
