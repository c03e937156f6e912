//! From the bytes of an image file to an [`Image`].

pub(crate) mod sniff;

use std::io::Cursor;

use image::{DynamicImage, ImageError, ImageFormat, ImageReader, Limits};
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;

use crate::{Image, Pixels};

/// No image file is smaller than its pixels by more than this factor unless it is damaged or hostile; only
/// images of more than [`SUSPICIOUS_BYTES`] are held to it, since tiny uniform ones may shrink further.
const MAX_IMAGE_RATIO: u64 = 25_000;
const SUSPICIOUS_BYTES: u64 = 64 << 20;

/// Decodes PNG, JPEG, TIFF, BMP or WebP, recognised by content.
///
/// 16-bit samples stay 16-bit, floating point stays floating point, grey stays one channel, palettes are
/// expanded to the colours they stand for, and an alpha channel is dropped (not blended). Of a file with
/// several pages the first is read. `limit` is the most memory, in bytes, that the image may need.
pub(crate) fn decode(bytes: &[u8], limit: u64) -> Result<Image, String> {
    let format = image::guess_format(bytes).map_err(|_| match bytes.len() {
        0 => "the file is empty".to_string(),
        _ => "the content is not PNG, JPEG, TIFF, BMP or WebP".to_string(),
    })?;
    match decode_with_image(bytes, format, limit) {
        Err(ImageError::Unsupported(_)) if format == ImageFormat::Tiff => decode_tiff(bytes, limit),
        Err(error) => Err(error.to_string()),
        Ok(decoded) => from_dynamic(decoded),
    }
}

fn decode_with_image(bytes: &[u8], format: ImageFormat, limit: u64) -> Result<DynamicImage, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(allowance(bytes, limit));
    reader.limits(limits);
    reader.decode()
}

/// Bytes that decoding may take: the caller's limit, and no more than files of this length can hold.
fn allowance(bytes: &[u8], limit: u64) -> u64 {
    (bytes.len() as u64).saturating_mul(MAX_IMAGE_RATIO).max(SUSPICIOUS_BYTES).min(limit)
}

fn from_dynamic(decoded: DynamicImage) -> Result<Image, String> {
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let (channels, pixels) = match decoded {
        DynamicImage::ImageLuma8(buffer) => (1, Pixels::U8(buffer.into_raw())),
        DynamicImage::ImageRgb8(buffer) => (3, Pixels::U8(buffer.into_raw())),
        DynamicImage::ImageLuma16(buffer) => (1, Pixels::U16(buffer.into_raw())),
        DynamicImage::ImageRgb16(buffer) => (3, Pixels::U16(buffer.into_raw())),
        DynamicImage::ImageRgb32F(buffer) => (3, Pixels::F32(buffer.into_raw())),
        DynamicImage::ImageLumaA8(buffer) => (1, Pixels::U8(without_alpha(&buffer.into_raw(), 2))),
        DynamicImage::ImageRgba8(buffer) => (3, Pixels::U8(without_alpha(&buffer.into_raw(), 4))),
        DynamicImage::ImageLumaA16(buffer) => (1, Pixels::U16(without_alpha(&buffer.into_raw(), 2))),
        DynamicImage::ImageRgba16(buffer) => (3, Pixels::U16(without_alpha(&buffer.into_raw(), 4))),
        DynamicImage::ImageRgba32F(buffer) => (3, Pixels::F32(without_alpha(&buffer.into_raw(), 4))),
        other => return Err(format!("samples of type {:?} are not read", other.color())),
    };
    Image::new(height, width, channels, pixels).map_err(|error| error.to_string())
}

/// Drops the last of every `channels` samples.
fn without_alpha<T: Copy>(samples: &[T], channels: usize) -> Vec<T> {
    samples.chunks_exact(channels).flat_map(|pixel| &pixel[..channels - 1]).copied().collect()
}

/// TIFF variants beyond crate `image`: palettes, one-channel floating point, any number of channels.
fn decode_tiff(bytes: &[u8], limit: u64) -> Result<Image, String> {
    let text = |error: tiff::TiffError| error.to_string();
    let relabelled = palette_as_grey(bytes);
    let palette = relabelled.is_some();
    let allowed = usize::try_from(allowance(bytes, limit)).unwrap_or(usize::MAX);
    let mut limits = tiff::decoder::Limits::default();
    limits.decoding_buffer_size = allowed;
    limits.intermediate_buffer_size = allowed;
    limits.ifd_value_size = allowed.min(bytes.len());
    let source = Cursor::new(relabelled.as_deref().unwrap_or(bytes));
    let mut decoder = Decoder::new(source).map_err(text)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(text)?;
    let (width, height) = (width as usize, height as usize);
    let color = decoder.colortype().map_err(text)?;
    let pixels = match decoder.read_image().map_err(text)? {
        DecodingResult::U8(indices) if palette && color == tiff::ColorType::Gray(8) => {
            let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(text)?;
            Pixels::U8(through_palette(&indices, &map)?)
        }
        _ if palette => return Err("a palette with indices of other than 8 bits is not read".into()),
        DecodingResult::U8(values) => Pixels::U8(values),
        DecodingResult::U16(values) => Pixels::U16(values),
        DecodingResult::F32(values) => Pixels::F32(values),
        DecodingResult::F64(values) => Pixels::F32(values.into_iter().map(|v| v as f32).collect()),
        _ => return Err(format!("{color:?} samples are not read; convert to 8 or 16 bits or to float")),
    };
    let area = (width * height).max(1);
    let channels = pixels.len() / area;
    Image::new(height, width, channels, pixels)
        .map_err(|_| format!("{color:?} in separate planes is not read; interleave the channels"))
}

/// A TIFF with a palette, relabelled as grey, so that a decoder that knows no palettes gives the indices.
/// `None` when it has no palette. TIFF 6.0: the first directory is a list of 12-byte entries; photometric
/// interpretation (tag 262) is 3 for a palette, 1 for grey.
fn palette_as_grey(bytes: &[u8]) -> Option<Vec<u8>> {
    let big_endian = bytes.starts_with(b"MM");
    let number = |at: usize, len: usize| -> Option<usize> {
        let field = bytes.get(at..at.checked_add(len)?)?;
        let append = |sum: usize, &byte: &u8| sum << 8 | usize::from(byte);
        Some(if big_endian { field.iter().fold(0, append) } else { field.iter().rev().fold(0, append) })
    };
    let directory = number(4, 4)?;
    let entries = (0..number(directory, 2)?).map(|entry| directory + 2 + 12 * entry);
    let photometric = entries.take_while(|&at| at < bytes.len()).find(|&at| number(at, 2) == Some(262))? + 8;
    if number(photometric, 2)? != 3 {
        return None;
    }
    let mut grey = bytes.to_vec();
    grey[photometric..photometric + 2].copy_from_slice(if big_endian { &[0, 1] } else { &[1, 0] });
    Some(grey)
}

/// A TIFF colour map holds all reds, then all greens, then all blues, as 16-bit numbers. Maps are written in
/// 16 bits even for 8-bit colours, by repeating or shifting the byte: the upper byte is the colour.
fn through_palette(indices: &[u8], map: &[u16]) -> Result<Vec<u8>, String> {
    if map.len() != 3 * 256 {
        return Err(format!("the colour map has {} entries, expected 768", map.len()));
    }
    let color = |index: u8, channel: usize| (map[channel * 256 + usize::from(index)] >> 8) as u8;
    Ok(indices.iter().flat_map(|&index| [color(index, 0), color(index, 1), color(index, 2)]).collect())
}
