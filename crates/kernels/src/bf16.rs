//! Matrix products of numbers rounded to bf16, summed in single precision.
//!
//! A bf16 number is a single with only the upper 16 of its 32 bits: the same range, 8 significant bits. Two neighbours in
//! depth share a word, the first in its lower half: `sum + a0 b0 + a1 b1` is one step, by AVX-512's `vdpbf16ps` where the
//! processor has it, elsewhere by two multiply-adds of the halves. Its manual describes the instruction as just these two
//! steps, but for numbers below `2^-126`, which it takes for zero.

use multiversion::multiversion;
use pulp::Simd;

#[cfg(target_arch = "x86_64")]
use crate::matrix::Product;
use crate::matrix::{ByTerms, LANES, Left, Number, Panels, Rows, Terms};
use crate::parallel::with_words;

/// The bits of the nearest bf16 number, ties to even; what is not a number stays so.
#[inline(always)]
fn round(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    if x.is_nan() { quiet } else { rounded }
}

#[inline(always)]
fn pair(first: f32, second: f32) -> u32 {
    round(first) | round(second) << 16
}

/// Lends `work` the rows of `matrix` in pairs of neighbours; where their number is odd, the last one's is zero.
pub(crate) fn with_pairs_of_rows(matrix: Rows, work: impl FnOnce(Left<u32>)) {
    let depth = matrix.columns.div_ceil(2);
    with_words(matrix.rows * depth, |pairs| {
        pair_rows(matrix, pairs);
        work(Left { data: pairs, rows: matrix.rows, depth, stride: depth, transposed: false });
    });
}

