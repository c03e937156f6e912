//! The samples of one image, from its strips or tiles.
//!
//! Each piece is unpacked, brought to whole little-endian numbers, and laid into the image at its place; only then the
//! numbers get their type and their colours.

use std::borrow::Cow;

use super::codec::unpack;
use super::colors;
use super::directory::{Directory, JPEG_TABLES};
use super::kept::{Kept, PieceKey};
use super::layout::{JPEG, JPEG_2000, JPEG_2000_YCBCR, Layout, Meaning, Numbers};
use crate::decode::jpeg::{self, Colors};
use crate::decode::{Refusal, Remark, checked_size, jpeg2000};
use crate::{Image, Pixels};

/// A rectangle of an image, in pixels; it lies within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// First row and column.
    pub(crate) at: [usize; 2],
    /// Rows and columns.
    pub(crate) sides: [usize; 2],
}

/// Images of more pixels are not decoded as a whole, whatever the memory.
const LARGEST_WHOLE: usize = 1 << 30;

const TILES: &str =
    "read it in tiles with {tile_size} 224, or raise the memory limit if an image is to be of that size";

/// Decodes the image of a directory. `shift` is added to the place of its bytes. Says what there is to say of it.
pub(super) fn read(
    tags: &Directory<'_>,
    layout: &Layout,
    shift: u64,
    allowed: u64,
    remarks: &mut Vec<Remark>,
) -> Result<Image, Refusal> {
    let sides = [layout.height, layout.width];
    let refused = checked_size(sides, layout.samples, layout.size(), allowed).map(drop);
    let refused = refused.and_then(|()| match sides[0].saturating_mul(sides[1]) {
        ..=LARGEST_WHOLE => Ok(()),
        _ => Err(format!("{} x {} pixels are too many for one image", sides[0], sides[1]).into()),
    });
    refused.map_err(|refusal| Refusal::new(refusal.reason, TILES))?;
    region(tags, layout, (Region { at: [0, 0], sides }, shift), None, allowed, remarks)
}

/// Decodes a part of it, from the strips and tiles alone that it touches; what was unpacked before is taken from `kept`, by the key of
/// the image there.
pub(super) fn region(
    tags: &Directory<'_>,
    layout: &Layout,
    (region, shift): (Region, u64),
    kept: Option<(&Kept, PieceKey)>,
    allowed: u64,
    remarks: &mut Vec<Remark>,
) -> Result<Image, Refusal> {
    let Region { at: [top, left], sides: [height, width] } = region;
    let len = checked_size([height, width], layout.samples, layout.size(), allowed)?;
    checked_size([layout.tile[1], layout.tile[0]], layout.samples, layout.size(), allowed)?;
    let mut raster = vec![0; len];
    let [wide, high] = layout.tile;
    for plane in 0..layout.planes() {
        for row in top / high..(top + height).div_ceil(high) {
            for column in left / wide..(left + width).div_ceil(wide) {
                let chunk = (plane * layout.down() + row) * layout.across() + column;
                let piece = Piece::at(layout, plane, [row, column]);
                let stored = || piece.stored(tags, layout, chunk, shift);
                let Some((kept, image)) = kept else {
                    let bytes = stored()?;
                    piece.lay(&piece.numbers(tags, layout, &bytes, allowed)?, layout, region, &mut raster);
                    continue;
                };
                let unpack = || Ok(piece.numbers(tags, layout, &stored()?, allowed)?.into_owned());
                piece.lay(&kept.piece(image.piece(chunk), unpack)?, layout, region, &mut raster);
            }
        }
    }
    let pixels = typed(raster, layout)?;
    let image = Image::new(height, width, layout.samples, pixels).map_err(|error| error.to_string())?;
    if layout.numbers == Numbers::Float && layout.bits == 64 {
        remarks.push(Remark::Rounded);
    }
    Ok(colors::shown(image, tags, layout, remarks)?)
}

/// One strip or tile.
struct Piece {
    plane: usize,
    /// Its first row and column.
    at: [usize; 2],
    /// Rows and columns that are stored.
    rows: usize,
    columns: usize,
    /// Samples of a pixel in it.
    samples: usize,
}

