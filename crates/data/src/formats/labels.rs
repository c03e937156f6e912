//! Arrays of labels: which class each image shows, over all splits of a set.
//!
//! `[N]` or `[N, 1]` numbers or text are one class an image; `[N, L]` of 0 and 1 say for each class whether the image shows
//! it. Negative numbers, those that a person names, NaN and empty text are no label: such an image is learnt from and not
//! judged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::array::{self, ArrayHeader, Element, ElementKind, ImageArray};
use crate::notice::Notice;
use crate::store::StoreBuilder;
use crate::{DataError, OpenOptions, Tag};

/// Most classes a set may have: more different labels are taken for something else than classes.
const MAX_CLASSES: usize = 65_536;

/// The largest whole number up to which floating point of 64 bits holds all.
const MAX_EXACT: f64 = (1u64 << 53) as f64;

/// Bytes of labels that are held whatever the limit says, which is one of images.
const ALWAYS_HELD: u64 = 64 << 20;

/// The labels of images, in their order.
pub(super) enum Labels {
    /// A class number each, where there is one.
    Classes(Vec<Option<u32>>),
    /// For each image and each of so many classes whether it shows the class.
    Tags { classes: usize, tags: Vec<Tag> },
}

/// An array of labels as it is stored.
pub(super) struct LabelArray {
    place: String,
    /// What notices call it.
    key: String,
    shape: String,
    values: Values,
}

enum Values {
    /// `None` for NaN.
    Numbers(Vec<Option<i128>>),
    Names(Vec<String>),
    Tags {
        classes: usize,
        tags: Vec<Tag>,
    },
}

impl Labels {
    /// Label and tags of one image.
    pub(super) fn of(&self, image: usize) -> (Option<u32>, Option<Vec<Tag>>) {
        match self {
            Labels::Classes(labels) => (labels.get(image).copied().flatten(), None),
            Labels::Tags { classes, tags } => {
                (None, tags.get(image * classes..(image + 1) * classes).map(<[Tag]>::to_vec))
            }
        }
    }
}

/// Number of labels that `header` announces.
pub(super) fn count(header: &ArrayHeader, place: &str) -> Result<u64, DataError> {
    match header.shape[..] {
        [n] | [n, 1] => Ok(n),
        [n, columns] if (1..=MAX_CLASSES as u64).contains(&columns) && !header.element.is_text() => Ok(n),
        _ => Err(DataError::WrongShape {
            place: place.into(),
            expected: "labels of shape [N] or [N, 1], or [N, L] of 0 and 1".into(),
            got: header.shape_text(),
            hint: "give one class number or name per image, or for each class whether the image shows it"
                .into(),
        }),
    }
}

/// There must be a label for each image, or for each volume.
pub(super) fn check_count(images: &ImageArray<'_>, labels: u64, place: &str) -> Result<(), DataError> {
    let images = images.shape.volumes() as u64;
    if labels == images {
        return Ok(());
    }
    Err(DataError::CountMismatch { place: place.into(), images, labels })
}

/// Reads what follows `header` as labels; `place` and `key` are what errors and notices call them.
pub(super) fn read(
    reader: &mut dyn Read,
    header: &ArrayHeader,
    (place, key): (&str, &str),
    options: &OpenOptions<'_>,
) -> Result<LabelArray, DataError> {
    count(header, place)?;
    let len = header.data_bytes(place)?;
    check_room(len, header, place, options)?;
    let bytes = array::read_fully(reader, usize::try_from(len).unwrap_or(usize::MAX), place)?;
    array::expect_end(reader, place)?;
    let values = match header.shape[..] {
        [_, columns] if columns > 1 => tags(&bytes, header, columns as usize, place, options)?,
        _ if header.element.is_text() => Values::Names(texts(&bytes, header.element, place)?),
        _ => Values::Numbers(numbers(&bytes, header.element, place)?),
    };
    Ok(LabelArray { place: place.into(), key: key.into(), shape: header.shape_text(), values })
}

/// Labels are all held at once: more than memory allows are refused before they are read.
fn check_room(
    len: u64,
    header: &ArrayHeader,
    place: &str,
    options: &OpenOptions<'_>,
) -> Result<(), DataError> {
    let each = size_of::<Option<i128>>().max(header.element.bytes) as u64 + header.element.bytes as u64;
    let needed = (len / header.element.bytes as u64).saturating_mul(each);
    if needed <= ALWAYS_HELD || needed <= options.memory_limit_bytes() {
        return Ok(());
    }
    let hint = "cut the set into several, or raise the memory limit".into();
    Err(DataError::TooLarge { place: place.into(), needed, limit: options.memory_limit_bytes(), hint })
}

