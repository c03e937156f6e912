//! Arrays of numbers, whatever wraps them: their types, and how images are read from them piece by piece.

use std::io::Read;
use std::ops::Range;

use half::f16;
use rayon::prelude::*;

use super::axes::{self, ImageShape};
use super::labels::Labels;
use crate::error::read_error;
use crate::notice::Notice;
use crate::store::{Sample, StoreBuilder};
use crate::{ArrayLayout, DataError, Image, Pixels};

/// Bytes of images read at a time.
const BATCH_BYTES: usize = 8 << 20;

/// Most volumes that are made images at a time.
const MOST_AT_ONCE: usize = 1 << 14;

/// The largest whole number up to which floating point of 32 bits holds all.
const EXACT: i128 = 1 << 24;

/// One element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) kind: ElementKind,
    pub(super) bytes: usize,
    pub(super) big_endian: bool,
}

/// Kinds of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementKind {
    Bool,
    Unsigned,
    Signed,
    Float,
    /// Text of a fixed length in bytes, UTF-8.
    Bytes,
    /// Text of a fixed length in code points of 4 bytes.
    Unicode,
}

/// What an array says of itself before its numbers.
pub(super) struct ArrayHeader {
    pub(super) element: Element,
    pub(super) shape: Vec<u64>,
    /// First index fastest, instead of last.
    pub(super) fortran: bool,
    /// Bytes before the numbers.
    pub(super) offset: u64,
}

/// An array of images, checked.
pub(super) struct ImageArray<'a> {
    pub(super) header: &'a ArrayHeader,
    pub(super) shape: ImageShape,
    /// What errors call it.
    pub(super) place: &'a str,
    /// What its images are called after.
    pub(super) key: &'a str,
}

impl std::fmt::Display for Element {
    /// As NumPy calls it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bits = 8 * self.bytes;
        match self.kind {
            ElementKind::Bool => f.write_str("bool"),
            ElementKind::Unsigned => write!(f, "uint{bits}"),
            ElementKind::Signed => write!(f, "int{bits}"),
            ElementKind::Float => write!(f, "float{bits}"),
            ElementKind::Bytes | ElementKind::Unicode => f.write_str("text"),
        }
    }
}

impl Element {
    pub(super) fn is_text(self) -> bool {
        matches!(self.kind, ElementKind::Bytes | ElementKind::Unicode)
    }

    /// The bits of the number at the front of `bytes`, right-aligned.
    fn bits(self, bytes: &[u8]) -> u64 {
        let append = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        let bytes = &bytes[..self.bytes];
        match self.big_endian {
            true => bytes.iter().fold(0, append),
            false => bytes.iter().rev().fold(0, append),
        }
    }

    /// `bytes` as pixels: booleans as 0 and 255, whole numbers of more than 32 bits as floating point (with a sign, of more
    /// than 16), float64 rounded to float32, everything else exactly as it is.
    ///
    /// # Errors
    /// A value that floating point of 32 bits does not hold: what it is.
    fn pixels(self, bytes: &[u8]) -> Result<Pixels, String> {
        use ElementKind::{Bool, Float, Signed, Unsigned};
        let numbers = bytes.chunks_exact(self.bytes);
        let bits = numbers.clone().map(|number| self.bits(number));
        Ok(match (self.kind, self.bytes) {
            (Bool, _) => Pixels::U8(bytes.iter().map(|&byte| if byte == 0 { 0 } else { 255 }).collect()),
            (Unsigned, 1) => Pixels::U8(bytes.to_vec()),
            (Unsigned, 2) => Pixels::U16(bits.map(|bits| bits as u16).collect()),
            (Unsigned, 4) => Pixels::U32(bits.map(|bits| bits as u32).collect()),
            (Signed, 1 | 2) => Pixels::I16(numbers.map(|number| self.integer(number) as i16).collect()),
            (Float, 2) => Pixels::F32(bits.map(|bits| f16::from_bits(bits as u16).to_f32()).collect()),
            (Float, 4) => Pixels::F32(bits.map(|bits| f32::from_bits(bits as u32)).collect()),
            (Float, _) => {
                Pixels::F32(bits.map(|bits| narrowed(f64::from_bits(bits))).collect::<Result<_, _>>()?)
            }
            _ => Pixels::F32(numbers.map(|number| exactly(self.integer(number))).collect::<Result<_, _>>()?),
        })
    }

    /// The integer at the front of `bytes`.
    pub(super) fn integer(self, bytes: &[u8]) -> i128 {
        let bits = self.bits(bytes);
        let unused = 64 - 8 * self.bytes as u32;
        match self.kind {
            ElementKind::Signed => i128::from((bits << unused) as i64 >> unused),
            _ => i128::from(bits),
        }
    }

