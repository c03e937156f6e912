//! The samples of frames as they are stored: unpacked, decompressed, cut to the bits that count.

use std::borrow::Cow;
use std::ops::Range;

use super::elements::Element;
use super::header::Header;
use super::{jpegls, lossless, rle};
use crate::decode::{Refusal, checked_size, jpeg, jpeg2000};

/// What samples stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    /// Shades of grey; the smallest value is white where `inverted`.
    Grey {
        inverted: bool,
    },
    Palette,
    Rgb,
    /// Brightness and two colours.
    Ybr,
    /// The same, with colours for every second pixel only.
    YbrHalf,
}

/// How pixels are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Native,
    Rle,
    Jpeg,
    LosslessJpeg,
    JpegLs,
    Jpeg2000,
}

impl Packing {
    fn of(syntax: &str) -> Result<Packing, Refusal> {
        let ending = syntax.strip_prefix("1.2.840.10008.1.2").ok_or_else(|| unknown(syntax))?;
        let name = match ending {
            "" | ".1" | ".2" | ".1.98" | ".1.99" => return Ok(Packing::Native),
            ".5" => return Ok(Packing::Rle),
            ".4.50" | ".4.51" => return Ok(Packing::Jpeg),
            ".4.57" | ".4.70" => return Ok(Packing::LosslessJpeg),
            ".4.80" | ".4.81" => return Ok(Packing::JpegLs),
            ".4.90" | ".4.91" => return Ok(Packing::Jpeg2000),
            ".4.201" | ".4.202" | ".4.203" => "high-throughput JPEG 2000",
            ".4.92" | ".4.93" => "JPEG 2000 of several components",
            ".4.110" | ".4.111" | ".4.112" => "JPEG XL",
            ".8.1" => "deflated frames",
            other if other.starts_with(".4.10") => "a film (MPEG)",
            other if other.starts_with(".4.") => "JPEG of a kind that is no longer in use",
            _ => return Err(unknown(syntax)),
        };
        Err(not_read(&format!("pixels packed as {name}")))
    }
}

fn unknown(syntax: &str) -> Refusal {
    let plain = syntax.len() <= 64 && syntax.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    not_read(&format!("the transfer syntax {}", if plain { syntax } else { "(no number)" }))
}

fn not_read(what: &str) -> Refusal {
    let hint = "unpack it: dcmdjpeg or gdcmconv -w, or in Python pydicom's decompress";
    Refusal::new(format!("DICOM: {what}: not read"), hint)
}

/// How the samples of a frame are stored.
#[derive(Clone)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Samples of a pixel.
    pub(super) samples: usize,
    pub(super) color: Color,
    pub(super) frames: usize,
    pub(super) signed: bool,
    /// Bits of a sample that count.
    pub(super) bits: u32,
    /// Bits that a sample takes.
    allocated: u32,
    /// Bits below those that count.
    shift: u32,
    /// Red, green and blue one after the other.
    planar: bool,
    /// Floating point.
    pub(super) float: bool,
    packing: Packing,
}

