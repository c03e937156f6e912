//! EXIF metadata: the orientation in them, and where a PNG keeps them.

use std::io::Read;

use super::tiff;

/// The orientation that EXIF metadata state, 1 to 8, in whatever type of number; 1 where they state none. Some writers
/// begin with a name.
pub(super) fn orientation_of(exif: &[u8]) -> u8 {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let stated = tiff::orientation_of(exif).and_then(|number| u8::try_from(number).ok());
    stated.filter(|number| (1..=8).contains(number)).unwrap_or(1)
}

/// The EXIF metadata of a PNG: those of its chunk `eXIf`, before or after the pixels, or else those that ImageMagick and
/// its kin write as text in hexadecimal.
pub(super) fn exif_of_png(bytes: &[u8]) -> Option<Vec<u8>> {
    let own = chunks(bytes).find(|(kind, _)| *kind == b"eXIf").map(|(_, data)| data.to_vec());
    own.or_else(|| chunks(bytes).find_map(|(kind, data)| raw_profile(kind, data)))
}

/// The chunks of a PNG, as far as they are whole: length, type, data, checksum.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let len = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let kind = rest.get(4..)?.first_chunk()?;
        let data = rest.get(8..)?.get(..len)?;
        rest = rest.get(8 + len + 4..).unwrap_or_default();
        Some((kind, data))
    })
}

/// Most bytes of text that are unpacked.
const LONGEST: u64 = 1 << 20;

/// What the chunk of text `Raw profile type exif` holds: its name, its length and its bytes in hexadecimal.
fn raw_profile(kind: &[u8; 4], data: &[u8]) -> Option<Vec<u8>> {
    let names = [&b"Raw profile type exif\0"[..], b"Raw profile type APP1\0"];
    let data = names.iter().find_map(|name| data.strip_prefix(*name))?;
    let text = match kind {
        b"tEXt" => data.to_vec(),
        b"zTXt" => {
            let mut text = Vec::new();
            flate2::read::ZlibDecoder::new(data.get(1..)?).take(LONGEST).read_to_end(&mut text).ok()?;
            text
        }
        _ => return None,
    };
    let text = str::from_utf8(&text).ok()?;
    let digits: Vec<u8> = text.split_ascii_whitespace().skip(2).flat_map(str::bytes).collect();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    digits.as_chunks().0.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::TiffWriter;
    use super::*;

    #[test]
    fn an_orientation_may_have_any_type_of_number() {
        let mut exif = TiffWriter::new(0, 0, 8, 1, 1).tag(274, &[6]).write(&[]);
        assert_eq!(orientation_of(&exif), 6);
        let tag = exif.windows(4).position(|bytes| bytes == [18, 1, 4, 0] || bytes == [18, 1, 3, 0]).unwrap();
        for kind in [1, 3, 4, 8, 9] {
            exif[tag + 2] = kind;
            assert_eq!(orientation_of(&exif), 6, "type {kind}");
            assert_eq!(orientation_of(&[b"Exif\0\0", &exif[..]].concat()), 6, "type {kind}");
        }
        exif[tag + 8] = 9;
        assert_eq!(orientation_of(&exif), 1);
        assert_eq!(orientation_of(b"II*\0"), 1);
    }

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_be_bytes()[..], kind, data, &[0; 4]].concat()
    }

    #[test]
    fn a_png_keeps_exif_in_several_places() {
        let png = |chunks: &[Vec<u8>]| [&b"\x89PNG\r\n\x1a\n"[..], &chunks.concat()].concat();
        let name = b"Raw profile type exif\0";
        let text = chunk(b"tEXt", &[&name[..], b"\nexif\n       4\n4949\n2A00\n"].concat());
        // As zlib packs the same text.
        let mut packed = flate2::write::ZlibEncoder::new(vec![0], flate2::Compression::default());
        std::io::Write::write_all(&mut packed, b"\nexif\n       4\n4949\n2A00\n").unwrap();
        let packed = chunk(b"zTXt", &[&name[..], &packed.finish().unwrap()].concat());
        let own = chunk(b"eXIf", b"MM\0*");
        let pixels = chunk(b"IDAT", &[1, 2, 3]);
        assert_eq!(exif_of_png(&png(&[pixels.clone(), own.clone()])), Some(b"MM\0*".to_vec()));
        assert_eq!(exif_of_png(&png(&[text.clone(), own])), Some(b"MM\0*".to_vec()));
        assert_eq!(exif_of_png(&png(&[text])), Some(b"II*\0".to_vec()));
        assert_eq!(exif_of_png(&png(&[packed])), Some(b"II*\0".to_vec()));
        assert_eq!(exif_of_png(&png(&[pixels])), None);
        assert_eq!(exif_of_png(b"\x89PNG"), None);
    }
}