/// Lends `work` the panels with their rows in pairs; where the number of rows is odd, the last one's is zero.
pub(crate) fn with_pairs_of_panels(panels: Panels, work: impl FnOnce(Panels<u32>)) {
    let depth = panels.depth.div_ceil(2);
    with_words(Panels::len(depth, panels.columns), |pairs| {
        pair_panels(panels, pairs);
        work(Panels { data: pairs, depth, columns: panels.columns });
    });
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn pair_rows(matrix: Rows, pairs: &mut [u32]) {
    let Rows { data, columns, stride, .. } = matrix;
    for (row, pairs) in pairs.chunks_exact_mut(columns.div_ceil(2)).enumerate() {
        let (twos, rest) = data[row * stride..][..columns].as_chunks::<2>();
        for (to, two) in pairs.iter_mut().zip(twos) {
            *to = pair(two[0], two[1]);
        }
        if let ([last], Some(to)) = (rest, pairs.last_mut()) {
            *to = pair(*last, 0.0);
        }
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn pair_panels(panels: Panels, pairs: &mut [u32]) {
    let pairs = pairs.chunks_exact_mut(panels.depth.div_ceil(2) * LANES);
    for (panel, pairs) in panels.data.chunks_exact(panels.depth * LANES).zip(pairs) {
        for (lines, pairs) in panel.chunks(2 * LANES).zip(pairs.chunks_exact_mut(LANES)) {
            let (first, second) = lines.split_at(LANES);
            for (lane, (to, &first)) in pairs.iter_mut().zip(first).enumerate() {
                *to = pair(first, second.get(lane).copied().unwrap_or(0.0));
            }
        }
    }
}

/// Whether this processor multiplies bf16 numbers faster than single precision: by an instruction of its own.
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return dot::available().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl Number for u32 {
    fn run(product: Product<'_, u32>) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = dot::available() {
            return dot::run(simd, product);
        }
        pulp::Arch::new().dispatch(ByTerms(product, Halves));
    }
}

/// Each number is two terms, multiplied one after the other.
#[derive(Clone, Copy)]
struct Halves;

impl Terms for Halves {
    type Number = u32;
    type Vector<S: Simd> = S::u32s;
    const TERMS: usize = 2;

    #[inline(always)]
    fn vectors<S: Simd>(numbers: &[u32]) -> &[S::u32s] {
        S::as_simd_u32s(numbers).0
    }

    #[inline(always)]
    fn splat<S: Simd>(simd: S, number: u32) -> S::u32s {
        simd.splat_u32s(number)
    }

    /// The second term first, as the instruction does.
    #[inline(always)]
    fn add_products<S: Simd>(simd: S, left: S::u32s, right: S::u32s, sum: S::f32s) -> S::f32s {
        let upper = |pairs| simd.transmute_f32s_u32s(simd.and_u32s(pairs, simd.splat_u32s(0xffff_0000)));
        let lower = |pairs| simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(pairs, simd.splat_u32s(16)));
        let sum = simd.mul_add_e_f32s(upper(left), upper(right), sum);
        simd.mul_add_e_f32s(lower(left), lower(right), sum)
    }
}

/// The instruction of AVX-512-BF16.
#[cfg(target_arch = "x86_64")]
mod dot {
    use std::arch::x86_64::{__m512, __m512bh, __m512i, _mm512_dpbf16_ps};
    use std::mem::transmute;

    use pulp::{Simd, cast, x86::V4};

    use super::Halves;
    use crate::matrix::{Product, Terms};

    /// Whether this machine has it.
    pub fn available() -> Option<V4> {
        V4::try_new().filter(|_| std::arch::is_x86_feature_detected!("avx512bf16"))
    }

    pub fn run(simd: V4, product: Product<'_, u32>) {
        #[target_feature(
            enable = "avx512bf16,avx512bw,avx512cd,avx512dq,avx512f,avx512vl,bmi1,bmi2,fma,fxsr,lzcnt,popcnt"
        )]
        fn run(simd: V4, product: Product<'_, u32>) {
            product.run::<V4, Dot, 1, 4>(simd);
        }
        assert!(available().is_some());
        // SAFETY: the machine has these instructions: `V4` stands for all of them but the first, which was asked for.
        #[expect(unsafe_code)]
        unsafe {
            run(simd, product);
        }
    }

    /// [`Halves`] in one step, on [`V4`].
    #[derive(Clone, Copy)]
    struct Dot;

    impl Terms for Dot {
        type Number = u32;
        type Vector<S: Simd> = S::u32s;
        const TERMS: usize = 2;

        #[inline(always)]
        fn vectors<S: Simd>(numbers: &[u32]) -> &[S::u32s] {
            Halves::vectors::<S>(numbers)
        }

        #[inline(always)]
        fn splat<S: Simd>(simd: S, number: u32) -> S::u32s {
            Halves::splat(simd, number)
        }

        #[inline(always)]
        fn add_products<S: Simd>(_: S, left: S::u32s, right: S::u32s, sum: S::f32s) -> S::f32s {
            let [left, right]: [__m512i; 2] = [cast(left), cast(right)];
            let sum: __m512 = cast(sum);
            // SAFETY: vectors of words and of pairs have the same bits.
            #[expect(unsafe_code)]
            let [left, right] = unsafe { transmute::<[__m512i; 2], [__m512bh; 2]>([left, right]) };
            // SAFETY: only `run` gets here, where the machine has the instruction.
            #[expect(unsafe_code)]
            let sum = unsafe { _mm512_dpbf16_ps(sum, left, right) };
            cast(sum)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::{numbers, rounded};
    use crate::shape::Precision;

    #[test]
    fn numbers_become_the_nearest() {
        let mut values = numbers(1, 20_000);
        let sizes = [1e-38, 1e-30, 1e-3, 1.0, 255.5, 3e20, 3e37];
        values.iter_mut().enumerate().for_each(|(i, x)| *x *= sizes[i % sizes.len()]);
        // Ties: half of the last bit kept, with an even and an odd number below.
        values.extend([0x3f80_8000, 0x3f81_8000, 0x3f80_7fff, 0x3f80_8001, 0xbf81_8000].map(f32::from_bits));
        for (&x, expected) in values.iter().zip(rounded(Precision::Bf16, &values)) {
            assert_eq!(f32::from_bits(round(x) << 16), expected, "{x:e}");
        }
    }

    #[test]
    fn what_is_no_number_stays_so() {
        for bits in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff] {
            assert!(f32::from_bits(round(f32::from_bits(bits)) << 16).is_nan(), "{bits:x}");
        }
        for x in [f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0] {
            assert_eq!(round(x) << 16, x.to_bits());
        }
        assert_eq!(f32::from_bits(round(f32::MAX) << 16), f32::INFINITY, "the largest are nearer to it");
    }
}
