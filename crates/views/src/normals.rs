//! Many normally distributed numbers at once.

use multiversion::multiversion;
use twinlens_random::Stream;

/// Numbers made at a time, an even number.
const BLOCK: usize = 256;

/// Calls `each` with standard normal numbers, as many as `count`, block by block: all of one stream, in order.
pub fn normals(stream: &mut Stream, count: usize, mut each: impl FnMut(usize, &[f32])) {
    let mut bits = [0u32; BLOCK];
    let mut values = [0.0f32; BLOCK];
    for start in (0..count).step_by(BLOCK) {
        stream.fill_u32(&mut bits);
        box_muller(&bits, &mut values);
        each(start, &values[..BLOCK.min(count - start)]);
    }
}

/// Pairs of independent standard normal numbers (G. Box and M. Muller, 1958): `r cos(2 pi v)` and `r sin(2 pi v)` with
/// `r = sqrt(-2 ln u)`, u and v of 24 random bits each. The first halves of `bits` and `values` belong to u and the cosine. None
/// lies beyond 5.8.
#[multiversion(targets("x86_64+avx2"))]
fn box_muller(bits: &[u32; BLOCK], values: &mut [f32; BLOCK]) {
    const UNIT: f32 = 1.0 / (1u32 << 24) as f32;
    let (first, second) = bits.split_at(BLOCK / 2);
    let (cosines, sines) = values.split_at_mut(BLOCK / 2);
    for (((u, v), cosine), sine) in first.iter().zip(second).zip(cosines).zip(sines) {
        // 24 bits, so that the signed conversion, which processors have, is exact.
        let [u, v] = [u, v].map(|bits| (bits >> 8) as i32 as f32 * UNIT);
        let radius = (-2.0 * ln(u + UNIT)).sqrt();
        let [x, y] = on_circle(v);
        *cosine = radius * x;
        *sine = radius * y;
    }
}

/// The natural logarithm of a normal number in (0, 1], to 3e-7 of it or of 1e-7.
#[inline(always)]
fn ln(x: f32) -> f32 {
    // x = m 2^e with m in [sqrt(1/2), sqrt(2)): the bits of the square root's mantissa carry into the exponent.
    const ROOT: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    let e = (x.to_bits().wrapping_sub(ROOT) as i32) >> 23;
    let m = f32::from_bits(x.to_bits().wrapping_sub((e << 23) as u32));
    // ln m = 2 artanh((m - 1) / (m + 1)), by its series: the first term left out is below 2e-9 of the sum.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series = 1.0 + z * (1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z * (1.0 / 9.0))));
    e as f32 * std::f32::consts::LN_2 + 2.0 * s * series
}

/// The point `[cos, sin]` of the unit circle that `turn`, in [0, 1), leads to, to 3e-7.
#[inline(always)]
fn on_circle(turn: f32) -> [f32; 2] {
    // Quarters of a turn, and what remains of it, an eighth at most, exactly.
    let quarter = (turn * 4.0 + 0.5) as i32;
    let angle = std::f32::consts::TAU * (turn - quarter as f32 * 0.25);
    let z = angle * angle;
    // Taylor's series; the first terms left out are below 2e-9 and 3e-9.
    let sine = angle * (1.0 - z / 6.0 * (1.0 - z / 20.0 * (1.0 - z / 42.0 * (1.0 - z / 72.0))));
    let cosine = 1.0 - z / 2.0 * (1.0 - z / 12.0 * (1.0 - z / 30.0 * (1.0 - z / 56.0 * (1.0 - z / 90.0))));
    let (x, y) = if quarter & 1 == 0 { (cosine, sine) } else { (sine, cosine) };
    let x = if (quarter + 1) & 2 == 0 { x } else { -x };
    let y = if quarter & 2 == 0 { y } else { -y };
    [x, y]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twinlens_random::Purpose;

    use super::*;

    proptest! {
        #[test]
        fn logarithms_are_those_of_double_precision(bits in 1u32..=1 << 24) {
            let x = bits as f32 / (1u32 << 24) as f32;
            let exact = f64::from(x).ln();
            prop_assert!((f64::from(ln(x)) - exact).abs() <= 3e-7 * exact.abs().max(1.0), "{x}: {} {exact}", ln(x));
        }

        #[test]
        fn points_of_the_circle_are_those_of_double_precision(bits in 0u32..1 << 24) {
            let turn = bits as f32 / (1u32 << 24) as f32;
            let (sine, cosine) = (std::f64::consts::TAU * f64::from(turn)).sin_cos();
            let [x, y] = on_circle(turn).map(f64::from);
            prop_assert!((x - cosine).abs() < 3e-7 && (y - sine).abs() < 3e-7, "{turn}: {x} {y}");
        }
    }

    #[test]
    fn the_ends_of_both_ranges_are_finite() {
        assert_eq!(ln(1.0), 0.0);
        let mut values = [0.0; BLOCK];
        for bits in [0, u32::MAX] {
            box_muller(&[bits; BLOCK], &mut values);
            assert!(values.iter().all(|value| value.abs() < 5.8), "{bits}: {}", values[0]);
        }
    }

    #[test]
    fn as_many_numbers_as_asked_for_come_in_order_and_are_standard_normal() {
        let all = |count: usize| {
            let mut all = Vec::new();
            normals(&mut Stream::new(3, Purpose::View, [0; 3]), count, |start, values| {
                assert_eq!(start, all.len());
                all.extend_from_slice(values);
            });
            all
        };
        let many = all(100_001);
        assert_eq!(many.len(), 100_001);
        assert_eq!(all(300), many[..300]);
        let moment = |power| many.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / many.len() as f64;
        // Four standard errors of each moment: of 1, 2, 15 and 96 divided by the root of the count.
        for (power, expected, variance) in [(1, 0.0, 1.0f64), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let bound = 4.0 * (variance / many.len() as f64).sqrt();
            assert!((moment(power) - expected).abs() < bound, "{power}: {}", moment(power));
        }
        let beyond = many.iter().filter(|v| v.abs() > 1.959964).count() as f64 / many.len() as f64;
        assert!((beyond - 0.05).abs() < 4.0 * (0.05 * 0.95 / many.len() as f64).sqrt(), "{beyond}");
    }
}