impl Layout {
    /// # Errors
    /// What is missing, contradicts itself, or is not read.
    pub(super) fn of(header: &Header<'_>, syntax: &str) -> Result<Layout, Refusal> {
        let Some(pixels) = header.pixels else {
            let reason = "DICOM: the file holds no pixels (7FE0,0010): it is no image";
            return Err(Refusal::new(reason, "leave reports, plans and directories out of the set"));
        };
        let (rows, columns) = (header.rows, header.columns);
        if rows == 0 || columns == 0 {
            return Err(format!(
                "DICOM: the image has {rows} rows (0028,0010) of {columns} columns (0028,0011)"
            )
            .into());
        }
        let samples = usize::from(header.samples.unwrap_or(1));
        let color = color_of(header.photometric, samples)?;
        let float = pixels.tag.1 != 0x0010;
        let allocated = match pixels.tag.1 {
            0x0008 => 32,
            0x0009 => 64,
            _ => u32::from(header.bits_allocated),
        };
        let bits = if float || header.bits_stored == 0 { allocated } else { header.bits_stored.into() };
        if !matches!(allocated, 1 | 8 | 16 | 32) && !float {
            return Err(format!("DICOM: samples of {allocated} bits (0028,0100) are not read").into());
        }
        if bits > allocated {
            let reason = format!(
                "DICOM: of {allocated} bits (0028,0100) {bits} count (0028,0101): the file is damaged"
            );
            return Err(reason.into());
        }
        let high = header.high_bit.map_or(bits, |bit| u32::from(bit) + 1);
        let shift = high.saturating_sub(bits).min(allocated - bits);
        let frames = usize::try_from(header.frames.unwrap_or(1)).unwrap_or(1).max(1);
        let packing = Packing::of(syntax)?;
        let planar = header.planar && samples > 1;
        let signed = header.signed;
        Ok(Layout {
            rows,
            columns,
            samples,
            color,
            frames,
            signed,
            bits,
            allocated,
            shift,
            planar,
            float,
            packing,
        })
    }

    /// Samples of a frame.
    pub(super) fn count(&self) -> usize {
        self.rows * self.columns * self.samples
    }

    /// Samples of a frame as they are stored: with colours for every second pixel there are fewer.
    fn stored(&self) -> usize {
        match self.color {
            Color::YbrHalf => self.rows * self.columns.div_ceil(2) * 4,
            _ => self.count(),
        }
    }

    /// The value of the sample whose bits these are.
    fn value(&self, raw: u32, bits: u32) -> f64 {
        let unused = 32 - bits.clamp(1, 32);
        let raw = raw << unused;
        if self.signed { f64::from((raw as i32) >> unused) } else { f64::from(raw >> unused) }
    }
}

fn color_of(photometric: &str, samples: usize) -> Result<Color, Refusal> {
    let color = match (photometric, samples) {
        ("MONOCHROME1", 1) => Color::Grey { inverted: true },
        ("MONOCHROME2" | "", 1) => Color::Grey { inverted: false },
        ("PALETTE COLOR", 1) => Color::Palette,
        ("RGB" | "YBR_ICT" | "YBR_RCT", 3) => Color::Rgb,
        ("YBR_FULL", 3) => Color::Ybr,
        ("YBR_FULL_422", 3) => Color::YbrHalf,
        _ => {
            let known = ["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422"];
            let others = ["YBR_PARTIAL_422", "YBR_PARTIAL_420", "HSV", "ARGB", "CMYK", "XYB"];
            let mut names = known.into_iter().chain(others);
            let name = names.find(|name| *name == photometric).unwrap_or("an unknown kind");
            let reason =
                format!("DICOM: colours of {name} (0028,0004) with {samples} samples a pixel are not read");
            return Err(Refusal::new(reason, "save the image as RGB or MONOCHROME2"));
        }
    };
    Ok(color)
}

/// The pixels of a file, frame by frame.
pub(super) struct Frames<'a> {
    pub(super) layout: Layout,
    big_endian: bool,
    /// Kind of value of the pixels.
    words: bool,
    data: Data<'a>,
    allowed: u64,
}

