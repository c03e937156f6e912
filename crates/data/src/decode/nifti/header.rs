//! The header of a NIfTI file: 348 bytes in version 1, 540 in version 2, in either byte order.
//!
//! R. W. Cox et al., "A (sort of) new image data format standard: NIfTI-1", 2004; `nifti1.h` and `nifti2.h` of the NIfTI
//! working group say where each field stands.

use super::orient::{Affine, from_quaternion};
use crate::decode::refusal::Refusal;

/// What a header says of the numbers behind it.
#[derive(Debug)]
pub(super) struct Header {
    /// The length of every axis, the fastest first: x, y, z, then further ones such as time. 2 to 7, none of them 0.
    pub(super) shape: Vec<usize>,
    pub(super) element: Element,
    pub(super) big_endian: bool,
    /// Slope and intercept: a value is `slope * stored + intercept`. `None` where stored numbers are the values.
    pub(super) scaling: Option<[f64; 2]>,
    /// From voxels to millimetres, right, anterior and superior of the origin; `None` where the file does not say.
    pub(super) affine: Option<Affine>,
    /// The size of a voxel along x, y and z, in units of the file.
    pub(super) spacing: [f64; 3],
    /// Bytes before the numbers.
    pub(super) offset: usize,
    /// Whether the numbers are in a file of their own.
    pub(super) pair: bool,
}

/// The type of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

const V1: usize = 348;
const V2: usize = 540;

/// The letters of version 2; the third is `+` for a file in one piece and `i` for one of a pair.
const MAGIC_2: &[u8] = b"n+2\0\r\n\x1a\n";

/// Whether a file begins as NIfTI does. One that breaks off within its header counts too, if its length is stated in it.
pub(crate) fn is_nifti(head: &[u8]) -> bool {
    let Some(&size) = head.first_chunk() else { return false };
    let stated = |len: usize| [u32::from_le_bytes(size), u32::from_be_bytes(size)].contains(&(len as u32));
    let letters = |at: usize, known: &[&[u8]]| known.iter().any(|letters| head[at..].starts_with(letters));
    match head.len() {
        ..12 => false,
        _ if stated(V2) => letters(4, &[MAGIC_2, b"ni2\0\r\n\x1a\n"]),
        12..V1 => stated(V1),
        _ => stated(V1) && letters(344, &[b"n+1\0", b"ni1\0"]),
    }
}

impl Element {
    fn of(code: i64) -> Result<Element, Refusal> {
        Ok(match code {
            2 => Element::U8,
            4 => Element::I16,
            8 => Element::I32,
            16 => Element::F32,
            64 => Element::F64,
            256 => Element::I8,
            512 => Element::U16,
            768 => Element::U32,
            1024 => Element::I64,
            1280 => Element::U64,
            other => return Err(unknown_type(other)),
        })
    }

    /// Bytes of one number.
    pub(super) fn bytes(self) -> usize {
        match self {
            Element::U8 | Element::I8 => 1,
            Element::U16 | Element::I16 => 2,
            Element::U32 | Element::I32 | Element::F32 => 4,
            Element::U64 | Element::I64 | Element::F64 => 8,
        }
    }
}

fn unknown_type(code: i64) -> Refusal {
    let name = match code {
        1 => "single bits",
        32 | 1792 | 2048 => "complex numbers",
        128 | 2304 => "colours",
        1536 => "floating point of 128 bits",
        _ => "unknown",
    };
    let reason = format!(
        "NIfTI: its numbers are of type {code} ({name}); whole numbers and floating point of at most 64 bits are read"
    );
    Refusal::new(reason, "save it with other numbers (Python: nibabel, img.get_fdata())")
}

impl Header {
    /// The header at the front of `bytes`.
    pub(super) fn read(bytes: &[u8]) -> Result<Header, Refusal> {
        let size = bytes.first_chunk().copied().unwrap_or_default();
        let [little, big] = [u32::from_le_bytes(size), u32::from_be_bytes(size)].map(|size| size as usize);
        let big_endian = big == V1 || big == V2;
        let len = if big_endian { big } else { little };
        let header = bytes.get(..len).ok_or("NIfTI: it breaks off within its header")?;
        let fields = Fields { bytes: header, big_endian, places: if len == V2 { &SECOND } else { &FIRST } };
        let shape = fields.shape()?;
        Ok(Header {
            element: Element::of(fields.integer(fields.places.data_type, 2))?,
            scaling: fields.scaling()?,
            affine: fields.affine(),
            spacing: [1, 2, 3].map(|axis| fields.pixdim(axis).abs()),
            offset: fields.offset()?,
            pair: fields.is_pair(),
            shape,
            big_endian,
        })
    }

    /// The lengths of x, y and z; 1 for z where a file has none.
    pub(super) fn sides(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.shape.get(axis).copied().unwrap_or(1))
    }

    /// How many volumes it promises: one, or as many as the further axes say.
    pub(super) fn volumes(&self) -> u64 {
        self.shape.iter().skip(3).fold(1, |count, &len| count.saturating_mul(len as u64))
    }
}

