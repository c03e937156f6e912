//! The numbers that maps are made of.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::bf16::Bf16;
use crate::shape::assert_len;

/// A number of a map or of its gradient: `f32`, or [`Bf16`], which moves half of the bytes.
///
/// Weights, statistics and sums are in single precision whatever it is; a result is rounded once, when it is written.
pub trait Element: kind::Kind {}

impl Element for f32 {}

impl Element for Bf16 {}

/// What the kernels ask of an [`Element`].
pub(crate) mod kind {
    use std::fmt::Debug;

    use pulp::bytemuck::Pod;

    use crate::bf16::{Bf16, round, round_all, with_rounded};

    pub trait Kind: Pod + Debug + Send + Sync {
        fn widen(self) -> f32;

        /// The number of this kind that is nearest to `x`.
        fn nearest(x: f32) -> Self;

        /// The numbers if they are in single precision.
        fn singles(numbers: &[Self]) -> Option<&[f32]>;

        /// As [`Kind::singles`].
        fn singles_mut(numbers: &mut [Self]) -> Option<&mut [f32]>;

        /// Writes the numbers rounded to bf16.
        fn round(numbers: &[Self], rounded: &mut [Bf16]);

        /// Lends `work` the numbers rounded to bf16.
        fn with_rounded<R>(numbers: &[Self], work: impl FnOnce(&[Bf16]) -> R) -> R;
    }

    impl Kind for f32 {
        #[inline(always)]
        fn widen(self) -> f32 {
            self
        }

        #[inline(always)]
        fn nearest(x: f32) -> f32 {
            x
        }

        fn singles(numbers: &[f32]) -> Option<&[f32]> {
            Some(numbers)
        }

        fn singles_mut(numbers: &mut [f32]) -> Option<&mut [f32]> {
            Some(numbers)
        }

        fn round(numbers: &[f32], rounded: &mut [Bf16]) {
            round_all(numbers, rounded);
        }

        fn with_rounded<R>(numbers: &[f32], work: impl FnOnce(&[Bf16]) -> R) -> R {
            with_rounded(numbers, work)
        }
    }

    impl Kind for Bf16 {
        /// Not [`Bf16::to_f32`], which looks for NaN.
        #[inline(always)]
        fn widen(self) -> f32 {
            f32::from_bits(u32::from(self.to_bits()) << 16)
        }

        #[inline(always)]
        fn nearest(x: f32) -> Bf16 {
            round(x)
        }

        fn singles(_: &[Bf16]) -> Option<&[f32]> {
            None
        }

        fn singles_mut(_: &mut [Bf16]) -> Option<&mut [f32]> {
            None
        }

        fn round(numbers: &[Bf16], rounded: &mut [Bf16]) {
            rounded.copy_from_slice(numbers);
        }

        fn with_rounded<R>(numbers: &[Bf16], work: impl FnOnce(&[Bf16]) -> R) -> R {
            work(numbers)
        }
    }
}

/// Numbers that a task has.
const CHUNK: usize = 32 * 1024;

/// Writes numbers as numbers of another kind, the nearest.
///
/// # Panics
/// When there are more of the one than of the other.
pub fn convert<A: Element, B: Element>(from: &[A], to: &mut [B]) {
    assert_len("to", to.len(), from.len());
    to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(to, from)| convert_chunk(from, to));
}

#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2+fma"))]
fn convert_chunk<A: Element, B: Element>(from: &[A], to: &mut [B]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = B::nearest(from.widen()));
}

/// Adds numbers to others.
///
/// # Panics
/// When there are more of the one than of the other.
pub fn add_to<E: Element>(to: &mut [E], numbers: &[E]) {
    assert_len("to", to.len(), numbers.len());
    to.par_chunks_mut(CHUNK)
        .zip(numbers.par_chunks(CHUNK))
        .for_each(|(to, numbers)| add_to_chunk(to, numbers));
}

#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2+fma"))]
fn add_to_chunk<E: Element>(to: &mut [E], numbers: &[E]) {
    to.iter_mut().zip(numbers).for_each(|(to, x)| *to = E::nearest(to.widen() + x.widen()));
}

#[cfg(test)]
pub(crate) mod tests {
    use super::kind::Kind;
    use super::*;
    use crate::naive::{numbers, rounded};
    use crate::shape::Precision;

    /// The nearest numbers of a kind.
    pub fn nearest<E: Element>(numbers: &[f32]) -> Vec<E> {
        numbers.iter().map(|&x| E::nearest(x)).collect()
    }

    pub fn widened<E: Element>(numbers: &[E]) -> Vec<f32> {
        numbers.iter().map(|x| x.widen()).collect()
    }

    #[test]
    fn numbers_are_converted_to_the_nearest() {
        let numbers = numbers(1, 40_000);
        let mut halves = vec![Bf16::NAN; numbers.len()];
        convert(&numbers, &mut halves);
        let mut back = vec![f32::NAN; numbers.len()];
        convert(&halves, &mut back);
        assert_eq!(back, rounded(Precision::Bf16, &numbers));
    }

    #[test]
    fn numbers_are_added_and_rounded_once() {
        let [a, b] = [1, 2].map(|seed| rounded(Precision::Bf16, &numbers(seed, 40_000)));
        let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let mut sum = b.clone();
        add_to(&mut sum, &a);
        assert_eq!(sum, expected);
        let [a, mut sum] = [a, b].map(|numbers| nearest::<Bf16>(&numbers));
        add_to(&mut sum, &a);
        assert_eq!(widened(&sum), rounded(Precision::Bf16, &expected));
    }

    #[test]
    fn numbers_of_both_kinds_come_back_as_they_were() {
        for bits in 0..=u16::MAX {
            let x = Bf16::from_bits(bits);
            let same = Bf16::nearest(x.widen());
            assert!(same == x || x.is_nan() && same.is_nan(), "{x} {same}");
            assert_eq!(f32::nearest(x.widen()).to_bits(), u32::from(bits) << 16);
        }
    }
}
