//! Exponentials of many numbers at once.

use multiversion::multiversion;

/// Adding it leaves the nearest whole number in the lowest bits of a double: 1.5 * 2^52.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts: products of the first with whole numbers below 2^11 are exact.
const LN_2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fefa_3800);
const LN_2_LOW: f64 = f64::from_bits(0x3d2e_f357_93c7_6730);
/// Below it, `e^x` is no normal number.
const LOWEST: f64 = -708.0;
/// `1 / k!` for `k` from 13 down: the rest of the series is below 5e-18 for `|r| <= ln 2 / 2`.
const TAYLOR: [f64; 14] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// Replaces every `x <= 0` by `e^x`, to within a few units in the last place; 0 below -708, NaN for NaN.
///
/// `e^x = 2^n e^r` with `n` the whole number nearest to `x / ln 2`. Without branches and calls, so that a processor takes
/// several numbers at a time, which the C library's `exp` does not. The bits are the same on every processor.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn exp_of_negatives(values: &mut [f64]) {
    for x in values {
        let power = *x * std::f64::consts::LOG2_E + ROUNDER;
        let n = power - ROUNDER;
        let r = (*x - n * LN_2_HIGH) - n * LN_2_LOW;
        let series = TAYLOR.iter().fold(0.0, |sum, coefficient| sum * r + coefficient);
        let scaled = f64::from_bits(series.to_bits().wrapping_add(power.to_bits() << 52));
        *x = if *x < LOWEST { 0.0 } else { scaled };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exp(x: f64) -> f64 {
        let mut values = [x];
        exp_of_negatives(&mut values);
        values[0]
    }

    #[test]
    fn the_ends_are_exact() {
        assert_eq!((exp(0.0), exp(-0.0)), (1.0, 1.0));
        assert_eq!((exp(f64::NEG_INFINITY), exp(-709.0), exp(f64::MIN)), (0.0, 0.0, 0.0));
        assert!(exp(-708.0) > 0.0 && exp(f64::NAN).is_nan());
    }

    proptest! {
        #[test]
        fn it_is_the_exponential(x in prop_oneof![-708.0..=0.0f64, -2.0..=0.0f64, -1e-9..=0.0f64]) {
            let expected = x.exp();
            prop_assert!((exp(x) / expected - 1.0).abs() < 1e-15, "{x}: {} and {expected}", exp(x));
        }
    }
}
