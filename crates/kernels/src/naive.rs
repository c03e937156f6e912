//! The naive twin of each kernel, in `f64`, straight from the formula. Used by the tests alone.

use twinlens_random::{Purpose, Stream};

use crate::shape::{ConvShape, PoolShape, Precision};

/// Standard normal numbers, the same for the same `seed`.
pub fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Evaluation, [0, 0, 0]);
    (0..len).map(|_| stream.normal() as f32).collect()
}

pub fn widen(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&x| f64::from(x)).collect()
}

/// The numbers as they are multiplied: rounded to bf16 by its definition, 8 significant bits and ties to even.
pub fn rounded(precision: Precision, numbers: &[f32]) -> Vec<f32> {
    let nearest = |x: f64| {
        let last_place = 2f64.powi((x.abs().log2().floor() as i32).max(-126) - 7);
        if x == 0.0 { x } else { (x / last_place).round_ties_even() * last_place }
    };
    match precision {
        Precision::F32 => numbers.to_vec(),
        Precision::Bf16 => numbers.iter().map(|&x| nearest(f64::from(x)) as f32).collect(),
    }
}

/// Asserts that `actual` is `expected` to within `1e-5` of the largest expected number.
pub fn assert_close(what: &str, actual: &[f32], expected: &[f64]) {
    assert_close_sums(what, actual, expected, 1e-3);
}

/// Asserts that `actual` is `expected` to within `1e-5` of the largest expected number, or of `size` if that is larger:
/// a sum that cancels to almost nothing is rounded as its terms are.
pub fn assert_close_sums(what: &str, actual: &[f32], expected: &[f64], size: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(size, |max: f64, x| max.max(x.abs()));
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        // Not `>`: a NaN must fail.
        assert!((f64::from(a) - e).abs() <= 1e-5 * scale, "{what}[{i}] is {a}, expected {e} (scale {scale})");
    }
}

/// Calls `f(x_index, w_index, y_index)` for every product in the convolution.
fn for_each_product(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let [height, width] = shape.input;
    let [out_height, out_width] = shape.output;
    let [kernel_height, kernel_width] = shape.window.kernel;
    let inside = |position: usize, tap: usize, axis: usize| {
        let at = (position * shape.window.stride[axis] + tap).checked_sub(shape.window.padding[axis])?;
        (at < shape.input[axis]).then_some(at)
    };
    for n in 0..shape.images {
        for (i, j) in (0..out_height).flat_map(|i| (0..out_width).map(move |j| (i, j))) {
            for (a, b) in (0..kernel_height).flat_map(|a| (0..kernel_width).map(move |b| (a, b))) {
                let (Some(h), Some(w)) = (inside(i, a, 0), inside(j, b, 1)) else { continue };
                for c in 0..shape.in_channels {
                    for o in 0..shape.out_channels {
                        f(
                            ((n * height + h) * width + w) * shape.in_channels + c,
                            ((a * kernel_width + b) * shape.in_channels + c) * shape.out_channels + o,
                            ((n * out_height + i) * out_width + j) * shape.out_channels + o,
                        );
                    }
                }
            }
        }
    }
}

pub fn conv2d_forward(shape: &ConvShape, x: &[f64], w: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut y: Vec<f64> = bias.iter().copied().cycle().take(shape.y_len()).collect();
    for_each_product(shape, |i, k, o| y[o] += x[i] * w[k]);
    y
}

pub fn conv2d_input_grad(shape: &ConvShape, dy: &[f64], w: &[f64]) -> Vec<f64> {
    let mut dx = vec![0.0; shape.x_len()];
    for_each_product(shape, |i, k, o| dx[i] += dy[o] * w[k]);
    dx
}

pub fn conv2d_weight_grad(shape: &ConvShape, x: &[f64], dy: &[f64]) -> Vec<f64> {
    let mut dw = vec![0.0; shape.w_len()];
    for_each_product(shape, |i, k, o| dw[k] += dy[o] * x[i]);
    dw
}

/// Mean and biased variance of each channel.
pub fn batch_statistics(x: &[f64], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let rows = (x.len() / channels) as f64;
    let sum = |f: &dyn Fn(usize, f64) -> f64| {
        let mut sums = vec![0.0; channels];
        x.iter().enumerate().for_each(|(i, &x)| sums[i % channels] += f(i % channels, x) / rows);
        sums
    };
    let mean = sum(&|_, x| x);
    let variance = sum(&|c, x| (x - mean[c]).powi(2));
    (mean, variance)
}

/// `gamma (x - mean) / sqrt(variance + 1e-5) + beta`.
pub fn batch_norm(x: &[f64], mean: &[f64], variance: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let one = |(i, &x): (usize, &f64)| {
        let c = i % gamma.len();
        gamma[c] * (x - mean[c]) / (variance[c] + 1e-5).sqrt() + beta[c]
    };
    x.iter().enumerate().map(one).collect()
}

