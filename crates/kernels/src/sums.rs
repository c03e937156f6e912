//! Sums of squares.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use crate::shape::assert_len;

/// Numbers that one task handles.
const CHUNK: usize = 32 * 1024;

/// `sum x_i^2`, added up in `f64`.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    sum_over_chunks(x.len(), |range| squares(&x[range], None))
}

/// `sum (g_i + weight_decay p_i)^2`, added up in `f64`.
///
/// # Panics
/// When the slices differ in length.
pub fn decayed_sum_of_squares(g: &[f32], p: &[f32], weight_decay: f32) -> f64 {
    assert_len("p", p.len(), g.len());
    sum_over_chunks(g.len(), |range| squares(&g[range.clone()], Some((&p[range], weight_decay))))
}

fn sum_over_chunks(len: usize, sum: impl Fn(Range<usize>) -> f64 + Sync) -> f64 {
    let chunk = |i: usize| i * CHUNK..len.min((i + 1) * CHUNK);
    let sums: Vec<f64> = (0..len.div_ceil(CHUNK)).into_par_iter().map(|i| sum(chunk(i))).collect();
    sums.iter().sum()
}

/// The sum of one chunk, in several sums side by side that fill the vector registers.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn squares(g: &[f32], decay: Option<(&[f32], f32)>) -> f64 {
    const SIDE_BY_SIDE: usize = 16;
    let mut sums = [0.0f64; SIDE_BY_SIDE];
    let mut add = |i: usize, x: f32| sums[i] += f64::from(x) * f64::from(x);
    let (rows, rest) = g.as_chunks::<SIDE_BY_SIDE>();
    match decay {
        None => {
            rows.iter().for_each(|g| g.iter().enumerate().for_each(|(i, &g)| add(i, g)));
            rest.iter().enumerate().for_each(|(i, &g)| add(i, g));
        }
        Some((p, decay)) => {
            let (p_rows, p_rest) = p.as_chunks::<SIDE_BY_SIDE>();
            for (g, p) in rows.iter().zip(p_rows) {
                g.iter().zip(p).enumerate().for_each(|(i, (&g, &p))| add(i, g + decay * p));
            }
            rest.iter().zip(p_rest).enumerate().for_each(|(i, (&g, &p))| add(i, g + decay * p));
        }
    }
    sums.iter().sum()
}

/// Gradient of [`sum_of_squares`]: `dx = 2 dy x`; `dx` is overwritten.
///
/// # Panics
/// When the slices differ in length.
pub fn sum_of_squares_grad(x: &[f32], dy: f32, dx: &mut [f32]) {
    assert_len("dx", dx.len(), x.len());
    let factor = 2.0 * dy;
    dx.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(dx, x)| {
        scale(x, factor, dx);
    });
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn scale(x: &[f32], factor: f32, to: &mut [f32]) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to = factor * x);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::numbers;
    use crate::parallel::tests::same_for_any_threads;

    /// More than two chunks, the last one not whole.
    const LEN: usize = 2 * CHUNK + 4321;

    #[test]
    fn squares_are_added_exactly_enough() {
        let (x, p) = (numbers(1, LEN), numbers(2, LEN));
        let expected: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum_of_squares(&x) / expected - 1.0).abs() < 1e-13);
        let expected: f64 = x.iter().zip(&p).map(|(x, p)| f64::from(x + 0.25 * p).powi(2)).sum();
        assert!((decayed_sum_of_squares(&x, &p, 0.25) / expected - 1.0).abs() < 1e-13);
        assert_eq!(sum_of_squares(&[]), 0.0);
        assert!(sum_of_squares(&[1.0, f32::NAN]).is_nan());
    }

    #[test]
    fn the_gradient_is_twice_the_numbers() {
        let x = numbers(1, LEN);
        let mut dx = vec![f32::NAN; LEN];
        sum_of_squares_grad(&x, 0.5, &mut dx);
        assert_eq!(dx, x);
    }

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let (g, p) = (numbers(1, LEN), numbers(2, LEN));
        same_for_any_threads(|| vec![sum_of_squares(&g) as f32, decayed_sum_of_squares(&g, &p, 0.1) as f32]);
    }
}
