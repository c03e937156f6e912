//! The pages of one column in one group of rows.
//!
//! A value is told by where it stands: in its page, or in the dictionary at the start of the column. Read are plain values and
//! dictionaries, both versions of pages, packed by snappy, zstd, gzip or not at all.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use super::fault::Fault;
use super::footer::{Chunk, Content, Leaf};
use super::levels::{take, unpacked};
use super::thrift::{self, Value};
use crate::blob::Blob;

/// Bytes in which values stand.
pub(super) struct Source {
    pub(super) bytes: Vec<u8>,
    /// Where the file holds them, if it holds them as they are.
    pub(super) at: Option<u64>,
    /// Where a reader has put them; its own affair.
    pub(super) kept: Option<u64>,
}

/// Where the value of each row stands; nowhere where it is null.
pub(super) type Ranges = Vec<Option<Range<usize>>>;

/// One column of a group of rows.
pub(super) struct Column<'a> {
    pub(super) blob: &'a Blob,
    pub(super) leaf: &'a Leaf,
    pub(super) chunk: &'a Chunk,
    pub(super) rows: u64,
    /// Bytes that a page may take.
    pub(super) limit: u64,
}

impl Column<'_> {
    /// Tells the values of all rows, in order, page by page.
    pub(super) fn read(
        &self,
        told: &mut dyn FnMut(&mut Source, Ranges) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut blob = self.blob.clone();
        blob.seek(SeekFrom::Start(self.chunk.at))?;
        let mut reader = Counting { inner: BufReader::new(blob.take(self.chunk.len)), count: 0 };
        let (mut dictionary, mut left) = (None, self.rows);
        while left > 0 {
            let header = Header::read(&mut reader)?;
            let at = self.chunk.at + reader.count;
            let stored = self.stored(&mut reader, &header)?;
            match header.kind {
                DICTIONARY => dictionary = Some(self.dictionary(&header, stored, at)?),
                DATA | DATA_2 => {
                    left = left.checked_sub(header.values as u64).ok_or_else(|| {
                        Fault::damaged(format!(
                            "a page has {} values, but only {left} rows are left",
                            header.values
                        ))
                    })?;
                    let page = self.page(&header, stored, at)?;
                    self.tell(page, &mut dictionary, told)?;
                }
                _ => {} // an index, which nothing is needed of
            }
        }
        Ok(())
    }

    /// The bytes of a page as they lie in the file.
    fn stored(&self, reader: &mut impl Read, header: &Header) -> Result<Vec<u8>, Fault> {
        if header.stored.max(header.len) as u64 > self.limit {
            return Err(Fault::TooLarge(header.stored.max(header.len) as u64));
        }
        let mut bytes = Vec::new();
        reader.take(header.stored as u64).read_to_end(&mut bytes)?;
        if bytes.len() != header.stored {
            return Err(Fault::damaged(format!(
                "a page of {} bytes ends after {}",
                header.stored,
                bytes.len()
            )));
        }
        let mut sum = flate2::Crc::new();
        sum.update(&bytes);
        if header.sum.is_some_and(|said| said != sum.sum()) {
            return Err(Fault::damaged("the checksum of a page is wrong"));
        }
        Ok(bytes)
    }

    fn dictionary(
        &self,
        header: &Header,
        stored: Vec<u8>,
        at: u64,
    ) -> Result<(Source, Vec<Range<usize>>), Fault> {
        if !matches!(header.encoding, PLAIN | PLAIN_DICTIONARY) {
            return Err(not_read(header.encoding));
        }
        let mut source = source(self.chunk.codec, stored, header.len, at)?;
        let values = self.plain(&mut source, 0, header.values)?;
        Ok((source, values))
    }

    /// Unpacks a page of data and reads which of its values are null.
    fn page(&self, header: &Header, mut stored: Vec<u8>, at: u64) -> Result<Page, Fault> {
        let bits = u32::BITS - self.leaf.nullable.leading_zeros();
        let (source, values, levels) = if header.kind == DATA {
            let source = source(self.chunk.codec, stored, header.len, at)?;
            let mut rest = &source.bytes[..];
            let levels = if bits == 0 {
                Vec::new()
            } else if header.levels != RLE {
                return Err(Fault::NotRead(format!("nulls in the encoding {}", name_of(header.levels))));
            } else {
                let len = take(&mut rest, 4)?.iter().rev().fold(0, |len, byte| len << 8 | usize::from(*byte));
                unpacked(take(&mut rest, len)?, bits, header.values)?
            };
            let values = source.bytes.len() - rest.len();
            (source, values, levels)
        } else {
            let start = header.repetition.saturating_add(header.definition);
            if start > stored.len().min(header.len) {
                return Err(Fault::damaged("a page is shorter than what it says of nulls"));
            }
            let packed = stored.split_off(start);
            let levels = &stored[header.repetition..];
            let levels = if bits == 0 { Vec::new() } else { unpacked(levels, bits, header.values)? };
            let len = header.len - start;
            let codec = if header.packed && len > 0 { self.chunk.codec } else { UNPACKED };
            let source = source(codec, packed, len, at + start as u64)?;
            (source, 0, levels)
        };
        let nullable = self.leaf.nullable;
        let present = match bits {
            0 => vec![true; header.values],
            _ => levels.into_iter().map(|level| level == nullable).collect(),
        };
        Ok(Page { source, values, encoding: header.encoding, present })
    }

    /// Tells where the values of a page stand.
    fn tell(
        &self,
        page: Page,
        dictionary: &mut Option<(Source, Vec<Range<usize>>)>,
        told: &mut dyn FnMut(&mut Source, Ranges) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Page { mut source, values, encoding, present } = page;
        let count = present.iter().filter(|present| **present).count();
        match encoding {
            PLAIN_DICTIONARY | RLE_DICTIONARY => {
                let (source_of, words) =
                    dictionary.as_mut().ok_or_else(|| Fault::damaged("a dictionary is missing"))?;
                let mut rest = &source.bytes[values..];
                let bits = if count == 0 { 0 } else { u32::from(take(&mut rest, 1)?[0]) };
                let numbers = if count == 0 { Vec::new() } else { unpacked(rest, bits, count)? };
                let of = |number: u32| {
                    let word = words.get(number as usize).cloned();
                    word.ok_or_else(|| {
                        Fault::damaged(format!(
                            "value {number} of a dictionary of {} is asked for",
                            words.len()
                        ))
                    })
                };
                let found = numbers.into_iter().map(of).collect::<Result<Vec<Range<usize>>, Fault>>()?;
                told(source_of, spread(&present, found))
            }
            PLAIN => {
                let found = self.plain(&mut source, values, count)?;
                told(&mut source, spread(&present, found))
            }
            RLE if self.leaf.content == Content::Boolean => {
                let mut rest = &source.bytes[values..];
                take(&mut rest, 4)?;
                let bits = unpacked(rest, 1, count)?;
                source =
                    Source { bytes: bits.into_iter().map(|bit| bit as u8).collect(), at: None, kept: None };
                told(&mut source, spread(&present, (0..count).map(|place| place..place + 1).collect()))
            }
            other => Err(not_read(other)),
        }
    }

    /// Where `count` plain values stand, the first at `at`. Bits become bytes.
    fn plain(&self, source: &mut Source, mut at: usize, count: usize) -> Result<Vec<Range<usize>>, Fault> {
        let cut = || Fault::damaged("a page ends before all its values");
        if self.leaf.content == Content::Boolean {
            let bits = source.bytes.get(at..at + count.div_ceil(8)).ok_or_else(cut)?;
            let bits = (0..count).map(|place| bits[place / 8] >> (place % 8) & 1).collect();
            *source = Source { bytes: bits, at: None, kept: None };
            return Ok((0..count).map(|place| place..place + 1).collect());
        }
        let mut found = Vec::new();
        for _ in 0..count {
            let len = match self.leaf.content.width() {
                Some(width) => width,
                None => {
                    let len = source.bytes.get(at..at + 4).ok_or_else(cut)?;
                    at += 4;
                    len.iter().rev().fold(0, |len, byte| len << 8 | usize::from(*byte))
                }
            };
            let end = at.checked_add(len).filter(|end| *end <= source.bytes.len()).ok_or_else(cut)?;
            found.push(at..end);
            at = end;
        }
        Ok(found)
    }
}

