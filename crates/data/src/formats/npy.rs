//! The header of NumPy's .npy (format versions 1 to 3, numpy.lib.format).
//!
//! Parsed here rather than by a library because headers come from outside: none found refuses oversized,
//! deeply nested or overflowing ones without taking memory or panicking.

use std::io::Read;

use super::array::{ArrayHeader, Element, ElementKind, ImageArray};
use super::axes;
use crate::decode::Refusal;
use crate::error::read_error;
use crate::{ArrayLayout, DataError, DataSettings, Image};

/// NumPy itself refuses to evaluate headers of more than 10,000 characters.
const MAX_HEADER: usize = 10_000;

/// Longest text among labels, in characters.
const MAX_TEXT: usize = 1 << 16;

/// Reads the header of an .npy; the reader is left at the first number.
pub(super) fn read_header(reader: &mut dyn Read, place: &str) -> Result<ArrayHeader, DataError> {
    let damaged =
        |reason: &str| DataError::Damaged { place: place.into(), reason: format!("npy header: {reason}") };
    let mut fill = |bytes: &mut [u8]| reader.read_exact(bytes).map_err(|source| read_error(place, source));
    let mut fixed = [0; 8];
    fill(&mut fixed)?;
    let (len, before) = match fixed[6] {
        1 => {
            let mut len = [0; 2];
            fill(&mut len)?;
            (usize::from(u16::from_le_bytes(len)), 10)
        }
        2 | 3 => {
            let mut len = [0; 4];
            fill(&mut len)?;
            (u32::from_le_bytes(len) as usize, 12)
        }
        version => return Err(damaged(&format!("version {version} is unknown"))),
    };
    if len > MAX_HEADER {
        return Err(damaged(&format!("{len} bytes long, more than any array needs")));
    }
    let mut text = vec![0; len];
    fill(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| value_of(&text, key).ok_or_else(|| damaged(&format!("no '{key}'")));
    let element = element(value("descr")?, place)?;
    let fortran = value("fortran_order")?.starts_with("True");
    let shape = shape(value("shape")?).ok_or_else(|| damaged("'shape' is no tuple of sizes"))?;
    Ok(ArrayHeader { element, shape, fortran, offset: (before + len) as u64 })
}

/// What follows `'key':` in the literal of a Python dictionary.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let rest =
        [format!("'{key}'"), format!("\"{key}\"")].iter().find_map(|key| Some(text.split_once(key)?.1))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn shape(value: &str) -> Option<Vec<u64>> {
    let inside = value.strip_prefix('(')?.split_once(')')?.0;
    let sizes = inside.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes.map(|size| size.trim_end_matches('L').parse().ok()).collect()
}

/// The type in NumPy's notation: byte order, kind, bytes (`'<f4'`).
fn element(value: &str, place: &str) -> Result<Element, DataError> {
    let wrong_type = |got: &str, hint: &str| DataError::WrongType {
        place: place.into(),
        expected: "an array of numbers".into(),
        got: got.into(),
        hint: hint.into(),
    };
    if value.starts_with('[') {
        return Err(wrong_type(
            "a structured array",
            "save each field as an array of its own: images[field]",
        ));
    }
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let descr = quote.and_then(|quote| Some(value[1..].split_once(quote)?.0)).unwrap_or("");
    let code = descr.trim_start_matches(['<', '>', '|', '=']);
    let big_endian = descr.starts_with('>');
    let simple = |kind, bytes| Ok(Element { kind, bytes, big_endian });
    let size = code.get(1..).and_then(|size| size.parse().ok()).unwrap_or(0);
    match (code.chars().next(), size) {
        (Some('b'), 1) | (Some('?'), _) => simple(ElementKind::Bool, 1),
        (Some('u'), bytes @ (1 | 2 | 4 | 8)) => simple(ElementKind::Unsigned, bytes),
        (Some('i'), bytes @ (1 | 2 | 4 | 8)) => simple(ElementKind::Signed, bytes),
        (Some('f'), bytes @ (2 | 4 | 8)) => simple(ElementKind::Float, bytes),
        (Some('S' | 'a'), bytes @ 1..=MAX_TEXT) => simple(ElementKind::Bytes, bytes),
        (Some('U'), points @ 1..=MAX_TEXT) => simple(ElementKind::Unicode, 4 * points),
        (Some('O'), _) => Err(wrong_type(
            "Python objects (pickle)",
            "a pickle can run any program when it is read, so none is ever read; save images of one size as \
             one array of numbers, images of several sizes as image files in folders, names of classes as text \
             (names.astype(str))",
        )),
        (Some('c'), _) => {
            Err(wrong_type("complex numbers", "save the magnitude (numpy.abs) or both parts as channels"))
        }
        (Some('U' | 'S' | 'a'), _) => Err(wrong_type(
            &format!("text of {size} characters"),
            "number the classes: numpy.unique(names, return_inverse=True)[1]",
        )),
        _ => Err(wrong_type(
            &format!("type {descr:?}"),
            "convert with .astype(numpy.uint8) or .astype(numpy.float32)",
        )),
    }
}

/// The image that the .npy `bytes` holds: `[H, W]`, `[H, W, C]`, `[C, H, W]`, any of them in an array of one, or as the
/// settings state its axes. `limit` is the most bytes that it may have.
///
/// # Errors
/// What is wrong, and what to do, in words.
pub(crate) fn image(bytes: &[u8], settings: &DataSettings, limit: u64) -> Result<Image, Refusal> {
    only_image(bytes, settings.layout, limit).map_err(|error| match error {
        DataError::WrongShape { expected, got, hint, .. }
        | DataError::WrongType { expected, got, hint, .. } => {
            Refusal::new(format!("expected {expected}, got {got}"), hint)
        }
        other => other.into(),
    })
}

fn only_image(mut bytes: &[u8], stated: ArrayLayout, limit: u64) -> Result<Image, DataError> {
    let place = "the array";
    let len = bytes.len() as u64;
    let header = read_header(&mut bytes, place)?;
    header.check_len(place, Some(len))?;
    header.check_not_empty(place)?;
    let one = |hint: &str| DataError::WrongShape {
        place: place.into(),
        expected: "one image of shape [H, W], [H, W, C] or [C, H, W]".into(),
        got: header.shape_text(),
        hint: hint.into(),
    };
    let layout = match stated {
        ArrayLayout::Auto => {
            let hint = "{layout} hwc or {layout} chw says what its axes are";
            axes::layout_of_one(&header.shape).ok_or_else(|| one(hint))?
        }
        stated => stated,
    };
    let array = ImageArray::new(&header, layout, place, "")?;
    if array.count() != 1 {
        return Err(one("a file of several images is opened by itself"));
    }
    let needed = header.data_bytes(place)?.saturating_mul(2); // as read, and as pixels
    if needed > limit {
        let hint = "cut the image into tiles, or raise the memory limit".into();
        return Err(DataError::TooLarge { place: place.into(), needed, limit, hint });
    }
    array.only_image(&mut bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<ArrayHeader, DataError> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        read_header(&mut &bytes[..], "test")
    }

    #[test]
    fn headers_of_old_and_new_writers_are_understood() {
        let new = header("{'descr': '>u2', 'fortran_order': True, 'shape': (3, 4), }   \n").unwrap();
        assert_eq!(new.element, Element { kind: ElementKind::Unsigned, bytes: 2, big_endian: true });
        assert_eq!((new.shape, new.fortran), (vec![3, 4], true));
        let old = header("{\"shape\": (7L,), \"descr\": \"<i8\", \"fortran_order\": False}").unwrap();
        assert_eq!(old.element, Element { kind: ElementKind::Signed, bytes: 8, big_endian: false });
        assert_eq!((old.shape, old.fortran), (vec![7], false));
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in [
            "",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
            "{'descr': 'é', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
        ] {
            assert!(header(text).is_err(), "{text}");
        }
    }

    /// An .npy of u8 that counts from 0.
    fn counting(shape: &[usize]) -> Vec<u8> {
        let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
        let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({sizes})}}");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend((0..shape.iter().product()).map(|at| at as u8));
        bytes
    }

    fn image_of(shape: &[usize], layout: ArrayLayout) -> Result<Image, Refusal> {
        image(&counting(shape), &DataSettings { layout, ..DataSettings::default() }, 1 << 20)
    }

    #[test]
    fn a_file_of_one_image_is_read_where_its_axes_are_certain_or_stated() {
        use ArrayLayout::{Auto, Chw, Hw, Hwc, Nchw};
        for (shape, layout, form) in [
            (&[6, 5][..], Auto, [6, 5, 1]),
            (&[6, 5], Hw, [6, 5, 1]),
            (&[6, 5, 3], Auto, [6, 5, 3]),
            (&[8, 9, 5], Auto, [8, 9, 5]),
            (&[1, 6, 5], Auto, [6, 5, 1]),
            (&[1, 6, 5, 3], Auto, [6, 5, 3]),
            (&[3, 6, 5], Auto, [6, 5, 3]),
            (&[1, 3, 6, 5], Auto, [6, 5, 3]),
            (&[6, 7, 5], Chw, [7, 5, 6]),
            (&[3, 6, 2], Hwc, [3, 6, 2]),
            (&[1, 6, 7, 5], Nchw, [7, 5, 6]),
        ] {
            let image = image_of(shape, layout).unwrap();
            assert_eq!([image.height, image.width, image.channels], form, "{shape:?}");
        }
        let chw = image_of(&[2, 5, 6], Auto).unwrap();
        let crate::Pixels::U8(values) = chw.pixels else { panic!("not 8 bits") };
        assert_eq!(values[..4], [0, 30, 1, 31]);
    }

    #[test]
    fn a_file_of_no_image_or_in_doubt_or_of_several_is_refused_in_words() {
        for (shape, layout, words) in [
            (&[3, 6, 2][..], ArrayLayout::Auto, "{layout} hwc or {layout} chw"),
            (&[5, 6, 7], ArrayLayout::Auto, "[5, 6, 7]; {layout} hwc"),
            (&[2, 6, 5, 3], ArrayLayout::Nhwc, "a file of several images"),
            (&[7], ArrayLayout::Auto, "expected one image of shape [H, W]"),
            (&[6, 5], ArrayLayout::Chw, "3 axes, as the layout chw says"),
            (&[0, 5], ArrayLayout::Auto, "empty"),
        ] {
            let Refusal { reason, hint } = image_of(shape, layout).unwrap_err();
            let told = format!("{reason}; {}", hint.unwrap_or_default());
            assert!(told.contains(words), "{shape:?}: {told}");
        }
        let settings = DataSettings::default();
        assert!(image(&counting(&[9, 9]), &settings, 100).unwrap_err().reason.contains("limit is 100"));
        assert!(image(&counting(&[9, 9])[..60], &settings, 1000).is_err());
        assert!(image(b"", &settings, 1000).is_err());
    }
}
