//! RLE as DICOM has it (PS3.5, annex G): one segment for every byte of a sample, the highest first, each PackBits.

use crate::decode::Refusal;

const HEADER: usize = 64;

/// The samples of `count` pixels: all of the first sample, then all of the second.
pub(super) fn decode(bytes: &[u8], count: usize, samples: usize, size: usize) -> Result<Vec<u32>, Refusal> {
    let header: &[u8; HEADER] = bytes.first_chunk().ok_or("DICOM: RLE: the frame breaks off")?;
    let mut numbers = header.as_chunks::<4>().0.iter().map(|&number| u32::from_le_bytes(number) as usize);
    let segments = numbers.next().unwrap_or_default();
    if segments != samples * size || segments > 15 {
        return Err(format!("DICOM: RLE: {segments} segments instead of {}", samples * size).into());
    }
    let starts: Vec<usize> = numbers.take(segments).collect();
    let mut values = vec![0; samples * count];
    for (number, &start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(bytes.len());
        let segment = bytes
            .get(start..end)
            .filter(|_| start >= HEADER)
            .ok_or("DICOM: RLE: a segment lies elsewhere")?;
        let sample = number / size;
        unpack(segment, &mut values[sample * count..(sample + 1) * count])?;
    }
    Ok(values)
}

/// Shifts each value by a byte and puts the next byte of the segment below.
fn unpack(mut bytes: &[u8], values: &mut [u32]) -> Result<(), Refusal> {
    let mut at = 0;
    while at < values.len() {
        let (&header, rest) = bytes.split_first().ok_or("DICOM: RLE: a segment breaks off")?;
        let header = header as i8;
        let (taken, times) = match header {
            -128 => (0, 0),
            0.. => (header as usize + 1, 1),
            _ => (1, usize::from(header.unsigned_abs()) + 1),
        };
        let (run, rest) = rest.split_at_checked(taken).ok_or("DICOM: RLE: a segment breaks off")?;
        let run = run.iter().flat_map(|&byte| std::iter::repeat_n(byte, times));
        for (value, byte) in values[at..].iter_mut().zip(run) {
            *value = *value << 8 | u32::from(byte);
        }
        at += taken * times;
        bytes = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_sample_come_highest_first() {
        let mut bytes = vec![0; HEADER];
        bytes[0] = 2;
        bytes[4] = 64;
        bytes[8] = 67;
        bytes.extend([2u8, 1, 2, 3][..].iter().take(3));
        bytes[64..].copy_from_slice(&[0xFF, 1, 0x80]);
        bytes.extend([1, 7, 9]);
        assert_eq!(decode(&bytes, 2, 1, 2).unwrap(), [0x107, 0x109]);
        assert!(decode(&bytes, 3, 1, 2).unwrap_err().reason.contains("breaks off"));
        assert!(decode(&bytes, 2, 2, 2).unwrap_err().reason.contains("2 segments instead of 4"));
        assert!(decode(&bytes[..60], 2, 1, 2).is_err());
    }
}
