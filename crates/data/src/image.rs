//! One image in memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DataError;

/// The samples of an image, row by row, channels interleaved (HWC).
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// 8 bits, 0..=255.
    U8(Vec<u8>),
    /// 16 bits, 0..=65535.
    U16(Vec<u16>),
    /// 16 bits with a sign, as CT has them.
    I16(Vec<i16>),
    /// 32 bits.
    U32(Vec<u32>),
    /// Floating point, in whatever range the source has.
    F32(Vec<f32>),
}

/// The number format of an image's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PixelType {
    /// 8 bits, 0..=255.
    U8,
    /// 16 bits, 0..=65535.
    U16,
    /// 16 bits with a sign, as CT has them.
    I16,
    /// 32 bits.
    U32,
    /// Floating point, in whatever range the source has.
    F32,
}

/// An image of `height` x `width` pixels with `channels` interleaved samples each.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// Samples per pixel: 1 for grey, 3 for RGB, n for microscopy.
    pub channels: usize,
    /// `height * width * channels` samples.
    pub pixels: Pixels,
}

impl PixelType {
    /// Bytes of one sample.
    pub fn bytes(self) -> usize {
        match self {
            PixelType::U8 => 1,
            PixelType::U16 | PixelType::I16 => 2,
            PixelType::U32 | PixelType::F32 => 4,
        }
    }

    /// The smallest and the largest value of an integer type; 0 and 1 for floating point, whose images are made so by
    /// convention.
    pub fn bounds(self) -> [f64; 2] {
        match self {
            PixelType::U8 => [0.0, 255.0],
            PixelType::U16 => [0.0, 65535.0],
            PixelType::I16 => [-32768.0, 32767.0],
            PixelType::U32 => [0.0, 4294967295.0],
            PixelType::F32 => [0.0, 1.0],
        }
    }
}

impl std::fmt::Display for PixelType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PixelType::U8 => "u8",
            PixelType::U16 => "u16",
            PixelType::I16 => "i16",
            PixelType::U32 => "u32",
            PixelType::F32 => "f32",
        })
    }
}

/// Evaluates `$body` with `$values` bound to the samples, whatever their type.
#[macro_export]
macro_rules! each_pixel_type {
    ($pixels:expr, $values:ident => $body:expr) => {
        match $pixels {
            $crate::Pixels::U8($values) => $body,
            $crate::Pixels::U16($values) => $body,
            $crate::Pixels::I16($values) => $body,
            $crate::Pixels::U32($values) => $body,
            $crate::Pixels::F32($values) => $body,
        }
    };
}

impl Pixels {
    /// Number of samples.
    pub fn len(&self) -> usize {
        each_pixel_type!(self, values => values.len())
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number format of the samples.
    pub fn pixel_type(&self) -> PixelType {
        match self {
            Pixels::U8(_) => PixelType::U8,
            Pixels::U16(_) => PixelType::U16,
            Pixels::I16(_) => PixelType::I16,
            Pixels::U32(_) => PixelType::U32,
            Pixels::F32(_) => PixelType::F32,
        }
    }

    /// All samples as numbers, exactly.
    pub fn to_f64(&self) -> Vec<f64> {
        each_pixel_type!(self, values => values.iter().map(|&value| f64::from(value)).collect())
    }

    /// Appends the samples to `out`, little-endian.
    pub(crate) fn write_le(&self, out: &mut Vec<u8>) {
        each_pixel_type!(self, values => out.extend(values.iter().flat_map(|value| value.to_le_bytes())));
    }

    /// Samples of type `pixel_type` from little-endian bytes.
    pub(crate) fn read_le(pixel_type: PixelType, bytes: &[u8]) -> Pixels {
        fn numbers<T, const N: usize>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks().0.iter().map(|&number| from(number)).collect()
        }
        match pixel_type {
            PixelType::U8 => Pixels::U8(bytes.to_vec()),
            PixelType::U16 => Pixels::U16(numbers(bytes, u16::from_le_bytes)),
            PixelType::I16 => Pixels::I16(numbers(bytes, i16::from_le_bytes)),
            PixelType::U32 => Pixels::U32(numbers(bytes, u32::from_le_bytes)),
            PixelType::F32 => Pixels::F32(numbers(bytes, f32::from_le_bytes)),
        }
    }

    /// The samples at these places, in their order.
    pub(crate) fn gathered(&self, places: impl Iterator<Item = usize>) -> Pixels {
        match self {
            Pixels::U8(values) => Pixels::U8(places.map(|at| values[at]).collect()),
            Pixels::U16(values) => Pixels::U16(places.map(|at| values[at]).collect()),
            Pixels::I16(values) => Pixels::I16(places.map(|at| values[at]).collect()),
            Pixels::U32(values) => Pixels::U32(places.map(|at| values[at]).collect()),
            Pixels::F32(values) => Pixels::F32(places.map(|at| values[at]).collect()),
        }
    }