/// Gives each row that has a value the next one.
fn spread(present: &[bool], found: Vec<Range<usize>>) -> Ranges {
    let mut found = found.into_iter();
    present.iter().map(|present| if *present { found.next() } else { None }).collect()
}

/// A page of data, unpacked.
struct Page {
    source: Source,
    /// Where its values begin.
    values: usize,
    encoding: i64,
    /// Whether each row has a value.
    present: Vec<bool>,
}

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_2: i64 = 3;

const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RLE: i64 = 3;
const RLE_DICTIONARY: i64 = 8;

/// What stands before a page.
struct Header {
    kind: i64,
    /// Bytes unpacked, and bytes in the file.
    len: usize,
    stored: usize,
    sum: Option<u32>,
    values: usize,
    encoding: i64,
    /// How a page of the first version says which values are null.
    levels: i64,
    /// Bytes of what a page of the second version says of lists, and of nulls.
    repetition: usize,
    definition: usize,
    /// Whether a page of the second version is packed.
    packed: bool,
}

impl Header {
    fn read(reader: &mut impl Read) -> Result<Header, Fault> {
        let header = thrift::read(reader)
            .map_err(|error| Fault::damaged(format!("the header of a page cannot be read: {error}")))?;
        let kind = header.int(1).unwrap_or(-1);
        let about = header.field(match kind {
            DATA => 5,
            DICTIONARY => 7,
            DATA_2 => 8,
            _ => 6,
        });
        let size = |of: Option<&Value>, field: i64| match of.and_then(|of| of.int(field)) {
            None => Ok(0),
            Some(size) => usize::try_from(size)
                .map_err(|_| Fault::damaged(format!("the header of a page claims {size} bytes or values"))),
        };
        let second = kind == DATA_2;
        let part = |field: i64| if second { size(about, field) } else { Ok(0) };
        Ok(Header {
            kind,
            len: size(Some(&header), 2)?,
            stored: size(Some(&header), 3)?,
            sum: header.int(4).map(|sum| sum as u32),
            values: size(about, 1)?,
            encoding: about.and_then(|about| about.int(if second { 4 } else { 2 })).unwrap_or(PLAIN),
            levels: about.and_then(|about| about.int(3)).unwrap_or(RLE),
            repetition: part(6)?,
            definition: part(5)?,
            packed: about.and_then(|about| about.bool(7)).unwrap_or(true),
        })
    }
}

