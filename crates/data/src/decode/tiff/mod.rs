//! TIFF and BigTIFF: strips and tiles, interleaved or in planes, of any number of channels.
//!
//! - Numbers: unsigned of 1 to 16 and 32 bits, signed of 8, 16 and 32, floating point of 16, 32 and 64. Grey of fewer
//!   than 8 bits is stretched to 0..=255; 9 to 16 bits keep their values.
//! - Colours: grey (also with 0 as white), RGB, palettes and YCbCr (also subsampled) become what they show; CMYK and any
//!   other channels stay as they are; samples declared as alpha are dropped.
//! - Compression: none, LZW, deflate, PackBits, zstd, JPEG, CCITT group 4; predictors 2 and 3.
//! - Pages and channels: by ImageJ, OME and MetaMorph ([`stack`]).
//!
//! The way: [`directory`] reads tags, [`layout`] says what they mean, [`codec`] unpacks strips and tiles, [`raster`] puts
//! them together, [`colors`] makes them what they show.

mod codec;
mod colors;
mod directory;
mod layout;
mod ome;
mod plan;
mod raster;
mod stack;

pub(super) use stack::Stack;

/// The orientation that the first directory of a TIFF states, which EXIF metadata are.
pub(super) fn orientation_of(bytes: &[u8]) -> Option<u64> {
    let (directories, _) = directory::File::open(bytes).ok()?;
    directories[0].number(directory::ORIENTATION).ok()?
}
