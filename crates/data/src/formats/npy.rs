//! The header of NumPy's .npy (format versions 1 to 3, numpy.lib.format).
//!
//! Parsed here rather than by a library because headers come from outside: none found refuses oversized,
//! deeply nested or overflowing ones without taking memory or panicking.

use std::io::Read;

use super::array::{ArrayHeader, Element, ElementKind};
use crate::error::read_error;
use crate::{DataError, DataSettings, Image};

/// NumPy itself refuses to evaluate headers of more than 10,000 characters.
const MAX_HEADER: usize = 10_000;

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

/// The one image of an .npy of `[H, W]` or `[H, W, C]`.
pub(crate) fn image(bytes: &[u8], _: &DataSettings, limit: u64) -> Result<Image, String> {
    let mut reader = bytes;
    let header = read_header(&mut reader, "npy").map_err(|error| error.to_string())?;
    let (height, width, channels) = match header.shape[..] {
        [height, width] | [1, height, width] => (height, width, 1),
        [height, width, channels] => (height, width, channels),
        _ => return Err(format!("an array of {} is not one image", header.shape_text())),
    };
    if reader.len() as u64 > limit {
        return Err("it needs more memory than allowed".into());
    }
    let pixels = header.element.pixels(reader).ok_or("its type of numbers is not read")?;
    let [height, width, channels] = [height, width, channels].map(|size| size as usize);
    Image::new(height, width, channels, pixels).map_err(|error| error.to_string())
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
        return Err(wrong_type("a structured array", "save each field as an array of its own"));
    }
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let descr = quote.and_then(|quote| Some(value[1..].split_once(quote)?.0)).unwrap_or("");
    let code = descr.trim_start_matches(['<', '>', '|', '=']);
    let big_endian = descr.starts_with('>');
    let simple = |kind, bytes| Ok(Element { kind, bytes, big_endian });
    match (code.chars().next(), code.get(1..).and_then(|size| size.parse().ok()).unwrap_or(0)) {
        (Some('b'), 1) | (Some('?'), _) => simple(ElementKind::Bool, 1),
        (Some('u'), bytes @ (1 | 2 | 4 | 8)) => simple(ElementKind::Unsigned, bytes),
        (Some('i'), bytes @ (1 | 2 | 4 | 8)) => simple(ElementKind::Signed, bytes),
        (Some('f'), bytes @ (2 | 4 | 8)) => simple(ElementKind::Float, bytes),
        (Some('O'), _) => Err(wrong_type(
            "Python objects (pickle)",
            "a pickle can run any program when it is read, so none is ever read; save images of one size as \
             one array of numbers, images of several sizes as image files in folders",
        )),
        (Some('c'), _) => {
            Err(wrong_type("complex numbers", "save the magnitude (numpy.abs) or both parts as channels"))
        }
        (Some('U' | 'S' | 'a'), _) => {
            Err(wrong_type("text", "number the classes: numpy.unique(names, return_inverse=True)[1]"))
        }
        _ => Err(wrong_type(
            &format!("type {descr:?}"),
            "convert with .astype(numpy.uint8) or .astype(numpy.float32)",
        )),
    }
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
}
