//! PNG, BMP, PNM, WebP and GIF, as crate `image` decodes them; frames of animations are pages.

use std::borrow::Cow;
use std::io::Cursor;
use std::ops::Range;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, DynamicImage, Frames, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::exif::{exif_of_png, orientation_of};
use super::pages::{PageSource, Still, Take};
use super::turn::only_channels;
use super::{Refusal, Remark};
use crate::{Image, Pixels};

/// A source of the pages of a file of this format.
pub(super) fn open<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    allowed: u64,
) -> Result<Box<dyn PageSource + 'a>, Refusal> {
    let count = frames_in(bytes, format)?;
    let grey = grey_palette(bytes, format);
    let still = still(bytes, format, allowed, grey)?;
    Ok(match count {
        0 | 1 => Box::new(still),
        _ => Box::new(Animation { still, grey, bytes, format, allowed, count }),
    })
}

/// The image of a file, or the first; `grey` where its colours are shades of grey, to be given as one channel.
fn still(bytes: &[u8], format: ImageFormat, allowed: u64, grey: bool) -> Result<Still, Refusal> {
    let bytes = if format == ImageFormat::Bmp { &*behind_palette(bytes) } else { bytes };
    let reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut decoder = reader.into_decoder().map_err(text)?;
    decoder.set_limits(limits(allowed)).map_err(text)?;
    let sides = decoder.dimensions();
    let sample = usize::from(decoder.color_type().bytes_per_pixel());
    super::checked_size([sides.1 as usize, sides.0 as usize], 1, sample, allowed)?;
    let exif = match format {
        ImageFormat::Png => exif_of_png(bytes),
        _ => decoder.exif_metadata().ok().flatten(),
    };
    let orientation = exif.map_or(1, |exif| orientation_of(&exif));
    let decoded = DynamicImage::from_decoder(decoder).map_err(text)?;
    let alpha = match format {
        ImageFormat::Gif => shows_through(&decoded),
        _ => decoded.color().has_alpha(),
    };
    Ok(Still { image: from_dynamic(decoded, grey)?, orientation, alpha })
}

/// Several frames, each composed with those before it.
struct Animation<'a> {
    /// The first frame, or what an APNG shows where animations are not known.
    still: Still,
    grey: bool,
    bytes: &'a [u8],
    format: ImageFormat,
    allowed: u64,
    count: usize,
}

impl<'a> Animation<'a> {
    fn frames(&self) -> Result<Frames<'a>, String> {
        let bytes = Cursor::new(self.bytes);
        Ok(match self.format {
            ImageFormat::Gif => {
                let mut decoder = GifDecoder::new(bytes).map_err(text)?;
                decoder.set_limits(limits(self.allowed)).map_err(text)?;
                decoder.into_frames()
            }
            ImageFormat::WebP => WebPDecoder::new(bytes).map_err(text)?.into_frames(),
            _ => {
                let decoder = PngDecoder::with_limits(bytes, limits(self.allowed)).map_err(text)?;
                decoder.apng().map_err(text)?.into_frames()
            }
        })
    }
}

impl PageSource for Animation<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn visit(&mut self, range: Range<usize>, take: &mut Take<'_>) -> Result<(), Refusal> {
        if range == (0..1) {
            return take(self.still.image.clone());
        }
        for frame in self.frames()?.skip(range.start).take(range.len()) {
            let frame = DynamicImage::ImageRgba8(frame.map_err(text)?.into_buffer());
            take(from_dynamic(frame, self.grey)?)?;
        }
        Ok(())
    }

    fn orientation(&self) -> u8 {
        self.still.orientation
    }

    fn remarks(&self) -> Vec<Remark> {
        self.still.remarks()
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn limits(allowed: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(allowed);
    limits
}

/// How many frames an animation has, found without decoding them; 1 for what is none.
fn frames_in(bytes: &[u8], format: ImageFormat) -> Result<usize, String> {
    match format {
        ImageFormat::Gif => {
            let mut options = gif::DecodeOptions::new();
            options.skip_frame_decoding(true);
            let mut decoder = options.read_info(Cursor::new(bytes)).map_err(text)?;
            let mut count = 0;
            while decoder.next_frame_info().map_err(text)?.is_some() {
                count += 1;
            }
            Ok(count)
        }
        ImageFormat::WebP => {
            // A file that breaks off between two frames looks whole but for the length that it states.
            let stated =
                bytes.get(4..8).and_then(|len| len.first_chunk()).map_or(0, |&len| u32::from_le_bytes(len));
            if u64::from(stated) + 8 > bytes.len() as u64 + 1 {
                return Err("WebP: the file breaks off".into());
            }
            let decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).map_err(text)?;
            Ok(decoder.num_frames() as usize)
        }
        ImageFormat::Png => {
            let reader = png::Decoder::new(Cursor::new(bytes)).read_info().map_err(text)?;
            Ok(reader.info().animation_control.map_or(1, |control| control.num_frames as usize))
        }
        _ => Ok(1),
    }
}

