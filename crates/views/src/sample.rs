//! The three types a sample of an image can have, and how values are rounded into them.

use std::fmt::Debug;

use twinlens_data::{PixelType, Pixels};

use crate::canvas::{Buffers, Scratch, Workspace};

/// White: the largest value of an integer type, 1 for floating point. Normalisation divides by it, and colour
/// operations clamp to it.
pub(crate) fn white(pixel_type: PixelType) -> f32 {
    match pixel_type {
        PixelType::U8 => u8::WHITE,
        PixelType::U16 => u16::WHITE,
        // Signed and 32-bit numbers come with their range mapped to floating point (`twinlens_data::Ranged`).
        PixelType::F32 | PixelType::I16 | PixelType::U32 => f32::WHITE,
    }
}

/// Evaluates `$body` with `$samples` bound to the samples of a type that has white; refuses others.
macro_rules! each_sample {
    ($pixels:expr, $samples:ident => $body:expr) => {
        match $pixels {
            twinlens_data::Pixels::U8($samples) => Ok($body),
            twinlens_data::Pixels::U16($samples) => Ok($body),
            twinlens_data::Pixels::F32($samples) => Ok($body),
            pixels => Err($crate::ViewsError::Image {
                expected: "samples with black and white, as a data set with a range gives them".into(),
                got: format!("{} as stored", pixels.pixel_type()),
            }),
        }
    };
}

pub(crate) use each_sample;

/// A sample of an image: `u8`, `u16` or `f32`.
///
/// Arithmetic happens in `f32`, which holds every `u8` and `u16` exactly. The conversions are branch-free so
/// that loops over them vectorise.
pub trait Sample: Copy + Default + PartialEq + PartialOrd + Debug + Send + Sync + 'static {
    /// The value of white; black is 0.
    const WHITE: f32;

    /// Whether the type holds whole numbers only.
    const INTEGER: bool;

    /// How many levels [`Sample::level`] tells apart: every value of an integer, 256 from black to white of `f32`.
    const LEVELS: usize;

    /// The sample's level, below [`Sample::LEVELS`].
    fn level(self) -> usize;

    /// The value as `f32`, exactly.
    fn widen(self) -> f32;

    /// The nearest representable value: integers round and clamp, `f32` stays as it is.
    fn nearest(value: f32) -> Self;

    /// The nearest representable value, still as `f32`.
    fn quantise(value: f32) -> f32;

    /// `value` without its fraction for integers, unchanged for `f32`.
    fn whole(value: f32) -> f32;

    /// `white - self`.
    fn invert(self) -> Self;

    /// The working memory for this type and the part shared by all.
    #[doc(hidden)]
    fn memory(workspace: &mut Workspace) -> (&mut Buffers<Self>, &mut Scratch);

    /// Pixels of this type for an image.
    fn pixels(samples: Vec<Self>) -> Pixels;
}

/// Adding 2^23 to a float in `0..2^23` leaves its nearest integer in the low bits of the mantissa.
const SHIFT: f32 = 8_388_608.0;

/// `value` between black and `white`; black for NaN.
#[inline(always)]
pub(crate) fn clamp(value: f32, white: f32) -> f32 {
    let above = if value > 0.0 { value } else { 0.0 };
    if above < white { above } else { white }
}

macro_rules! integer_sample {
    ($type:ident, $variant:ident) => {
        impl Sample for $type {
            const WHITE: f32 = $type::MAX as f32;
            const INTEGER: bool = true;
            const LEVELS: usize = $type::MAX as usize + 1;

            #[inline(always)]
            fn level(self) -> usize {
                usize::from(self)
            }

            #[inline(always)]
            fn widen(self) -> f32 {
                f32::from(self)
            }

            #[inline(always)]
            fn nearest(value: f32) -> $type {
                (clamp(value, $type::WHITE) + SHIFT).to_bits() as $type
            }

            #[inline(always)]
            fn quantise(value: f32) -> f32 {
                (clamp(value, $type::WHITE) + SHIFT) - SHIFT
            }

            #[inline(always)]
            fn whole(value: f32) -> f32 {
                value.floor()
            }

            #[inline(always)]
            fn invert(self) -> $type {
                $type::MAX - self
            }

            fn memory(workspace: &mut Workspace) -> (&mut Buffers<$type>, &mut Scratch) {
                (&mut workspace.$type, &mut workspace.scratch)
            }

            fn pixels(samples: Vec<$type>) -> Pixels {
                Pixels::$variant(samples)
            }
        }
    };
}

integer_sample!(u8, U8);
integer_sample!(u16, U16);

impl Sample for f32 {
    const WHITE: f32 = 1.0;
    const INTEGER: bool = false;
    const LEVELS: usize = 256;

    /// As torchvision counts them: `floor(255.999 x)`.
    #[inline(always)]
    fn level(self) -> usize {
        (self * 255.999).clamp(0.0, 255.0) as usize
    }

    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    #[inline(always)]
    fn nearest(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn quantise(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn whole(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn invert(self) -> f32 {
        1.0 - self
    }

    fn memory(workspace: &mut Workspace) -> (&mut Buffers<f32>, &mut Scratch) {
        (&mut workspace.f32, &mut workspace.scratch)
    }

    fn pixels(samples: Vec<f32>) -> Pixels {
        Pixels::F32(samples)
    }
}