/// All numbers of `bytes`; `None` for NaN.
fn numbers(bytes: &[u8], element: Element, place: &str) -> Result<Vec<Option<i128>>, DataError> {
    let number = |(sample, bytes): (usize, &[u8])| {
        if element.kind != ElementKind::Float {
            return Ok(Some(element.integer(bytes)));
        }
        let value = element.float(bytes);
        match value.is_nan() {
            true => Ok(None),
            false if value.fract() == 0.0 && value.abs() <= MAX_EXACT => Ok(Some(value as i128)),
            false => Err(DataError::WrongType {
                place: place.into(),
                expected: "labels of whole numbers".into(),
                got: format!("{value} ({element}) at number {sample}"),
                hint: "give each image the number of its class; {member} NAME of the images reads them without labels"
                    .into(),
            }),
        }
    };
    bytes.chunks_exact(element.bytes).enumerate().map(number).collect()
}

/// All texts of `bytes`, without the zeros that fill them up.
fn texts(bytes: &[u8], element: Element, place: &str) -> Result<Vec<String>, DataError> {
    let text = |(sample, bytes): (usize, &[u8])| {
        let text = match element.kind {
            ElementKind::Unicode => code_points(bytes, element.big_endian),
            _ => String::from_utf8(bytes.to_vec()).ok(),
        };
        let reason = format!("label {sample} is no Unicode text");
        let text = text.ok_or(DataError::Damaged { place: place.into(), reason })?;
        Ok(text.trim_end_matches('\0').to_owned())
    };
    bytes.chunks_exact(element.bytes).enumerate().map(text).collect()
}

fn code_points(bytes: &[u8], big_endian: bool) -> Option<String> {
    let from = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    bytes.as_chunks().0.iter().map(|&point| char::from_u32(from(point))).collect()
}

/// Rows of tags, one for each of `classes`. Negative numbers, ignored ones and NaN leave it open.
fn tags(
    bytes: &[u8],
    header: &ArrayHeader,
    classes: usize,
    place: &str,
    options: &OpenOptions<'_>,
) -> Result<Values, DataError> {
    let numbers = numbers(bytes, header.element, place)?;
    let count = numbers.len() / classes;
    let tag = |at: usize| {
        let (sample, column) = (at / classes, at % classes);
        match numbers[if header.fortran { column * count + sample } else { at }] {
            None => Ok(Tag::NotJudged),
            Some(value) if is_no_label(value, options) => Ok(Tag::NotJudged),
            Some(0) => Ok(Tag::Absent),
            Some(1) => Ok(Tag::Present),
            Some(value) => Err(DataError::NoTag { place: place.into(), sample, column, value }),
        }
    };
    let tags = (0..numbers.len()).map(tag).collect::<Result<_, _>>()?;
    Ok(Values::Tags { classes, tags })
}

/// Whether a number means that the image has no label.
fn is_no_label(value: i128, options: &OpenOptions<'_>) -> bool {
    value < 0 || options.settings.ignore_labels.iter().any(|&ignored| i128::from(ignored) == value)
}

