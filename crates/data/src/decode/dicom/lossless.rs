//! Lossless JPEG (processes 14), by crate `jpeg-decoder`; and the segments of all kinds of JPEG.

use crate::decode::Refusal;

/// The segments of a JPEG up to its first data: marker and content.
pub(super) fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    let mut over = false;
    std::iter::from_fn(move || {
        while !over {
            let at = rest.windows(2).position(|two| two[0] == 0xFF && !matches!(two[1], 0 | 0xFF))?;
            let marker = rest[at + 1];
            rest = &rest[at + 2..];
            if matches!(marker, 0x01 | 0xD0..=0xD9) {
                continue; // markers without content
            }
            let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
            let data = rest.get(2..length)?;
            rest = &rest[length..];
            over = marker == 0xDA;
            return Some((marker, data));
        }
        None
    })
}

/// The content of the frame header.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let is_frame = |marker: u8| matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
    segments(bytes).find(|(marker, _)| is_frame(*marker)).map(|(_, data)| data)
}

/// Bits of a sample.
pub(super) fn precision(bytes: &[u8]) -> Option<u32> {
    frame(bytes)?.first().map(|&bits| bits.into())
}

/// The samples of an image of `sides` (rows, columns), pixel by pixel, and their bits.
pub(super) fn decode(bytes: &[u8], sides: [usize; 2], samples: usize) -> Result<(Vec<u32>, u32), Refusal> {
    let text = |error: jpeg_decoder::Error| format!("lossless JPEG: {error}");
    let Some(&[bits @ 2..=16, a, b, c, d, count, ..]) = frame(bytes) else {
        return Err("lossless JPEG: a damaged header".into());
    };
    let found = [u16::from_be_bytes([a, b]).into(), u16::from_be_bytes([c, d]).into(), usize::from(count)];
    if found != [sides[0], sides[1], samples] {
        return Err("lossless JPEG: it is of another size than the file says".into());
    }
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.set_color_transform(jpeg_decoder::ColorTransform::None);
    let decoded = decoder.decode().map_err(text)?;
    let values: Vec<u32> = match decoded.len() / (sides[0] * sides[1] * samples) {
        1 => decoded.into_iter().map(u32::from).collect(),
        2 => decoded.as_chunks().0.iter().map(|&two| u16::from_ne_bytes(two).into()).collect(),
        _ => return Err("lossless JPEG: the data break off".into()),
    };
    Ok((values, bits.into()))
}