fn not_read(encoding: i64) -> Fault {
    Fault::NotRead(format!("values in the encoding {}", name_of(encoding)))
}

fn name_of(encoding: i64) -> String {
    let names = ["PLAIN", "GROUP_VAR_INT", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED", "DELTA_BINARY_PACKED"];
    let more = ["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"];
    let name = usize::try_from(encoding).ok().and_then(|place| names.iter().chain(&more).nth(place));
    name.map_or_else(|| format!("number {encoding}"), ToString::to_string)
}

/// Packed by none.
const UNPACKED: i64 = 0;

/// A page that lies at `at` in the file.
fn source(codec: i64, stored: Vec<u8>, len: usize, at: u64) -> Result<Source, Fault> {
    let at = Some(at).filter(|_| codec == UNPACKED);
    Ok(Source { bytes: unpack(codec, stored, len)?, at, kept: None })
}

/// Unpacks a page, which says that it has `len` bytes.
fn unpack(codec: i64, stored: Vec<u8>, len: usize) -> Result<Vec<u8>, Fault> {
    let wrong = |codec: &str, error: &dyn std::fmt::Display| {
        Fault::damaged(format!("a page packed by {codec}: {error}"))
    };
    let bytes = match codec {
        UNPACKED => stored,
        1 => {
            // Checked before, as so much room is taken at once.
            let said = snap::raw::decompress_len(&stored).map_err(|error| wrong("snappy", &error))?;
            if said != len {
                return Err(Fault::damaged(format!(
                    "a page says that it has {len} bytes, its content {said}"
                )));
            }
            snap::raw::Decoder::new().decompress_vec(&stored).map_err(|error| wrong("snappy", &error))?
        }
        2 => read_all(flate2::read::MultiGzDecoder::new(&stored[..]), len)
            .map_err(|error| wrong("gzip", &error))?,
        6 => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(&stored[..]);
            let decoder = decoder.map_err(|error| wrong("zstd", &error))?;
            read_all(decoder, len).map_err(|error| wrong("zstd", &error))?
        }
        other => {
            let name = match other {
                3 => "LZO".into(),
                4 | 7 => "LZ4".into(),
                5 => "Brotli".into(),
                other => format!("codec {other}"),
            };
            return Err(Fault::NotRead(format!("pages packed by {name}")));
        }
    };
    if bytes.len() != len {
        return Err(Fault::damaged(format!("a page says that it has {len} bytes, but has {}", bytes.len())));
    }
    Ok(bytes)
}

