//! A finished picture.

use base64::Engine;
use image::{ImageEncoder, RgbImage};

use crate::ReportError;

/// A finished picture. It can only be made by this crate, so it may be placed in a page as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Svg(String),
    Png { bytes: Vec<u8>, width: u32, height: u32 },
}

impl Picture {
    pub(crate) fn svg(text: String) -> Picture {
        Picture { content: Content::Svg(text) }
    }

    /// `image` as a PNG file.
    ///
    /// # Errors
    /// [`ReportError::Drawing`] if the image has no pixels.
    pub fn png(image: &RgbImage) -> Result<Picture, ReportError> {
        let (width, height) = image.dimensions();
        let mut bytes = Vec::new();
        image::codecs::png::PngEncoder::new(&mut bytes)
            .write_image(image.as_raw(), width, height, image::ExtendedColorType::Rgb8)
            .map_err(|e| ReportError::Drawing { figure: "an image", reason: e.to_string() })?;
        Ok(Picture { content: Content::Png { bytes, width, height } })
    }

    /// A PNG file as it is.
    ///
    /// # Errors
    /// [`ReportError::Drawing`] if these bytes are none.
    pub fn from_png(bytes: Vec<u8>) -> Result<Picture, ReportError> {
        let undrawn = |reason: String| ReportError::Drawing { figure: "a PNG file", reason };
        let reader = image::ImageReader::with_format(std::io::Cursor::new(&bytes), image::ImageFormat::Png);
        let (width, height) = reader.into_dimensions().map_err(|error| undrawn(error.to_string()))?;
        Ok(Picture { content: Content::Png { bytes, width, height } })
    }

    /// The content of the file.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Svg(text) => text.as_bytes(),
            Content::Png { bytes, .. } => bytes,
        }
    }

    /// The file's extension: `svg` or `png`.
    pub fn extension(&self) -> &'static str {
        match &self.content {
            Content::Svg(_) => "svg",
            Content::Png { .. } => "png",
        }
    }

    /// Its width and height in pixels; none of SVG.
    pub(crate) fn pixels(&self) -> Option<(u32, u32)> {
        match &self.content {
            Content::Svg(_) => None,
            Content::Png { width, height, .. } => Some((*width, *height)),
        }
    }

    /// The picture as an element of an HTML page, self-contained; `alt` says what it shows to those who
    /// cannot see it, and must be plain text.
    pub(crate) fn html(&self, alt: &str) -> String {
        let alt = crate::escape::escaped(alt);
        match &self.content {
            Content::Svg(text) => {
                text.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{alt}\" "), 1)
            }
            Content::Png { bytes, width, height } => {
                let data = base64::engine::general_purpose::STANDARD.encode(bytes);
                format!(
                    "<img alt=\"{alt}\" width=\"{width}\" height=\"{height}\" \
                     src=\"data:image/png;base64,{data}\"/>"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_as_it_is_and_nothing_else_is() {
        let drawn = Picture::png(&RgbImage::new(3, 2)).unwrap();
        assert_eq!(Picture::from_png(drawn.bytes().to_vec()).unwrap(), drawn);
        assert!(Picture::from_png(b"<svg onload=\"alert(1)\"/>".to_vec()).is_err());
    }
}