/// Where fields stand, and how long their numbers are.
struct Places {
    magic: usize,
    data_type: usize,
    /// The number of axes, then their lengths.
    dim: usize,
    dim_bytes: usize,
    pixdim: usize,
    offset: usize,
    slope: usize,
    forms: [usize; 2],
    form_bytes: usize,
    quaternion: usize,
    sform: usize,
    /// Bytes of a floating-point number.
    float: usize,
    /// The first byte that numbers may have in a file in one piece.
    least_offset: usize,
}

const FIRST: Places = Places {
    magic: 344,
    data_type: 70,
    dim: 40,
    dim_bytes: 2,
    pixdim: 76,
    offset: 108,
    slope: 112,
    forms: [252, 254],
    form_bytes: 2,
    quaternion: 256,
    sform: 280,
    float: 4,
    least_offset: 352,
};

const SECOND: Places = Places {
    magic: 4,
    data_type: 12,
    dim: 16,
    dim_bytes: 8,
    pixdim: 104,
    offset: 168,
    slope: 176,
    forms: [344, 348],
    form_bytes: 4,
    quaternion: 352,
    sform: 400,
    float: 8,
    least_offset: 544,
};

/// The fields of one header.
struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    places: &'a Places,
}

impl Fields<'_> {
    /// The bits of the number of `len` bytes at `at`.
    fn bits(&self, at: usize, len: usize) -> u64 {
        let bytes = &self.bytes[at..at + len];
        let append = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        if self.big_endian { bytes.iter().fold(0, append) } else { bytes.iter().rev().fold(0, append) }
    }

    fn integer(&self, at: usize, len: usize) -> i64 {
        let unused = 64 - 8 * len as u32;
        (self.bits(at, len) << unused) as i64 >> unused
    }

    /// The floating-point number `number` places after `at`.
    fn float(&self, at: usize, number: usize) -> f64 {
        let len = self.places.float;
        let bits = self.bits(at + number * len, len);
        if len == 4 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) }
    }

    fn pixdim(&self, axis: usize) -> f64 {
        self.float(self.places.pixdim, axis)
    }

    fn is_pair(&self) -> bool {
        self.bytes[self.places.magic + 1] == b'i'
    }

    fn shape(&self) -> Result<Vec<usize>, Refusal> {
        let dim =
            |axis: usize| self.integer(self.places.dim + axis * self.places.dim_bytes, self.places.dim_bytes);
        let count = dim(0);
        if !(2..=7).contains(&count) {
            return Err(format!("NIfTI: it has {count} axes, expected 2 to 7").into());
        }
        let axes = 1..=count as usize;
        let lens = axes.map(|axis| match usize::try_from(dim(axis)) {
            Err(_) | Ok(0) => Err(format!("NIfTI: axis {axis} has the length {}", dim(axis)).into()),
            Ok(len) => Ok(len),
        });
        lens.collect()
    }

    /// A slope of 0, and one that is no number, mean that nothing is to be scaled.
    fn scaling(&self) -> Result<Option<[f64; 2]>, Refusal> {
        let [slope, intercept] = [0, 1].map(|number| self.float(self.places.slope, number));
        if slope == 0.0 || !slope.is_finite() || [slope, intercept] == [1.0, 0.0] {
            return Ok(None);
        }
        if !intercept.is_finite() {
            return Err(format!("NIfTI: values have the slope {slope} and the intercept {intercept}").into());
        }
        Ok(Some([slope, intercept]))
    }

    /// The one of sform, or else that of qform.
    fn affine(&self) -> Option<Affine> {
        let [qform, sform] = self.places.forms.map(|at| self.integer(at, self.places.form_bytes) > 0);
        let affine = if sform {
            let entry = |row: usize, column: usize| self.float(self.places.sform, 4 * row + column);
            std::array::from_fn(|row| std::array::from_fn(|column| entry(row, column)))
        } else if qform {
            let [b, c, d, x, y, z] = std::array::from_fn(|number| self.float(self.places.quaternion, number));
            let size = [1, 2, 3].map(|axis| self.pixdim(axis));
            from_quaternion([b, c, d], [x, y, z], size, self.pixdim(0) < 0.0)
        } else {
            return None;
        };
        Some(affine).filter(|affine| affine.as_flattened().iter().all(|entry| entry.is_finite()))
    }

    fn offset(&self) -> Result<usize, Refusal> {
        let at = self.places.offset;
        let stated = match self.places.float {
            4 => self.float(at, 0),
            _ => self.integer(at, 8) as f64,
        };
        let least = if self.is_pair() { 0 } else { self.places.least_offset };
        if stated == 0.0 {
            return Ok(least);
        }
        let sound = stated >= least as f64 && stated < 9e15;
        let refusal =
            || format!("NIfTI: its numbers begin at byte {stated}, expected {least} or more").into();
        if sound { Ok(stated as usize) } else { Err(refusal()) }
    }
}
