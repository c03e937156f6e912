//! One image in memory.

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
