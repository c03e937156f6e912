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
    // The decoder would take three components of which Adobe's marker says that they are RGB for ink.
    let renamed = adobe_rgb(bytes).map(|at| {
        let mut renamed = bytes.to_vec();
        renamed[at] = 0xED;
        renamed
    });
    let is_rgb = renamed.is_some();
    let bytes = renamed.as_deref().unwrap_or(bytes);
    let options = DecoderOptions::default().set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(text)?;
    let (width, height) = decoder.dimensions().ok_or("JPEG: no size")?;
    let stored = decoder.input_colorspace().ok_or("JPEG: no colours")?;
    let given = match (stored, colors) {
        (ColorSpace::MultiBand(_) | ColorSpace::YCCK, Colors::Stored) | (ColorSpace::MultiBand(_), _) => {
            return Err(format!("JPEG: colours of type {stored:?} are not read").into());
        }
        _ if is_rgb => stored,
        (ColorSpace::Luma | ColorSpace::RGB, _) | (_, Colors::Stored) => stored,
        _ => ColorSpace::RGB,
    };
    super::checked_size([height, width], stored.num_components(), 1, allowed)?;
    scan::check(bytes).map_err(|reason| format!("JPEG: {reason}"))?;
    decoder.set_options(options.jpeg_set_out_colorspace(given));
    let samples = decoder.decode().map_err(text)?;
    Ok(Decoded { width, height, channels: given.num_components(), samples, exif: decoder.exif().cloned() })
}

/// Where Adobe's marker says that the three components of a JPEG are RGB: the place of the number of that marker.
fn adobe_rgb(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut marker, mut components) = (2, None, 0);
    while let [0xFF, kind, high, low, rest @ ..] = bytes.get(at..)? {
        match kind {
            0xFF => {
                at += 1; // fills up
                continue;
            }
            0xDA => return marker.filter(|_| components == 3),
            0xEE if rest.starts_with(b"Adobe") && rest.get(11) == Some(&0) => marker = Some(at + 1),
            0xC0..=0xCF if !matches!(kind, 0xC4 | 0xC8 | 0xCC) => components = *rest.get(5)?,
            _ => {}
        }
        at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
    }
    None
}

/// Decodes a JPEG file: grey as one channel, anything else as RGB.
pub(super) fn open(bytes: &[u8], allowed: u64) -> Result<Still, Refusal> {
    let Decoded { width, height, channels, samples, exif } = decode(bytes, Colors::Shown, allowed)?;
    let image =
        Image::new(height, width, channels, Pixels::U8(samples)).map_err(|error| error.to_string())?;
    let orientation = exif.map_or(1, |exif| orientation_of(&exif));
    Ok(Still { image, orientation, alpha: false })
}