impl Piece {
    fn at(layout: &Layout, plane: usize, [row, column]: [usize; 2]) -> Piece {
        let [columns, rows] = layout.tile;
        let at = [row * rows, column * columns];
        let rows = if layout.tiled { rows } else { rows.min(layout.height - at[0]) };
        Piece { plane, at, rows, columns, samples: if layout.planar { 1 } else { layout.samples } }
    }

    fn stored<'a>(
        &self,
        tags: &Directory<'a>,
        layout: &Layout,
        chunk: usize,
        shift: u64,
    ) -> Result<Cow<'a, [u8]>, String> {
        let source = tags.file().source;
        let [offset, count] = layout.place(tags, chunk)?;
        if count == 0 {
            return Err("TIFF: a strip or tile was never written".into());
        }
        let start = offset.checked_add(shift);
        // The length of what is not compressed is known; some writers state too much.
        let room = start.map_or(0, |start| source.len().saturating_sub(start));
        let taken = if layout.compression == 1 { count.min(room) } else { count };
        let place =
            start.and_then(|start| Some((usize::try_from(start).ok()?, usize::try_from(taken).ok()?)));
        let stored = match place.filter(|_| taken > 0) {
            Some((start, taken)) => source.get(start, taken)?,
            None => None,
        };
        stored.ok_or_else(|| {
            format!("TIFF: it breaks off: a strip or tile of {count} bytes at {offset} lies beyond its end")
        })
    }

    /// Rows x columns x samples numbers of [`Layout::size`] bytes, little-endian.
    fn numbers<'a>(
        &self,
        tags: &Directory<'_>,
        layout: &Layout,
        bytes: &'a [u8],
        allowed: u64,
    ) -> Result<Cow<'a, [u8]>, Refusal> {
        if layout.compression == JPEG {
            return self.jpeg(tags, layout, bytes, allowed).map(Cow::Owned);
        }
        if layout.is_jpeg_2000() {
            return self.jpeg_2000(layout, bytes).map(Cow::Owned);
        }
        if layout.subsampling != [1, 1] {
            return self.subsampled(layout, bytes).map(Cow::Owned);
        }
        let row = (self.columns * self.samples * layout.bits).div_ceil(8);
        let mut unpacked = unpack(bytes, layout, [self.columns, self.rows], row * self.rows)?;
        if layout.predictor == 3 {
            add_bytes(unpacked.to_mut(), row, self.samples, layout)?;
            return Ok(unpacked);
        }
        if !matches!(layout.bits, 8 | 16 | 32 | 64) {
            unpacked = Cow::Owned(whole_numbers(&unpacked, row, self.columns * self.samples, layout));
        } else if tags.file().form.big_endian {
            unpacked.to_mut().chunks_exact_mut(layout.size()).for_each(<[u8]>::reverse);
        }
        match layout.predictor {
            1 => Ok(unpacked),
            2 if matches!(layout.bits, 8 | 16 | 32 | 64) => {
                let rows = unpacked.to_mut().chunks_exact_mut(row);
                rows.for_each(|row| add_numbers(row, self.samples, layout.size()));
                Ok(unpacked)
            }
            other => Err(format!("TIFF: predictor {other} with {} bits is not read", layout.bits).into()),
        }
    }

    /// A strip or tile in JPEG; its tables may be in a tag (TIFF technical note 2).
    fn jpeg(
        &self,
        tags: &Directory<'_>,
        layout: &Layout,
        bytes: &[u8],
        allowed: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let whole = match tags.bytes(JPEG_TABLES)? {
            Some(tables) if tables.len() > 4 => {
                [&tables[..tables.len() - 2], bytes.get(2..).unwrap_or_default()].concat()
            }
            _ => bytes.to_vec(),
        };
        let colors = if layout.meaning == Meaning::YCbCr { Colors::Shown } else { Colors::Stored };
        let decoded = jpeg::decode(&whole, colors, allowed)?;
        let fits =
            decoded.width == self.columns && decoded.height >= self.rows && decoded.channels == self.samples;
        if !fits || layout.bits != 8 || layout.numbers != Numbers::Unsigned {
            return Err(format!(
                "TIFF: a JPEG of {} x {} pixels with {} samples stands for a piece of {} x {} with {} of {} bits",
                decoded.width,
                decoded.height,
                decoded.channels,
                self.columns,
                self.rows,
                self.samples,
                layout.bits
            )
            .into());
        }
        Ok(decoded.samples)
    }

    /// A strip or tile in JPEG 2000. Aperio says by the number of the compression whether it is YCbCr, others by the colours.
    fn jpeg_2000(&self, layout: &Layout, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        let in_ycbcr = match layout.compression {
            JPEG_2000 => layout.meaning == Meaning::YCbCr,
            compression => compression == JPEG_2000_YCBCR,
        };
        let decoded = jpeg2000::decode(bytes, [self.rows, self.columns], self.samples)?;
        if decoded.signed || decoded.bits as usize != layout.bits || layout.numbers != Numbers::Unsigned {
            let sign = if decoded.signed { "signed " } else { "" };
            return Err(format!(
                "TIFF: a JPEG 2000 of {sign}samples of {} bits stands for a piece of {} bits",
                decoded.bits, layout.bits
            )
            .into());
        }
        if in_ycbcr && (self.samples, layout.bits) != (3, 8) {
            return Err("TIFF: YCbCr in JPEG 2000 of other than three samples of 8 bits is not read".into());
        }
        let mut numbers = Vec::with_capacity(decoded.samples.len() * layout.size());
        if in_ycbcr && !decoded.is_rgb {
            numbers.extend(decoded.samples.as_chunks().0.iter().flat_map(|pixel| jpeg2000::rgb(*pixel)));
        } else {
            let size = layout.size();
            decoded.samples.iter().for_each(|&value| numbers.extend(&(value as u32).to_le_bytes()[..size]));
        }
        Ok(numbers)
    }

    /// YCbCr with fewer chroma samples, which become those of all pixels that share them. Interleaved, the data are
    /// units of all luma samples of a block of pixels, then its two chroma samples; in planes, the chroma planes are
    /// smaller (TIFF 6.0, section 21).
    fn subsampled(&self, layout: &Layout, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        if layout.predictor != 1 {
            return Err("TIFF: a predictor with subsampled chroma is not read".into());
        }
        let [wide, high] = if layout.planar && self.plane == 0 { [1, 1] } else { layout.subsampling };
        let (across, down) = (self.columns.div_ceil(wide), self.rows.div_ceil(high));
        let luma = if layout.planar { 0 } else { wide * high };
        let unit = luma + if layout.planar { 1 } else { 2 };
        let unpacked = unpack(bytes, layout, [across, down], across * down * unit)?;
        let mut numbers = Vec::with_capacity(self.rows * self.columns * self.samples);
        for (y, x) in (0..self.rows).flat_map(|y| (0..self.columns).map(move |x| (y, x))) {
            let unit = &unpacked[((y / high) * across + x / wide) * unit..][..unit];
            numbers.extend(unit[..luma].get((y % high) * wide + x % wide));
            numbers.extend(&unit[luma..]);
        }
        Ok(numbers)
    }

    /// Lays the numbers that lie in `region` into its raster.
    fn lay(&self, numbers: &[u8], layout: &Layout, region: Region, raster: &mut [u8]) {
        let size = layout.size();
        let ends = |at: usize| region.at[at] + region.sides[at];
        let [top, left] = [0, 1].map(|at| self.at[at].max(region.at[at]));
        let (bottom, right) =
            ((self.at[0] + self.rows).min(ends(0)), (self.at[1] + self.columns).min(ends(1)));
        let (pixel, wide) = (self.samples * size, right.saturating_sub(left));
        for row in top..bottom {
            let from =
                &numbers[((row - self.at[0]) * self.columns + left - self.at[1]) * pixel..][..wide * pixel];
            let start =
                ((row - region.at[0]) * region.sides[1] + left - region.at[1]) * layout.samples * size;
            if !layout.planar {
                raster[start..start + from.len()].copy_from_slice(from);
                continue;
            }
            let places = raster[start..].chunks_mut(layout.samples * size);
            for (place, number) in places.zip(from.chunks_exact(size)) {
                place[self.plane * size..][..size].copy_from_slice(number);
            }
        }
    }
}

