//! What a data set says of its pixels: the elements that decoding and grouping need, and no others.

use super::elements::{Element, Elements, Tag};
use crate::decode::Refusal;

/// A table that values are looked up in (PS3.3, C.11.1 and C.11.2).
#[derive(Clone)]
pub(super) struct Table {
    /// The value of the first entry.
    first: f64,
    entries: Vec<u16>,
    /// Bits of an entry.
    pub(super) bits: u16,
}

impl Table {
    /// The table of this descriptor and these data; `signed` values look it up.
    fn of(descriptor: &Element<'_>, data: &Element<'_>, signed: bool) -> Option<Table> {
        let mut numbers = descriptor.shorts();
        let (count, first, bits) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let count = if count == 0 { 1 << 16 } else { usize::from(count) };
        let first = if signed { f64::from(first as i16) } else { f64::from(first) };
        let entries: Vec<u16> = match data.value.len() {
            bytes if bytes >= 2 * count => data.shorts().take(count).collect(),
            bytes if bytes >= count => data.value[..count].iter().map(|&entry| entry.into()).collect(),
            _ => return None,
        };
        (1..=16).contains(&bits).then_some(Table { first, entries, bits })
    }

    /// The entry of `value`; those of values beyond the ends are the first and the last.
    pub(super) fn entry(&self, value: f64) -> u16 {
        let place = (value - self.first).max(0.0) as usize;
        self.entries[place.min(self.entries.len() - 1)]
    }
}

/// How values become shades between black and white (VOI).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Voi {
    pub(super) center: f64,
    pub(super) width: f64,
    pub(super) shape: Shape,
}

/// The curve of a [`Voi`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Linear,
    LinearExact,
    Sigmoid,
}

/// What may be stated for all frames, or for each.
#[derive(Clone, Default)]
pub(super) struct FrameFacts {
    /// Slope and intercept.
    pub(super) rescale: Option<[f64; 2]>,
    pub(super) voi: Option<Voi>,
    /// Where its first pixel lies in the patient, in mm (ImagePositionPatient).
    pub(super) position: Option<[f64; 3]>,
    /// The directions of rows and columns (ImageOrientationPatient).
    pub(super) orientation: Option<[f64; 6]>,
}

/// What a data set says.
#[derive(Clone, Default)]
pub(super) struct Header<'a> {
    pub(super) modality: &'a str,
    /// Texts in whatever letters.
    pub(super) patient: &'a [u8],
    pub(super) series: &'a [u8],
    pub(super) instance: Option<i64>,
    pub(super) samples: Option<u16>,
    pub(super) photometric: &'a str,
    pub(super) planar: bool,
    pub(super) frames: Option<i64>,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) bits_allocated: u16,
    pub(super) bits_stored: u16,
    pub(super) high_bit: Option<u16>,
    pub(super) signed: bool,
    pub(super) modality_table: Option<Table>,
    pub(super) voi_table: Option<Table>,
    pub(super) palette: Option<[Table; 3]>,
    /// Of all frames.
    pub(super) shared: FrameFacts,
    /// Of each frame.
    pub(super) each: Vec<FrameFacts>,
    pub(super) pixels: Option<Element<'a>>,
    /// Where the frames of compressed pixels begin, of very many.
    pub(super) offsets: Option<Element<'a>>,
}

