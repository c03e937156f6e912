//! The Gaussian error linear unit, element by element.
//!
//! Hendrycks and Gimpel, "Gaussian error linear units", 2016, in its exact form: `y = x Phi(x)` with the normal
//! distribution function `Phi(x) = (1 + erf(x / sqrt 2)) / 2`. The standard library has neither `erf` nor an
//! exponential that the compiler can vectorise, so both are computed here from polynomials.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::parallel::{multiplies_and_adds_at_once, multiply_add};
use crate::shape::assert_len;

/// Numbers that one task computes.
const CHUNK: usize = 16 * 1024;

/// `y = x Phi(x)`; `y`, as long as `x`, is overwritten.
///
/// # Panics
/// When the slices differ in length.
pub fn gelu_forward(x: &[f32], y: &mut [f32]) {
    assert_len("y", y.len(), x.len());
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| forward(x, y));
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn forward(x: &[f32], y: &mut [f32]) {
    const FUSED: bool = multiplies_and_adds_at_once!();
    y.iter_mut().zip(x).for_each(|(y, &x)| *y = x * normal::<FUSED>(x).distribution);
}

/// Gradient of [`gelu_forward`]: `dx = dy (Phi(x) + x phi(x))` with the normal density `phi`; `dx` is overwritten.
///
/// # Panics
/// When the slices differ in length.
pub fn gelu_backward(dy: &[f32], x: &[f32], dx: &mut [f32]) {
    assert_len("dy", dy.len(), x.len());
    assert_len("dx", dx.len(), x.len());
    let chunks = (dx.par_chunks_mut(CHUNK), x.par_chunks(CHUNK), dy.par_chunks(CHUNK));
    chunks.into_par_iter().for_each(|(dx, x, dy)| backward(dy, x, dx));
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn backward(dy: &[f32], x: &[f32], dx: &mut [f32]) {
    const FUSED: bool = multiplies_and_adds_at_once!();
    for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
        let Normal { distribution, density } = normal::<FUSED>(x);
        *dx = dy * multiply_add::<FUSED>(x, density, distribution);
    }
}

/// The standard normal distribution at one point.
struct Normal {
    /// `Phi(x)`.
    distribution: f32,
    /// `phi(x)`.
    density: f32,
}

/// Beyond this, `Phi` is 0 or 1 and `phi` is 0 to within `f32`.
const FAR: f32 = 13.0;

/// The distribution by Mills' ratio `m`: for `t > 0`, `Phi(-t) = phi(t) m(t)`.
#[inline(always)]
fn normal<const FUSED: bool>(x: f32) -> Normal {
    const ROOT: f32 = 0.398_942_3;
    let t = x.abs().min(FAR);
    let density = if x.abs() < FAR { ROOT * exp_negative::<FUSED>(-0.5 * t * t) } else { 0.0 };
    let tail = density * mills_ratio::<FUSED>(t);
    let distribution = if x < 0.0 { tail } else { 1.0 - tail };
    Normal { distribution, density }
}

/// Mills' ratio `(1 - Phi(t)) / phi(t)` for `0 <= t <= FAR`: `(1 + t)` times it is a polynomial in
/// `(t - 3.5) / (t + 3.5)`, fitted at Chebyshev's points to within `2e-8`, less than the rounding of `f32`.
#[inline(always)]
fn mills_ratio<const FUSED: bool>(t: f32) -> f32 {
    const COEFFICIENTS: [f32; 10] = [
        1.199_554_9,
        -0.244_929_12,
        0.001_973_608,
        0.095_372_32,
        -0.075_858_906,
        0.026_004_689,
        0.000_745_396_9,
        -0.003_488_893,
        0.000_219_630_51,
        0.000_361_558_7,
    ];
    let q = (t - 3.5) / (t + 3.5);
    polynomial::<FUSED, 10>(COEFFICIENTS, q) / (1.0 + t)
}

/// `c_0 + c_1 x + c_2 x^2 + ...`, by Horner's rule.
#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    coefficients.iter().rev().fold(0.0, |sum, &c| multiply_add::<FUSED>(sum, x, c))
}

/// `exp(z)` for `-87 < z <= 0`: a power of two times the exponential series at the rest.
#[inline(always)]
fn exp_negative<const FUSED: bool>(z: f32) -> f32 {
    /// 1.5 * 2^23: adding it rounds to an integer, which is left in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const SERIES: [f32; 8] =
        [1.0, 1.0, 1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0];
    let shifted = multiply_add::<FUSED>(z, std::f32::consts::LOG2_E, ROUND);
    let power = shifted - ROUND;
    let rest = multiply_add::<FUSED>(power, -LN_2[1], multiply_add::<FUSED>(power, -LN_2[0], z));
    let series = polynomial::<FUSED, 8>(SERIES, rest);
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    series * f32::from_bits(exponent << 23)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::{finite_differences, numbers, widen};
    use crate::parallel::tests::same_for_any_threads;

    /// `erf(x)` in `f64` by its power series, which converges everywhere.
    fn erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    fn naive(x: f64) -> f64 {
        x * 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))
    }

    fn points() -> Vec<f32> {
        (-4000..=4000).map(|i| i as f32 / 1000.0).chain(numbers(1, 5000)).collect()
    }

    #[test]
    fn values_and_gradients_are_those_of_the_formula() {
        let x = points();
        let (mut y, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
        gelu_forward(&x, &mut y);
        gelu_backward(&vec![2.0; x.len()], &x, &mut dx);
        let slopes: Vec<f64> =
            widen(&x).iter().map(|&x| finite_differences(&[x], |at| naive(at[0]))[0]).collect();
        for (i, &x) in x.iter().enumerate() {
            let expected = naive(f64::from(x));
            assert!((f64::from(y[i]) - expected).abs() < 3e-7 * (1.0 + expected.abs()), "y({x}) = {}", y[i]);
            assert!((f64::from(dx[i]) - 2.0 * slopes[i]).abs() < 2e-6, "dx({x}) = {}", dx[i]);
        }
    }

    #[test]
    fn far_from_zero_it_is_the_identity_or_nothing() {
        let x = [9.0, 13.5, 1e30, -14.0, -1e30, f32::INFINITY];
        let (mut y, mut dx) = ([f32::NAN; 6], [f32::NAN; 6]);
        gelu_forward(&x, &mut y);
        gelu_backward(&[1.0; 6], &x, &mut dx);
        assert_eq!(y[..3], x[..3]);
        assert_eq!(y[5], f32::INFINITY);
        assert!(y[3].abs() < 1e-30 && dx[3].abs() < 1e-30, "{y:?} {dx:?}");
        assert!(dx[..2].iter().all(|dx| (dx - 1.0).abs() < 1e-6), "{dx:?}");
        gelu_forward(&[f32::NAN], &mut y[..1]);
        assert!(y[0].is_nan());
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let (x, dy) = (numbers(1, 50_000), numbers(2, 50_000));
        same_for_any_threads(|| {
            let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            gelu_forward(&x, &mut y);
            gelu_backward(&dy, &x, &mut dx);
            [y, dx].concat()
        });
    }
}