/// Numbers of any other width than whole bytes: in rows of `row` bytes, the uppermost bit first.
fn whole_numbers(bytes: &[u8], row: usize, in_row: usize, layout: &Layout) -> Vec<u8> {
    let (bits, size) = (layout.bits, layout.size());
    let mut numbers = Vec::with_capacity(bytes.len() / row * in_row * size);
    for row in bytes.chunks_exact(row) {
        let (mut held, mut count, mut next) = (0u32, 0, row.iter());
        for _ in 0..in_row {
            while count < bits {
                held = held << 8 | u32::from(next.next().copied().unwrap_or(0));
                count += 8;
            }
            count -= bits;
            numbers.extend(&(held >> count & ((1 << bits) - 1)).to_le_bytes()[..size]);
        }
    }
    numbers
}

/// Predictor 2: each number is the difference to that of the pixel before.
fn add_numbers(row: &mut [u8], samples: usize, size: usize) {
    let stride = samples * size;
    for at in (stride..row.len()).step_by(size) {
        let mut carry = 0;
        for byte in 0..size {
            let sum = u16::from(row[at + byte]) + u16::from(row[at - stride + byte]) + carry;
            row[at + byte] = sum as u8;
            carry = sum >> 8;
        }
    }
}

/// Predictor 3: the bytes of a row of floats, all first bytes, then all second and so on, each the difference to the
/// one before (TIFF technical note 3); the first is the uppermost one.
fn add_bytes(rows: &mut [u8], row: usize, samples: usize, layout: &Layout) -> Result<(), String> {
    let size = layout.size();
    if layout.numbers != Numbers::Float {
        return Err("TIFF: predictor 3 is for floating point".into());
    }
    for row in rows.chunks_exact_mut(row) {
        for at in samples..row.len() {
            row[at] = row[at].wrapping_add(row[at - samples]);
        }
        let planes = row.to_vec();
        let count = row.len() / size;
        for (index, number) in row.chunks_exact_mut(size).enumerate() {
            for (byte, place) in number.iter_mut().rev().enumerate() {
                *place = planes[byte * count + index];
            }
        }
    }
    Ok(())
}

