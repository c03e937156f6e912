//! The end of a residual block with layer scale.
//!
//! Touvron et al., "Going deeper with image transformers", ICCV 2021, equation 3: `y = shortcut + gamma branch`, `gamma` a
//! learned number for each channel.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::element::Element;
use crate::parallel::add_in_order;
use crate::shape::{assert_len, assert_rows};

/// Numbers that a task has, about.
const CHUNK: usize = 32 * 1024;

/// Numbers in the rows of a task.
fn chunk_len(channels: usize) -> usize {
    (CHUNK / channels).max(1) * channels
}

/// `y = shortcut + gamma branch`: `y`, which is overwritten, `shortcut` and `branch` are `[rows, channels]`, `gamma`
/// `[channels]`.
///
/// # Panics
/// When the slices' lengths do not fit together, or there are no channels.
pub fn layer_scale_forward<E: Element>(shortcut: &[E], branch: &[E], gamma: &[f32], y: &mut [E]) {
    assert_rows("branch", branch.len(), gamma.len());
    assert_len("shortcut", shortcut.len(), branch.len());
    assert_len("y", y.len(), branch.len());
    let chunk = chunk_len(gamma.len());
    let inputs = shortcut.par_chunks(chunk).zip(branch.par_chunks(chunk));
    y.par_chunks_mut(chunk)
        .zip(inputs)
        .for_each(|(y, (shortcut, branch))| forward_chunk(shortcut, branch, gamma, y));
}

#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2+fma"))]
fn forward_chunk<E: Element>(shortcut: &[E], branch: &[E], gamma: &[f32], y: &mut [E]) {
    let channels = gamma.len();
    let inputs = shortcut.chunks_exact(channels).zip(branch.chunks_exact(channels));
    for (y, (shortcut, branch)) in y.chunks_exact_mut(channels).zip(inputs) {
        for (((y, shortcut), branch), gamma) in y.iter_mut().zip(shortcut).zip(branch).zip(gamma) {
            *y = E::nearest(shortcut.widen() + gamma * branch.widen());
        }
    }
}

/// Gradients of [`layer_scale_forward`]: `dbranch = gamma dy`, and `dgamma = sum dy branch` over the rows. That of the
/// shortcut is `dy`.
///
/// `dbranch`, shaped as `dy` and `branch`, and `dgamma`, shaped as `gamma`, are overwritten.
///
/// # Panics
/// When the slices' lengths do not fit together, or there are no channels.
pub fn layer_scale_backward<E: Element>(
    dy: &[E],
    branch: &[E],
    gamma: &[f32],
    dbranch: &mut [E],
    dgamma: &mut [f32],
) {
    assert_rows("branch", branch.len(), gamma.len());
    assert_len("dy", dy.len(), branch.len());
    assert_len("dbranch", dbranch.len(), branch.len());
    assert_len("dgamma", dgamma.len(), gamma.len());
    let chunk = chunk_len(gamma.len());
    let inputs = dy.par_chunks(chunk).zip(branch.par_chunks(chunk));
    let chunks = dbranch.par_chunks_mut(chunk).zip(inputs);
    let sums: Vec<Vec<f32>> =
        chunks.map(|(dbranch, (dy, branch))| backward_chunk(dy, branch, gamma, dbranch)).collect();
    dgamma.fill(0.0);
    add_in_order(dgamma, sums.iter().map(Vec::as_slice));
}

/// Fills `dbranch` and returns this chunk's part of `dgamma`.
#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2+fma"))]
fn backward_chunk<E: Element>(dy: &[E], branch: &[E], gamma: &[f32], dbranch: &mut [E]) -> Vec<f32> {
    let channels = gamma.len();
    let mut sums = vec![0.0f32; channels];
    let inputs = dy.chunks_exact(channels).zip(branch.chunks_exact(channels));
    for (dbranch, (dy, branch)) in dbranch.chunks_exact_mut(channels).zip(inputs) {
        for ((sum, dy), branch) in sums.iter_mut().zip(dy).zip(branch) {
            *sum += dy.widen() * branch.widen();
        }
        for ((dbranch, dy), gamma) in dbranch.iter_mut().zip(dy).zip(gamma) {
            *dbranch = E::nearest(gamma * dy.widen());
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bf16::Bf16;
    use crate::element::tests::{nearest, widened};
    use crate::naive::{numbers, rounded};
    use crate::parallel::tests::same_for_any_threads;
    use crate::shape::Precision;

    /// `y`, `dbranch` and `dgamma`.
    fn all<E: Element>(rows: usize, channels: usize) -> [Vec<f32>; 3] {
        let [shortcut, branch, dy] =
            [1, 2, 3].map(|seed| nearest::<E>(&rounded(Precision::Bf16, &numbers(seed, rows * channels))));
        let gamma = numbers(4, channels);
        let [mut y, mut dbranch] = [0, 1].map(|_| nearest::<E>(&vec![f32::NAN; dy.len()]));
        let mut dgamma = vec![f32::NAN; channels];
        layer_scale_forward(&shortcut, &branch, &gamma, &mut y);
        layer_scale_backward(&dy, &branch, &gamma, &mut dbranch, &mut dgamma);
        [widened(&y), widened(&dbranch), dgamma]
    }

    proptest! {
        #[test]
        fn results_are_those_of_the_formula(rows in 0usize..40, channels in 1usize..50) {
            let [shortcut, branch, dy] =
                [1, 2, 3].map(|seed| rounded(Precision::Bf16, &numbers(seed, rows * channels)));
            let gamma = numbers(4, channels);
            let [y, dbranch, dgamma] = all::<f32>(rows, channels);
            for i in 0..rows * channels {
                prop_assert_eq!(y[i], shortcut[i] + gamma[i % channels] * branch[i]);
                prop_assert_eq!(dbranch[i], gamma[i % channels] * dy[i]);
            }
            for (c, dgamma) in dgamma.iter().enumerate() {
                let terms = (c..rows * channels).step_by(channels).map(|i| f64::from(dy[i]) * f64::from(branch[i]));
                prop_assert!((f64::from(*dgamma) - terms.sum::<f64>()).abs() < 1e-4 * (1.0 + rows as f64));
            }
            let [halves_y, halves_dbranch, halves_dgamma] = all::<Bf16>(rows, channels);
            prop_assert_eq!(halves_y, rounded(Precision::Bf16, &y));
            prop_assert_eq!(halves_dbranch, rounded(Precision::Bf16, &dbranch));
            prop_assert_eq!(halves_dgamma, dgamma);
        }
    }

    #[test]
    fn results_are_the_same_for_any_number_of_threads() {
        same_for_any_threads(|| all::<f32>(3000, 33).concat());
    }

    #[test]
    #[should_panic(expected = "branch has 5 elements, not whole rows of 2")]
    fn rows_that_are_not_whole_stop_the_call() {
        layer_scale_forward(&[0.0; 5], &[0.0; 5], &[0.0; 2], &mut [0.0; 5]);
    }
}
