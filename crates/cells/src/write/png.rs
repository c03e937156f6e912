//! PNG files of 8 or 16 bits, grey or RGB.

use png::{BitDepth, ColorType, Encoder};
use twinlens_data::{Image, Pixels};

use crate::CellsError;

/// The bytes of a PNG file of `image`.
///
/// # Errors
/// [`CellsError::NotKept`] when it has other than 1 or 3 channels, or numbers other than of 8 or 16 bits without sign.
pub fn png_bytes(image: &Image) -> Result<Vec<u8>, CellsError> {
    let color = match image.channels {
        1 => ColorType::Grayscale,
        3 => ColorType::Rgb,
        channels => return Err(not_kept(&format!("{channels} channels"))),
    };
    let (depth, samples) = match &image.pixels {
        Pixels::U8(values) => (BitDepth::Eight, values.clone()),
        Pixels::U16(values) => {
            (BitDepth::Sixteen, values.iter().flat_map(|value| value.to_be_bytes()).collect())
        }
        pixels => return Err(not_kept(&format!("numbers of type {}", pixels.pixel_type()))),
    };
    let side = |len: usize| u32::try_from(len).map_err(|_| not_kept(&format!("{len} pixels a side")));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, side(image.width)?, side(image.height)?);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&samples));
    written.map_err(|error| not_kept(&error.to_string()))?;
    Ok(bytes)
}

fn not_kept(what: &str) -> CellsError {
    CellsError::NotKept {
        reason: format!("a PNG cannot hold {what}"),
        hint: "{image_format} tiff, or an .npz, holds any image",
    }
}

/// Whether a PNG holds images of this kind.
pub(super) fn holds(image: &Image) -> bool {
    matches!(image.channels, 1 | 3) && matches!(image.pixels, Pixels::U8(_) | Pixels::U16(_))
}