enum Data<'a> {
    Whole(&'a [u8]),
    Joined(Vec<u8>),
    /// Fragments, and which of them are of each frame.
    Packed(Vec<&'a [u8]>, Vec<Range<usize>>),
}

impl<'a> Frames<'a> {
    /// # Errors
    /// Pixels that are not all there, or more than `allowed` bytes.
    pub(super) fn open(header: &Header<'a>, layout: Layout, allowed: u64) -> Result<Frames<'a>, Refusal> {
        let pixels = header.pixels.ok_or("DICOM: no pixels")?;
        checked_size([layout.rows, layout.columns], layout.samples, WORK, allowed)?;
        let data = match (layout.packing, pixels.length) {
            (Packing::Native, Some(_)) => Data::Whole(pixels.value),
            (Packing::Native, None) => Data::Joined(fragments(&pixels).skip(1).collect::<Vec<_>>().concat()),
            (_, Some(_)) => {
                return Err("DICOM: the pixels should be packed, and are not: the file is damaged".into());
            }
            (_, None) => {
                let all: Vec<&[u8]> = fragments(&pixels).collect();
                let (table, packed) = all.split_first().ok_or("DICOM: the pixels have no fragments")?;
                let ranges = ranges_of(packed, &starts(header, table), layout.frames)?;
                Data::Packed(packed.to_vec(), ranges)
            }
        };
        if let Data::Whole(_) | Data::Joined(_) = data {
            let found = match &data {
                Data::Whole(bytes) => bytes.len(),
                Data::Joined(bytes) => bytes.len(),
                Data::Packed(..) => 0,
            };
            let bits = layout.stored() as u128 * u128::from(layout.allocated) * layout.frames as u128;
            let needed = bits.div_ceil(8);
            if (found as u128) < needed {
                let reason = format!(
                    "DICOM: the pixels have {found} bytes; {} frames of {} rows and {} columns take {needed}: the file \
                     is cut off or damaged",
                    layout.frames, layout.rows, layout.columns
                );
                return Err(reason.into());
            }
        }
        let words = &pixels.vr == b"OW";
        Ok(Frames { layout, big_endian: pixels.writing.big_endian, words, data, allowed })
    }

    /// The samples of frame `number`, pixel by pixel; colours are red, green and blue.
    pub(super) fn samples(&self, number: usize) -> Result<Vec<f64>, Refusal> {
        let layout = &self.layout;
        let samples = match &self.data {
            Data::Whole(bytes) => self.native(bytes, number)?,
            Data::Joined(bytes) => self.native(bytes, number)?,
            Data::Packed(fragments, ranges) => {
                let range = ranges.get(number).cloned().ok_or("DICOM: a frame is missing")?;
                match &fragments[range] {
                    [one] => self.unpacked(one)?,
                    several => self.unpacked(&several.concat())?,
                }
            }
        };
        if samples.len() != layout.count() {
            let reason =
                format!("DICOM: frame {number} has {} samples instead of {}", samples.len(), layout.count());
            return Err(reason.into());
        }
        Ok(samples)
    }

    fn native(&self, bytes: &[u8], number: usize) -> Result<Vec<f64>, Refusal> {
        let layout = &self.layout;
        let bits = layout.allocated as usize;
        let stored = layout.stored();
        if bits == 1 {
            let bit = |at: usize| f64::from(bytes[at / 8] >> (at % 8) & 1);
            return Ok((number * stored..(number + 1) * stored).map(bit).collect());
        }
        let size = bits / 8;
        let bytes = &bytes[number * stored * size..][..stored * size];
        let swapped: Vec<u8>;
        let bytes = match self.big_endian && self.words && size == 1 {
            // Bytes lie in words of two, the later one first.
            true => {
                swapped = bytes.chunks(2).flat_map(|word| word.iter().rev().copied()).collect();
                &swapped[..]
            }
            false => bytes,
        };
        if layout.float {
            return Ok(floats(bytes, size));
        }
        let number = |word: &[u8]| -> u32 {
            let join = |sum: u32, &byte: &u8| sum << 8 | u32::from(byte);
            if self.big_endian { word.iter().fold(0, join) } else { word.iter().rev().fold(0, join) }
        };
        let values =
            bytes.chunks_exact(size).map(|word| layout.value(number(word) >> layout.shift, layout.bits));
        Ok(self.in_rgb(self.interleaved(values.collect(), layout.planar)))
    }

    /// Samples by pixels of those by colours.
    fn interleaved(&self, values: Vec<f64>, planar: bool) -> Vec<f64> {
        let (samples, area) = (self.layout.samples, self.layout.rows * self.layout.columns);
        if !planar || samples == 1 || values.len() != samples * area {
            return values;
        }
        (0..area)
            .flat_map(|at| (0..samples).map(move |sample| sample * area + at))
            .map(|at| values[at])
            .collect()
    }

    /// RGB of whatever colours there are.
    fn in_rgb(&self, mut values: Vec<f64>) -> Vec<f64> {
        let layout = &self.layout;
        if layout.color == Color::YbrHalf
            && values.len() == layout.stored()
            && layout.stored() != layout.count()
        {
            values = self.doubled(&values);
        }
        if !matches!(layout.color, Color::Ybr | Color::YbrHalf) {
            return values;
        }
        let (middle, top) = (f64::from(1u32 << (layout.bits - 1)), f64::from(u32::MAX >> (32 - layout.bits)));
        for pixel in values.as_chunks_mut::<3>().0 {
            let [y, blue, red] = [pixel[0], pixel[1] - middle, pixel[2] - middle];
            let rgb = [y + 1.402 * red, y - 0.344_136 * blue - 0.714_136 * red, y + 1.772 * blue];
            *pixel = rgb.map(|value| value.round().clamp(0.0, top));
        }
        values
    }

    /// Two pixels of each `Y Y Cb Cr`.
    fn doubled(&self, values: &[f64]) -> Vec<f64> {
        let columns = self.layout.columns;
        let row = |row: &[f64]| -> Vec<f64> {
            let pixels =
                row.as_chunks::<4>().0.iter().flat_map(|&[a, b, blue, red]| [a, blue, red, b, blue, red]);
            pixels.take(3 * columns).collect()
        };
        values.chunks(columns.div_ceil(2) * 4).flat_map(row).collect()
    }

    fn unpacked(&self, bytes: &[u8]) -> Result<Vec<f64>, Refusal> {
        let layout = &self.layout;
        let sides = [layout.rows, layout.columns];
        let integers =
            |raw: Vec<u32>, bits: u32| raw.into_iter().map(|raw| layout.value(raw, bits)).collect();
        Ok(match layout.packing {
            Packing::Native => return Err("DICOM: pixels in fragments that are not packed".into()),
            Packing::Rle => {
                let raw = rle::decode(
                    bytes,
                    layout.rows * layout.columns,
                    layout.samples,
                    layout.allocated as usize / 8,
                )?;
                let raw = raw.into_iter().map(|raw| raw >> layout.shift).collect();
                self.in_rgb(self.interleaved(integers(raw, layout.bits), true))
            }
            Packing::Jpeg => return self.jpeg(bytes),
            Packing::LosslessJpeg => {
                let (raw, bits) = lossless::decode(bytes, sides, layout.samples)?;
                self.in_rgb(integers(raw, bits.min(layout.bits)))
            }
            Packing::JpegLs => {
                let (raw, bits) = jpegls::decode(bytes, sides, layout.samples)?;
                self.in_rgb(integers(raw, bits.min(layout.bits)))
            }
            Packing::Jpeg2000 => {
                let decoded = jpeg2000::decode(bytes, sides, layout.samples)?;
                match decoded.signed == layout.signed {
                    true => self.in_rgb(decoded.samples),
                    false => {
                        let raw = decoded.samples.into_iter().map(|value| value as i64 as u32);
                        self.in_rgb(integers(raw.collect(), decoded.bits.min(layout.bits)))
                    }
                }
            }
        })
    }

    /// JPEG converts colours itself, where it says that it has brightness and two colours.
    fn jpeg(&self, bytes: &[u8]) -> Result<Vec<f64>, Refusal> {
        let layout = &self.layout;
        if lossless::precision(bytes).is_some_and(|bits| bits > 8) {
            return Err(not_read("JPEG of 12 bits"));
        }
        let colors = match layout.color {
            Color::Rgb if !jpeg_says_colors(bytes) => jpeg::Colors::Stored,
            _ => jpeg::Colors::Shown,
        };
        let decoded = jpeg::decode(&without_short_adobe(bytes), colors, self.allowed)?;
        let found = [decoded.height, decoded.width, decoded.channels];
        if found != [layout.rows, layout.columns, layout.samples] {
            let reason = "DICOM: the JPEG in it is of another size than the file says: it is damaged";
            return Err(reason.into());
        }
        Ok(decoded
            .samples
            .into_iter()
            .map(|sample| layout.value(sample.into(), layout.bits.min(8)))
            .collect())
    }
}

/// Bytes that a sample takes while it is decoded.
const WORK: usize = 8 + 4;

fn floats(bytes: &[u8], size: usize) -> Vec<f64> {
    match size {
        4 => bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes).into()).collect(),
        _ => bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
    }
}