    /// The floating-point number at the front of `bytes`.
    pub(super) fn float(self, bytes: &[u8]) -> f64 {
        match (self.bytes, self.bits(bytes)) {
            (2, bits) => f16::from_bits(bits as u16).to_f64(),
            (4, bits) => f32::from_bits(bits as u32).into(),
            (_, bits) => f64::from_bits(bits),
        }
    }

    /// What a person should know of how images of this type are read.
    fn told(self) -> Option<Notice> {
        match (self.kind, self.bytes) {
            (ElementKind::Bool, _) => {
                Some(Notice::new("bool-images", "images of True and False are read as 255 and 0"))
            }
            (ElementKind::Signed, 4 | 8) | (ElementKind::Unsigned, 8) => {
                let message =
                    format!("images of {self} are read as floating point, which holds their values exactly");
                let hint = "values of 8 or 16 bits take less room as uint8, uint16 or int16 (images.astype)";
                Some(Notice::new("integer-images", message).hint(hint))
            }
            _ => None,
        }
    }
}

/// `value` in 32 bits, rounded.
fn narrowed(value: f64) -> Result<f32, String> {
    let narrow = value as f32;
    if narrow.is_infinite() && value.is_finite() { Err(value.to_string()) } else { Ok(narrow) }
}

/// `value` in floating point of 32 bits, if that is exact.
fn exactly(value: i128) -> Result<f32, String> {
    if (-EXACT..=EXACT).contains(&value) { Ok(value as f32) } else { Err(value.to_string()) }
}

impl ArrayHeader {
    pub(super) fn shape_text(&self) -> String {
        format!("{:?}", self.shape)
    }

    /// Bytes of all numbers.
    pub(super) fn data_bytes(&self, place: &str) -> Result<u64, DataError> {
        let bytes =
            self.shape.iter().try_fold(self.element.bytes as u64, |product, &n| product.checked_mul(n));
        bytes.ok_or_else(|| DataError::Damaged {
            place: place.into(),
            reason: format!("the shape {} is larger than any file", self.shape_text()),
        })
    }

