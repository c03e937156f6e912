//! What the tests share.

use twinlens_data::{Image, PixelType, Pixels};
use twinlens_random::{Purpose, Stream};
use twinlens_views::{BuildContext, Transform, Workspace, transform};

/// A context for images of `channels` and views of `size` pixels.
pub fn context(size: usize, channels: usize, pixel_type: PixelType) -> BuildContext {
    BuildContext { size, channels, pixel_type, mean: vec![0.5; channels], std: vec![0.25; channels] }
}

/// An image of random samples.
pub fn noise(height: usize, width: usize, channels: usize, pixel_type: PixelType, seed: u64) -> Image {
    let mut stream = Stream::new(seed, Purpose::Evaluation, [0; 3]);
    let samples = height * width * channels;
    let pixels = match pixel_type {
        PixelType::U8 => Pixels::U8((0..samples).map(|_| stream.next_u32() as u8).collect()),
        PixelType::U16 => Pixels::U16((0..samples).map(|_| stream.next_u32() as u16).collect()),
        PixelType::F32 => Pixels::F32((0..samples).map(|_| stream.uniform() as f32).collect()),
        other => panic!("views have no {other}"),
    };
    Image::new(height, width, channels, pixels).unwrap()
}

/// `image` after `drawn`.
pub fn apply(image: &Image, drawn: &impl Transform) -> Image {
    transform(image, drawn, &mut Workspace::default()).unwrap()
}

/// The samples of an 8-bit image.
pub fn bytes(image: &Image) -> &[u8] {
    match &image.pixels {
        Pixels::U8(samples) => samples,
        other => panic!("not 8 bits: {:?}", other.pixel_type()),
    }
}

/// The samples of any image.
pub fn values(image: &Image) -> Vec<f64> {
    image.pixels.to_f64()
}
