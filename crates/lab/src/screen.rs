//! Images in the colours of a screen.

use twinlens_data::Image;
use twinlens_report::RgbImage;

use crate::LabError;

/// An image in the colours of a screen.
///
/// # Errors
/// An image too large to be a picture.
pub fn on_screen(image: &Image) -> Result<RgbImage, LabError> {
    Span::of(image).show(image)
}

/// The values shown as black and as white.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    low: f64,
    high: f64,
}

impl Span {
    /// Black and white of the type: images come with their range mapped onto it.
    pub fn of(image: &Image) -> Span {
        let [low, high] = image.pixel_type().bounds();
        Span { low, high }
    }

    /// `image` in the colours of a screen: three channels as red, green and blue, any other number as the grey of
    /// their mean.
    ///
    /// # Errors
    /// As [`on_screen`].
    pub fn show(&self, image: &Image) -> Result<RgbImage, LabError> {
        let scale = 255.0 / (self.high - self.low);
        let values = image.pixels.to_f64();
        let shade = |value: f64| ((value - self.low) * scale).round().clamp(0.0, 255.0) as u8;
        let pixel = |pixel: &[f64]| match pixel {
            [red, green, blue] => [shade(*red), shade(*green), shade(*blue)],
            channels => [shade(channels.iter().sum::<f64>() / channels.len() as f64); 3],
        };
        let bytes: Vec<u8> = values.chunks(image.channels).flat_map(pixel).collect();
        let unfit = || LabError::Image {
            reason: format!("an image of {} x {} pixels does not fit a picture", image.height, image.width),
        };
        RgbImage::from_raw(image.width as u32, image.height as u32, bytes).ok_or_else(unfit)
    }
}

#[cfg(test)]
mod tests {
    use twinlens_data::Pixels;

    use super::*;

    #[test]
    fn images_of_any_kind_are_shown() {
        let show = |image: Image| Span::of(&image).show(&image).unwrap().into_raw();
        let bytes = Image::new(1, 2, 3, Pixels::U8(vec![0, 1, 2, 253, 254, 255])).unwrap();
        assert_eq!(show(bytes), [0, 1, 2, 253, 254, 255]);
        let sixteen_bits = Image::new(1, 2, 1, Pixels::U16(vec![0, 65535])).unwrap();
        assert_eq!(show(sixteen_bits), [0, 0, 0, 255, 255, 255]);
        let two_channels = Image::new(2, 1, 2, Pixels::F32(vec![0.0, 0.5, 1.0, 0.5])).unwrap();
        assert_eq!(show(two_channels), [64, 64, 64, 191, 191, 191]);
        let beyond = Image::new(1, 1, 1, Pixels::F32(vec![7.0])).unwrap();
        assert_eq!(show(beyond), [255, 255, 255]);
    }
}
