//! The structure of a TIFF: a list of directories, each a list of tags with numbers or text (TIFF 6.0, section 2;
//! BigTIFF has 8 bytes where TIFF has 4).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::blob::Blob;

/// A tag's number.
pub(super) type Tag = u16;

pub(super) const SUBFILE: Tag = 254;
pub(super) const OLD_SUBFILE: Tag = 255;
pub(super) const WIDTH: Tag = 256;
pub(super) const LENGTH: Tag = 257;
pub(super) const BITS: Tag = 258;
pub(super) const COMPRESSION: Tag = 259;
pub(super) const PHOTOMETRIC: Tag = 262;
pub(super) const FILL_ORDER: Tag = 266;
pub(super) const DESCRIPTION: Tag = 270;
pub(super) const STRIP_OFFSETS: Tag = 273;
pub(super) const ORIENTATION: Tag = 274;
pub(super) const SAMPLES: Tag = 277;
pub(super) const ROWS_PER_STRIP: Tag = 278;
pub(super) const STRIP_COUNTS: Tag = 279;
pub(super) const X_RESOLUTION: Tag = 282;
pub(super) const Y_RESOLUTION: Tag = 283;
pub(super) const PLANAR: Tag = 284;
pub(super) const RESOLUTION_UNIT: Tag = 296;
pub(super) const SOFTWARE: Tag = 305;
pub(super) const PREDICTOR: Tag = 317;
pub(super) const COLOR_MAP: Tag = 320;
pub(super) const TILE_WIDTH: Tag = 322;
pub(super) const TILE_LENGTH: Tag = 323;
pub(super) const TILE_OFFSETS: Tag = 324;
pub(super) const TILE_COUNTS: Tag = 325;
pub(super) const SUB_DIRECTORIES: Tag = 330;
pub(super) const EXTRA_SAMPLES: Tag = 338;
pub(super) const SAMPLE_FORMAT: Tag = 339;
pub(super) const JPEG_TABLES: Tag = 347;
pub(super) const XMP: Tag = 700;
pub(super) const YCBCR_COEFFICIENTS: Tag = 529;
pub(super) const YCBCR_SUBSAMPLING: Tag = 530;
pub(super) const REFERENCE_BLACK_WHITE: Tag = 532;
pub(super) const IMAGE_DEPTH: Tag = 32997;
pub(super) const METAMORPH_PLANES: Tag = 33629;

/// Where the bytes of a TIFF are.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Held(&'a [u8]),
    /// Read piece by piece: whole slides are larger than memory.
    Read(&'a Blob),
}

impl<'a> Source<'a> {
    /// How many there are.
    pub(super) fn len(self) -> u64 {
        match self {
            Source::Held(bytes) => bytes.len() as u64,
            Source::Read(blob) => blob.len(),
        }
    }

    /// `len` bytes from `at` on; nothing if they lie beyond the end.
    pub(super) fn get(self, at: usize, len: usize) -> Result<Option<Cow<'a, [u8]>>, String> {
        let Some(end) = at.checked_add(len).filter(|&end| end as u64 <= self.len()) else { return Ok(None) };
        match self {
            Source::Held(bytes) => Ok(bytes.get(at..end).map(Cow::Borrowed)),
            Source::Read(blob) => {
                let bytes = blob.read_exact_at(at as u64, len);
                bytes.map(|bytes| Some(Cow::Owned(bytes))).map_err(|error| format!("TIFF: {error}"))
            }
        }
    }
}

/// How numbers stand in a TIFF.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) big_endian: bool,
    /// Whether offsets have 8 bytes.
    big: bool,
}

/// The bytes of a TIFF and how numbers stand in them.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) source: Source<'a>,
    pub(super) form: Form,
}

/// The tags of one image, in its file.
#[derive(Clone)]
pub(super) struct Directory<'a> {
    file: File<'a>,
    tags: Arc<Tags>,
}

/// The tags of one image: where their values are.
pub(super) struct Tags {
    fields: BTreeMap<Tag, Field>,
    /// Bytes of the list of tags.
    len: usize,
}

#[derive(Clone, Copy)]
struct Field {
    kind: u16,
    count: usize,
    at: usize,
}

