//! From the bytes of one image file to images.
//!
//! - PNG (1 to 16 bits, palettes, interlaced; APNG), BMP, PNM, WebP, GIF: by crate `image` ([`plain`]).
//! - JPEG: by crate `zune-jpeg`, after a check that the file holds all its data ([`jpeg`]).
//! - DICOM: elements and the steps from samples to shades here, codecs are crates but for JPEG-LS ([`dicom`]).
//! - TIFF and BigTIFF: the structure is read here, codecs are crates ([`tiff`]).
//!
//! Samples come as they are stored: 16 bits stay 16 bits, signed stay signed, floats stay floats. Grey stays one
//! channel; palettes become the colours they stand for; alpha is dropped, not blended. Images are turned upright unless
//! they are wanted as stored. Of several pages (animations, z-stacks, time series) those wanted are read. What a person
//! should know of it comes along as [`Remark`]s. A file that breaks off or is damaged is refused, never filled up; no
//! more memory is taken than a file of its length may need, and a decoder that panics costs one file ([`guard`]).

mod dicom;
mod exif;
mod guard;
mod jpeg;
mod pages;
mod plain;
mod refusal;
mod remark;
mod sniff;
#[cfg(test)]
mod tests;
mod tiff;
mod turn;

use image::ImageFormat;

pub(crate) use self::dicom::{Facts, Frame, facts, is_dicom};
use self::pages::PageSource;
pub(crate) use self::refusal::Refusal;
pub(crate) use self::remark::Remark;
pub(crate) use self::sniff::{format_of, name_of};
use crate::{Image, Orientation, Pages, Window};

/// No image file is smaller than its pixels by more than this factor unless it is damaged or hostile; only
/// images of more than [`SUSPICIOUS_BYTES`] are held to it, since tiny uniform ones may shrink further.
const MAX_IMAGE_RATIO: u64 = 25_000;
const SUSPICIOUS_BYTES: u64 = 64 << 20;

/// How to decode.
pub(crate) struct DecodeOptions {
    /// The most memory, in bytes, that the images of a file may need.
    pub(crate) limit: u64,
    pub(crate) pages: Pages,
    pub(crate) orientation: Orientation,
    pub(crate) window: Window,
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// One image, or with [`Pages::Each`] one for every page.
    pub(crate) images: Vec<Image>,
    /// Whether the file has several pages.
    pub(crate) paged: bool,
    /// What a person should know.
    pub(crate) remarks: Vec<Remark>,
}

impl Decoded {
    /// One image of which nothing is to be told.
    pub(crate) fn one(image: Image) -> Decoded {
        Decoded { images: vec![image], paged: false, remarks: Vec::new() }
    }

    /// Bytes of all samples.
    pub(crate) fn bytes(&self) -> u64 {
        self.images.iter().map(|image| (image.pixels.len() * image.pixel_type().bytes()) as u64).sum()
    }
}

/// Decodes a file, whose format is told by its content.
///
/// # Errors
/// Why it cannot be read: unknown format, damage, a kind of samples that is not read, more memory than allowed.
pub(crate) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, Refusal> {
    let decoded = guard::guarded(|| decode_unguarded(bytes, options));
    decoded.unwrap_or_else(|panic| Err(format!("the decoder failed on this file: {panic}").into()))
}

fn decode_unguarded(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, Refusal> {
    let allowed = allowance(bytes, options.limit);
    if is_dicom(bytes) && format_of(bytes).is_none() {
        let file = dicom::File::open(bytes, allowed)?;
        return from_pages(&mut file.pages(options.window, allowed)?, options, allowed);
    }
    let mut source: Box<dyn PageSource> = match format_of(bytes).ok_or_else(|| unknown(bytes))? {
        ImageFormat::Tiff => Box::new(tiff::Stack::open(bytes, allowed)?),
        ImageFormat::Jpeg => Box::new(jpeg::open(bytes, allowed)?),
        format => plain::open(bytes, format, allowed)?,
    };
    from_pages(source.as_mut(), options, allowed)
}

/// The pages that are wanted, upright.
fn from_pages(
    source: &mut dyn PageSource,
    options: &DecodeOptions,
    allowed: u64,
) -> Result<Decoded, Refusal> {
    let mut images = pages::pick(source, options.pages, allowed)?;
    let mut remarks = source.remarks();
    let paged = source.count() > 1;
    if paged {
        remarks.push(Remark::Paged(options.pages));
    }
    let orientation = source.orientation();
    if options.orientation == Orientation::Upright && orientation > 1 {
        images =
            images.into_iter().map(|image| turn::upright(image, orientation)).collect::<Result<_, _>>()?;
        remarks.push(Remark::Turned);
    }
    Ok(Decoded { images, paged, remarks })
}

fn unknown(bytes: &[u8]) -> Refusal {
    match name_of(bytes) {
        _ if bytes.is_empty() => "the file is empty".into(),
        Some(name) => {
            Refusal::new(format!("the content is {name}, which is not read"), "convert it to PNG or TIFF")
        }
        None => "the content is not PNG, JPEG, TIFF, BMP, WebP, GIF, PNM or DICOM".into(),
    }
}

/// Bytes that decoding may take: the caller's limit, and no more than files of this length can hold.
fn allowance(bytes: &[u8], limit: u64) -> u64 {
    (bytes.len() as u64).saturating_mul(MAX_IMAGE_RATIO).max(SUSPICIOUS_BYTES).min(limit)
}

/// Bytes of `height` x `width` x `samples` numbers of `size` bytes, refused beyond `allowed`.
fn checked_size(sides: [usize; 2], samples: usize, size: usize, allowed: u64) -> Result<usize, Refusal> {
    let bytes = sides[0].checked_mul(sides[1]).and_then(|area| area.checked_mul(samples));
    let bytes = bytes.and_then(|bytes| bytes.checked_mul(size)).filter(|&bytes| bytes as u64 <= allowed);
    bytes.ok_or_else(|| {
        let reason = format!(
            "{} x {} pixels of {samples} x {size} bytes go beyond the limit of {allowed} bytes for this file",
            sides[0], sides[1]
        );
        Refusal::new(reason, "raise the memory limit if the file is sound")
    })
}
