//! What image files that are not decoded here are, by their first bytes.

/// What a file is that is not decoded here; `None` for what is, and for what is unknown.
pub(crate) fn name_of(head: &[u8]) -> Option<&'static str> {
    match head {
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => Some("JPEG 2000"),
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand.get(..4)? {
            b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1" => Some("HEIC"),
            b"avif" | b"avis" => Some("AVIF"),
            _ => Some("a film"),
        },
        _ => None,
    }
}
