//! Arrays of numbers, whatever wraps them: `[N, H, W]` or `[N, H, W, C]` images and `[N]`, `[N, 1]` or `[N, L]` labels.

use std::io::Read;

use crate::error::read_error;
use crate::store::{Sample, StoreBuilder};
use crate::{DataError, Image, OpenOptions, Pixels, Tag};

/// Most classes a set may have: a larger label is taken for something else than a class number.
const MAX_CLASSES: usize = 65_536;

/// Bytes of images read at a time.
const BATCH_BYTES: usize = 8 << 20;

/// The numbers of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) kind: ElementKind,
    pub(super) bytes: usize,
    pub(super) big_endian: bool,
}

/// Kinds of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementKind {
    Bool,
    Unsigned,
    Signed,
    Float,
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

/// `[N, H, W, C]`, checked.
pub(super) struct ImageShape {
    pub(super) count: usize,
    height: usize,
    width: usize,
    channels: usize,
    image_bytes: usize,
}

/// The labels of images, in their order.
pub(super) enum Labels {
    /// A class number each.
    Classes(Vec<u32>),
    /// For each image and each of so many classes whether it shows the class.
    Tags { classes: usize, tags: Vec<Tag> },
}

impl Labels {
    /// The largest class number.
    pub(super) fn largest(&self) -> Option<u32> {
        match self {
            Labels::Classes(labels) => labels.iter().max().copied(),
            Labels::Tags { classes, .. } => u32::try_from(classes - 1).ok(),
        }
    }

    /// The class numbers that say the same, if each image shows one class and no more.
    pub(super) fn one_hot(&self) -> Option<Vec<u32>> {
        let Labels::Tags { classes, tags } = self else { return None };
        let class = |row: &[Tag]| {
            let mut present = (0..).zip(row).filter(|(_, tag)| **tag == Tag::Present).map(|(class, _)| class);
            present.next().filter(|_| present.next().is_none())
        };
        tags.chunks_exact(*classes).map(class).collect()
    }

    /// Label and tags of one image.
    fn of(&self, image: usize) -> (Option<u32>, Option<Vec<Tag>>) {
        match self {
            Labels::Classes(labels) => (labels.get(image).copied(), None),
            Labels::Tags { classes, tags } => {
                (None, tags.chunks_exact(*classes).nth(image).map(<[Tag]>::to_vec))
            }
        }
    }
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bits = 8 * self.bytes;
        match self.kind {
            ElementKind::Bool => f.write_str("bool"),
            ElementKind::Unsigned => write!(f, "uint{bits}"),
            ElementKind::Signed => write!(f, "int{bits}"),
            ElementKind::Float => write!(f, "float{bits}"),
        }
    }
}

impl Element {
    /// The bits of the number at the front of `bytes`, right-aligned.
    fn bits(self, bytes: &[u8]) -> u64 {
        let append = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        let bytes = &bytes[..self.bytes];
        match self.big_endian {
            true => bytes.iter().fold(0, append),
            false => bytes.iter().rev().fold(0, append),
        }
    }

    /// `bytes` as pixels: u8, u16 and f32 as they are, f64 rounded to f32. `None` for other types.
    pub(super) fn pixels(self, bytes: &[u8]) -> Option<Pixels> {
        let numbers = || bytes.chunks_exact(self.bytes).map(|number| self.bits(number));
        Some(match (self.kind, self.bytes) {
            (ElementKind::Unsigned, 1) => Pixels::U8(bytes.to_vec()),
            (ElementKind::Unsigned, 2) => Pixels::U16(numbers().map(|bits| bits as u16).collect()),
            (ElementKind::Float, 4) => {
                Pixels::F32(numbers().map(|bits| f32::from_bits(bits as u32)).collect())
            }
            (ElementKind::Float, 8) => {
                Pixels::F32(numbers().map(|bits| f64::from_bits(bits) as f32).collect())
            }
            _ => return None,
        })
    }

    /// The integer at the front of `bytes`.
    fn integer(self, bytes: &[u8]) -> i128 {
        let bits = self.bits(bytes);
        let unused = 64 - 8 * self.bytes as u32;
        match self.kind {
            ElementKind::Signed => i128::from((bits << unused) as i64 >> unused),
            _ => i128::from(bits),
        }
    }
}

