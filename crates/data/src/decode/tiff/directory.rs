//! The structure of a TIFF: a list of directories, each a list of tags with numbers or text (TIFF 6.0, section 2;
//! BigTIFF has 8 bytes where TIFF has 4).

use std::collections::{BTreeMap, BTreeSet};

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
pub(super) const YCBCR_COEFFICIENTS: Tag = 529;
pub(super) const YCBCR_SUBSAMPLING: Tag = 530;
pub(super) const REFERENCE_BLACK_WHITE: Tag = 532;
pub(super) const IMAGE_DEPTH: Tag = 32997;
pub(super) const METAMORPH_PLANES: Tag = 33629;

/// The bytes of a TIFF and how numbers stand in them.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) big_endian: bool,
    /// Whether offsets have 8 bytes.
    big: bool,
}

/// The tags of one image.
#[derive(Clone)]
pub(super) struct Directory<'a> {
    file: File<'a>,
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
    pub(super) fn open(bytes: &'a [u8]) -> Result<(Vec<Directory<'a>>, bool), String> {
        let big_endian = bytes.starts_with(b"MM");
        let mut file = File { bytes, big_endian, big: false };
        file.big = file.number(2, 2)? == 43;
        let mut at = if file.big { file.number(8, 8)? } else { file.number(4, 4)? };
        let (mut directories, mut seen, mut listed) = (Vec::new(), BTreeSet::new(), 0);
        while at != 0 {
            if !seen.insert(at) || listed > bytes.len() {
                return Ok((directories, false));
            }
            match file.directory(at) {
                Ok((directory, next)) => {
                    listed += directory.len;
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
        let [counted, entry, offset] = if self.big { [8, 20, 8] } else { [2, 12, 4] };
        let start = usize::try_from(at).map_err(|_| beyond(at))?;
        let count = usize::try_from(self.number(start, counted)?).map_err(|_| beyond(at))?;
        let first = start + counted;
        let end = count.checked_mul(entry).and_then(|len| len.checked_add(first));
        let end = end.filter(|&end| end <= self.bytes.len()).ok_or_else(|| beyond(at))?;
        let mut fields = BTreeMap::new();
        for at in (first..end).step_by(entry) {
            let (tag, field) = self.field(at, offset)?;
            fields.entry(tag).or_insert(field);
        }
        // Some writers end the file after the last directory.
        let next = self.number(end, offset).unwrap_or(0);
        Ok((Directory { file: self, fields, len: end - start }, next))
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
        let field = at.checked_add(len).and_then(|end| self.bytes.get(at..end));
        let field = field.ok_or_else(|| beyond(at as u64))?;
        let append = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        Ok(if self.big_endian { field.iter().fold(0, append) } else { field.iter().rev().fold(0, append) })
    }
}

fn beyond(at: u64) -> String {
    format!("TIFF: it breaks off: what should be at byte {at} lies beyond its end")
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
    pub(super) fn file(&self) -> File<'a> {
        self.file
    }

    pub(super) fn has(&self, tag: Tag) -> bool {
        self.fields.contains_key(&tag)
    }

    /// The number of values of a tag; 0 without it.
    pub(super) fn count(&self, tag: Tag) -> usize {
        self.fields.get(&tag).map_or(0, |field| field.count)
    }

    /// The bytes of a tag.
    pub(super) fn bytes(&self, tag: Tag) -> Result<Option<&'a [u8]>, String> {
        let Some(field) = self.fields.get(&tag) else { return Ok(None) };
        let end = field.count.checked_mul(size_of_kind(field.kind)).and_then(|len| len.checked_add(field.at));
        let bytes = end.and_then(|end| self.file.bytes.get(field.at..end));
        bytes.map(Some).ok_or_else(|| format!("TIFF: tag {tag} lies beyond the end of the file"))
    }

    /// The whole numbers of a tag.
    pub(super) fn numbers(&self, tag: Tag) -> Result<Option<Vec<u64>>, String> {
        let (Some(bytes), Some(field)) = (self.bytes(tag)?, self.fields.get(&tag)) else { return Ok(None) };
        if matches!(field.kind, 2 | 5 | 10..=12) {
            return Err(format!("TIFF: tag {tag} has no whole numbers"));
        }
        let size = size_of_kind(field.kind);
        (0..bytes.len() / size)
            .map(|index| self.file.number(field.at + index * size, size))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The first whole number of a tag.
    pub(super) fn number(&self, tag: Tag) -> Result<Option<u64>, String> {
        Ok(self.numbers(tag)?.and_then(|numbers| numbers.first().copied()))
    }

    /// The fractions or floating-point numbers of a tag.
    pub(super) fn reals(&self, tag: Tag) -> Result<Option<Vec<f64>>, String> {
        let (Some(bytes), Some(field)) = (self.bytes(tag)?, self.fields.get(&tag)) else { return Ok(None) };
        let number = |at: usize, len: usize| self.file.number(at, len);
        let size = size_of_kind(field.kind);
        let real = |index: usize| {
            let at = field.at + index * size;
            Ok(match field.kind {
                5 => number(at, 4)? as f64 / number(at + 4, 4)? as f64,
                11 => f64::from(f32::from_bits(number(at, 4)? as u32)),
                12 => f64::from_bits(number(at, 8)?),
                _ => number(at, size)? as f64,
            })
        };
        (0..bytes.len() / size).map(real).collect::<Result<_, String>>().map(Some)
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
        let (directories, whole) = File::open(&bytes).unwrap();
        assert_eq!((directories.len(), whole), (3, false));
    }
}