/// Whether a JPEG says what its colours are: by a marker of JFIF or of Adobe.
fn jpeg_says_colors(bytes: &[u8]) -> bool {
    lossless::segments(bytes).any(|(marker, data)| match marker {
        0xE0 => data.starts_with(b"JFIF"),
        0xEE => data.starts_with(b"Adobe") && data.len() >= ADOBE,
        _ => false,
    })
}

/// Bytes of Adobe's marker.
const ADOBE: usize = 12;

/// The JPEG without such a marker that is too short to say anything, which the decoder refuses.
fn without_short_adobe(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_short = |(marker, data): &(u8, &[u8])| *marker == 0xEE && data.len() < ADOBE;
    let Some((_, data)) = lossless::segments(bytes).find(is_short) else { return Cow::Borrowed(bytes) };
    let end = data.as_ptr_range().end as usize - bytes.as_ptr() as usize;
    let start = end - data.len() - 4; // marker and length
    Cow::Owned([&bytes[..start], &bytes[end..]].concat())
}

fn fragments<'a>(pixels: &Element<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let mut items = pixels.items();
    std::iter::from_fn(move || items.bytes())
}

/// Where frames begin, counted from the first fragment, as far as the file says it.
fn starts(header: &Header<'_>, table: &[u8]) -> Vec<u64> {
    if let Some(offsets) = header.offsets {
        return offsets.value.as_chunks().0.iter().map(|&offset| u64::from_le_bytes(offset)).collect();
    }
    table.as_chunks().0.iter().map(|&offset| u32::from_le_bytes(offset).into()).collect()
}