/// The labels of all arrays of a set, numbered together, and the names of the classes. What is no label is told.
///
/// # Errors
/// Labels of one kind in one array and of another in the next, of more classes than there may be, or beyond the names that
/// were given.
pub(super) fn settle(
    arrays: Vec<Option<LabelArray>>,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<(Vec<Option<Labels>>, Vec<String>), DataError> {
    check_alike(&arrays, options)?;
    let found = || arrays.iter().flatten();
    let any = |is: fn(&Values) -> bool| found().any(|array| is(&array.values));
    if !any(|_| true) {
        return Ok((arrays.iter().map(|_| None).collect(), Vec::new()));
    }
    if any(|values| matches!(values, Values::Tags { .. })) {
        return Ok(settle_tags(arrays, options, store));
    }
    let classes = match any(|values| matches!(values, Values::Names(_))) {
        true => by_name(found(), options)?,
        false => by_number(found(), options, store)?,
    };
    let mut numbered = Vec::new();
    for array in &arrays {
        let labels = array.as_ref().map(|array| classes.number(array, options)).transpose()?;
        if let (Some(Labels::Classes(labels)), Some(array)) = (&labels, array) {
            tell_unlabelled(labels, &array.key, store);
        }
        numbered.push(labels);
    }
    Ok((numbered, classes.names))
}

/// The classes of a set whose images show one each.
struct Classes {
    /// Class number by label, where labels are numbers.
    by_value: BTreeMap<i128, u32>,
    /// Class number by label, where labels are text.
    by_text: BTreeMap<String, u32>,
    names: Vec<String>,
}

impl Classes {
    /// Numbers the labels of an array.
    fn number(&self, array: &LabelArray, options: &OpenOptions<'_>) -> Result<Labels, DataError> {
        let of_value = |(sample, value): (usize, &Option<i128>)| {
            let Some(label) = value.filter(|&value| !is_no_label(value, options)) else { return Ok(None) };
            let max = self.names.len().saturating_sub(1);
            let place = array.place.clone();
            let class = self.by_value.get(&label).copied();
            class.map(Some).ok_or(DataError::LabelOutOfRange { place, sample, label, max })
        };
        let of_text = |(sample, text): (usize, &String)| match self.by_text.get(text) {
            None if !text.is_empty() => Err(self.unknown_name(&array.place, sample, text)),
            class => Ok(class.copied()),
        };
        match &array.values {
            Values::Numbers(values) => values.iter().enumerate().map(of_value).collect::<Result<_, _>>(),
            Values::Names(texts) => texts.iter().enumerate().map(of_text).collect(),
            Values::Tags { .. } => Ok(Vec::new()), // settled before
        }
        .map(Labels::Classes)
    }

    fn unknown_name(&self, place: &str, sample: usize, text: &str) -> DataError {
        DataError::WrongType {
            place: place.into(),
            expected: format!("one of the class names given ({})", self.names.join(", ")),
            got: format!("{text:?} in sample {sample}"),
            hint: "name all classes, or none to take the names that occur".into(),
        }
    }
}

/// Classes called as the labels, in the order of the alphabet or of the names given.
fn by_name<'a>(
    arrays: impl Iterator<Item = &'a LabelArray>,
    options: &OpenOptions<'_>,
) -> Result<Classes, DataError> {
    let mut found = BTreeSet::new();
    let mut place = "";
    for array in arrays {
        place = &array.place;
        let Values::Names(texts) = &array.values else { continue };
        found.extend(texts.iter().filter(|text| !text.is_empty()).cloned());
    }
    check_number(found.len(), place)?;
    let names = options.class_names.clone().unwrap_or_else(|| found.into_iter().collect());
    let by_text = names.iter().cloned().zip(0..).collect();
    Ok(Classes { by_value: BTreeMap::new(), by_text, names })
}

/// Classes by number: as they are where they are named or lie close together, else one for each number that occurs.
fn by_number<'a>(
    arrays: impl Iterator<Item = &'a LabelArray>,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> Result<Classes, DataError> {
    let mut found = BTreeSet::new();
    let mut place = "";
    for array in arrays {
        place = &array.place;
        let Values::Numbers(values) = &array.values else { continue };
        found.extend(values.iter().flatten().filter(|&&value| !is_no_label(value, options)));
    }
    check_number(found.len(), place)?;
    let end = found.last().map_or(0, |&last| last + 1);
    let values: Vec<i128> = match &options.class_names {
        Some(names) => (0..names.len() as i128).collect(),
        None if end <= 2 * found.len() as i128 + 10 => (0..end).collect(),
        None => {
            tell_numbering(&found, store);
            found.into_iter().collect()
        }
    };
    let names = values.iter().map(ToString::to_string).collect();
    let names = options.class_names.clone().filter(|_| !values.is_empty()).unwrap_or(names);
    Ok(Classes { by_value: values.into_iter().zip(0..).collect(), by_text: BTreeMap::new(), names })
}

fn tell_numbering(found: &BTreeSet<i128>, store: &mut StoreBuilder<'_>) {
    let shown: Vec<String> = found.iter().take(Notice::SHOWN).map(ToString::to_string).collect();
    let more = if found.len() > shown.len() { ", ..." } else { "" };
    let message = format!(
        "labels are no numbers from 0 on: {} classes are named by them: {}{more}",
        found.len(),
        shown.join(", ")
    );
    let hint = "{ignore_labels} leaves out numbers that are no classes";
    store.tell(Notice::new("classes-by-value", message).hint(hint));
}

