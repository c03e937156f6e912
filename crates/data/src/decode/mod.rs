//! From the bytes of one image file to images.
//!
//! - PNG (1 to 16 bits, palettes, interlaced; APNG), BMP, PNM, WebP, GIF: by crate `image` ([`plain`]).
//! - JPEG: by crate `zune-jpeg`, after a check that the file holds all its data ([`jpeg`]).
//! - DICOM: elements and the steps from samples to shades here, codecs are crates but for JPEG-LS ([`dicom`]).
//! - TIFF and BigTIFF: the structure is read here, codecs are crates ([`tiff`]).
//! - NIfTI: read here; slices of its volumes are images ([`nifti`]).
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
mod jpeg2000;
mod nifti;
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
use serde::{Deserialize, Serialize};

pub(crate) use self::dicom::{Facts, Frame, facts, is_dicom};
pub(crate) use self::nifti::{is_nifti, is_pair};
use self::pages::PageSource;
pub(crate) use self::refusal::Refusal;
pub(crate) use self::remark::Remark;
pub(crate) use self::sniff::{PARQUET, format_of, name_of};
pub(crate) use self::tiff::{Kept, Level, Pyramid, Region, Resolution};
pub(crate) use self::turn::{only_channels, stacked};
use crate::{DataSettings, Image, Orientation, Pages, Plane, Window};

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
    pub(crate) plane: Plane,
    /// Of files with several volumes, the number of the one that is read.
    pub(crate) volume: Option<usize>,
}

impl DecodeOptions {
    /// As the settings say, within `limit` bytes.
    pub(crate) fn of(settings: &DataSettings, limit: u64) -> DecodeOptions {
        let &DataSettings { pages, orientation, window, plane, volume, .. } = settings;
        DecodeOptions { limit, pages, orientation, window, plane, volume }
    }
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// One image, or one for every page.
    pub(crate) images: Vec<Image>,
    /// Where the images are pages of one file, each by itself, the number of the first.
    pub(crate) first_page: Option<usize>,
    /// Whether the pages are slices of a volume.
    pub(crate) volume: bool,
    /// What a person should know.
    pub(crate) remarks: Vec<Remark>,
    pub(crate) about: About,
}

/// What a file says of its images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    /// What the channels are called, in their order; empty where that is not known.
    pub(crate) channel_names: Vec<String>,
    /// Height and width of a pixel in micrometres.
    pub(crate) pixel_size: Option<[f64; 2]>,
}

impl Decoded {
    /// One image of which nothing is to be told.
    pub(crate) fn one(image: Image) -> Decoded {
        let (remarks, about) = (Vec::new(), About::default());
        Decoded { images: vec![image], first_page: None, volume: false, remarks, about }
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
    decode_pair(bytes, None, options)
}

/// [`decode`] of a file whose numbers are in another (`numbers`).
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_pair(
    bytes: &[u8],
    numbers: Option<&[u8]>,
    options: &DecodeOptions,
) -> Result<Decoded, Refusal> {
    let decoded = guard::guarded(|| decode_unguarded(bytes, numbers, options));
    decoded.unwrap_or_else(|panic| Err(format!("the decoder failed on this file: {panic}").into()))
}

fn decode_unguarded(
    bytes: &[u8],
    numbers: Option<&[u8]>,
    options: &DecodeOptions,
) -> Result<Decoded, Refusal> {
    let allowed = allowance(numbers.unwrap_or(bytes), options.limit);
    if is_dicom(bytes) && format_of(bytes).is_none() {
        let file = dicom::File::open(bytes, allowed)?;
        return from_pages(&mut file.pages(options.window, allowed)?, options, allowed);
    }
    let mut source: Box<dyn PageSource> = match format_of(bytes) {
        Some(ImageFormat::Tiff) => Box::new(tiff::Stack::open(tiff::Source::Held(bytes), allowed)?),
        Some(ImageFormat::Jpeg) => Box::new(jpeg::open(bytes, allowed)?),
        Some(format) => plain::open(bytes, format, allowed)?,
        None if is_nifti(bytes) => Box::new(nifti::Volume::open(bytes, numbers, options, allowed)?),
        None => return Err(unknown(bytes)),
    };
    from_pages(source.as_mut(), options, allowed)
}

/// The pages that are wanted, upright.
fn from_pages(
    source: &mut dyn PageSource,
    options: &DecodeOptions,
    allowed: u64,
) -> Result<Decoded, Refusal> {
    let volume = source.is_volume();
    let pages = match options.pages {
        // The first slice of a volume stands for it in no way.
        Pages::First if volume => Pages::Each,
        pages => pages,
    };
    let mut images = pages::pick(source, pages, allowed)?;
    let mut remarks = source.remarks();
    let paged = source.count() > 1;
    if paged && !(volume && pages == Pages::Each) {
        remarks.push(Remark::Paged(pages));
    }
    let first_page = match pages {
        Pages::Each => Some(0).filter(|_| paged || volume),
        Pages::Middle if volume => Some(source.count() / 2),
        _ => None,
    };
    let mut about = source.about();
    if images.iter().any(|image| image.channels != about.channel_names.len()) {
        about.channel_names.clear();
    }
    let orientation = source.orientation();
    if options.orientation == Orientation::Upright && orientation > 1 {
        images =
            images.into_iter().map(|image| turn::upright(image, orientation)).collect::<Result<_, _>>()?;
        remarks.push(Remark::Turned);
        about.pixel_size = about.pixel_size.map(|[down, across]| match orientation {
            5..=8 => [across, down],
            _ => [down, across],
        });
    }
    Ok(Decoded { images, first_page, volume, remarks, about })
}

fn unknown(bytes: &[u8]) -> Refusal {
    match name_of(bytes) {
        _ if bytes.is_empty() => "the file is empty".into(),
        Some(name) => {
            Refusal::new(format!("the content is {name}, which is not read"), "convert it to PNG or TIFF")
        }
        None => "the content is not PNG, JPEG, TIFF, BMP, WebP, GIF, PNM, DICOM or NIfTI".into(),
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
