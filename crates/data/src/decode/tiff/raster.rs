//! The samples of one image, from its strips or tiles.
//!
//! Each piece is unpacked, brought to whole little-endian numbers, and laid into the image at its place; only then the
//! numbers get their type and their colours.

use std::borrow::Cow;

use super::codec::unpack;
use super::colors;
use super::directory::{Directory, JPEG_TABLES};
use super::layout::{JPEG, Layout, Meaning, Numbers};
use crate::decode::jpeg::{self, Colors};
use crate::decode::{Refusal, Remark, checked_size};
use crate::{Image, Pixels};

/// Decodes the image of a directory. `shift` is added to the place of its bytes. Says what there is to say of it.
pub(super) fn read(
    tags: &Directory<'_>,
    layout: &Layout,
    shift: u64,
    allowed: u64,
    remarks: &mut Vec<Remark>,
) -> Result<Image, Refusal> {
    let &Layout { width, height, samples, .. } = layout;
    let len = checked_size([height, width], samples, layout.size(), allowed)?;
    checked_size([layout.tile[1], layout.tile[0]], samples, layout.size(), allowed)?;
    let mut raster = vec![0; len];
    let mut chunk = 0;
    for plane in 0..layout.planes() {
        for row in 0..layout.down() {
            for column in 0..layout.across() {
                let piece = Piece::at(layout, plane, [row, column]);
                let bytes = piece.stored(tags, layout, chunk, shift)?;
                let numbers = piece.numbers(tags, layout, bytes, allowed)?;
                piece.lay(&numbers, layout, &mut raster);
                chunk += 1;
            }
        }
    }
    let pixels = typed(raster, layout)?;
    let image = Image::new(height, width, samples, pixels).map_err(|error| error.to_string())?;
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
    ) -> Result<&'a [u8], String> {
        let bytes = tags.file().bytes;
        let (offset, count) = (layout.offsets[chunk], layout.counts[chunk]);
        if count == 0 {
            return Err("TIFF: a strip or tile was never written".into());
        }
        let start = offset.checked_add(shift).and_then(|start| usize::try_from(start).ok());
        let end = start.and_then(|start| start.checked_add(usize::try_from(count).ok()?));
        // The length of what is not compressed is known; some writers state too much.
        let end = end.map(|end| if layout.compression == 1 { end.min(bytes.len()) } else { end });
        let stored = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
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
        } else if tags.file().big_endian {
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

    /// Lays the numbers into the image, without what goes beyond its edges.
    fn lay(&self, numbers: &[u8], layout: &Layout, raster: &mut [u8]) {
        let size = layout.size();
        let [top, left] = self.at;
        let (rows, columns) = (self.rows.min(layout.height - top), self.columns.min(layout.width - left));
        let pixel = self.samples * size;
        for row in 0..rows {
            let from = &numbers[row * self.columns * pixel..][..columns * pixel];
            let start = ((top + row) * layout.width + left) * layout.samples * size;
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
