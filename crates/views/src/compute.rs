//! Loops over samples, compiled once for any processor and once for AVX2, with the same results.

use multiversion::multiversion;

use crate::sample::{Sample, clamp};

/// One weight of a filter and where its row of values starts.
#[derive(Clone, Copy, Debug)]
pub struct Tap {
    /// What the values are multiplied with.
    pub weight: f32,
    /// Index of the first value.
    pub offset: usize,
}

/// `wide[i] = samples[i]`.
#[multiversion(targets("x86_64+avx2"))]
pub fn widen<T: Sample>(samples: &[T], wide: &mut [f32]) {
    for (wide, sample) in wide.iter_mut().zip(samples) {
        *wide = sample.widen();
    }
}

/// `samples[i]` = the nearest to `wide[i]`.
#[multiversion(targets("x86_64+avx2"))]
pub fn narrow<T: Sample>(wide: &[f32], samples: &mut [T]) {
    for (sample, &wide) in samples.iter_mut().zip(wide) {
        *sample = T::nearest(wide);
    }
}

/// `out[i] = sum over taps of weight * values[offset + i]`.
#[multiversion(targets("x86_64+avx2"))]
pub fn weighted_sum(out: &mut [f32], values: &[f32], taps: &[Tap]) {
    match out.len() {
        32.. => weighted_sum_fixed::<32>(out, values, taps),
        8.. => weighted_sum_fixed::<8>(out, values, taps),
        _ => weighted_sum_fixed::<1>(out, values, taps),
    }
}

/// [`weighted_sum`] in blocks of a length that the compiler knows, so that their sums stay in registers. The last
/// block ends where `out` does and so repeats some of the one before.
#[inline(always)]
fn weighted_sum_fixed<const LANES: usize>(out: &mut [f32], values: &[f32], taps: &[Tap]) {
    let Some(last) = out.len().checked_sub(LANES) else { return };
    for start in (0..out.len()).step_by(LANES).map(|start| start.min(last)) {
        let mut sums = [0.0f32; LANES];
        for tap in taps {
            let from = tap.offset + start;
            for (sum, value) in sums.iter_mut().zip(&values[from..from + LANES]) {
                *sum += tap.weight * value;
            }
        }
        out[start..start + LANES].copy_from_slice(&sums);
    }
}

/// The sum of `values`, in a fixed order; exact for up to 2^53 / 65535 samples of an integer image.
#[multiversion(targets("x86_64+avx2"))]
pub fn sum(values: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut total = 0.0;
    // A lane holds 256 values of at most 65535: below 2^24, so the f32 sums are exact.
    for block in values.chunks(LANES * 256) {
        let mut sums = [0.0f32; LANES];
        for values in block.chunks(LANES) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        }
        total += sums.iter().map(|&sum| f64::from(sum)).sum::<f64>();
    }
    total
}

/// Interleaved samples to one plane per channel: `planes[c * pixels + i] = samples[i * channels + c]`.
pub fn split<T: Sample>(samples: &[T], channels: usize, planes: &mut Vec<f32>) {
    planes.resize(samples.len(), 0.0);
    match channels {
        1 => widen(samples, planes),
        3 => split_rgb(samples, planes),
        _ => {
            let pixels = samples.len() / channels;
            for (channel, plane) in planes.chunks_exact_mut(pixels).enumerate() {
                for (value, pixel) in plane.iter_mut().zip(samples.chunks_exact(channels)) {
                    *value = pixel[channel].widen();
                }
            }
        }
    }
}

/// The inverse of [`split`]; values must be representable.
pub fn join<T: Sample>(planes: &[f32], channels: usize, samples: &mut [T]) {
    match channels {
        1 => narrow(planes, samples),
        3 => join_rgb(planes, samples),
        _ => {
            let pixels = samples.len() / channels;
            for (channel, plane) in planes.chunks_exact(pixels).enumerate() {
                for (pixel, &value) in samples.chunks_exact_mut(channels).zip(plane) {
                    pixel[channel] = T::nearest(value);
                }
            }
        }
    }
}

/// The three planes of an RGB image.
pub fn rgb(planes: &mut [f32]) -> [&mut [f32]; 3] {
    let pixels = planes.len() / 3;
    let (red, rest) = planes.split_at_mut(pixels);
    let (green, blue) = rest.split_at_mut(pixels);
    [red, green, blue]
}

#[multiversion(targets("x86_64+avx2"))]
fn split_rgb<T: Sample>(samples: &[T], planes: &mut [f32]) {
    let [red, green, blue] = rgb(planes);
    let values = red.iter_mut().zip(green.iter_mut().zip(blue.iter_mut()));
    for (pixel, (red, (green, blue))) in samples.as_chunks::<3>().0.iter().zip(values) {
        *red = pixel[0].widen();
        *green = pixel[1].widen();
        *blue = pixel[2].widen();
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn join_rgb<T: Sample>(planes: &[f32], samples: &mut [T]) {
    let pixels = planes.len() / 3;
    let (red, rest) = planes.split_at(pixels);
    let (green, blue) = rest.split_at(pixels);
    let values = red.iter().zip(green.iter().zip(blue.iter()));
    for (pixel, (&red, (&green, &blue))) in samples.as_chunks_mut::<3>().0.iter_mut().zip(values) {
        *pixel = [T::nearest(red), T::nearest(green), T::nearest(blue)];
    }
}

/// Luma as torchvision computes it on tensors: `0.2989 R + 0.587 G + 0.114 B`, integers without fraction.
#[inline(always)]
pub fn luma<T: Sample>(red: f32, green: f32, blue: f32) -> f32 {
    T::whole(0.2989 * red + 0.587 * green + 0.114 * blue)
}

/// `value` clamped to the range of `T`, integers without fraction.
#[inline(always)]
pub fn truncate<T: Sample>(value: f32) -> f32 {
    T::whole(clamp(value, T::WHITE))
}

/// Pixel `i` of `out` = pixel `from(i)` of `samples`.
pub fn copy_pixels<T: Sample>(samples: &[T], out: &mut [T], channels: usize, from: impl Fn(usize) -> usize) {
    fn fixed<T: Sample, const C: usize>(samples: &[T], out: &mut [T], from: impl Fn(usize) -> usize) {
        let pixels = samples.as_chunks::<C>().0;
        for (i, pixel) in out.as_chunks_mut::<C>().0.iter_mut().enumerate() {
            *pixel = pixels[from(i)];
        }
    }
    match channels {
        1 => fixed::<T, 1>(samples, out, from),
        3 => fixed::<T, 3>(samples, out, from),
        _ => {
            for (i, pixel) in out.chunks_exact_mut(channels).enumerate() {
                let start = from(i) * channels;
                pixel.copy_from_slice(&samples[start..start + channels]);
            }
        }
    }
}

/// `f` as a function of a sample, tabulated where its type has fewer values than `uses`.
pub fn tabulated<T: Sample>(uses: usize, f: impl Fn(f32) -> f32) -> impl Fn(T) -> f32 {
    let tabulate = T::INTEGER && T::LEVELS <= uses;
    let table: Vec<f32> = if tabulate { (0..T::LEVELS).map(|v| f(v as f32)).collect() } else { Vec::new() };
    move |sample| if table.is_empty() { f(sample.widen()) } else { table[sample.level()] }
}
