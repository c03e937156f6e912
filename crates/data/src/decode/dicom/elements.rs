//! The elements of a DICOM data set: tag, length, value (PS3.5, section 7), without copies.
//!
//! Nothing is looked up by name and nothing is kept but what is asked for, so that no text about a person is read at all.

use std::io::Read;

use crate::decode::Refusal;

/// Group and number of an element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag(pub(super) u16, pub(super) u16);

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({:04X},{:04X})", self.0, self.1)
    }
}

const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// The length of what ends with a mark.
const UNDEFINED: u32 = u32::MAX;

/// Sequences lie in each other no deeper than this.
const DEEPEST: usize = 32;

/// Bytes before the letters `DICM`.
const PREAMBLE: usize = 128;

/// How elements are written.
#[derive(Clone, Copy)]
pub(super) struct Writing {
    /// The kind of value (VR) stands with each element.
    pub(super) explicit: bool,
    pub(super) big_endian: bool,
}

const EXPLICIT: Writing = Writing { explicit: true, big_endian: false };
const IMPLICIT: Writing = Writing { explicit: false, big_endian: false };

/// One element.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: Tag,
    /// The kind of value, two letters; zeros where it is not written.
    pub(super) vr: [u8; 2],
    pub(super) value: &'a [u8],
    pub(super) writing: Writing,
    /// The length that the file gives; `None` where the value ends with a mark.
    pub(super) length: Option<usize>,
}

impl<'a> Element<'a> {
    /// The first of its whole numbers of 16 bits.
    pub(super) fn number(&self) -> Option<u16> {
        self.shorts().next()
    }

    /// All its whole numbers of 16 bits.
    pub(super) fn shorts(&self) -> impl Iterator<Item = u16> + use<'a> {
        let element = *self;
        self.value.as_chunks().0.iter().map(move |&two| element.short(two))
    }

    fn short(&self, bytes: [u8; 2]) -> u16 {
        if self.writing.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    /// The bytes of its text without what fills it up.
    pub(super) fn letters(&self) -> &'a [u8] {
        let end = self.value.iter().position(|&byte| byte == 0).unwrap_or(self.value.len());
        self.value[..end].trim_ascii()
    }

    /// Its text, where it is plain.
    pub(super) fn text(&self) -> &'a str {
        std::str::from_utf8(self.letters()).unwrap_or_default()
    }

    /// The numbers of its text, as far as they are such.
    pub(super) fn decimals(&self) -> Vec<f64> {
        if &self.vr == b"FD" {
            let number = |&bytes: &[u8; 8]| match self.writing.big_endian {
                true => f64::from_be_bytes(bytes),
                false => f64::from_le_bytes(bytes),
            };
            return self.value.as_chunks().0.iter().map(number).collect();
        }
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        self.text().split('\\').map_while(number).collect()
    }

    /// The items of a sequence.
    pub(super) fn items(&self) -> Items<'a> {
        // What has no kind of its own is written as if none were written.
        let writing = if &self.vr == b"UN" { IMPLICIT } else { self.writing };
        Items { elements: Elements { bytes: self.value, at: 0, writing } }
    }
}

/// Elements one after the other.
#[derive(Clone)]
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    writing: Writing,
}