fn check_number(classes: usize, place: &str) -> Result<(), DataError> {
    if classes <= MAX_CLASSES {
        return Ok(());
    }
    Err(DataError::WrongType {
        place: place.into(),
        expected: format!("labels of at most {MAX_CLASSES} classes"),
        got: format!("{classes} different ones"),
        hint: "this looks like numbers of images or measured values; {labels} NAME names another array"
            .into(),
    })
}

/// Tags must be of as many classes as are named, and all arrays of labels like the first.
fn check_alike(arrays: &[Option<LabelArray>], options: &OpenOptions<'_>) -> Result<(), DataError> {
    let mut expected: Option<String> = None;
    for array in arrays.iter().flatten() {
        let columns = |classes: usize| format!("labels of {classes} column(s)");
        let found = match &array.values {
            Values::Numbers(_) => "labels of numbers".into(),
            Values::Names(_) => "labels of text".into(),
            Values::Tags { classes, .. } => columns(*classes),
        };
        let named = options.class_names.as_ref().map(|names| columns(names.len()));
        let named = named.filter(|_| matches!(array.values, Values::Tags { .. }));
        let expected = expected.get_or_insert(named.unwrap_or_else(|| found.clone()));
        if *expected != found {
            return Err(DataError::WrongShape {
                place: array.place.clone(),
                expected: format!("{expected}, as the other labels or the names of the classes have"),
                got: format!("{found}, shape {}", array.shape),
                hint: "give all splits labels of the same classes".into(),
            });
        }
    }
    Ok(())
}

/// Tags, or class numbers where every image of the set shows exactly one class.
fn settle_tags(
    arrays: Vec<Option<LabelArray>>,
    options: &OpenOptions<'_>,
    store: &mut StoreBuilder<'_>,
) -> (Vec<Option<Labels>>, Vec<String>) {
    let mut width = 0;
    let mut tagged = Vec::new();
    for array in arrays {
        let Some(LabelArray { key, values: Values::Tags { classes, tags }, .. }) = array else {
            tagged.push(None);
            continue;
        };
        width = classes;
        tell_open(&tags, classes, &key, store);
        tagged.push(Some(Labels::Tags { classes, tags }));
    }
    let names =
        options.class_names.clone().unwrap_or_else(|| (0..width).map(|class| class.to_string()).collect());
    let one_hot =
        |labels: &Option<Labels>| labels.as_ref().map(|labels| one_hot(labels).ok_or(())).transpose();
    match tagged.iter().map(one_hot).collect::<Result<Vec<_>, ()>>() {
        Ok(numbered) => (numbered, names),
        Err(()) => (tagged, names),
    }
}

/// The class numbers that say the same, if each image shows one class and no more.
fn one_hot(labels: &Labels) -> Option<Labels> {
    let Labels::Tags { classes, tags } = labels else { return None };
    let class = |row: &[Tag]| {
        let mut present = (0..).zip(row).filter(|(_, tag)| **tag != Tag::Absent);
        let (class, tag) = present.next()?;
        (*tag == Tag::Present && present.next().is_none()).then_some(Some(class))
    };
    tags.chunks_exact(*classes).map(class).collect::<Option<_>>().map(Labels::Classes)
}

fn tell_unlabelled(labels: &[Option<u32>], key: &str, store: &mut StoreBuilder<'_>) {
    let message = "images without a label (-1, ignored, NaN or empty) are learnt from and not judged";
    let hint = "if -1 is a class, number the classes from 0; {ignore_labels} names further values";
    let without = (0..labels.len()).filter(|&image| labels[image].is_none());
    tell_rows(Notice::new("unlabelled", message).hint(hint), without, key, store);
}

fn tell_open(tags: &[Tag], classes: usize, key: &str, store: &mut StoreBuilder<'_>) {
    let message = "labels of -1, ignored ones and NaN are left open: the image does not count for the class";
    let rows = tags.chunks_exact(classes).enumerate();
    let open = rows.filter(|(_, row)| row.contains(&Tag::NotJudged)).map(|(image, _)| image);
    tell_rows(Notice::new("not-judged", message), open, key, store);
}

/// Tells the notice about these rows of the array `key`, if there are any.
fn tell_rows(notice: Notice, rows: impl Iterator<Item = usize>, key: &str, store: &mut StoreBuilder<'_>) {
    let notice = rows.fold(notice, |notice, row| notice.about(format!("{key}[{row}]")));
    if notice.count > 0 {
        store.tell(notice);
    }
}
