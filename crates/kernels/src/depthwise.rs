//! Depthwise convolution in NHWC: every channel has its own kernel and sees only itself.
//!
//! Each image is first copied into strips of [`LANES`] channels with its zero padding around it, so that the inner
//! loops meet neither edges nor odd numbers of channels: one vector of channels times a vector of weights, summed in
//! registers for [`BLOCK`] neighbouring pixels (or taps) at a time.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::parallel::{add_parts, multiplies_and_adds_at_once, multiply_add, with_buffer};
use crate::shape::{ConvShape, ShapeError, Window, assert_len};

/// Channels computed together.
const LANES: usize = 16;
/// Neighbouring output pixels, or taps of a weight gradient, summed together.
const BLOCK: usize = 4;

type Lanes = [f32; LANES];

/// Shape of a depthwise convolution of stride 1 with a square kernel of odd size, padded with zeros so that the
/// output is as large as the input; images in NHWC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DepthwiseShape {
    images: usize,
    size: [usize; 2],
    channels: usize,
    kernel: usize,
}

impl DepthwiseShape {
    /// The convolution of images `[images, height, width, channels]` with kernels that reach `reach` pixels to every
    /// side: `2 reach + 1` pixels wide and high.
    ///
    /// # Errors
    /// [`ShapeError`] when a size is 0 or an array would not be addressable.
    pub fn new(x: [usize; 4], reach: usize) -> Result<DepthwiseShape, ShapeError> {
        let kernel = reach.saturating_mul(2).saturating_add(1);
        // One output channel of an ordinary convolution has weights of the same shape.
        ConvShape::new(x, 1, Window::square(kernel, 1, reach))?;
        let [images, height, width, channels] = x;
        Ok(DepthwiseShape { images, size: [height, width], channels, kernel })
    }

    /// Elements of the input, and of the output: `images * height * width * channels`.
    pub fn x_len(&self) -> usize {
        self.images * self.image_len()
    }