impl<'a> Elements<'a> {
    pub(super) fn new(bytes: &'a [u8], writing: Writing) -> Elements<'a> {
        Elements { bytes, at: 0, writing }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        let bytes = *self.take(2)?.first_chunk()?;
        Some(if self.writing.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&mut self) -> Option<u32> {
        let bytes = *self.take(4)?.first_chunk()?;
        Some(if self.writing.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn tag(&mut self) -> Option<Tag> {
        Some(Tag(self.short()?, self.short()?))
    }

    /// Kind and length of the value of `tag`.
    fn kind_and_length(&mut self, tag: Tag) -> Option<([u8; 2], u32)> {
        if !self.writing.explicit || tag.0 == ITEM.0 {
            return Some(([0; 2], self.long()?));
        }
        let vr: [u8; 2] = *self.take(2)?.first_chunk()?;
        let long = matches!(
            &vr,
            b"OB"
                | b"OD"
                | b"OF"
                | b"OL"
                | b"OV"
                | b"OW"
                | b"SQ"
                | b"SV"
                | b"UC"
                | b"UN"
                | b"UR"
                | b"UT"
                | b"UV"
        );
        if !long {
            return Some((vr, self.short()?.into()));
        }
        self.take(2)?;
        Some((vr, self.long()?))
    }

    /// The next element; `None` at the end.
    ///
    /// The value of an element that goes on beyond the end is cut there: [`Element::length`] says so.
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, Refusal> {
        self.next_in(0)
    }

    fn next_in(&mut self, depth: usize) -> Result<Option<Element<'a>>, Refusal> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let tag = self.tag().ok_or_else(broken_off)?;
        let (vr, length) = self.kind_and_length(tag).ok_or_else(|| broken_off_in(tag))?;
        if self.writing.explicit && tag.0 != ITEM.0 && !vr.iter().all(u8::is_ascii_uppercase) {
            return Err(format!("DICOM: element {tag} has no kind of value: the file is damaged").into());
        }
        let writing = self.writing;
        if length == UNDEFINED {
            let start = self.at;
            // Compressed pixels lie in items without elements; what has no kind has items that have none either.
            let mut inside =
                Elements { writing: if &vr == b"UN" { IMPLICIT } else { writing }, ..self.clone() };
            let end = inside.pass_items(tag, depth)?;
            self.at = inside.at;
            return Ok(Some(Element { tag, vr, value: &self.bytes[start..end], writing, length: None }));
        }
        let length = length as usize;
        let rest = &self.bytes[self.at..];
        let value = &rest[..length.min(rest.len())];
        self.at += value.len();
        Ok(Some(Element { tag, vr, value, writing, length: Some(length) }))
    }

    /// Goes behind the mark that ends a sequence, and says where the mark begins.
    fn pass_items(&mut self, of: Tag, depth: usize) -> Result<usize, Refusal> {
        if depth > DEEPEST {
            return Err("DICOM: sequences lie in each other too deep: the file is damaged".into());
        }
        loop {
            let before = self.at;
            let (tag, length) = (self.tag(), self.long());
            match (tag, length) {
                (Some(SEQUENCE_END), Some(_)) => return Ok(before),
                (Some(ITEM), Some(UNDEFINED)) => self.pass_elements(depth + 1)?,
                (Some(ITEM), Some(length)) => {
                    self.take(length as usize).ok_or_else(|| broken_off_in(of))?;
                }
                (Some(_), Some(_)) => {
                    return Err(
                        format!("DICOM: what lies in element {of} is no item: the file is damaged").into()
                    );
                }
                _ => return Err(broken_off_in(of)),
            }
        }
    }

    /// Goes behind the mark that ends an item.
    fn pass_elements(&mut self, depth: usize) -> Result<(), Refusal> {
        loop {
            let element = self.next_in(depth)?.ok_or_else(broken_off)?;
            if element.tag == ITEM_END {
                return Ok(());
            }
            element.whole()?;
        }
    }
}

impl Element<'_> {
    /// Refuses a value that goes on beyond the end of the file.
    pub(super) fn whole(&self) -> Result<(), Refusal> {
        match self.length {
            Some(length) if length > self.value.len() => Err(broken_off_in(self.tag)),
            _ => Ok(()),
        }
    }
}

fn broken_off() -> Refusal {
    "DICOM: the file breaks off".into()
}

fn broken_off_in(tag: Tag) -> Refusal {
    format!("DICOM: the file breaks off in element {tag}").into()
}

/// The items of a sequence, or the fragments of compressed pixels.
pub(super) struct Items<'a> {
    elements: Elements<'a>,
}

impl<'a> Items<'a> {
    /// The bytes of the next item; `None` at the end, or where what follows is none.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let tag = self.elements.tag()?;
        let length = self.elements.long()?;
        if tag != ITEM {
            return None;
        }
        if length != UNDEFINED {
            return self.elements.take(length as usize);
        }
        let start = self.elements.at;
        self.elements.pass_elements(0).ok()?;
        Some(&self.elements.bytes[start..self.elements.at - 8])
    }

    /// The elements of the next item.
    pub(super) fn elements(&mut self) -> Option<Elements<'a>> {
        let writing = self.elements.writing;
        Some(Elements::new(self.bytes()?, writing))
    }
}

/// A DICOM file: how its pixels are packed, and its data set.
pub(super) struct File<'a> {
    /// The transfer syntax.
    pub(super) syntax: &'a str,
    /// The data set as it lies in the file; it is deflated where the syntax says so.
    pub(super) body: &'a [u8],
}

