//! Max pooling and global average pooling in NHWC.

use std::hint::select_unpredictable;
use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use crate::element::Element;
use crate::shape::{PoolShape, assert_len};

/// Max pooling: `y[n, i, j, c]` is the largest of `x[n, i s - p + a, j s - p + b, c]` over the kernel's taps `a`, `b`,
/// and `argmax` the place `h * width + w` in the image plane that it came from.
///
/// PyTorch's rules: padding never wins, of equal numbers the first in row order wins, and NaN wins over all numbers
/// (the last one, where there are several). `x` is `[images, height, width, channels]`; `y` and `argmax`, which are
/// overwritten, `[images, out_height, out_width, channels]`.
///
/// # Panics
/// When a slice does not have the length that `shape` gives it.
pub fn max_pool_forward<E: Element>(shape: &PoolShape, x: &[E], y: &mut [E], argmax: &mut [u32]) {
    assert_len("x", x.len(), shape.x_len());
    assert_len("y", y.len(), shape.y_len());
    assert_len("argmax", argmax.len(), shape.y_len());
    let line = shape.output[1] * shape.channels;
    y.par_chunks_mut(line).zip(argmax.par_chunks_mut(line)).enumerate().for_each(|(i, (y, argmax))| {
        let (image, row) = (i / shape.output[0], i % shape.output[0]);
        let x = image_plane(x, image, shape.input, shape.channels);
        max_pool_line(shape, row, x, y, argmax);
    });
}

/// Gradient of [`max_pool_forward`]: each `dx` is the sum of `dy` over the windows whose maximum it was.
///
/// `dy` and `argmax` are shaped as the output; `dx`, shaped as the input, is overwritten.
///
/// # Panics
/// When a slice does not have the length that `shape` gives it.
pub fn max_pool_backward<E: Element>(shape: &PoolShape, dy: &[E], argmax: &[u32], dx: &mut [E]) {
    assert_len("dy", dy.len(), shape.y_len());
    assert_len("argmax", argmax.len(), shape.y_len());
    assert_len("dx", dx.len(), shape.x_len());
    let line = shape.input[1] * shape.channels;
    dx.par_chunks_mut(line).enumerate().for_each(|(i, dx)| {
        let (image, row) = (i / shape.input[0], i % shape.input[0]);
        let dy = image_plane(dy, image, shape.output, shape.channels);
        let argmax = image_plane(argmax, image, shape.output, shape.channels);
        max_pool_backward_line(shape, row, dy, argmax, dx);
    });
}

/// Mean over all pixels: `x`, `[images, pixels, channels]`, to `y`, `[images, channels]`, summed in `f64`.
///
/// # Panics
/// When `channels` is 0, or `y` is empty or not whole rows of channels, or `x` not whole images of the same size.
pub fn global_average_pool_forward<E: Element>(x: &[E], channels: usize, y: &mut [f32]) {
    let plane = plane_len(x.len(), y.len(), channels);
    let pixels = (plane / channels) as f64;
    y.par_chunks_mut(channels).zip(x.par_chunks(plane)).for_each(|(y, x)| {
        let mut sums = vec![0.0f64; channels];
        for pixel in x.chunks_exact(channels) {
            sums.iter_mut().zip(pixel).for_each(|(sum, &x)| *sum += f64::from(x.widen()));
        }
        y.iter_mut().zip(&sums).for_each(|(y, sum)| *y = (sum / pixels) as f32);
    });
}

/// Gradient of [`global_average_pool_forward`]: `dx[n, pixel, c] = dy[n, c] / pixels`.
///
/// `dy` is `[images, channels]`; `dx`, `[images, pixels, channels]`, is overwritten.
///
/// # Panics
/// As [`global_average_pool_forward`].
pub fn global_average_pool_backward<E: Element>(dy: &[f32], channels: usize, dx: &mut [E]) {
    let plane = plane_len(dx.len(), dy.len(), channels);
    let share = 1.0 / (plane / channels) as f32;
    dx.par_chunks_mut(plane).zip(dy.par_chunks(channels)).for_each(|(dx, dy)| {
        let shares: Vec<E> = dy.iter().map(|dy| E::nearest(dy * share)).collect();
        dx.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(&shares));
    });
}

/// The numbers of one image, given the numbers of all images and of their means.
fn plane_len(images_len: usize, means_len: usize, channels: usize) -> usize {
    let whole = channels > 0
        && means_len > 0
        && means_len.is_multiple_of(channels)
        && images_len > 0
        && images_len.is_multiple_of(means_len);
    assert!(whole, "{images_len} numbers are not whole images of {channels} channels for {means_len} means");
    images_len / (means_len / channels)
}

fn image_plane<T>(data: &[T], image: usize, size: [usize; 2], channels: usize) -> &[T] {
    let len = size[0] * size[1] * channels;
    &data[image * len..][..len]
}

