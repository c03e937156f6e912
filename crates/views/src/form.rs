//! What views are made of when they leave for a device.

/// What the samples of views are when they leave the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Normalised numbers.
    Normalised,
    /// Bytes where images have 8 bits, for a device that normalises them itself: a quarter of the memory to move. Images of
    /// other types come normalised.
    Stored,
}

/// The values of a view of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewData {
    /// Normalised.
    Normalised(Vec<f32>),
    /// As the policy drew them: normalised they are `byte * scale[channel] + shift[channel]`.
    Bytes {
        /// One for each sample.
        bytes: Vec<u8>,
        /// Factor of each channel.
        scale: Vec<f32>,
        /// What is added in each channel.
        shift: Vec<f32>,
    },
}
