//! The numbers of one volume, and slices of them.

use super::header::{Element, Header};
use crate::decode::refusal::Refusal;
use crate::{Image, PixelType, Pixels};

/// The stored numbers of one volume and what they stand for.
pub(super) struct Values<'a> {
    bytes: &'a [u8],
    element: Element,
    big_endian: bool,
    scaling: Option<[f64; 2]>,
    /// What its slices are made of.
    pub(super) pixel_type: PixelType,
    /// Whether some values are not exactly what is stored.
    pub(super) rounded: bool,
    /// Whether some are no numbers (NaN) or infinite, as programs write them outside a brain: these are given as 0.
    pub(super) filled: bool,
}

/// Where the numbers of one slice lie in a volume: number `start + row * down + column * right`.
pub(super) struct Grid {
    pub(super) start: isize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) down: isize,
    pub(super) right: isize,
}

/// Evaluates `$body` with `$read` bound to what makes a number (`f64`) of the bytes of one.
macro_rules! with_reader {
    ($values:expr, $read:ident => $body:expr) => {{
        let big = $values.big_endian;
        macro_rules! reader {
            ($type:ty) => {{
                let $read = |bytes| <$type>::from_le_bytes(ordered(bytes, big)) as f64;
                $body
            }};
        }
        match $values.element {
            Element::U8 => reader!(u8),
            Element::I8 => reader!(i8),
            Element::U16 => reader!(u16),
            Element::I16 => reader!(i16),
            Element::U32 => reader!(u32),
            Element::I32 => reader!(i32),
            Element::U64 => reader!(u64),
            Element::I64 => reader!(i64),
            Element::F32 => reader!(f32),
            Element::F64 => reader!(f64),
        }
    }};
}

impl<'a> Values<'a> {
    /// Volume `number` of those in `bytes`, which begin with the first.
    ///
    /// # Errors
    /// Fewer bytes than the header promises.
    pub(super) fn new(header: &Header, bytes: &'a [u8], number: u64) -> Result<Values<'a>, Refusal> {
        let size = header.sides().into_iter().chain([header.element.bytes()]);
        let size = size.fold(1u64, |bytes, len| bytes.saturating_mul(len as u64));
        let whole = size.saturating_mul(header.volumes());
        if whole > bytes.len() as u64 {
            let sides: Vec<String> = header.shape.iter().map(ToString::to_string).collect();
            return Err(format!(
                "NIfTI: its header promises {} numbers ({whole} bytes), and {} bytes are there",
                sides.join(" x "),
                bytes.len()
            )
            .into());
        }
        let start = size * number;
        let &Header { element, big_endian, scaling, .. } = header;
        let bytes = &bytes[start as usize..(start + size) as usize];
        let pixel_type = PixelType::F32;
        let mut values =
            Values { bytes, element, big_endian, scaling, pixel_type, rounded: false, filled: false };
        values.pixel_type = values.fitting();
        values.rounded = values.pixel_type == PixelType::F32 && values.lose_digits();
        values.filled = values.pixel_type == PixelType::F32
            && !values.all(|value| (values.scaled(value) as f32).is_finite());
        Ok(values)
    }

    /// The type that holds all values: as stored where nothing is scaled; signed 16 bits where all are whole and within these,
    /// as Hounsfield units are; else floating point.
    fn fitting(&self) -> PixelType {
        match (self.element, self.scaling) {
            (Element::U8, None) => PixelType::U8,
            (Element::U16, None) => PixelType::U16,
            (Element::U32, None) => PixelType::U32,
            (Element::I8 | Element::I16, None) => PixelType::I16,
            (Element::F32 | Element::F64, _) => PixelType::F32,
            (_, scaling) => {
                let whole = scaling.is_none_or(|numbers| numbers.iter().all(|number| number.fract() == 0.0));
                let within = |value: f64| (-32768.0..=32767.0).contains(&value);
                if whole && self.all(|value| within(self.scaled(value))) {
                    PixelType::I16
                } else {
                    PixelType::F32
                }
            }
        }
    }

    /// Whether floating point of 32 bits does not hold what is stored in more.
    fn lose_digits(&self) -> bool {
        let wide = self.scaling.is_none() && self.element != Element::F32;
        wide && !self.all(|value| f64::from(value as f32) == value || !value.is_finite())
    }

    /// Whether `holds` is true of every stored number.
    fn all(&self, holds: impl Fn(f64) -> bool) -> bool {
        with_reader!(self, read => self.bytes.as_chunks().0.iter().all(|&bytes| holds(read(bytes))))
    }

    fn scaled(&self, stored: f64) -> f64 {
        self.scaling.map_or(stored, |[slope, intercept]| slope * stored + intercept)
    }

    /// The slice at `grid`, of one channel.
    pub(super) fn slice(&self, grid: &Grid) -> Result<Image, Refusal> {
        let big = self.big_endian;
        let pixels = match self.pixel_type {
            PixelType::U8 => Pixels::U8(gathered(self.bytes, grid, u8::from_le_bytes)),
            PixelType::U16 => {
                Pixels::U16(gathered(self.bytes, grid, |bytes| u16::from_le_bytes(ordered(bytes, big))))
            }
            PixelType::U32 => {
                Pixels::U32(gathered(self.bytes, grid, |bytes| u32::from_le_bytes(ordered(bytes, big))))
            }
            PixelType::I16 => Pixels::I16(with_reader!(self, read => {
                gathered(self.bytes, grid, |bytes| self.scaled(read(bytes)) as i16)
            })),
            PixelType::F32 => Pixels::F32(with_reader!(self, read => {
                gathered(self.bytes, grid, |bytes| known(self.scaled(read(bytes)) as f32))
            })),
        };
        Ok(Image::new(grid.height, grid.width, 1, pixels)?)
    }
}

/// The value, or 0 where there is none.
fn known(value: f32) -> f32 {
    if value.is_finite() { value } else { 0.0 }
}

/// The bytes of a number with the least one first.
fn ordered<const N: usize>(mut bytes: [u8; N], big_endian: bool) -> [u8; N] {
    if big_endian {
        bytes.reverse();
    }
    bytes
}

/// The numbers at `grid`, row by row.
fn gathered<const N: usize, T>(bytes: &[u8], grid: &Grid, read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let numbers = bytes.as_chunks().0;
    let mut slice = Vec::with_capacity(grid.height * grid.width);
    for row in 0..grid.height as isize {
        let first = grid.start + row * grid.down;
        slice.extend(
            (0..grid.width as isize).map(|column| read(numbers[(first + column * grid.right) as usize])),
        );
    }
    slice
}
