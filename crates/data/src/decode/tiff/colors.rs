//! From samples to the channels that an image shows.

use super::directory::{COLOR_MAP, Directory, REFERENCE_BLACK_WHITE, YCBCR_COEFFICIENTS};
use super::layout::{Layout, Meaning};
use crate::decode::Remark;
use crate::decode::turn::only_channels;
use crate::{Image, Pixels};

/// Drops alpha, looks up palettes, turns negatives and YCbCr to what they show. CMYK stays as it is stored.
pub(super) fn shown(
    image: Image,
    tags: &Directory<'_>,
    layout: &Layout,
    remarks: &mut Vec<Remark>,
) -> Result<Image, String> {
    let colors = layout.samples - layout.extra.len();
    let alpha = |channel: &usize| *channel >= colors && matches!(layout.extra[*channel - colors], 1 | 2);
    let mut kept: Vec<usize> = (0..layout.samples).filter(|channel| !alpha(channel)).collect();
    if kept.len() < layout.samples {
        remarks.push(Remark::Alpha);
    }
    if layout.meaning == Meaning::Palette {
        kept.truncate(1);
    }
    if layout.meaning == Meaning::Rgb && colors > 3 {
        remarks.push(Remark::Undeclared);
    }
    let image = if kept.len() < layout.samples { only_channels(image, &kept)? } else { image };
    match layout.meaning {
        Meaning::WhiteIsZero => Ok(Image { pixels: negative(image.pixels, layout.bits), ..image }),
        Meaning::Palette => through_palette(&image, tags, layout.bits),
        Meaning::YCbCr if !layout.has_own_colors() => rgb(image, tags),
        _ => Ok(image),
    }
}

/// Unsigned grey with 0 as white; signed and floating-point numbers are measurements and stay.
fn negative(pixels: Pixels, bits: usize) -> Pixels {
    match pixels {
        Pixels::U8(values) => Pixels::U8(values.into_iter().map(|v| 255 - v).collect()),
        Pixels::U16(values) => {
            let white = ((1u32 << bits) - 1) as u16;
            Pixels::U16(values.into_iter().map(|v| white - v).collect())
        }
        Pixels::U32(values) => Pixels::U32(values.into_iter().map(|v| u32::MAX - v).collect()),
        other => other,
    }
}

const WIDE: &str = "TIFF: the indices of a palette have more than 16 bits";

/// A colour map holds all reds, then all greens, then all blues, as 16-bit numbers: the upper byte is the colour. Some
/// writers put 8-bit colours there instead.
fn through_palette(image: &Image, tags: &Directory<'_>, bits: usize) -> Result<Image, String> {
    let map = tags.numbers(COLOR_MAP)?.ok_or("TIFF: no colour map")?;
    let entries = 1usize << bits;
    if map.len() != 3 * entries {
        return Err(format!("TIFF: the colour map has {} entries, expected {}", map.len(), 3 * entries));
    }
    let shift = if map.iter().all(|&value| value < 256) { 0 } else { 8 };
    let color = |index: usize| [0, 1, 2].map(|channel| (map[channel * entries + index] >> shift) as u8);
    // A palette of greys, as cameras for fluorescence write it, is one channel.
    if (0..entries).map(color).all(|[red, green, blue]| red == green && green == blue) {
        let shade = |index: usize| color(index)[0];
        let shades = match &image.pixels {
            Pixels::U8(indices) => indices.iter().map(|&index| shade(usize::from(index))).collect(),
            Pixels::U16(indices) => indices.iter().map(|&index| shade(usize::from(index))).collect(),
            _ => return Err(WIDE.into()),
        };
        return Ok(Image { pixels: Pixels::U8(shades), channels: 1, ..*image });
    }
    let colors: Vec<u8> = match &image.pixels {
        Pixels::U8(indices) => indices.iter().flat_map(|&index| color(usize::from(index))).collect(),
        Pixels::U16(indices) => indices.iter().flat_map(|&index| color(usize::from(index))).collect(),
        _ => return Err(WIDE.into()),
    };
    Image::new(image.height, image.width, 3, Pixels::U8(colors)).map_err(|error| error.to_string())
}

/// YCbCr as RGB (TIFF 6.0, section 21): codes are stretched between their references, then mixed by the weights of
/// red, green and blue in luma. The part of chroma is taken in whole 64ths and rounded down, as Pillow does it.
fn rgb(image: Image, tags: &Directory<'_>) -> Result<Image, String> {
    let weights = tags.reals(YCBCR_COEFFICIENTS)?.unwrap_or(vec![0.299, 0.587, 0.114]);
    let references =
        tags.reals(REFERENCE_BLACK_WHITE)?.unwrap_or(vec![0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
    let (&[red, green, blue], &[y0, y1, b0, b1, r0, r1]) = (&weights[..], &references[..]) else {
        return Err("TIFF: the weights or references of YCbCr are not those of three colours".into());
    };
    let Pixels::U8(values) = image.pixels else {
        return Err("TIFF: YCbCr of other than 8 bits is not read".into());
    };
    let stretched =
        |code: u8, black: f64, white: f64, range: f64| (f64::from(code) - black) * range / (white - black);
    let part = |chroma: f64, weight: f64| (64.0 * chroma * weight + 0.5).trunc();
    let shade = |luma: f64, parts: f64| (luma + (parts / 64.0).floor()).clamp(0.0, 255.0) as u8;
    let (to_red, to_blue) = (2.0 - 2.0 * red, 2.0 - 2.0 * blue);
    let color = |&[y, cb, cr]: &[u8; 3]| {
        let y = stretched(y, y0, y1, 255.0).round();
        let (cb, cr) = (stretched(cb, b0, b1, 127.0), stretched(cr, r0, r1, 127.0));
        let greens = part(cb, -to_blue * blue / green) + part(cr, -to_red * red / green);
        [shade(y, part(cr, to_red)), shade(y, greens), shade(y, part(cb, to_blue))]
    };
    let colors = values.as_chunks().0.iter().flat_map(color).collect();
    Ok(Image { pixels: Pixels::U8(colors), ..image })
}
