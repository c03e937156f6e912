//! Matrix products of numbers rounded to bf16, summed in single precision.
//!
//! A bf16 number is a single with only the upper 16 of its 32 bits: the same range, 8 significant bits. Two neighbours in
//! depth share a word, the first in its lower half: `sum + a0 b0 + a1 b1` is one step, by AVX-512's `vdpbf16ps` where the
//! processor has it, elsewhere by two multiply-adds of the halves. Its manual describes the instruction as just these two
//! steps, but for numbers below `2^-126`, which it takes for zero. Processors with AMX do 16 x 16 x 16 steps at once
//! ([`amx`](crate::amx)).

pub(crate) use half::bf16 as Bf16;
use multiversion::multiversion;
use pulp::Simd;
use pulp::bytemuck::try_cast_slice;
use rayon::prelude::*;

use crate::amx;
use crate::matrix::{BySteps, LANES, Left, Number, Product, Rows, Step, words};
use crate::parallel::with_buffer;

/// The nearest bf16 number, ties to even; what is not a number stays so.
#[inline(always)]
pub(crate) fn round(x: f32) -> Bf16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    Bf16::from_bits(if x.is_nan() { quiet } else { rounded } as u16)
}

#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2+fma"))]
pub(crate) fn round_all(numbers: &[f32], rounded: &mut [Bf16]) {
    rounded.iter_mut().zip(numbers).for_each(|(to, &x)| *to = round(x));
}

#[inline(always)]
fn pair(first: Bf16, second: Bf16) -> u32 {
    u32::from(first.to_bits()) | u32::from(second.to_bits()) << 16
}

/// Lends `work` the numbers rounded to bf16.
pub(crate) fn with_rounded<R>(numbers: &[f32], work: impl FnOnce(&[Bf16]) -> R) -> R {
    const CHUNK: usize = 32 * 1024;
    with_buffer(numbers.len(), |rounded| {
        let chunks = rounded.par_chunks_mut(CHUNK).zip(numbers.par_chunks(CHUNK));
        chunks.for_each(|(rounded, numbers)| round_all(numbers, rounded));
        work(rounded)
    })
}

/// Whether this processor multiplies bf16 numbers faster than single precision. One that has AMX does so by AMX alone: it
/// takes four times as long for `vdpbf16ps` as for a multiply-add.
pub fn has_bf16() -> bool {
    amx::available() || !amx::processor_has() && has_dot()
}

