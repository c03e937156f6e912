//! Layer normalisation over the channels of `[rows, channels]`.
//!
//! Ba, Kiros and Hinton, "Layer normalization", 2016, eq. 4, as `torch.nn.LayerNorm` over the last dimension: every
//! row has its own mean and biased variance.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::shape::{assert_len, assert_rows};

/// Numbers in a chunk of rows, which one task computes.
const CHUNK_ELEMENTS: usize = 32 * 1024;
/// Partial sums along a row: a vector of them keeps the additions independent of each other.
const LANES: usize = 16;

/// With what each row was normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowStatistics {
    /// Mean.
    pub mean: f32,
    /// `1 / sqrt(biased variance + eps)`.
    pub inv_std: f32,
}

/// Where [`layer_norm_backward`] writes; every array is overwritten.
#[derive(Debug)]
pub struct LayerNormGrads<'a> {
    /// Gradient of `x`, shaped as it.
    pub dx: &'a mut [f32],
    /// Gradient of `gamma`, `[channels]`.
    pub dgamma: &'a mut [f32],
    /// Gradient of `beta`, `[channels]`.
    pub dbeta: &'a mut [f32],
}

/// `y = gamma (x - mean) / sqrt(variance + eps) + beta`, mean and biased variance of each row of `x`.
///
/// `x` and `y`, which is overwritten, are `[rows, channels]`, `gamma` and `beta` `[channels]`. Returns what
/// [`layer_norm_backward`] needs of each row.
///
/// # Panics
/// When the slices' lengths do not fit together, or there are no channels.
pub fn layer_norm_forward(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    eps: f32,
    y: &mut [f32],
) -> Vec<RowStatistics> {
    let channels = gamma.len();
    assert_rows("x", x.len(), channels);
    assert_len("beta", beta.len(), channels);
    assert_len("y", y.len(), x.len());
    let mut statistics = vec![RowStatistics { mean: 0.0, inv_std: 0.0 }; x.len() / channels];
    let rows = chunk_rows(channels);
    let chunk = rows * channels;
    (y.par_chunks_mut(chunk), x.par_chunks(chunk), statistics.par_chunks_mut(rows))
        .into_par_iter()
        .for_each(|(y, x, statistics)| forward_chunk(x, [gamma, beta], eps, y, statistics));
    statistics
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn forward_chunk(
    x: &[f32],
    [gamma, beta]: [&[f32]; 2],
    eps: f32,
    y: &mut [f32],
    statistics: &mut [RowStatistics],
) {
    let channels = gamma.len();
    let rows = y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).zip(statistics);
    for ((y, x), statistics) in rows {
        *statistics = row_statistics(x, eps);
        let RowStatistics { mean, inv_std } = *statistics;
        for (((y, &x), &gamma), &beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
            *y = (x - mean) * inv_std * gamma + beta;
        }
    }
}

/// Gradient of [`layer_norm_forward`].
///
/// With `xhat = (x - mean) inv_std` and `g = gamma dy`: `dx = inv_std (g - mean(g) - xhat mean(g xhat))`, the means
/// over the row; `dgamma = sum dy xhat` and `dbeta = sum dy` over the rows. `dy` and `x` are `[rows, channels]`.
///
/// # Panics
/// When the slices' lengths do not fit together, or there are no channels.
pub fn layer_norm_backward(
    dy: &[f32],
    x: &[f32],
    statistics: &[RowStatistics],
    gamma: &[f32],
    grads: LayerNormGrads,
) {
    let channels = gamma.len();
    assert_rows("x", x.len(), channels);
    assert_len("dy", dy.len(), x.len());
    assert_len("statistics", statistics.len(), x.len() / channels);
    assert_len("dx", grads.dx.len(), x.len());
    assert_len("dgamma", grads.dgamma.len(), channels);
    assert_len("dbeta", grads.dbeta.len(), channels);
    let rows = chunk_rows(channels);
    let chunk = rows * channels;
    let sums: Vec<[Vec<f32>; 2]> = grads
        .dx
        .par_chunks_mut(chunk)
        .enumerate()
        .map(|(i, dx)| {
            let range = i * chunk..i * chunk + dx.len();
            let statistics = &statistics[i * rows..][..dx.len() / channels];
            backward_chunk(&dy[range.clone()], &x[range], statistics, gamma, dx)
        })
        .collect();
    for (which, total) in [grads.dgamma, grads.dbeta].into_iter().enumerate() {
        total.fill(0.0);
        for sum in &sums {
            total.iter_mut().zip(&sum[which]).for_each(|(total, sum)| *total += sum);
        }
    }
}

fn chunk_rows(channels: usize) -> usize {
    (CHUNK_ELEMENTS / channels).max(1)
}

/// The sum of `term` over the channels of rows of one length.
#[inline(always)]
fn row_sum<const N: usize>(rows: [&[f32]; N], term: impl Fn([f32; N]) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let parts = rows.map(|row| row.as_chunks::<LANES>());
    for i in 0..parts[0].0.len() {
        let chunk = parts.map(|(chunks, _)| &chunks[i]);
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(chunk.map(|values| values[lane]));
        }
    }
    let rest = (0..parts[0].1.len()).map(|i| term(parts.map(|(_, rest)| rest[i])));
    lanes.iter().sum::<f32>() + rest.sum::<f32>()
}