/// Elements that are read again when all others are known.
#[derive(Default)]
struct Later<'a> {
    modality_table: Option<Element<'a>>,
    voi_table: Option<Element<'a>>,
    descriptors: [Option<Element<'a>>; 3],
    entries: [Option<Element<'a>>; 3],
    segmented: bool,
}

impl<'a> Header<'a> {
    /// Reads the elements up to the pixels.
    pub(super) fn read(elements: Elements<'a>) -> Result<Header<'a>, Refusal> {
        let mut header = Header::default();
        let mut later = Later::default();
        let ended = header.take_all(elements, &mut later);
        header.finish(&later);
        ended?;
        if later.segmented && header.palette.is_none() {
            return Err(Refusal::new("DICOM: a palette in segments is not read", "save the image as RGB"));
        }
        Ok(header)
    }

    /// Reads as many of the elements as there are, of the beginning of a file; and whether these are all that tell what
    /// an image belongs to.
    pub(super) fn begin(elements: Elements<'a>) -> (Header<'a>, bool) {
        let mut header = Header::default();
        let mut later = Later::default();
        let whole = header.take_all(elements, &mut later).is_ok() && header.pixels.is_some();
        header.finish(&later);
        (header, whole)
    }

    fn take_all(&mut self, mut elements: Elements<'a>, later: &mut Later<'a>) -> Result<(), Refusal> {
        while let Some(element) = elements.next()? {
            if matches!(element.tag, Tag(0x7FE0, 0x0008 | 0x0009 | 0x0010)) {
                self.pixels = Some(element);
                return Ok(());
            }
            element.whole()?;
            self.take(&element, later);
        }
        Ok(())
    }

    fn take(&mut self, element: &Element<'a>, later: &mut Later<'a>) {
        let number = || element.number().unwrap_or_default();
        match element.tag {
            Tag(0x0008, 0x0060) => self.modality = element.text(),
            Tag(0x0010, 0x0020) => self.patient = element.letters(),
            Tag(0x0020, 0x000E) => self.series = element.letters(),
            Tag(0x0020, 0x0013) => self.instance = element.text().parse().ok(),
            Tag(0x0028, 0x0002) => self.samples = element.number(),
            Tag(0x0028, 0x0004) => self.photometric = element.text(),
            Tag(0x0028, 0x0006) => self.planar = number() == 1,
            Tag(0x0028, 0x0008) => self.frames = element.text().parse().ok(),
            Tag(0x0028, 0x0010) => self.rows = number().into(),
            Tag(0x0028, 0x0011) => self.columns = number().into(),
            Tag(0x0028, 0x0100) => self.bits_allocated = number(),
            Tag(0x0028, 0x0101) => self.bits_stored = number(),
            Tag(0x0028, 0x0102) => self.high_bit = element.number(),
            Tag(0x0028, 0x0103) => self.signed = number() == 1,
            Tag(0x0028, colour @ 0x1101..=0x1103) => {
                later.descriptors[usize::from(colour - 0x1101)] = Some(*element);
            }
            Tag(0x0028, colour @ 0x1201..=0x1203) => {
                later.entries[usize::from(colour - 0x1201)] = Some(*element);
            }
            Tag(0x0028, 0x1221..=0x1223) => later.segmented = true,
            Tag(0x0028, 0x3000) => later.modality_table = Some(*element),
            Tag(0x0028, 0x3010) => later.voi_table = Some(*element),
            Tag(0x5200, 0x9229) => {
                if let Some(item) = element.items().elements() {
                    self.shared.fill_with(facts_of_groups(item));
                }
            }
            Tag(0x5200, 0x9230) => {
                let mut items = element.items();
                while let Some(item) = items.elements() {
                    self.each.push(facts_of_groups(item));
                }
            }
            Tag(0x7FE0, 0x0001) => self.offsets = Some(*element),
            _ => self.shared.take(element),
        }
    }

    /// Tables, which need to know whether values are signed.
    fn finish(&mut self, later: &Later<'a>) {
        let negative = self.shared.rescale.is_some_and(|[_, intercept]| intercept < 0.0);
        self.modality_table = later.modality_table.and_then(|sequence| table_in(&sequence, self.signed));
        self.voi_table = later.voi_table.and_then(|sequence| table_in(&sequence, self.signed || negative));
        let color = |color: usize| {
            let (descriptor, entries) = (later.descriptors[color]?, later.entries[color]?);
            Table::of(&descriptor, &entries, is_signed(&descriptor, self.signed))
        };
        self.palette = match [color(0), color(1), color(2)] {
            [Some(red), Some(green), Some(blue)] => Some([red, green, blue]),
            _ => None,
        };
    }

    /// What is known of frame `number`.
    pub(super) fn frame(&self, number: usize) -> FrameFacts {
        let mut facts = self.each.get(number).cloned().unwrap_or_default();
        facts.fill_with(self.shared.clone());
        facts
    }
}

/// Whether the values that a table begins with may be below 0: where the kind of value is not written, as pixels are.
fn is_signed(descriptor: &Element<'_>, signed: bool) -> bool {
    match &descriptor.vr {
        b"SS" => true,
        b"US" => false,
        _ => signed,
    }
}

/// The table of the first item of a sequence.
fn table_in(sequence: &Element<'_>, signed: bool) -> Option<Table> {
    let mut elements = sequence.items().elements()?;
    let (mut descriptor, mut data) = (None, None);
    while let Ok(Some(element)) = elements.next() {
        match element.tag {
            Tag(0x0028, 0x3002) => descriptor = Some(element),
            Tag(0x0028, 0x3006) => data = Some(element),
            _ => {}
        }
    }
    let descriptor = descriptor?;
    Table::of(&descriptor, &data?, is_signed(&descriptor, signed))
}

/// What the functional groups of one item say.
fn facts_of_groups(mut groups: Elements<'_>) -> FrameFacts {
    let mut facts = FrameFacts::default();
    while let Ok(Some(group)) = groups.next() {
        // Pixel value transformation, frame VOI LUT, plane position, plane orientation.
        if !matches!(group.tag, Tag(0x0028, 0x9145 | 0x9132) | Tag(0x0020, 0x9113 | 0x9116)) {
            continue;
        }
        let Some(mut elements) = group.items().elements() else { continue };
        while let Ok(Some(element)) = elements.next() {
            facts.take(&element);
        }
    }
    facts.tidy();
    facts
}

impl FrameFacts {
    fn take(&mut self, element: &Element<'_>) {
        let first = || element.decimals().first().copied();
        match element.tag {
            Tag(0x0020, 0x0032) => self.position = element.decimals().try_into().ok(),
            Tag(0x0020, 0x0037) => self.orientation = element.decimals().try_into().ok(),
            Tag(0x0028, 0x1050) => self.voi_mut().center = first().unwrap_or(f64::NAN),
            Tag(0x0028, 0x1051) => self.voi_mut().width = first().unwrap_or(f64::NAN),
            Tag(0x0028, 0x1056) => {
                self.voi_mut().shape = match element.text() {
                    "LINEAR_EXACT" => Shape::LinearExact,
                    "SIGMOID" => Shape::Sigmoid,
                    _ => Shape::Linear,
                }
            }
            Tag(0x0028, 0x1052) => self.rescale.get_or_insert([1.0, 0.0])[1] = first().unwrap_or(0.0),
            Tag(0x0028, 0x1053) => self.rescale.get_or_insert([1.0, 0.0])[0] = first().unwrap_or(1.0),
            _ => {}
        }
    }

    fn voi_mut(&mut self) -> &mut Voi {
        self.voi.get_or_insert(Voi { center: f64::NAN, width: f64::NAN, shape: Shape::Linear })
    }

    /// Drops a window that lacks center or width, or shows nothing.
    fn tidy(&mut self) {
        self.voi = self.voi.filter(|voi| voi.center.is_finite() && voi.width > 0.0);
    }

    /// Takes what is missing from `other`.
    fn fill_with(&mut self, other: FrameFacts) {
        self.rescale = self.rescale.or(other.rescale);
        self.voi = self.voi.or(other.voi);
        self.position = self.position.or(other.position);
        self.orientation = self.orientation.or(other.orientation);
        self.tidy();
    }
}