    /// Elements of the weight: `kernel * kernel * channels`.
    pub fn w_len(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    fn image_len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    fn strips(&self) -> usize {
        self.channels.div_ceil(LANES)
    }

    /// Pixels in a line of a padded strip, with what the last block of pixels or taps may read beyond.
    fn padded_width(&self) -> usize {
        self.size[1].next_multiple_of(BLOCK) + self.kernel.next_multiple_of(BLOCK)
    }

    /// Numbers in a padded strip.
    fn padded_len(&self) -> usize {
        (self.size[0] + self.kernel - 1) * self.padded_width() * LANES
    }

    /// Copies the channels of one strip of `image` into `padded`, which is zero elsewhere.
    fn pad(&self, image: &[f32], strip: usize, padded: &mut [f32]) {
        padded.fill(0.0);
        let reach = self.kernel / 2;
        let lines = padded.chunks_exact_mut(self.padded_width() * LANES).skip(reach);
        for (line, image) in lines.zip(image.chunks_exact(self.size[1] * self.channels)) {
            let pixels = line.chunks_exact_mut(LANES).skip(reach);
            for (to, from) in pixels.zip(image.chunks_exact(self.channels)) {
                let from = strip_of(from, strip);
                to[..from.len()].copy_from_slice(from);
            }
        }
    }
}

/// The channels of a strip, fewer than [`LANES`] in the last.
fn strip_of(channels: &[f32], strip: usize) -> &[f32] {
    &channels[strip * LANES..channels.len().min((strip + 1) * LANES)]
}

/// Depthwise convolution: `y[n, i, j, c] = bias[c] + sum over a, b of x[n, i + a - r, j + b - r, c] w[a, b, c]`, with
/// kernels of `2 r + 1` pixels and zeros outside of the image.
///
/// `x` and `y`, which is overwritten, are `[images, height, width, channels]`, `w` is `[kernel, kernel, channels]` and `bias`
/// `[channels]`; its gradient is [`bias_grad`](crate::bias_grad).
///
/// # Panics
/// When a slice does not have the length that `shape` gives it.
pub fn depthwise_forward(shape: &DepthwiseShape, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
    assert_len("bias", bias.len(), shape.channels);
    assert_len("x", x.len(), shape.x_len());
    assert_len("w", w.len(), shape.w_len());
    assert_len("y", y.len(), shape.x_len());
    correlate(shape, x, &strips_of_weights(shape, w, false), &strips(bias), y);
}

/// Gradient of the input: the convolution of `dy` with the kernels turned around.
///
/// `dy` and `dx`, which is overwritten, are `[images, height, width, channels]`, `w` as in [`depthwise_forward`].
///
/// # Panics
/// When a slice does not have the length that `shape` gives it.
pub fn depthwise_input_grad(shape: &DepthwiseShape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    assert_len("dy", dy.len(), shape.x_len());
    assert_len("w", w.len(), shape.w_len());
    assert_len("dx", dx.len(), shape.x_len());
    let zeros = vec![[0.0; LANES]; shape.strips()];
    correlate(shape, dy, &strips_of_weights(shape, w, true), &zeros, dx);
}

/// Gradient of the weight: `dw[a, b, c] = sum over n, i, j of x[n, i + a - r, j + b - r, c] dy[n, i, j, c]`.
///
/// `x` and `dy` are `[images, height, width, channels]`; `dw`, shaped as the weight, is overwritten.
///
/// # Panics
/// When a slice does not have the length that `shape` gives it.
pub fn depthwise_weight_grad(shape: &DepthwiseShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    /// Groups of images whose sums are added in order.
    const GROUPS: usize = 32;
    assert_len("x", x.len(), shape.x_len());
    assert_len("dy", dy.len(), shape.x_len());
    assert_len("dw", dw.len(), shape.w_len());
    let group = shape.images.div_ceil(GROUPS) * shape.image_len();
    let groups = x.len().div_ceil(group);
    with_buffer(groups * dw.len(), |sums: &mut [f32]| {
        let tasks = (sums.par_chunks_exact_mut(dw.len()), x.par_chunks(group), dy.par_chunks(group));
        tasks.into_par_iter().for_each(|(sum, x, dy)| {
            sum.fill(0.0);
            let images = x.chunks_exact(shape.image_len()).zip(dy.chunks_exact(shape.image_len()));
            images.for_each(|(x, dy)| add_weight_grad(shape, x, dy, sum));
        });
        add_parts(sums, dw);
    });
}

/// The weights as `[strip][tap][LANES]`, zero beyond the last channel; the taps in reverse if `turned`.
fn strips_of_weights(shape: &DepthwiseShape, w: &[f32], turned: bool) -> Vec<Lanes> {
    let taps = shape.kernel * shape.kernel;
    let mut strips = vec![[0.0; LANES]; shape.strips() * taps];
    for (i, lanes) in strips.iter_mut().enumerate() {
        let (strip, tap) = (i / taps, i % taps);
        let tap = if turned { taps - 1 - tap } else { tap };
        let weights = strip_of(&w[tap * shape.channels..][..shape.channels], strip);
        lanes[..weights.len()].copy_from_slice(weights);
    }
    strips
}

/// A number for each channel as `[strip][LANES]`, zero beyond the last.
fn strips(channels: &[f32]) -> Vec<Lanes> {
    let lanes = |strip: &[f32]| {
        let mut lanes = [0.0; LANES];
        lanes[..strip.len()].copy_from_slice(strip);
        lanes
    };
    channels.chunks(LANES).map(lanes).collect()
}

/// `first`, one for each strip, plus the sums over all taps.
fn correlate(shape: &DepthwiseShape, x: &[f32], weights: &[Lanes], first: &[Lanes], y: &mut [f32]) {
    let image = shape.image_len();
    y.par_chunks_mut(image).zip(x.par_chunks(image)).for_each(|(y, x)| {
        with_buffer(shape.padded_len(), |padded| {
            let strips = weights.chunks_exact(shape.kernel * shape.kernel).zip(first);
            for (strip, (weights, first)) in strips.enumerate() {
                shape.pad(x, strip, padded);
                correlate_strip(shape, padded.as_chunks().0, (weights, first), strip, y);
            }
        });
    });
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn correlate_strip(
    shape: &DepthwiseShape,
    padded: &[Lanes],
    (weights, first): (&[Lanes], &Lanes),
    strip: usize,
    y: &mut [f32],
) {
    const FUSED: bool = multiplies_and_adds_at_once!();
    let [_, width] = shape.size;
    for (i, line) in y.chunks_exact_mut(width * shape.channels).enumerate() {
        for (block, pixels) in line.chunks_mut(BLOCK * shape.channels).enumerate() {
            let mut sums = [*first; BLOCK];
            add_taps::<FUSED>(shape, padded, weights, [i, block * BLOCK], &mut sums);
            for (pixel, sum) in pixels.chunks_exact_mut(shape.channels).zip(&sums) {
                let last = shape.channels.min((strip + 1) * LANES);
                let to = &mut pixel[strip * LANES..last];
                to.copy_from_slice(&sum[..to.len()]);
            }
        }
    }
}

/// Adds the products of all taps for the pixels of line `i` from column `j` on.
#[inline(always)]
fn add_taps<const FUSED: bool>(
    shape: &DepthwiseShape,
    padded: &[Lanes],
    weights: &[Lanes],
    [i, j]: [usize; 2],
    sums: &mut [Lanes; BLOCK],
) {
    for (a, weights) in weights.chunks_exact(shape.kernel).enumerate() {
        let line = &padded[(i + a) * shape.padded_width() + j..][..shape.kernel + BLOCK - 1];
        for (pixels, weight) in line.array_windows::<BLOCK>().zip(weights) {
            for (sum, pixel) in sums.iter_mut().zip(pixels) {
                add_products::<FUSED>(sum, pixel, weight);
            }
        }
    }
}

#[inline(always)]
fn add_products<const FUSED: bool>(sum: &mut Lanes, a: &Lanes, b: &Lanes) {
    for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
        *sum = multiply_add::<FUSED>(a, b, *sum);
    }
}

/// Adds one image's part of the weight gradient to `dw`.
fn add_weight_grad(shape: &DepthwiseShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    with_buffer(2 * shape.padded_len(), |padded| {
        let (padded, gradient) = padded.split_at_mut(shape.padded_len());
        for strip in 0..shape.strips() {
            shape.pad(x, strip, padded);
            shape.pad(dy, strip, gradient);
            add_strip(shape, padded.as_chunks().0, gradient.as_chunks().0, strip, dw);
        }
    });
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn add_strip(shape: &DepthwiseShape, padded: &[Lanes], gradient: &[Lanes], strip: usize, dw: &mut [f32]) {
    const FUSED: bool = multiplies_and_adds_at_once!();
    for a in 0..shape.kernel {
        for b in (0..shape.kernel).step_by(BLOCK) {
            let sums = tap_sums::<FUSED>(shape, padded, gradient, a, b);
            let taps = dw.chunks_exact_mut(shape.channels).skip(a * shape.kernel + b);
            for (tap, sum) in taps.zip(&sums[..BLOCK.min(shape.kernel - b)]) {
                let last = shape.channels.min((strip + 1) * LANES);
                tap[strip * LANES..last].iter_mut().zip(sum).for_each(|(to, sum)| *to += sum);
            }
        }
    }
}

/// The sums over all pixels for the taps of kernel line `a` from column `b` on.
#[inline(always)]
fn tap_sums<const FUSED: bool>(
    shape: &DepthwiseShape,
    padded: &[Lanes],
    gradient: &[Lanes],
    a: usize,
    b: usize,
) -> [Lanes; BLOCK] {
    let ([height, width], reach) = (shape.size, shape.kernel / 2);
    let mut sums = [[0.0; LANES]; BLOCK];
    for i in 0..height {
        let gradient = &gradient[(i + reach) * shape.padded_width() + reach..][..width];
        let line = &padded[(i + a) * shape.padded_width() + b..][..width + BLOCK - 1];
        for (pixels, gradient) in line.array_windows::<BLOCK>().zip(gradient) {
            for (sum, pixel) in sums.iter_mut().zip(pixels) {
                add_products::<FUSED>(sum, pixel, gradient);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::naive::{self, assert_close_sums, numbers, widen};
    use crate::parallel::tests::same_for_any_threads;
    use crate::shape::ConvShape;

    /// Output, input gradient and weight gradient.
    fn all(shape: &DepthwiseShape) -> [Vec<f32>; 3] {
        let (x, w, dy) = (numbers(1, shape.x_len()), numbers(2, shape.w_len()), numbers(3, shape.x_len()));
        // Not zero: every element must be overwritten.
        let mut out = [shape.x_len(), shape.x_len(), shape.w_len()].map(|len| vec![f32::NAN; len]);
        depthwise_forward(shape, &x, &w, &numbers(4, shape.channels), &mut out[0]);
        depthwise_input_grad(shape, &dy, &w, &mut out[1]);
        depthwise_weight_grad(shape, &x, &dy, &mut out[2]);
        out
    }

    /// The channel `c` of `[rows, channels]`.
    fn channel(values: &[f32], channels: usize, c: usize) -> Vec<f32> {
        values.iter().skip(c).step_by(channels).copied().collect()
    }

    /// Each channel alone is an ordinary convolution of one channel.
    fn check(shape: &DepthwiseShape) {
        let (x, w, dy) = (numbers(1, shape.x_len()), numbers(2, shape.w_len()), numbers(3, shape.x_len()));
        let [y, dx, dw] = all(shape);
        let window = Window::square(shape.kernel, 1, shape.kernel / 2);
        let alone = ConvShape::new([shape.images, shape.size[0], shape.size[1], 1], 1, window).unwrap();
        let pixels = (shape.images * shape.size[0] * shape.size[1]) as f64;
        for c in 0..shape.channels {
            let of = |values: &[f32]| channel(values, shape.channels, c);
            let [x, w, dy] = [&x, &w, &dy].map(|values| widen(&of(values)));
            let taps = shape.kernel as f64;
            let bias = [f64::from(numbers(4, shape.channels)[c])];
            assert_close_sums("y", &of(&y), &naive::conv2d_forward(&alone, &x, &w, &bias), taps);
            assert_close_sums("dx", &of(&dx), &naive::conv2d_input_grad(&alone, &dy, &w), taps);
            assert_close_sums("dw", &of(&dw), &naive::conv2d_weight_grad(&alone, &x, &dy), pixels.sqrt());
        }
    }

    proptest! {
        #[test]
        fn kernels_agree_with_their_naive_twins(
            images in 1..4usize, height in 1..12usize, width in 1..12usize,
            channels in prop::sample::select(vec![1, 3, 15, 16, 17, 40]), reach in 0..5usize,
        ) {
            check(&DepthwiseShape::new([images, height, width, channels], reach).unwrap());
        }
    }

    #[test]
    fn many_images_agree_with_their_naive_twins() {
        check(&DepthwiseShape::new([70, 7, 5, 3], 3).unwrap());
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let shape = DepthwiseShape::new([67, 9, 7, 20], 3).unwrap();
        same_for_any_threads(|| all(&shape).concat());
    }

    #[test]
    fn impossible_shapes_are_errors() {
        assert_eq!(DepthwiseShape::new([1, 0, 3, 2], 3).unwrap_err(), ShapeError::Zero { what: "x" });
        assert!(DepthwiseShape::new([1, 2, 3, 2], usize::MAX / 2).is_err());
    }

    #[test]
    #[should_panic(expected = "x has 3 elements; its shape has 4")]
    fn a_wrong_length_stops_the_call() {
        let shape = DepthwiseShape::new([1, 2, 2, 1], 0).unwrap();
        depthwise_forward(&shape, &[0.0; 3], &[0.0], &[0.0], &mut [0.0; 4]);
    }
}