/// All bytes, and one more than `len` where there are more.
fn read_all(reader: impl Read, len: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(len as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A reader that knows how much it has read.
struct Counting<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers as the fields of a struct, by number.
    fn fields(fields: &[(u8, usize)]) -> Vec<u8> {
        let mut last = 0;
        let field = |&(number, value): &(u8, usize)| {
            let head = (number - std::mem::replace(&mut last, number)) << 4 | 5;
            let zigzag = 2 * value;
            [head, (zigzag & 0x7f) as u8 | 0x80, (zigzag >> 7) as u8]
        };
        fields.iter().flat_map(field).collect()
    }

    /// A page: its kind, the field of what is said of it, what is said, its bytes, and how many these claim to be unpacked.
    fn page(kind: i64, field: u8, about: &[(u8, usize)], bytes: &[u8], len: usize) -> Vec<u8> {
        let head = fields(&[(1, kind as usize), (2, len), (3, bytes.len())]);
        [&head, &[(field - 3) << 4 | 12][..], &fields(about), &[0, 0], bytes].concat()
    }

    fn data(values: usize, encoding: i64, levels: i64, bytes: &[u8]) -> Vec<u8> {
        page(DATA, 5, &[(1, values), (2, encoding as usize), (3, levels as usize)], bytes, bytes.len())
    }

    /// The values of a column of such pages.
    fn values(
        content: Content,
        nullable: u32,
        codec: i64,
        rows: u64,
        pages: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        let bytes = pages.concat();
        let chunk = Chunk { codec, at: 0, len: bytes.len() as u64 };
        let leaf = Leaf { column: "a".into(), name: None, depth: 0, content, nullable, repeated: false };
        let column = Column { blob: &Blob::memory(bytes), leaf: &leaf, chunk: &chunk, rows, limit: 1000 };
        let mut all = Vec::new();
        column.read(&mut |source, ranges| {
            all.extend(ranges.into_iter().map(|range| range.map(|range| source.bytes[range].to_vec())));
            Ok(())
        })?;
        Ok(all)
    }

    fn refusal(content: Content, nullable: u32, codec: i64, pages: &[Vec<u8>]) -> String {
        format!("{:?}", values(content, nullable, codec, 2, pages).unwrap_err())
    }

    const TEXTS: &[u8] = b"\x02\0\0\0ab\x01\0\0\0c";

    #[test]
    fn values_are_read_of_plain_pages_dictionaries_and_runs() {
        let some = |texts: &[&[u8]]| texts.iter().map(|text| Some(text.to_vec())).collect::<Vec<_>>();
        let plain = values(Content::Binary, 0, 0, 2, &[data(2, PLAIN, RLE, TEXTS)]).unwrap();
        assert_eq!(plain, some(&[b"ab", b"c"]));
        let words = page(DICTIONARY, 7, &[(1, 2), (2, 0)], TEXTS, TEXTS.len());
        let by_number = data(3, RLE_DICTIONARY, RLE, &[1, 0b11, 0b101]);
        let found = values(Content::Text, 0, 0, 3, &[words, by_number]).unwrap();
        assert_eq!(found, some(&[b"c", b"ab", b"c"]));
        let bits = values(Content::Boolean, 0, 0, 2, &[data(2, PLAIN, RLE, &[0b10])]).unwrap();
        let run = values(Content::Boolean, 0, 0, 2, &[data(2, RLE, RLE, &[2, 0, 0, 0, 0b11, 0b10])]).unwrap();
        assert_eq!((&bits, &run), (&some(&[&[0], &[1]]), &some(&[&[0], &[1]])));
        let nulls =
            values(Content::Signed32, 1, 0, 2, &[data(2, PLAIN, RLE, &[2, 0, 0, 0, 3, 0b10, 7, 0, 0, 0])]);
        assert_eq!(nulls.unwrap(), [None, Some(vec![7, 0, 0, 0])]);
    }

    #[test]
    fn pages_that_contradict_themselves_are_refused() {
        let plain = |values: usize, bytes: &[u8]| [data(values, PLAIN, RLE, bytes)];
        let binary = |pages: &[Vec<u8>]| refusal(Content::Binary, 0, 0, pages);
        assert!(binary(&plain(3, TEXTS)).contains("3 values, but only 2 rows"));
        assert!(binary(&plain(2, &TEXTS[..10])).contains("before all its values"));
        assert!(
            binary(&plain(1, TEXTS)).contains("header of a page cannot be read"),
            "the second row is missing"
        );
        assert!(binary(&[data(2, RLE_DICTIONARY, RLE, &[1, 3, 2])]).contains("dictionary is missing"));
        let words = || page(DICTIONARY, 7, &[(1, 1), (2, 0)], TEXTS, TEXTS.len());
        assert!(
            binary(&[words(), data(2, RLE_DICTIONARY, RLE, &[1, 3, 2])])
                .contains("value 1 of a dictionary of 1")
        );
        assert!(binary(&[data(2, PLAIN, RLE, &[0; 1001])]).contains("TooLarge(1001)"));
        assert!(binary(&[page(DATA, 5, &[(1, 2)], &[0; 8], 9)]).contains("9 bytes, but has 8"));
        let second = page(DATA_2, 8, &[(1, 2), (4, 0), (5, 30), (6, 0)], TEXTS, TEXTS.len());
        assert!(binary(&[second]).contains("shorter than what it says of nulls"));
        assert!(binary(&[plain(2, TEXTS).concat()[..25].to_vec()]).contains("ends after"));
        let short_run = data(2, RLE, RLE, &[2, 0]);
        assert!(refusal(Content::Boolean, 0, 0, &[short_run]).contains("before all its values"));
    }

    #[test]
    fn encodings_and_codecs_that_are_not_read_are_named() {
        let with = |encoding: i64, levels: i64, nullable: u32| {
            refusal(
                Content::Signed32,
                nullable,
                0,
                &[data(2, encoding, levels, &[2, 0, 0, 0, 3, 3, 0, 0, 0, 0])],
            )
        };
        assert!(with(5, RLE, 0).contains("DELTA_BINARY_PACKED"));
        assert!(with(9, RLE, 0).contains("BYTE_STREAM_SPLIT"));
        assert!(with(77, RLE, 0).contains("number 77"));
        assert!(with(PLAIN, 4, 1).contains("nulls in the encoding BIT_PACKED"));
        let page = || [data(2, PLAIN, RLE, TEXTS)];
        for (codec, name) in [(3, "LZO"), (5, "Brotli"), (7, "LZ4"), (9, "codec 9")] {
            assert!(refusal(Content::Binary, 0, codec, &page()).contains(name));
        }
        for (codec, name) in [(1, "says that it has 11 bytes, its content 2"), (2, "gzip"), (6, "zstd")] {
            let message = refusal(Content::Binary, 0, codec, &page());
            assert!(message.contains(name), "{message}");
        }
    }
}