    /// Checks the length of the file against the shape. `len` is `None` where it is not known.
    pub(super) fn check_len(&self, place: &str, len: Option<u64>) -> Result<(), DataError> {
        let needed = self.data_bytes(place)?.saturating_add(self.offset);
        match len {
            Some(len) if len != needed => Err(DataError::Damaged {
                place: place.into(),
                reason: format!(
                    "{} of shape {} needs {needed} bytes, there are {len}",
                    self.element,
                    self.shape_text()
                ),
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn check_not_empty(&self, place: &str) -> Result<(), DataError> {
        if self.shape.contains(&0) {
            return Err(DataError::Empty { place: format!("{place} (shape {})", self.shape_text()) });
        }
        Ok(())
    }
}

impl<'a> ImageArray<'a> {
    /// The array of `header` as images in this layout.
    ///
    /// # Errors
    /// [`DataError::WrongType`] when it holds text, and what [`axes::image_shape`] refuses.
    pub(super) fn new(
        header: &'a ArrayHeader,
        layout: ArrayLayout,
        place: &'a str,
        key: &'a str,
    ) -> Result<ImageArray<'a>, DataError> {
        if header.element.is_text() {
            return Err(DataError::WrongType {
                place: place.into(),
                expected: "images of numbers".into(),
                got: header.element.to_string(),
                hint: "{member} NAME says which array holds the images".into(),
            });
        }
        Ok(ImageArray { header, shape: axes::image_shape(layout, header, place)?, place, key })
    }

    /// Number of images.
    pub(super) fn count(&self) -> usize {
        self.shape.volumes().saturating_mul(self.shape.slices())
    }

    fn volume_bytes(&self) -> usize {
        self.shape.numbers().saturating_mul(self.header.element.bytes)
    }

    /// Volumes that are made images at a time.
    fn at_once(&self) -> usize {
        (BATCH_BYTES / self.volume_bytes()).clamp(1, MOST_AT_ONCE)
    }

    /// Refuses what cannot be read in pieces that may be held.
    fn check_held(&self, limit: u64) -> Result<(), DataError> {
        let held = if self.header.fortran { self.shape.volumes() } else { 1 };
        let needed = (held as u64).saturating_mul(self.volume_bytes() as u64);
        if needed <= limit.max(BATCH_BYTES as u64) {
            return Ok(());
        }
        let (what, hint) = match (self.header.fortran, self.shape.of_volumes) {
            (true, _) => (
                "Fortran order",
                "save the array in C order (numpy.ascontiguousarray), which can be read piece by piece",
            ),
            (_, true) => ("one volume", "cut the volumes into smaller ones, or raise the memory limit"),
            _ => ("one image", "cut the images into tiles, or raise the memory limit"),
        };
        let place = format!("{}: reading {what}", self.place);
        Err(DataError::TooLarge { place, needed, limit, hint: hint.into() })
    }

    /// The images of these volumes; the first one in `bytes` is number `start`.
    fn samples(
        &self,
        bytes: &[u8],
        start: usize,
        volumes: Range<usize>,
        labels: Option<&Labels>,
    ) -> Result<Vec<Sample>, DataError> {
        let slices = self.shape.slices();
        let one = |at: usize| {
            let (volume, slice) = (volumes.start + at / slices, at % slices);
            let image = self.image(bytes, start, volume, slice)?;
            let (label, tags) = labels.map_or((None, None), |labels| labels.of(volume));
            let name = self.shape.of_volumes.then(|| format!("{}[{volume}][{slice}]", self.key));
            Ok(Sample { label, tags, name, ..Sample::of(image) })
        };
        let all: Vec<Result<Sample, DataError>> =
            (0..volumes.len() * slices).into_par_iter().map(one).collect();
        all.into_iter().collect() // the first error, whatever the threads do
    }

    fn image(&self, bytes: &[u8], start: usize, volume: usize, slice: usize) -> Result<Image, DataError> {
        let element = self.header.element;
        let numbers = self.shape.image_bytes(bytes, element.bytes, (volume - start, slice));
        let pixels = element.pixels(&numbers).map_err(|value| self.inexact(volume, &value))?;
        let [height, width, channels] = self.shape.image();
        Image::new(height, width, channels, pixels)
    }

    fn inexact(&self, sample: usize, value: &str) -> DataError {
        DataError::WrongType {
            place: self.place.into(),
            expected: "values that floating point of 32 bits holds (whole numbers up to 16777216, others up to \
                       3.4e38)"
                .into(),
            got: format!("{value} ({}) in sample {sample}", self.header.element),
            hint: "scale the images, or save them as uint8, uint16 or uint32 (images.astype) if their values fit".into(),
        }
    }

    /// What a person should know of slices, which are alike within a volume.
    fn told_of_volumes(&self) -> Option<Notice> {
        let message = "every slice of a volume is an image: where splits are drawn, slices of one volume come into \
                       several";
        let hint =
            "give the splits as arrays of their own (train_images, test_images) to keep volumes together";
        (self.shape.slices() > 1).then(|| Notice::new("volumes", message).hint(hint))
    }

    /// The only image of an array that holds one.
    pub(super) fn only_image(&self, reader: &mut dyn Read) -> Result<Image, DataError> {
        let bytes = read_fully(reader, self.volume_bytes(), self.place)?;
        expect_end(reader, self.place)?;
        self.image(&bytes, 0, 0, 0)
    }

    /// Reads the numbers after the header as images into the store; `labels` are theirs, if they have any.
    pub(super) fn read(
        &self,
        reader: &mut dyn Read,
        labels: Option<&Labels>,
        store: &mut StoreBuilder<'_>,
    ) -> Result<(), DataError> {
        self.check_held(store.limit)?;
        let fortran = self.header.fortran;
        if !fortran {
            store.reserve(self.header.data_bytes(self.place)?);
        }
        let notices = [self.header.element.told(), self.told_of_volumes()];
        notices.into_iter().flatten().for_each(|notice| store.tell(notice.about(self.key)));
        let all = self.shape.volumes();
        let mut bytes = Vec::new();
        for first in (0..all).step_by(self.at_once()) {
            let volumes = first..all.min(first.saturating_add(self.at_once()));
            // In Fortran order the numbers of an image lie all over the array.
            let (start, held) = if fortran { (0, all) } else { (first, volumes.len()) };
            if first == start {
                bytes = read_fully(reader, held * self.volume_bytes(), self.place)?;
            }
            store.push(self.place, self.samples(&bytes, start, volumes, labels)?)?;
        }
        expect_end(reader, self.place)
    }
}

/// `len` bytes; memory is taken as they arrive, never ahead on the word of a header.
pub(super) fn read_fully(reader: &mut dyn Read, len: usize, place: &str) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    reader.take(len as u64).read_to_end(&mut bytes).map_err(|source| read_error(place, source))?;
    if bytes.len() < len {
        let reason = format!("it ends {} bytes too early", len - bytes.len());
        return Err(DataError::Damaged { place: place.into(), reason });
    }
    Ok(bytes)
}

/// Reads to the end, where archives compare checksums; anything that is left is an error.
pub(super) fn expect_end(reader: &mut dyn Read, place: &str) -> Result<(), DataError> {
    match reader.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => {
            Err(DataError::Damaged { place: place.into(), reason: "it is longer than its shape says".into() })
        }
        Err(source) => Err(read_error(place, source)),
    }
}