/// Which fragments are of which frame.
fn ranges_of(fragments: &[&[u8]], starts: &[u64], frames: usize) -> Result<Vec<Range<usize>>, Refusal> {
    let count = fragments.len();
    if frames == 1 && count > 0 {
        return Ok(std::iter::once(0..count).collect());
    }
    if frames == count {
        return Ok((0..count).map(|at| at..at + 1).collect());
    }
    let mut at = 0;
    let places: Vec<u64> = fragments
        .iter()
        .map(|fragment| {
            at += 8 + fragment.len() as u64;
            at - 8 - fragment.len() as u64
        })
        .collect();
    let stated: Vec<usize> = starts.iter().filter_map(|start| places.binary_search(start).ok()).collect();
    // Without a table, a frame begins where an image does.
    let begins = |at: &usize| matches!(fragments[*at], [0xFF, 0xD8 | 0x4F, ..]);
    let found: Vec<usize> = (0..count).filter(begins).collect();
    let rising = |starts: &[usize]| {
        starts.len() == frames && starts.first() == Some(&0) && starts.is_sorted_by(|a, b| a < b)
    };
    let begin = [stated, found].into_iter().find(|starts| rising(starts));
    let begin = begin.ok_or_else(|| {
        Refusal::from(format!("DICOM: {count} fragments for {frames} frames: the file is cut off or damaged"))
    })?;
    let ends = begin.iter().skip(1).copied().chain([count]);
    Ok(begin.iter().copied().zip(ends).map(|(from, to)| from..to).collect())
}