#[inline(always)]
fn row_statistics(x: &[f32], eps: f32) -> RowStatistics {
    let channels = x.len() as f32;
    let mean = row_sum([x], |[x]| x) / channels;
    let variance = row_sum([x], |[x]| (x - mean) * (x - mean)) / channels;
    RowStatistics { mean, inv_std: 1.0 / (variance + eps).sqrt() }
}

/// Fills `dx` and returns this chunk's parts of `dgamma` and `dbeta`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn backward_chunk(
    dy: &[f32],
    x: &[f32],
    statistics: &[RowStatistics],
    gamma: &[f32],
    dx: &mut [f32],
) -> [Vec<f32>; 2] {
    let channels = gamma.len();
    let [mut dgamma, mut dbeta] = [0, 1].map(|_| vec![0.0f32; channels]);
    let rows = dx.chunks_exact_mut(channels).zip(dy.chunks_exact(channels)).zip(x.chunks_exact(channels));
    for (((dx, dy), x), &RowStatistics { mean, inv_std }) in rows.zip(statistics) {
        for (((dgamma, dbeta), &dy), &x) in dgamma.iter_mut().zip(&mut dbeta).zip(dy).zip(x) {
            *dgamma += dy * (x - mean) * inv_std;
            *dbeta += dy;
        }
        let mean_g = row_sum([gamma, dy], |[gamma, dy]| gamma * dy) / channels as f32;
        let projected = row_sum([gamma, dy, x], |[gamma, dy, x]| gamma * dy * (x - mean));
        let mean_gx = projected * inv_std / channels as f32;
        for (((dx, &dy), &x), &gamma) in dx.iter_mut().zip(dy).zip(x).zip(gamma) {
            *dx = inv_std * (gamma * dy - mean_g - (x - mean) * inv_std * mean_gx);
        }
    }
    [dgamma, dbeta]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::naive::{assert_close, dot, finite_differences, numbers, widen};
    use crate::parallel::tests::same_for_any_threads;

    const EPS: f32 = 1e-6;

    /// The formula in `f64`.
    fn naive(x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
        let row = |x: &[f64]| {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
            let std = (variance + f64::from(EPS)).sqrt();
            x.iter().zip(gamma).zip(beta).map(|((x, g), b)| g * (x - mean) / std + b).collect::<Vec<_>>()
        };
        x.chunks_exact(gamma.len()).flat_map(row).collect()
    }

    /// Output and the gradients of x, gamma and beta.
    fn all(rows: usize, channels: usize) -> [Vec<f32>; 4] {
        let [x, gamma, beta, dy] = arrays(rows, channels);
        let mut out =
            [rows * channels, rows * channels, channels, channels].map(|length| vec![f32::NAN; length]);
        let [y, dx, dgamma, dbeta] = &mut out;
        let statistics = layer_norm_forward(&x, &gamma, &beta, EPS, y);
        layer_norm_backward(&dy, &x, &statistics, &gamma, LayerNormGrads { dx, dgamma, dbeta });
        out
    }

    fn arrays(rows: usize, channels: usize) -> [Vec<f32>; 4] {
        let lengths = [rows * channels, channels, channels, rows * channels];
        let mut seed = 0;
        lengths.map(|length| {
            seed += 1;
            numbers(seed, length)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn values_and_gradients_are_those_of_the_formula(rows in 1..5usize, channels in 4..40usize) {
            let [y, dx, dgamma, dbeta] = all(rows, channels);
            let [x, gamma, beta, dy] = arrays(rows, channels).map(|values| widen(&values));
            assert_close("y", &y, &naive(&x, &gamma, &beta));
            let loss = |y: Vec<f64>| dot(&y, &dy);
            assert_close("dx", &dx, &finite_differences(&x, |x| loss(naive(x, &gamma, &beta))));
            assert_close("dgamma", &dgamma, &finite_differences(&gamma, |g| loss(naive(&x, g, &beta))));
            assert_close("dbeta", &dbeta, &finite_differences(&beta, |b| loss(naive(&x, &gamma, b))));
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        same_for_any_threads(|| all(3000, 37).concat());
    }

    #[test]
    fn data_far_from_zero_are_normalised_accurately() {
        let x: Vec<f32> = numbers(1, 500).iter().map(|x| 1000.0 + x).collect();
        let mut y = vec![0.0; x.len()];
        layer_norm_forward(&x, &[1.0; 50], &[0.0; 50], EPS, &mut y);
        let expected = naive(&widen(&x), &[1.0; 50], &[0.0; 50]);
        for (y, expected) in y.iter().zip(expected) {
            assert!((f64::from(*y) - expected).abs() < 1e-3, "{y}, expected {expected}");
        }
    }

    #[test]
    #[should_panic(expected = "x has 7 elements, not whole rows of 2")]
    fn a_wrong_length_stops_the_call() {
        layer_norm_forward(&[0.0; 7], &[1.0; 2], &[0.0; 2], EPS, &mut [0.0; 7]);
    }
}
