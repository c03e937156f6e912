//! TIFF and BigTIFF: strips and tiles, interleaved or in planes, of any number of channels.
//!
//! - Numbers: unsigned of 1 to 16 and 32 bits, signed of 8, 16 and 32, floating point of 16, 32 and 64. Grey of fewer
//!   than 8 bits is stretched to 0..=255; 9 to 16 bits keep their values.
//! - Colours: grey (also with 0 as white), RGB, palettes and YCbCr (also subsampled) become what they show; CMYK and any
//!   other channels stay as they are; samples declared as alpha are dropped.
//! - Compression: none, LZW, deflate, PackBits, zstd, JPEG, JPEG 2000, CCITT group 4; predictors 2 and 3.
//! - Pages and channels: by ImageJ, OME and MetaMorph ([`stack`]).
//!
//! The way: [`directory`] reads tags, [`layout`] says what they mean, [`codec`] unpacks strips and tiles, [`raster`] puts
//! them together, [`colors`] makes them what they show. A [`pyramid`] reads parts of an image and of its smaller copies; of such a
//! file no more is read than its directories and the pieces that a part touches.

mod codec;
mod colors;
mod directory;
mod kept;
mod layout;
mod ome;
mod plan;
mod pyramid;
mod raster;
mod stack;

pub(crate) use directory::Source;
pub(crate) use kept::Kept;
pub(crate) use pyramid::{Level, Pyramid, Resolution};
pub(crate) use raster::Region;
pub(super) use stack::Stack;

/// The orientation that the first directory of a TIFF states, which EXIF metadata are.
pub(super) fn orientation_of(bytes: &[u8]) -> Option<u64> {
    let (directories, _) = directory::File::open(Source::Held(bytes)).ok()?;
    directories[0].number(directory::ORIENTATION).ok()?
}