fn has_dot() -> bool {
    #[cfg(target_arch = "x86_64")]
    return dot::Dot::available().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl Number for Bf16 {
    /// Two neighbours, the first in the lower half.
    type Word = u32;
    type Vector<S: Simd> = S::u32s;
    const TERMS: usize = 2;
    /// As deep as one of AMX's tiles.
    const DEPTH_STEP: usize = 32;
    const ZEROS: &[Bf16; LANES] = &[Bf16::ZERO; LANES];

    #[inline(always)]
    fn fill_words<'a>(line: impl Fn(usize) -> &'a [Bf16], words: &mut [u32]) {
        for (word, (&first, &second)) in words.iter_mut().zip(line(0).iter().zip(line(1))) {
            *word = pair(first, second);
        }
    }

    fn with_left(rows: Rows<Bf16>, work: impl FnOnce(Left<Bf16>)) {
        let Rows { data, rows: count, columns, stride } = rows;
        let depth = words::<Bf16>(columns);
        let data = &data[..(count - 1) * stride + columns];
        let whole = columns == depth * Bf16::TERMS && stride.is_multiple_of(Bf16::TERMS);
        match try_cast_slice(data) {
            Ok(data) if whole => {
                work(Left { data, rows: count, depth, stride: stride / Bf16::TERMS, transposed: false });
            }
            _ => with_buffer(count * depth, |words| {
                for (to, from) in words.chunks_exact_mut(depth).zip(data.chunks(stride)) {
                    let (filled, rest) = to.split_at_mut(columns.div_ceil(Bf16::TERMS));
                    filled.iter_mut().zip(from[..columns].chunks(Bf16::TERMS)).for_each(|(to, two)| {
                        *to = pair(two[0], two.get(1).copied().unwrap_or(Bf16::ZERO));
                    });
                    rest.fill(0);
                }
                work(Left { data: words, rows: count, depth, stride: depth, transposed: false });
            }),
        }
    }

    #[inline(always)]
    fn vectors<S: Simd>(words: &[u32]) -> &[S::u32s] {
        S::as_simd_u32s(words).0
    }

    #[inline(always)]
    fn splat<S: Simd>(simd: S, word: u32) -> S::u32s {
        simd.splat_u32s(word)
    }

    fn run(product: Product<'_, Bf16>) {
        if let Some(tiles) = amx::Tiles::available() {
            return tiles.run(product);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(dot) = dot::Dot::available() {
            return dot.run(product);
        }
        pulp::Arch::new().dispatch(BySteps(product, Halves));
    }
}

/// Two multiply-adds, the second number's first, as the instruction does it.
#[derive(Clone, Copy)]
struct Halves;

impl Step for Halves {
    type Number = Bf16;

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

    use super::Bf16;
    use crate::matrix::{Product, Step};

    /// Both multiply-adds of [`Halves`](super::Halves) at once; a proof that this machine can.
    #[derive(Clone, Copy)]
    pub struct Dot(V4);

    impl Dot {
        /// `None` on a machine without the instruction.
        pub fn available() -> Option<Dot> {
            V4::try_new().filter(|_| std::arch::is_x86_feature_detected!("avx512bf16")).map(Dot)
        }

        pub fn run(self, product: Product<'_, Bf16>) {
            #[target_feature(
                enable = "avx512bf16,avx512bw,avx512cd,avx512dq,avx512f,avx512vl,bmi1,bmi2,fma,fxsr,lzcnt,popcnt"
            )]
            fn run(Dot(simd): Dot, product: Product<'_, Bf16>) {
                product.run::<V4, Dot, 1, 4>(simd);
            }
            // SAFETY: `available`, which alone makes a `Dot`, has asked for the first; `V4` stands for the others.
            #[expect(unsafe_code)]
            unsafe {
                run(self, product);
            }
        }
    }

    impl Step for Dot {
        type Number = Bf16;

        #[inline(always)]
        fn add_products<S: Simd>(_: S, left: S::u32s, right: S::u32s, sum: S::f32s) -> S::f32s {
            let [left, right]: [__m512i; 2] = [cast(left), cast(right)];
            let sum: __m512 = cast(sum);
            // SAFETY: vectors of words and of pairs have the same bits.
            #[expect(unsafe_code)]
            let [left, right] = unsafe { transmute::<[__m512i; 2], [__m512bh; 2]>([left, right]) };
            // SAFETY: only `Dot::run` gets here, on a machine that has the instruction.
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

    fn widened(x: Bf16) -> f32 {
        f32::from_bits(u32::from(x.to_bits()) << 16)
    }

    #[test]
    fn numbers_become_the_nearest() {
        let mut values = numbers(1, 20_000);
        let sizes = [1e-38, 1e-30, 1e-3, 1.0, 255.5, 3e20, 3e37];
        values.iter_mut().enumerate().for_each(|(i, x)| *x *= sizes[i % sizes.len()]);
        // Ties: half of the last bit kept, with an even and an odd number below.
        values.extend([0x3f80_8000, 0x3f81_8000, 0x3f80_7fff, 0x3f80_8001, 0xbf81_8000].map(f32::from_bits));
        for (&x, expected) in values.iter().zip(rounded(Precision::Bf16, &values)) {
            assert_eq!(widened(round(x)), expected, "{x:e}");
        }
    }

    /// A product of numbers of a million sizes, computed by `run`.
    #[cfg(target_arch = "x86_64")]
    fn product(transposed: bool, run: impl FnOnce(Product<'_, Bf16>)) -> Vec<f32> {
        use crate::ahead::Ahead;
        use crate::matrix::{Panels, Target};
        let [rows, depth, columns] = [37, 700, 50];
        let a = numbers(1, rows * depth);
        let b = numbers(2, depth * columns);
        let mut out = numbers(3, rows * columns);
        with_rounded(&a, |a| {
            with_rounded(&b, |b| {
                let mut buffers = [columns, rows].map(|columns| vec![0; Panels::<Bf16>::len(depth, columns)]);
                let [right, left] = &mut buffers;
                let right = Panels::pack(Rows::new(b, columns), right);
                let ahead = &mut Ahead::nothing();
                let run = |left: Left<Bf16>| {
                    run(Product { out: &mut out, target: Target::Add, left, right, ahead });
                };
                if transposed {
                    let Panels { data, depth, .. } = Panels::pack(Rows::new(a, rows), left);
                    run(Left { data, rows, depth, stride: LANES, transposed });
                } else {
                    Bf16::with_left(Rows::new(a, depth), run);
                }
            });
        });
        out
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn every_instruction_computes_the_same_product() {
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        for transposed in [false, true] {
            let halves = product(transposed, |product| pulp::Arch::new().dispatch(BySteps(product, Halves)));
            if let Some(dot) = dot::Dot::available() {
                let dots = product(transposed, |product| dot.run(product));
                assert_eq!(bits(&dots), bits(&halves), "vdpbf16ps");
            }
            if let Some(tiles) = amx::Tiles::available() {
                let tiles = product(transposed, |product| tiles.run(product));
                let expected: Vec<f64> = halves.iter().map(|&x| f64::from(x)).collect();
                crate::naive::assert_close("AMX", &tiles, &expected);
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_so() {
        for bits in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff] {
            assert!(widened(round(f32::from_bits(bits))).is_nan(), "{bits:x}");
        }
        for x in [f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0] {
            assert_eq!(widened(round(x)).to_bits(), x.to_bits());
        }
        assert_eq!(widened(round(f32::MAX)), f32::INFINITY, "the largest are nearer to it");
    }
}