pub(super) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Reads what stands before the data set.
pub(super) fn open(bytes: &[u8]) -> Result<File<'_>, Refusal> {
    let start = if has_preamble(bytes) { PREAMBLE + 4 } else { 0 };
    let mut elements = Elements { bytes, at: start, writing: EXPLICIT };
    let mut syntax = "";
    loop {
        let before = elements.at;
        match elements.clone().tag() {
            Some(Tag(0x0002, _)) => {}
            _ if !syntax.is_empty() => {
                return Ok(File { syntax, body: &bytes[before..] });
            }
            Some(_) => return Err(no_syntax()),
            None => return Err(broken_off()),
        }
        let Some(element) = elements.next()? else { return Err(broken_off()) };
        element.whole()?;
        if element.tag == TRANSFER_SYNTAX {
            syntax = element.text();
        }
    }
}

fn no_syntax() -> Refusal {
    let reason =
        "DICOM: the file has no transfer syntax (0002,0010), so that it does not say how it is written";
    Refusal::new(
        reason,
        "write it again with a file meta header (Python: pydicom, dcmwrite with enforce_file_format=True)",
    )
}

/// The elements of a data set: written as the transfer syntax says, or, as some programs confuse these, with or without
/// kinds of values as the first element shows.
pub(super) fn data_set<'a>(syntax: &str, body: &'a [u8]) -> Elements<'a> {
    let big_endian = syntax == "1.2.840.10008.1.2.2";
    let explicit = match body.get(4..6) {
        Some(vr) => KINDS.contains(&[vr[0], vr[1]]),
        None => syntax != "1.2.840.10008.1.2",
    };
    Elements::new(body, Writing { explicit, big_endian })
}

/// All kinds of values.
const KINDS: [[u8; 2]; 34] = [
    *b"AE", *b"AS", *b"AT", *b"CS", *b"DA", *b"DS", *b"DT", *b"FD", *b"FL", *b"IS", *b"LO", *b"LT", *b"OB",
    *b"OD", *b"OF", *b"OL", *b"OV", *b"OW", *b"PN", *b"SH", *b"SL", *b"SQ", *b"SS", *b"ST", *b"SV", *b"TM",
    *b"UC", *b"UI", *b"UL", *b"UN", *b"UR", *b"US", *b"UT", *b"UV",
];

/// The data set of a deflated file, at most `allowed` bytes.
pub(super) fn inflated(body: &[u8], allowed: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let limited =
        flate2::read::DeflateDecoder::new(body).take(allowed.saturating_add(1)).read_to_end(&mut bytes);
    limited.map_err(|_| "DICOM: the deflated data set breaks off or is damaged")?;
    if bytes.len() as u64 > allowed {
        let reason = format!("DICOM: the deflated data set goes beyond the limit of {allowed} bytes");
        return Err(Refusal::new(reason, "raise the memory limit if the file is sound"));
    }
    Ok(bytes)
}

/// Whether a file with this beginning says that it is DICOM.
pub(crate) fn has_preamble(head: &[u8]) -> bool {
    head.get(PREAMBLE..PREAMBLE + 4) == Some(b"DICM")
}

/// Whether a file with this beginning is DICOM: it says so, or its first two elements are those of such a file.
pub(crate) fn is_dicom(head: &[u8]) -> bool {
    has_preamble(head) || begins_with_elements(head)
}

/// Files without a preamble begin with the elements of group 8 (or 2), or with what filled up an element before these that
/// was cut off.
fn begins_with_elements(head: &[u8]) -> bool {
    let head = head.strip_prefix(b" ").unwrap_or(head);
    let &[group @ (2 | 8), 0, low, 0, third, fourth, ..] = head else { return false };
    let explicit = third.is_ascii_uppercase() && fourth.is_ascii_uppercase();
    if low > 0x20 || (group == 2 && !explicit) {
        return false;
    }
    let mut elements = Elements::new(head, Writing { explicit, big_endian: false });
    let first = elements.next();
    let short = |element: &Element<'_>| element.length.is_some_and(|length| length <= 64);
    let Ok(Some(first)) = first else { return false };
    let second = elements.tag();
    short(&first) && second.is_some_and(|tag| tag.0 == first.tag.0 && tag.1 > first.tag.1)
}