/// The input positions along `axis` that the window at `position` covers.
fn covered(shape: &PoolShape, axis: usize, position: usize) -> Range<usize> {
    let (start, padding) = (position * shape.window.stride[axis], shape.window.padding[axis]);
    start.saturating_sub(padding)..(start + shape.window.kernel[axis] - padding).min(shape.input[axis])
}

/// The windows along `axis` that cover an input position.
fn covering(shape: &PoolShape, axis: usize, position: usize) -> Range<usize> {
    let (stride, padded) = (shape.window.stride[axis], position + shape.window.padding[axis]);
    let first = (padded + 1).saturating_sub(shape.window.kernel[axis]).div_ceil(stride);
    first..(padded / stride + 1).min(shape.output[axis])
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn max_pool_line<E: Element>(shape: &PoolShape, row: usize, x: &[E], y: &mut [E], argmax: &mut [u32]) {
    /// Channels compared side by side.
    const LANES: usize = 16;
    let n = shape.channels;
    for (column, (y, argmax)) in y.chunks_exact_mut(n).zip(argmax.chunks_exact_mut(n)).enumerate() {
        let window = [covered(shape, 0, row), covered(shape, 1, column)];
        let ((blocks, rest), (at_blocks, at_rest)) = (y.as_chunks_mut(), argmax.as_chunks_mut());
        for (i, (y, argmax)) in blocks.iter_mut().zip(at_blocks).enumerate() {
            (*y, *argmax) = largest::<E, LANES>(shape, &window, x, i * LANES);
        }
        let first = n / LANES * LANES;
        for (i, (y, argmax)) in rest.iter_mut().zip(at_rest).enumerate() {
            ([*y], [*argmax]) = largest::<E, 1>(shape, &window, x, first + i);
        }
    }
}

/// The largest numbers of `N` channels from `channel` on in a window, and their places.
#[inline(always)]
fn largest<E: Element, const N: usize>(
    shape: &PoolShape,
    [rows, columns]: &[Range<usize>; 2],
    x: &[E],
    channel: usize,
) -> ([E; N], [u32; N]) {
    let mut max = [f32::NEG_INFINITY; N];
    let mut at = [(rows.start * shape.input[1] + columns.start) as u32; N];
    for row in rows.clone() {
        for column in columns.clone() {
            let place = row * shape.input[1] + column;
            let x = &x[place * shape.channels + channel..][..N];
            for lane in 0..N {
                // Not `if`: the compiler would make a branch of it, which a random image mispredicts half of the time.
                let x = x[lane].widen();
                let wins = (x > max[lane]) | x.is_nan();
                max[lane] = select_unpredictable(wins, x, max[lane]);
                at[lane] = select_unpredictable(wins, place as u32, at[lane]);
            }
        }
    }
    (max.map(E::nearest), at)
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn max_pool_backward_line<E: Element>(shape: &PoolShape, row: usize, dy: &[E], argmax: &[u32], dx: &mut [E]) {
    let n = shape.channels;
    let mut sums = vec![0.0f32; n];
    for (column, dx) in dx.chunks_exact_mut(n).enumerate() {
        sums.fill(0.0);
        let place = (row * shape.input[1] + column) as u32;
        let columns = covering(shape, 1, column);
        for window in
            covering(shape, 0, row).flat_map(|i| columns.clone().map(move |j| i * shape.output[1] + j))
        {
            let (dy, argmax) = (&dy[window * n..][..n], &argmax[window * n..][..n]);
            for ((sum, &dy), &at) in sums.iter_mut().zip(dy).zip(argmax) {
                *sum += if at == place { dy.widen() } else { 0.0 };
            }
        }
        dx.iter_mut().zip(&sums).for_each(|(dx, &sum)| *dx = E::nearest(sum));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bf16::Bf16;
    use crate::element::tests::{nearest, widened};
    use crate::naive::{self, assert_close, numbers, rounded, widen};
    use crate::parallel::tests::same_for_any_threads;
    use crate::shape::{Precision, Window};

    fn shapes() -> impl Strategy<Value = PoolShape> {
        let axis = || {
            (1..=5usize, 1..=4usize, 0..=9usize).prop_flat_map(|(kernel, stride, more)| {
                (0..=kernel / 2).prop_map(move |padding| (kernel, stride, padding, more))
            })
        };
        (1..=3usize, prop::sample::select(vec![1, 3, 5, 17, 64]), axis(), axis()).prop_map(
            |(images, channels, y, x)| {
                let size = |(kernel, _, padding, more): (usize, usize, usize, usize)| {
                    (kernel - 2 * padding).max(1) + more
                };
                let window = Window { kernel: [y.0, x.0], stride: [y.1, x.1], padding: [y.2, x.2] };
                PoolShape::new([images, size(y), size(x), channels], window).unwrap()
            },
        )
    }

    fn forward<E: Element>(shape: &PoolShape, x: &[E]) -> (Vec<E>, Vec<u32>) {
        let (mut y, mut argmax) = (nearest(&vec![f32::NAN; shape.y_len()]), vec![u32::MAX; shape.y_len()]);
        max_pool_forward(shape, x, &mut y, &mut argmax);
        (y, argmax)
    }

    fn backward<E: Element>(shape: &PoolShape, dy: &[E], argmax: &[u32]) -> Vec<E> {
        let mut dx = nearest(&vec![f32::NAN; shape.x_len()]);
        max_pool_backward(shape, dy, argmax, &mut dx);
        dx
    }

    proptest! {
        #[test]
        fn max_pool_agrees_with_its_naive_twin(shape in shapes(), coarse in any::<bool>()) {
            // Coarse numbers are often equal: the first must win.
            let x: Vec<f32> = numbers(1, shape.x_len()).iter().map(|x| if coarse { x.round() } else { *x }).collect();
            let dy = numbers(2, shape.y_len());
            let (y, argmax) = forward(&shape, &x);
            prop_assert_eq!((y, argmax.clone()), naive::max_pool(&shape, &x));
            let dx = backward(&shape, &dy, &argmax);
            assert_close("dx", &dx, &naive::max_pool_backward(&shape, &widen(&dy), &argmax));
        }

        #[test]
        fn nan_and_infinity_go_by_pytorchs_rules(shape in shapes()) {
            let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY, f32::NEG_INFINITY];
            let x: Vec<f32> = numbers(3, shape.x_len()).iter().map(|x| special[(x.abs() * 7.0) as usize % 6]).collect();
            let bits = |y: Vec<f32>| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
            let ((y, argmax), (naive_y, naive_argmax)) = (forward(&shape, &x), naive::max_pool(&shape, &x));
            prop_assert_eq!((bits(y), argmax), (bits(naive_y), naive_argmax));
        }

        #[test]
        fn maps_in_bf16_give_the_same_rounded(shape in shapes()) {
            let round = |numbers: &[f32]| rounded(Precision::Bf16, numbers);
            let [x, dy] = [round(&numbers(1, shape.x_len())), round(&numbers(2, shape.y_len()))];
            let (y, argmax) = forward(&shape, &x);
            let (ours, places) = forward(&shape, &nearest::<Bf16>(&x));
            prop_assert_eq!((y, argmax.clone()), (widened(&ours), places));
            let dx = backward(&shape, &nearest::<Bf16>(&dy), &argmax);
            prop_assert_eq!(round(&backward(&shape, &dy, &argmax)), widened(&dx));

            let dy = numbers(3, shape.images * shape.channels);
            let mut means = [0, 1].map(|_| vec![f32::NAN; dy.len()]);
            global_average_pool_forward(&x, shape.channels, &mut means[0]);
            global_average_pool_forward(&nearest::<Bf16>(&x), shape.channels, &mut means[1]);
            prop_assert_eq!(&means[0], &means[1]);
            let (mut dx, mut ours) = (vec![0.0; x.len()], vec![Bf16::ZERO; x.len()]);
            global_average_pool_backward(&dy, shape.channels, &mut dx);
            global_average_pool_backward(&dy, shape.channels, &mut ours);
            prop_assert_eq!(round(&dx), widened(&ours));
        }

        #[test]
        fn global_average_is_the_mean(images in 1..4usize, pixels in 1..70usize, channels in 1..70usize) {
            let x = numbers(1, images * pixels * channels);
            let mut y = vec![f32::NAN; images * channels];
            global_average_pool_forward(&x, channels, &mut y);
            let mut expected = vec![0.0; y.len()];
            for (i, x) in widen(&x).iter().enumerate() {
                expected[i / (pixels * channels) * channels + i % channels] += x / pixels as f64;
            }
            assert_close("y", &y, &expected);

            let dy = numbers(2, y.len());
            let mut dx = vec![f32::NAN; x.len()];
            global_average_pool_backward(&dy, channels, &mut dx);
            let share = |i: usize| f64::from(dy[i / (pixels * channels) * channels + i % channels]) / pixels as f64;
            assert_close("dx", &dx, &(0..dx.len()).map(share).collect::<Vec<_>>());
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let shape = PoolShape::new([3, 21, 20, 16], Window::square(3, 2, 1)).unwrap();
        let (x, dy) = (numbers(1, shape.x_len()), numbers(2, shape.y_len()));
        same_for_any_threads(|| {
            let (y, argmax) = forward(&shape, &x);
            let mut means = vec![0.0; shape.images * shape.channels];
            global_average_pool_forward(&x, shape.channels, &mut means);
            [y, backward(&shape, &dy, &argmax), means].concat()
        });
    }

    #[test]
    #[should_panic(expected = "12 numbers are not whole images of 3 channels for 9 means")]
    fn a_wrong_length_stops_the_call() {
        global_average_pool_forward(&[0.0; 12], 3, &mut [0.0; 9]);
    }
}
