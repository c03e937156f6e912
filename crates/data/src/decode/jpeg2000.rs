//! JPEG 2000, lossless and lossy, by crate `hayro-jpeg2000`.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use crate::decode::Refusal;

/// A decoded image.
pub(super) struct Decoded {
    /// Pixel by pixel; negative where `signed`.
    pub(super) samples: Vec<f64>,
    pub(super) bits: u32,
    pub(super) signed: bool,
    /// Whether YCbCr became RGB, as the decoder makes it of chroma with fewer samples.
    pub(super) is_rgb: bool,
}

/// Decodes an image of `sides` (rows, columns).
pub(super) fn decode(bytes: &[u8], sides: [usize; 2], samples: usize) -> Result<Decoded, Refusal> {
    let text = |error: hayro_jpeg2000::DecodeError| format!("JPEG 2000: {error}");
    let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let (precision, count) = components(bytes).ok_or("JPEG 2000: a damaged header")?;
    let image = Image::new(bytes, &settings).map_err(text)?;
    let found = [image.height() as usize, image.width() as usize, count];
    if found != [sides[0], sides[1], samples] {
        let [height, width, count] = found;
        let [rows, columns] = sides;
        let reason = format!(
            "JPEG 2000: {height} x {width} pixels of {count} samples, but the file says {rows} x {columns} of {samples}"
        );
        return Err(reason.into());
    }
    let bits = u32::from(precision & 0x7F) + 1;
    let signed = precision & 0x80 != 0;
    if bits > 16 {
        return Err(format!("JPEG 2000: samples of {bits} bits are not read").into());
    }
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(text)?;
    let area = sides[0] * sides[1];
    let planes: Vec<&[f32]> = decoded.components().iter().map(|component| component.samples()).collect();
    if planes.len() != samples || planes.iter().any(|plane| plane.len() != area) {
        return Err("JPEG 2000: components of several sizes are not read".into());
    }
    // The decoder takes all samples for unsigned, and moves them up by half of their range.
    let top = f64::from((1u32 << bits) - 1);
    let moved = if signed { f64::from(1u32 << (bits - 1)) } else { 0.0 };
    let value = |value: f32| f64::from(value).round().clamp(0.0, top) - moved;
    let samples = (0..area).flat_map(|at| planes.iter().map(move |plane| plane[at])).map(value).collect();
    Ok(Decoded { samples, bits, signed, is_rgb: has_less_chroma(bytes) })
}

/// YCbCr of 8 bits as RGB (ITU-T T.871, all 256 codes).
pub(super) fn rgb([y, cb, cr]: [f64; 3]) -> [u8; 3] {
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    // Casts end at 0 and 255.
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|value| value.round() as u8)
}

/// Whether the second and third of three components have fewer samples than the first: such a code stream, the decoder takes for
/// YCbCr.
fn has_less_chroma(bytes: &[u8]) -> bool {
    let Some(at) = bytes.windows(4).position(|four| four == [0xFF, 0x4F, 0xFF, 0x51]) else { return false };
    // Each component: bits, then how far apart its samples are, across and down.
    let spacing = |number: usize| bytes.get(at + 42 + 3 * number + 1..at + 42 + 3 * number + 3);
    components(bytes).is_some_and(|(_, count)| count == 3)
        && spacing(1) == spacing(2)
        && spacing(0) != spacing(1)
        && spacing(0) <= spacing(1)
}

/// Bits of the first component (as the header has them: less 1, the highest bit for signed), and number of components.
fn components(bytes: &[u8]) -> Option<(u8, usize)> {
    let at = bytes.windows(4).position(|four| four == [0xFF, 0x4F, 0xFF, 0x51])?;
    // Length, capabilities, 8 numbers of 4 bytes, number of components; then each.
    let header = bytes.get(at + 4..)?;
    let count = u16::from_be_bytes(*header.get(36..)?.first_chunk()?);
    Some((*header.get(38)?, count.into()))
}