/// `dx`, `dgamma` and `dbeta` by the chain rule through mean and variance, as Ioffe and Szegedy write it (section 3);
/// without `own_statistics`, both are constants.
pub fn batch_norm_backward(
    g: &[f64],
    x: &[f64],
    mean: &[f64],
    variance: &[f64],
    gamma: &[f64],
    own_statistics: bool,
) -> [Vec<f64>; 3] {
    let n = gamma.len();
    let rows = (x.len() / n) as f64;
    let (mut dx, mut dgamma, mut dbeta) = (vec![0.0; x.len()], vec![0.0; n], vec![0.0; n]);
    for c in 0..n {
        let column = || (c..x.len()).step_by(n);
        let std = (variance[c] + 1e-5).sqrt();
        dbeta[c] = column().map(|i| g[i]).sum();
        dgamma[c] = column().map(|i| g[i] * (x[i] - mean[c]) / std).sum();
        let d_variance: f64 = column().map(|i| g[i] * gamma[c] * (x[i] - mean[c]) * -0.5 / std.powi(3)).sum();
        let d_mean: f64 = column().map(|i| -g[i] * gamma[c] / std).sum();
        for i in column() {
            dx[i] = g[i] * gamma[c] / std;
            if own_statistics {
                dx[i] += d_variance * 2.0 * (x[i] - mean[c]) / rows + d_mean / rows;
            }
        }
    }
    [dx, dgamma, dbeta]
}

/// The derivative of `loss` at `at` by central differences.
pub fn finite_differences(at: &[f64], mut loss: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut point = at.to_vec();
    (0..at.len())
        .map(|i| {
            let mut moved = |step: f64| {
                point[i] = at[i] + step;
                loss(&point)
            };
            let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            point[i] = at[i];
            difference
        })
        .collect()
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Maxima and the positions `h * width + w` they come from; PyTorch's rules: padding never wins, the first of equal
/// numbers wins, the last NaN wins over all.
pub fn max_pool(shape: &PoolShape, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    let [height, width] = shape.input;
    let [kernel_height, kernel_width] = shape.window.kernel;
    let (mut y, mut argmax) = (Vec::new(), Vec::new());
    for n in 0..shape.images {
        for (i, j) in (0..shape.output[0]).flat_map(|i| (0..shape.output[1]).map(move |j| (i, j))) {
            for c in 0..shape.channels {
                let mut best: Option<(f32, usize)> = None;
                for (a, b) in (0..kernel_height).flat_map(|a| (0..kernel_width).map(move |b| (a, b))) {
                    let h = (i * shape.window.stride[0] + a).wrapping_sub(shape.window.padding[0]);
                    let w = (j * shape.window.stride[1] + b).wrapping_sub(shape.window.padding[1]);
                    if h >= height || w >= width {
                        continue;
                    }
                    let value = x[((n * height + h) * width + w) * shape.channels + c];
                    if best.is_none_or(|(max, _)| value > max || value.is_nan()) {
                        best = Some((value, h * width + w));
                    }
                }
                let (value, at) = best.unwrap();
                y.push(value);
                argmax.push(at as u32);
            }
        }
    }
    (y, argmax)
}

pub fn max_pool_backward(shape: &PoolShape, dy: &[f64], argmax: &[u32]) -> Vec<f64> {
    let mut dx = vec![0.0; shape.x_len()];
    let (plane, out_plane) = (shape.input[0] * shape.input[1], shape.output[0] * shape.output[1]);
    for (i, (&dy, &at)) in dy.iter().zip(argmax).enumerate() {
        let (image, c) = (i / (out_plane * shape.channels), i % shape.channels);
        dx[(image * plane + at as usize) * shape.channels + c] += dy;
    }
    dx
}

mod tests {
    use super::*;
    use crate::shape::Window;

    /// The naive gradients judge the kernels; finite differences judge them.
    #[test]
    fn naive_convolution_gradients_agree_with_finite_differences() {
        for window in [
            Window { kernel: [3, 2], stride: [2, 1], padding: [1, 0] },
            Window { kernel: [2, 3], stride: [1, 3], padding: [0, 2] },
        ] {
            let shape = ConvShape::new([2, 4, 5, 2], 3, window).unwrap();
            let [x, w] =
                [(1, shape.x_len()), (2, shape.w_len())].map(|(seed, len)| widen(&numbers(seed, len)));
            let [bias, dy] = [(3, 3), (4, shape.y_len())].map(|(seed, len)| widen(&numbers(seed, len)));
            let dx = finite_differences(&x, |x| dot(&conv2d_forward(&shape, x, &w, &bias), &dy));
            let dw = finite_differences(&w, |w| dot(&conv2d_forward(&shape, &x, w, &bias), &dy));
            for (a, e) in conv2d_input_grad(&shape, &dy, &w).iter().zip(&dx) {
                assert!((a - e).abs() < 1e-7, "dx: {a}, expected {e}");
            }
            for (a, e) in conv2d_weight_grad(&shape, &x, &dy).iter().zip(&dw) {
                assert!((a - e).abs() < 1e-7, "dw: {a}, expected {e}");
            }
        }
    }

    /// A convolution worked out by hand: it is a correlation (the kernel is not flipped), channels mix, bias adds.
    #[test]
    fn naive_convolution_is_right_by_hand() {
        let shape =
            ConvShape::new([1, 2, 2, 2], 1, Window { kernel: [1, 2], stride: [1, 1], padding: [0, 1] })
                .unwrap();
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let w = [1.0, 10.0, 100.0, 1000.0];
        let y = [2100.5, 4321.5, 43.5, 6500.5, 8765.5, 87.5];
        assert_eq!(conv2d_forward(&shape, &x, &w, &[0.5]), y);
    }
}