impl<'a> File<'a> {
    /// Reads the header and the directories of the main list, and whether this list is whole: it is not if directories
    /// share bytes, which would let a small file list any number of them.
    pub(super) fn open(source: Source<'a>) -> Result<(Vec<Directory<'a>>, bool), String> {
        let big_endian = source.get(0, 2)?.as_deref() == Some(b"MM");
        let mut file = File { source, form: Form { big_endian, big: false } };
        file.form.big = file.number(2, 2)? == 43;
        let mut at = if file.form.big { file.number(8, 8)? } else { file.number(4, 4)? };
        let (mut directories, mut seen, mut listed) = (Vec::new(), BTreeSet::new(), 0);
        while at != 0 {
            if !seen.insert(at) || listed as u64 > source.len() {
                return Ok((directories, false));
            }
            match file.directory(at) {
                Ok((directory, next)) => {
                    listed += directory.tags.len;
                    directories.push(directory);
                    at = next;
                }
                Err(reason) if directories.is_empty() => return Err(reason),
                Err(_) => return Ok((directories, false)),
            }
        }
        if directories.is_empty() { Err("TIFF: it holds no image".into()) } else { Ok((directories, true)) }
    }

    /// The directory at `at` and where the next one is; 0 for no next one.
    pub(super) fn directory(self, at: u64) -> Result<(Directory<'a>, u64), String> {
        let [counted, entry, offset] = if self.form.big { [8, 20, 8] } else { [2, 12, 4] };
        let start = usize::try_from(at).map_err(|_| beyond(at))?;
        let count = usize::try_from(self.number(start, counted)?).map_err(|_| beyond(at))?;
        let first = start + counted;
        let end = count.checked_mul(entry).and_then(|len| len.checked_add(first));
        let end = end.filter(|&end| end as u64 <= self.source.len()).ok_or_else(|| beyond(at))?;
        let mut fields = BTreeMap::new();
        for at in (first..end).step_by(entry) {
            let (tag, field) = self.field(at, offset)?;
            fields.entry(tag).or_insert(field);
        }
        // Some writers end the file after the last directory.
        let next = self.number(end, offset).unwrap_or(0);
        Ok((Directory { file: self, tags: Arc::new(Tags { fields, len: end - start }) }, next))
    }

    fn field(self, at: usize, offset: usize) -> Result<(Tag, Field), String> {
        let (tag, kind) = (self.number(at, 2)? as u16, self.number(at + 2, 2)? as u16);
        let count = usize::try_from(self.number(at + 4, offset)?).unwrap_or(usize::MAX);
        let here = at + 4 + offset;
        let at = match count.checked_mul(size_of_kind(kind)) {
            Some(len) if len <= offset => here,
            _ => usize::try_from(self.number(here, offset)?).unwrap_or(usize::MAX),
        };
        Ok((tag, Field { kind, count, at }))
    }

    /// The whole number of `len` bytes, at most 8, at `at`.
    fn number(self, at: usize, len: usize) -> Result<u64, String> {
        let field = self.source.get(at, len)?.ok_or_else(|| beyond(at as u64))?;
        Ok(self.form.number(&field))
    }
}

impl Form {
    /// The whole number in at most 8 bytes.
    fn number(self, field: &[u8]) -> u64 {
        let append = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        if self.big_endian { field.iter().fold(0, append) } else { field.iter().rev().fold(0, append) }
    }
}

fn beyond(at: u64) -> String {
    format!("TIFF: it breaks off: what should be at byte {at} lies beyond its end")
}

fn tag_beyond(tag: Tag) -> String {
    format!("TIFF: tag {tag} lies beyond the end of the file")
}

