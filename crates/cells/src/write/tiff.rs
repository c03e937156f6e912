//! TIFF files of any number of channels and type: one strip, interleaved, deflated. Crate `tiff` writes the directory; its
//! own images have 1, 3 or 4 channels.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use tiff::encoder::TiffEncoder;
use tiff::tags::Tag;
use twinlens_data::{Image, PixelType};

use super::little_endian;
use crate::CellsError;

/// Values of TIFF's tags.
mod value {
    pub(super) const ADOBE_DEFLATE: u16 = 8;
    pub(super) const BLACK_IS_ZERO: u16 = 1;
    pub(super) const RGB: u16 = 2;
    pub(super) const INTERLEAVED: u16 = 1;
    pub(super) const UNSIGNED: u16 = 1;
    pub(super) const SIGNED: u16 = 2;
    pub(super) const FLOAT: u16 = 3;
    /// A further channel that is neither colour nor transparency.
    pub(super) const UNSPECIFIED: u16 = 0;
}

/// The bytes of a TIFF file of `image`.
///
/// # Errors
/// [`CellsError::NotKept`] for more pixels or channels than a TIFF can say.
pub(super) fn tiff_bytes(image: &Image) -> Result<Vec<u8>, CellsError> {
    let failed = |error: &dyn std::fmt::Display| CellsError::NotKept {
        reason: format!("a TIFF cannot be written: {error}"),
        hint: "an .npz holds any image",
    };
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&little_endian(&image.pixels)).map_err(|error| failed(&error))?;
    let strip = encoder.finish().map_err(|error| failed(&error))?;
    let side = |len: usize| u32::try_from(len).map_err(|error| failed(&error));
    let (height, width, bytes) = (side(image.height)?, side(image.width)?, side(strip.len())?);
    let samples = u16::try_from(image.channels).map_err(|error| failed(&error))?;
    let (color, colours) = if samples == 3 { (value::RGB, 3) } else { (value::BLACK_IS_ZERO, 1) };
    let format = match image.pixel_type() {
        PixelType::U8 | PixelType::U16 | PixelType::U32 => value::UNSIGNED,
        PixelType::I16 => value::SIGNED,
        PixelType::F32 => value::FLOAT,
    };
    let bits = 8 * image.pixel_type().bytes() as u16;
    let every = |value: u16| vec![value; image.channels];
    let mut out = Cursor::new(Vec::new());
    let mut write = || -> tiff::TiffResult<()> {
        let mut encoder = TiffEncoder::new(&mut out)?;
        let mut directory = encoder.image_directory()?;
        let offset = directory.write_data(&strip[..])? as u32;
        directory.write_tag(Tag::ImageWidth, width)?;
        directory.write_tag(Tag::ImageLength, height)?;
        directory.write_tag(Tag::BitsPerSample, &every(bits)[..])?;
        directory.write_tag(Tag::Compression, value::ADOBE_DEFLATE)?;
        directory.write_tag(Tag::PhotometricInterpretation, color)?;
        directory.write_tag(Tag::StripOffsets, offset)?;
        directory.write_tag(Tag::SamplesPerPixel, samples)?;
        directory.write_tag(Tag::RowsPerStrip, height)?;
        directory.write_tag(Tag::StripByteCounts, bytes)?;
        directory.write_tag(Tag::PlanarConfiguration, value::INTERLEAVED)?;
        if samples > colours {
            let further = vec![value::UNSPECIFIED; usize::from(samples - colours)];
            directory.write_tag(Tag::ExtraSamples, &further[..])?;
        }
        directory.write_tag(Tag::SampleFormat, &every(format)[..])?;
        directory.finish()
    };
    write().map_err(|error| failed(&error))?;
    // The directory is written in the byte order of this machine, and so must be the samples.
    match cfg!(target_endian = "little") {
        true => Ok(out.into_inner()),
        false => Err(failed(&"this machine puts the highest byte first")),
    }
}