/// Little-endian numbers as pixels. Grey of fewer than 8 bits is stretched to 0..=255; indices are not.
fn typed(raster: Vec<u8>, layout: &Layout) -> Result<Pixels, Refusal> {
    fn all<T, const N: usize>(raster: &[u8], one: impl Fn([u8; N]) -> T) -> Vec<T> {
        raster.as_chunks().0.iter().map(|&bytes| one(bytes)).collect()
    }
    Ok(match (layout.numbers, layout.bits) {
        (Numbers::Unsigned, 8) => Pixels::U8(raster),
        (Numbers::Unsigned, ..8) if layout.meaning == Meaning::Palette => Pixels::U8(raster),
        (Numbers::Unsigned, bits @ ..8) => {
            let most = (1u16 << bits) - 1;
            Pixels::U8(raster.into_iter().map(|v| ((u16::from(v) * 255 + most / 2) / most) as u8).collect())
        }
        (Numbers::Unsigned, ..=16) => Pixels::U16(all(&raster, u16::from_le_bytes)),
        (Numbers::Unsigned, _) => Pixels::U32(all(&raster, u32::from_le_bytes)),
        (Numbers::Signed, 8) => Pixels::I16(raster.into_iter().map(|v| i16::from(v as i8)).collect()),
        (Numbers::Signed, 16) => Pixels::I16(all(&raster, i16::from_le_bytes)),
        (Numbers::Signed, _) => Pixels::F32(exact(&all(&raster, i32::from_le_bytes))?),
        (Numbers::Float, 16) => Pixels::F32(all(&raster, |bytes| half::f16::from_le_bytes(bytes).to_f32())),
        (Numbers::Float, 32) => Pixels::F32(all(&raster, f32::from_le_bytes)),
        (Numbers::Float, _) => Pixels::F32(all(&raster, |bytes| f64::from_le_bytes(bytes) as f32)),
    })
}

/// Signed 32-bit numbers as floats, which hold those up to 2^24 exactly.
fn exact(values: &[i32]) -> Result<Vec<f32>, Refusal> {
    match values.iter().find(|value| value.unsigned_abs() > 1 << 24) {
        None => Ok(values.iter().map(|&value| value as f32).collect()),
        Some(value) => Err(Refusal::new(
            format!("TIFF: signed 32-bit samples beyond 2^24 ({value}) cannot be held exactly"),
            "save them unsigned or as float",
        )),
    }
}