    /// Whether the samples at two places are the same.
    pub(crate) fn same_at(&self, one: usize, other: usize) -> bool {
        each_pixel_type!(self, values => values[one] == values[other])
    }

    /// The samples of several images of one type and size, pixel by pixel, of each `channels` in turn; `None` where they differ.
    pub(crate) fn interleaved(images: &[Pixels], channels: usize) -> Option<Pixels> {
        fn of<'a, T: Copy + Default>(
            images: &'a [Pixels],
            channels: usize,
            samples: fn(&'a Pixels) -> Option<&'a [T]>,
        ) -> Option<Vec<T>> {
            let planes: Vec<&[T]> = images.iter().map(samples).collect::<Option<_>>()?;
            let len = planes.first()?.len();
            let mut all = vec![T::default(); len * planes.len()];
            for (place, plane) in planes.iter().enumerate() {
                if plane.len() != len {
                    return None;
                }
                let spots = all[place * channels..].chunks_mut(channels * planes.len());
                for (spot, pixel) in spots.zip(plane.chunks_exact(channels)) {
                    spot[..channels].copy_from_slice(pixel);
                }
            }
            Some(all)
        }
        macro_rules! of_type {
            ($kind:ident) => {
                of(images, channels, |pixels| match pixels {
                    Pixels::$kind(values) => Some(values),
                    _ => None,
                })
                .map(Pixels::$kind)
            };
        }
        match images.first()? {
            Pixels::U8(_) => of_type!(U8),
            Pixels::U16(_) => of_type!(U16),
            Pixels::I16(_) => of_type!(I16),
            Pixels::U32(_) => of_type!(U32),
            Pixels::F32(_) => of_type!(F32),
        }
    }

    /// Every sample `count` times in a row.
    fn repeated(self, count: usize) -> Pixels {
        self.gathered((0..self.len()).flat_map(|at| std::iter::repeat_n(at, count)))
    }
}

impl Image {
    /// An image of these samples, in HWC order.
    ///
    /// # Errors
    /// [`DataError::WrongShape`] when there are no pixels, or not `height * width * channels` samples.
    pub fn new(height: usize, width: usize, channels: usize, pixels: Pixels) -> Result<Image, DataError> {
        let expected = height.checked_mul(width).and_then(|area| area.checked_mul(channels));
        if pixels.is_empty() || expected != Some(pixels.len()) {
            return Err(DataError::WrongShape {
                place: "image".into(),
                expected: format!(
                    "height x width x channels = {height} x {width} x {channels} samples, not 0"
                ),
                got: format!("{} samples", pixels.len()),
                hint: "give one sample per row, column and channel".into(),
            });
        }
        Ok(Image { height, width, channels, pixels })
    }

    /// The number format of the samples.
    pub fn pixel_type(&self) -> PixelType {
        self.pixels.pixel_type()
    }

    /// One channel alone, as a grey image.
    ///
    /// # Panics
    /// When there is no such channel.
    #[must_use]
    pub fn channel(&self, channel: usize) -> Image {
        assert!(channel < self.channels, "channel {channel} of {}", self.channels);
        let places = (0..self.height * self.width).map(|at| at * self.channels + channel);
        Image { height: self.height, width: self.width, channels: 1, pixels: self.pixels.gathered(places) }
    }

    /// The same picture with grey repeated to 3 channels, and 8 bits widened to 16 (times 257, which keeps
    /// `value / largest` exactly), and at most 16 bits made floating point, where asked. Anything else is returned unchanged.
    pub(crate) fn widened(mut self, channels: usize, pixel_type: PixelType) -> Image {
        if let (Pixels::U8(values), PixelType::U16) = (&self.pixels, pixel_type) {
            self.pixels = Pixels::U16(values.iter().map(|&v| u16::from(v) * 257).collect());
        }
        if pixel_type == PixelType::F32 {
            self.pixels = match self.pixels {
                Pixels::U8(values) => Pixels::F32(values.into_iter().map(f32::from).collect()),
                Pixels::U16(values) => Pixels::F32(values.into_iter().map(f32::from).collect()),
                Pixels::I16(values) => Pixels::F32(values.into_iter().map(f32::from).collect()),
                pixels => pixels,
            };
        }
        if self.channels == 1 && channels == 3 {
            self.pixels = self.pixels.repeated(3);
            self.channels = 3;
        }
        self
    }
}
