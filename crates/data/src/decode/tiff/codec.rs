//! The bytes of one strip or tile, unpacked.

use std::borrow::Cow;
use std::io::Read;

use fax::decoder::{DecodeStatus, Group4Decoder};
use weezl::decode::Configuration;
use weezl::{BitOrder, LzwStatus};

use super::layout::Layout;
use crate::decode::Refusal;

/// Unpacks `bytes` to exactly `expected` bytes; `sides` are width and height of the piece in pixels.
pub(super) fn unpack<'a>(
    bytes: &'a [u8],
    layout: &Layout,
    sides: [usize; 2],
    expected: usize,
) -> Result<Cow<'a, [u8]>, Refusal> {
    if let (1, false, Some(stored)) = (layout.compression, layout.bits_reversed, bytes.get(..expected)) {
        return Ok(Cow::Borrowed(stored));
    }
    let reversed: Vec<u8>;
    let bytes = match layout.bits_reversed {
        true => {
            reversed = bytes.iter().map(|byte| byte.reverse_bits()).collect();
            &reversed[..]
        }
        false => bytes,
    };
    let mut unpacked = match layout.compression {
        1 => bytes[..bytes.len().min(expected)].to_vec(),
        4 => group4(bytes, sides)?,
        5 => lzw(bytes, expected)?,
        8 | 32946 => all_of(flate2::read::ZlibDecoder::new(bytes), expected)?,
        32773 => packbits(bytes, expected)?,
        50000 => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(bytes);
            all_of(decoder.map_err(|error| format!("TIFF: zstd: {error}"))?, expected)?
        }
        other => {
            let reason = format!("TIFF: compression {} is not read", name(other));
            return Err(Refusal::new(reason, "save it with LZW or deflate"));
        }
    };
    if unpacked.len() < expected {
        let found = unpacked.len();
        return Err(
            format!("TIFF: a strip or tile has {found} bytes, expected {expected}: it is damaged").into()
        );
    }
    unpacked.truncate(expected);
    Ok(Cow::Owned(unpacked))
}

fn name(compression: u64) -> String {
    let name = match compression {
        2 | 3 => "CCITT group 3",
        6 => "JPEG of the old style",
        33004 => "JPEG 2000 of an unknown kind",
        34661 => "JBIG",
        34676 | 34677 => "SGI LogLuv",
        34887 => "LERC",
        34925 => "LZMA",
        22610 | 34934 => "JPEG XR",
        50001 | 34927 => "WebP",
        50002 | 52546 => "JPEG XL",
        other => return other.to_string(),
    };
    name.into()
}

fn all_of(reader: impl Read, expected: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(expected as u64).read_to_end(&mut bytes).map_err(|error| format!("TIFF: {error}"))?;
    Ok(bytes)
}

/// LZW as TIFF has it; the first writers put the bits the other way round, which shows in the first code.
fn lzw(bytes: &[u8], expected: usize) -> Result<Vec<u8>, String> {
    let old = matches!(bytes, [0, second, ..] if second & 1 == 1);
    let mut decoder = match old {
        true => Configuration::new(BitOrder::Lsb, 8),
        false => Configuration::with_tiff_size_switch(BitOrder::Msb, 8),
    }
    .build();
    let mut unpacked = vec![0; expected];
    let (mut read, mut written) = (0, 0);
    while written < expected {
        let step = decoder.decode_bytes(&bytes[read..], &mut unpacked[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(error) => return Err(format!("TIFF: LZW: {error}")),
        }
    }
    unpacked.truncate(written);
    Ok(unpacked)
}

/// TIFF 6.0, section 9: a signed byte `n`; from 0 on, `n + 1` bytes follow; below, one byte that is repeated `1 - n`
/// times; -128 does nothing.
fn packbits(mut bytes: &[u8], expected: usize) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    while let ([header, rest @ ..], true) = (bytes, unpacked.len() < expected) {
        let header = *header as i8;
        let taken = match header {
            -128 => 0,
            0.. => header as usize + 1,
            _ => 1,
        };
        let (run, rest) = rest.split_at_checked(taken).ok_or("TIFF: a PackBits strip breaks off")?;
        let times = if header < 0 { usize::from(header.unsigned_abs()) + 1 } else { 1 };
        (0..times).for_each(|_| unpacked.extend(run));
        bytes = rest;
    }
    Ok(unpacked)
}

/// CCITT group 4: black is 1.
fn group4(bytes: &[u8], [width, height]: [usize; 2]) -> Result<Vec<u8>, String> {
    let damaged = || "TIFF: CCITT group 4: it is damaged".to_string();
    let width = u16::try_from(width).map_err(|_| "TIFF: CCITT group 4: too wide")?;
    let input = bytes.iter().map(|&byte| Ok::<u8, std::convert::Infallible>(byte));
    let mut decoder = Group4Decoder::new(input, width).map_err(|_| damaged())?;
    let mut unpacked = Vec::new();
    for _ in 0..height {
        if matches!(decoder.advance().map_err(|_| damaged())?, DecodeStatus::End) {
            break;
        }
        let black: Vec<bool> =
            fax::decoder::pels(decoder.transition(), width).map(|c| c == fax::Color::Black).collect();
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte >> 1 | u8::from(bit) << 7);
        unpacked.extend(black.chunks(8).map(byte));
    }
    Ok(unpacked)
}