/// Whether any pixel is transparent: every GIF is decoded with alpha, needed or not.
fn shows_through(decoded: &DynamicImage) -> bool {
    decoded.as_rgba8().is_some_and(|image| image.pixels().any(|pixel| pixel.0[3] < u8::MAX))
}

/// A BMP whose pixels begin behind its palette: where a writer forgot the palette, the header has them begin in it.
fn behind_palette(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(palette) = bmp_palette_place(bytes) else { return Cow::Borrowed(bytes) };
    match little_endian(bytes, 10, 4) {
        Some(pixels) if pixels == palette.start => {
            let mut mended = bytes.to_vec();
            mended[10..14].copy_from_slice(&(palette.end as u32).to_le_bytes());
            Cow::Owned(mended)
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// Whether a BMP or GIF has a palette that is no more than numbers of grey: entry `i` is the grey `i`, or in a BMP of two
/// colours, black and white.
fn grey_palette(bytes: &[u8], format: ImageFormat) -> bool {
    let palette = match format {
        ImageFormat::Bmp => bmp_palette(bytes),
        ImageFormat::Gif => gif_palette(bytes),
        _ => None,
    };
    let Some(palette) = palette else { return false };
    let black_and_white = format == ImageFormat::Bmp && palette == [[0; 3], [255; 3]];
    black_and_white
        || palette.iter().enumerate().all(|(entry, color)| color.iter().all(|&v| usize::from(v) == entry))
}

/// The palette of a BMP of at most 8 bits a pixel. Entries are blue, green, red.
fn bmp_palette(bytes: &[u8]) -> Option<Vec<[u8; 3]>> {
    let entry = if little_endian(bytes, 14, 4)? == OS2 { 3 } else { 4 };
    let table = bytes.get(bmp_palette_place(bytes)?)?;
    Some(table.chunks_exact(entry).map(|entry| [entry[2], entry[1], entry[0]]).collect())
}

/// The length of the information header of OS/2, after which palettes have entries of 3 bytes; of 4 after others.
const OS2: usize = 12;

/// Where that palette lies. After 14 bytes the information header begins with its own length.
fn bmp_palette_place(bytes: &[u8]) -> Option<Range<usize>> {
    let header = little_endian(bytes, 14, 4)?;
    let (bits, entry) =
        if header == OS2 { (little_endian(bytes, 24, 2)?, 3) } else { (little_endian(bytes, 28, 2)?, 4) };
    let used = if header >= 36 { little_endian(bytes, 46, 4)? } else { 0 };
    if bits > 8 {
        return None;
    }
    let count = if used == 0 { 1 << bits } else { used.min(256) };
    let start = header.checked_add(14)?;
    let end = start.checked_add(count * entry)?;
    (end <= bytes.len()).then_some(start..end)
}

/// The whole number of `len` bytes at `at`.
fn little_endian(bytes: &[u8], at: usize, len: usize) -> Option<usize> {
    Some(bytes.get(at..at + len)?.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
}

/// The palette of a GIF, if it has one for all frames and the first frame has none of its own.
fn gif_palette(bytes: &[u8]) -> Option<Vec<[u8; 3]>> {
    let mut decoder = gif::Decoder::new(Cursor::new(bytes)).ok()?;
    let palette = decoder.global_palette()?.as_chunks().0.to_vec();
    let frame = decoder.next_frame_info().ok()??;
    frame.palette.is_none().then_some(palette)
}

fn from_dynamic(decoded: DynamicImage, grey: bool) -> Result<Image, String> {
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let color = decoded.color();
    let channels = usize::from(color.channel_count());
    let pixels = match decoded {
        DynamicImage::ImageLuma8(buffer) => Pixels::U8(buffer.into_raw()),
        DynamicImage::ImageLumaA8(buffer) => Pixels::U8(buffer.into_raw()),
        DynamicImage::ImageRgb8(buffer) => Pixels::U8(buffer.into_raw()),
        DynamicImage::ImageRgba8(buffer) => Pixels::U8(buffer.into_raw()),
        DynamicImage::ImageLuma16(buffer) => Pixels::U16(buffer.into_raw()),
        DynamicImage::ImageLumaA16(buffer) => Pixels::U16(buffer.into_raw()),
        DynamicImage::ImageRgb16(buffer) => Pixels::U16(buffer.into_raw()),
        DynamicImage::ImageRgba16(buffer) => Pixels::U16(buffer.into_raw()),
        _ => return Err(format!("samples of type {color:?} are not read")),
    };
    let image = Image::new(height, width, channels, pixels).map_err(text)?;
    match if grey { 1 } else { channels - usize::from(color.has_alpha()) } {
        kept if kept == channels => Ok(image),
        kept => only_channels(image, &(0..kept).collect::<Vec<_>>()),
    }
}