/// Bytes of one value of a field of type `kind`.
fn size_of_kind(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

impl<'a> Directory<'a> {
    /// Tags that were read before, in the file `file`.
    pub(super) fn kept(file: File<'a>, tags: Arc<Tags>) -> Directory<'a> {
        Directory { file, tags }
    }

    pub(super) fn file(&self) -> File<'a> {
        self.file
    }

    pub(super) fn tags(&self) -> Arc<Tags> {
        self.tags.clone()
    }

    pub(super) fn has(&self, tag: Tag) -> bool {
        self.tags.fields.contains_key(&tag)
    }

    /// The number of values of a tag; 0 without it.
    pub(super) fn count(&self, tag: Tag) -> usize {
        self.tags.fields.get(&tag).map_or(0, |field| field.count)
    }

    /// The bytes of a tag.
    pub(super) fn bytes(&self, tag: Tag) -> Result<Option<Cow<'a, [u8]>>, String> {
        let Some(field) = self.tags.fields.get(&tag) else { return Ok(None) };
        let len = field.count.saturating_mul(size_of_kind(field.kind));
        self.file.source.get(field.at, len)?.map(Some).ok_or_else(|| tag_beyond(tag))
    }

    /// The field of a tag of whole numbers, whose values all lie in the file.
    fn whole(&self, tag: Tag) -> Result<Option<Field>, String> {
        let Some(&field) = self.tags.fields.get(&tag) else { return Ok(None) };
        let len = field.count.checked_mul(size_of_kind(field.kind));
        let end = len.and_then(|len| len.checked_add(field.at));
        if end.is_none_or(|end| end as u64 > self.file.source.len()) {
            return Err(tag_beyond(tag));
        }
        match field.kind {
            2 | 5 | 10..=12 => Err(format!("TIFF: tag {tag} has no whole numbers")),
            _ => Ok(Some(field)),
        }
    }

    /// How many whole numbers a tag has, all of which lie in the file; nothing without the tag.
    pub(super) fn listed(&self, tag: Tag) -> Result<Option<usize>, String> {
        Ok(self.whole(tag)?.map(|field| field.count))
    }

    /// The whole numbers of a tag.
    pub(super) fn numbers(&self, tag: Tag) -> Result<Option<Vec<u64>>, String> {
        let (Some(field), Some(bytes)) = (self.whole(tag)?, self.bytes(tag)?) else { return Ok(None) };
        let numbers = bytes.chunks_exact(size_of_kind(field.kind)).map(|bytes| self.file.form.number(bytes));
        Ok(Some(numbers.collect()))
    }

    /// One whole number of a tag, read without the others: whole slides have hundreds of thousands.
    pub(super) fn number_at(&self, tag: Tag, index: usize) -> Result<Option<u64>, String> {
        let Some(field) = self.whole(tag)?.filter(|field| index < field.count) else { return Ok(None) };
        let size = size_of_kind(field.kind);
        self.file.number(field.at + index * size, size).map(Some)
    }

    /// The first whole number of a tag.
    pub(super) fn number(&self, tag: Tag) -> Result<Option<u64>, String> {
        self.number_at(tag, 0)
    }

    /// The fractions or floating-point numbers of a tag.
    pub(super) fn reals(&self, tag: Tag) -> Result<Option<Vec<f64>>, String> {
        let (Some(bytes), Some(field)) = (self.bytes(tag)?, self.tags.fields.get(&tag)) else {
            return Ok(None);
        };
        let number = |bytes: &[u8]| self.file.form.number(bytes);
        let real = |bytes: &[u8]| match field.kind {
            5 => number(&bytes[..4]) as f64 / number(&bytes[4..]) as f64,
            11 => f64::from(f32::from_bits(number(bytes) as u32)),
            12 => f64::from_bits(number(bytes)),
            _ => number(bytes) as f64,
        };
        Ok(Some(bytes.chunks_exact(size_of_kind(field.kind)).map(real).collect()))
    }

    /// The text of a tag, up to its first zero byte.
    pub(super) fn text(&self, tag: Tag) -> String {
        let bytes = self.bytes(tag).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
    }

    /// Whether it is a smaller copy or a mask of another image.
    pub(super) fn is_reduced(&self) -> bool {
        let number = |tag| self.number(tag).ok().flatten().unwrap_or(0);
        number(SUBFILE) & 0b101 != 0 || number(OLD_SUBFILE) == 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 60 directories of 20 tags each, 4 bytes apart, in 500 bytes.
    fn overlapping() -> Vec<u8> {
        let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
        bytes.resize(8 + 60 * 4 + 2 + 60 * 4, 0);
        for index in 0..60u32 {
            let at = 8 + 4 * index as usize;
            bytes[at] = 20;
            bytes[at + 2 + 20 * 12..][..4].copy_from_slice(&(8 + 4 * (index + 1)).to_le_bytes());
        }
        bytes
    }

    #[test]
    fn directories_that_share_their_bytes_are_not_all_read() {
        let bytes = overlapping();
        let (directories, whole) = File::open(Source::Held(&bytes)).unwrap();
        assert_eq!((directories.len(), whole), (3, false));
    }
}