impl ArrayHeader {
    pub(super) fn shape_text(&self) -> String {
        format!("{:?}", self.shape)
    }

    /// Bytes of all numbers.
    fn data_bytes(&self, place: &str) -> Result<u64, DataError> {
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

    /// The shape as that of images.
    pub(super) fn image_shape(&self, place: &str) -> Result<ImageShape, DataError> {
        let wrong_shape = |hint: &str| DataError::WrongShape {
            place: place.into(),
            expected: "images of shape [N, H, W] or [N, H, W, C]".into(),
            got: self.shape_text(),
            hint: hint.into(),
        };
        if self.element.pixels(&[]).is_none() {
            return Err(DataError::WrongType {
                place: place.into(),
                expected: "images of uint8, uint16, float32 or float64".into(),
                got: self.element.to_string(),
                hint: "convert with images.astype(numpy.uint8) if all values are 0..255, else numpy.float32"
                    .into(),
            });
        }
        let (count, sides) = match self.shape[..] {
            [n, h, w] => (n, [h, w, 1]),
            [n, c, h, w] if c <= 4 && h == w && h > 4 => {
                let _ = (n, c);
                return Err(wrong_shape("channels come last: images.transpose(0, 2, 3, 1)"));
            }
            [n, h, w, c] => (n, [h, w, c]),
            _ => return Err(wrong_shape("reshape the array; a single image is [1, H, W, C]")),
        };
        if self.shape.contains(&0) {
            return Err(DataError::Empty { place: format!("{place} (shape {})", self.shape_text()) });
        }
        self.data_bytes(place)?;
        let [height, width, channels] = sides.map(|side| usize::try_from(side).unwrap_or(usize::MAX));
        let image_bytes =
            height.saturating_mul(width).saturating_mul(channels).saturating_mul(self.element.bytes);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(ImageShape { count, height, width, channels, image_bytes })
    }
}

/// Reads the numbers after `header` as images into the store; `labels` are theirs, if they have any.
pub(super) fn read_images(
    reader: &mut dyn Read,
    header: &ArrayHeader,
    place: &str,
    labels: Option<&Labels>,
    store: &mut StoreBuilder<'_>,
) -> Result<(), DataError> {
    let shape = header.image_shape(place)?;
    let at_once = if header.fortran { shape.count } else { (BATCH_BYTES / shape.image_bytes).max(1) };
    let needed = (at_once.min(shape.count) as u64).saturating_mul(shape.image_bytes as u64);
    if needed > store.limit.max(BATCH_BYTES as u64) {
        let hint = match header.fortran {
            true => "save the array in C order (numpy.ascontiguousarray), which can be read piece by piece",
            false => "cut the images into tiles, or raise the memory limit",
        };
        let place =
            format!("{place}: reading {}", if header.fortran { "Fortran order" } else { "one image" });
        return Err(DataError::TooLarge { place, needed, limit: store.limit, hint: hint.into() });
    }
    if !header.fortran {
        store.reserve(header.data_bytes(place)?);
    }
    let mut first = 0;
    while first < shape.count {
        let count = at_once.min(shape.count - first);
        let mut bytes = read_fully(reader, count * shape.image_bytes, place)?;
        if header.fortran {
            bytes = in_c_order(&bytes, &shape, header.element.bytes);
        }
        store.push(place, samples(&bytes, header.element, &shape, (labels, first))?)?;
        first += count;
    }
    expect_end(reader, place)
}

fn samples(
    bytes: &[u8],
    element: Element,
    shape: &ImageShape,
    (labels, first): (Option<&Labels>, usize),
) -> Result<Vec<Sample>, DataError> {
    let mut samples = Vec::with_capacity(bytes.len() / shape.image_bytes);
    for (position, bytes) in bytes.chunks_exact(shape.image_bytes).enumerate() {
        let Some(pixels) = element.pixels(bytes) else { continue }; // image_shape refused other types
        let image = Image::new(shape.height, shape.width, shape.channels, pixels)?;
        let (label, tags) = labels.map_or((None, None), |labels| labels.of(first + position));
        samples.push(Sample { label, tags, ..Sample::of(image) });
    }
    Ok(samples)
}

/// From first-index-fastest to last-index-fastest.
fn in_c_order(bytes: &[u8], shape: &ImageShape, size: usize) -> Vec<u8> {
    let ImageShape { count, height, width, channels, .. } = *shape;
    let mut out = Vec::with_capacity(bytes.len());
    for n in 0..count {
        for h in 0..height {
            for w in 0..width {
                for c in 0..channels {
                    let at = n + count * (h + height * (w + width * c));
                    out.extend_from_slice(&bytes[at * size..(at + 1) * size]);
                }
            }
        }
    }
    out
}

/// Number of labels that `header` announces.
pub(super) fn label_count(header: &ArrayHeader, place: &str) -> Result<u64, DataError> {
    let wrong_shape = |hint: &str| DataError::WrongShape {
        place: place.into(),
        expected: "labels of shape [N] or [N, 1], or [N, L] of 0 and 1".into(),
        got: header.shape_text(),
        hint: hint.into(),
    };
    if header.element.kind == ElementKind::Float {
        return Err(DataError::WrongType {
            place: place.into(),
            expected: "labels of an integer type".into(),
            got: header.element.to_string(),
            hint: "convert with labels.astype(numpy.int64)".into(),
        });
    }
    match header.shape[..] {
        [n] => Ok(n),
        [n, columns] if (1..=MAX_CLASSES as u64).contains(&columns) => Ok(n),
        _ => {
            Err(wrong_shape("give one class number per image, or for each class whether the image shows it"))
        }
    }
}

/// Reads the numbers after `header` as class numbers, or of several columns as tags.
pub(super) fn read_labels(
    reader: &mut dyn Read,
    header: &ArrayHeader,
    place: &str,
    options: &OpenOptions<'_>,
) -> Result<Labels, DataError> {
    label_count(header, place)?;
    let len = header.data_bytes(place)?;
    let bytes = read_fully(reader, usize::try_from(len).unwrap_or(usize::MAX), place)?;
    expect_end(reader, place)?;
    if let [count, columns] = header.shape[..]
        && columns > 1
    {
        return tags(&bytes, header, count as usize, columns as usize, place);
    }
    let max = options.class_names.as_ref().map_or(MAX_CLASSES, Vec::len) - 1;
    let numbers = bytes.chunks_exact(header.element.bytes).enumerate();
    numbers
        .map(|(sample, number)| {
            let label = header.element.integer(number);
            let known = u32::try_from(label).ok().filter(|&label| label as usize <= max);
            known.ok_or_else(|| DataError::LabelOutOfRange { place: place.into(), sample, label, max })
        })
        .collect::<Result<_, _>>()
        .map(Labels::Classes)
}

/// `count` rows of tags, one for each of `classes`.
fn tags(
    bytes: &[u8],
    header: &ArrayHeader,
    count: usize,
    classes: usize,
    place: &str,
) -> Result<Labels, DataError> {
    let size = header.element.bytes;
    let tag = |at: usize| {
        let (sample, column) = (at / classes, at % classes);
        let stored = if header.fortran { column * count + sample } else { at };
        match header.element.integer(&bytes[stored * size..]) {
            0 => Ok(Tag::Absent),
            1 => Ok(Tag::Present),
            value => Err(DataError::NoTag { place: place.into(), sample, column, value }),
        }
    };
    let tags = (0..count * classes).map(tag).collect::<Result<_, _>>()?;
    Ok(Labels::Tags { classes, tags })
}

/// `len` bytes; memory is taken as they arrive, never ahead on the word of a header.
fn read_fully(reader: &mut dyn Read, len: usize, place: &str) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    reader.take(len as u64).read_to_end(&mut bytes).map_err(|source| read_error(place, source))?;
    if bytes.len() < len {
        let reason = format!("it ends {} bytes too early", len - bytes.len());
        return Err(DataError::Damaged { place: place.into(), reason });
    }
    Ok(bytes)
}

/// Reads to the end, where archives compare checksums; anything that is left is an error.
fn expect_end(reader: &mut dyn Read, place: &str) -> Result<(), DataError> {
    match reader.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => {
            Err(DataError::Damaged { place: place.into(), reason: "it is longer than its shape says".into() })
        }
        Err(source) => Err(read_error(place, source)),
    }
}
