//! One image in memory.

use serde::{Deserialize, Serialize};

use crate::DataError;

/// The samples of an image, row by row, channels interleaved (HWC).
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// 8 bits, 0..=255.
    U8(Vec<u8>),
    /// 16 bits, 0..=65535.
    U16(Vec<u16>),
    /// Floating point, in whatever range the source has.
    F32(Vec<f32>),
}

/// The number format of an image's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelType {
    /// 8 bits, 0..=255.
    U8,
    /// 16 bits, 0..=65535.
    U16,
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
            PixelType::U16 => 2,
            PixelType::F32 => 4,
        }
    }

    /// The largest value of an integer type (255 or 65535); `None` for floating point, which has no scale.
    pub fn max_value(self) -> Option<f64> {
        match self {
            PixelType::U8 => Some(255.0),
            PixelType::U16 => Some(65535.0),
            PixelType::F32 => None,
        }
    }
}

impl std::fmt::Display for PixelType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PixelType::U8 => "u8",
            PixelType::U16 => "u16",
            PixelType::F32 => "f32",
        })
    }
}

impl Pixels {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Pixels::U8(values) => values.len(),
            Pixels::U16(values) => values.len(),
            Pixels::F32(values) => values.len(),
        }
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
            Pixels::F32(_) => PixelType::F32,
        }
    }

    /// Appends the samples to `out`, little-endian.
    pub(crate) fn write_le(&self, out: &mut Vec<u8>) {
        match self {
            Pixels::U8(values) => out.extend_from_slice(values),
            Pixels::U16(values) => out.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            Pixels::F32(values) => out.extend(values.iter().flat_map(|v| v.to_le_bytes())),
        }
    }

    /// Samples of type `pixel_type` from little-endian bytes.
    pub(crate) fn read_le(pixel_type: PixelType, bytes: &[u8]) -> Pixels {
        match pixel_type {
            PixelType::U8 => Pixels::U8(bytes.to_vec()),
            PixelType::U16 => {
                Pixels::U16(bytes.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect())
            }
            PixelType::F32 => {
                Pixels::F32(bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect())
            }
        }
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

    /// The same picture with grey repeated to 3 channels, and 8 bits widened to 16 (times 257, which keeps
    /// `value / max_value` exactly), where asked. Anything else is returned unchanged.
    pub(crate) fn widened(mut self, channels: usize, pixel_type: PixelType) -> Image {
        if let (Pixels::U8(values), PixelType::U16) = (&self.pixels, pixel_type) {
            self.pixels = Pixels::U16(values.iter().map(|&v| u16::from(v) * 257).collect());
        }
        if self.channels == 1 && channels == 3 {
            self.pixels = match &self.pixels {
                Pixels::U8(values) => Pixels::U8(tripled(values)),
                Pixels::U16(values) => Pixels::U16(tripled(values)),
                Pixels::F32(values) => Pixels::F32(tripled(values)),
            };
            self.channels = 3;
        }
        self
    }
}

fn tripled<T: Copy>(values: &[T]) -> Vec<T> {
    values.iter().flat_map(|&v| [v; 3]).collect()
}
