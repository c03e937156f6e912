//! JPEG, by crate `zune-jpeg`, for files and for the tiles and strips of TIFF.
//!
//! Decoders fill up what is missing of a damaged file with grey. So the data are walked through first ([`scan`]): a
//! file that does not hold all its blocks is refused.

mod scan;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::Refusal;
use super::exif::orientation_of;
use super::pages::Still;
use crate::{Image, Pixels};

/// A decoded JPEG.
pub(super) struct Decoded {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
    /// `height * width * channels` samples, interleaved.
    pub(super) samples: Vec<u8>,
    exif: Option<Vec<u8>>,
}

/// Which colours to give.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Colors {
    /// Grey or RGB, whatever is stored.
    Shown,
    /// What is stored.
    Stored,
}

/// Decodes a JPEG of at most `allowed` bytes of samples.
pub(super) fn decode(bytes: &[u8], colors: Colors, allowed: u64) -> Result<Decoded, Refusal> {
    let text = |error: zune_jpeg::errors::DecodeErrors| format!("JPEG: {error}");
    let options = DecoderOptions::default().set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(text)?;
    let (width, height) = decoder.dimensions().ok_or("JPEG: no size")?;
    let stored = decoder.input_colorspace().ok_or("JPEG: no colours")?;
    let given = match (stored, colors) {
        (ColorSpace::MultiBand(_) | ColorSpace::YCCK, Colors::Stored) | (ColorSpace::MultiBand(_), _) => {
            return Err(format!("JPEG: colours of type {stored:?} are not read").into());
        }
        (ColorSpace::Luma | ColorSpace::RGB, _) | (_, Colors::Stored) => stored,
        _ => ColorSpace::RGB,
    };
    super::checked_size([height, width], stored.num_components(), 1, allowed)?;
    scan::check(bytes).map_err(|reason| format!("JPEG: {reason}"))?;
    decoder.set_options(options.jpeg_set_out_colorspace(given));
    let samples = decoder.decode().map_err(text)?;
    Ok(Decoded { width, height, channels: given.num_components(), samples, exif: decoder.exif().cloned() })
}

/// Decodes a JPEG file: grey as one channel, anything else as RGB.
pub(super) fn open(bytes: &[u8], allowed: u64) -> Result<Still, Refusal> {
    let Decoded { width, height, channels, samples, exif } = decode(bytes, Colors::Shown, allowed)?;
    let image =
        Image::new(height, width, channels, Pixels::U8(samples)).map_err(|error| error.to_string())?;
    let orientation = exif.map_or(1, |exif| orientation_of(&exif));
    Ok(Still { image, orientation, alpha: false })
}
