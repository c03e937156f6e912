//! Small whole numbers as Parquet packs them: runs of one number, and groups of eight packed bit by bit.

use super::fault::Fault;

/// The numbers of `bits` bits each in `bytes`, of which there must be `count`.
pub(super) fn unpacked(mut bytes: &[u8], bits: u32, count: usize) -> Result<Vec<u32>, Fault> {
    if bits > 32 {
        return Err(Fault::damaged(format!("numbers of {bits} bits, expected at most 32")));
    }
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let head = varint(&mut bytes)?;
        let left = count - numbers.len();
        let run = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        if head & 1 == 0 {
            let stored = take(&mut bytes, bits.div_ceil(8) as usize)?;
            let number = stored.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
            numbers.resize(numbers.len() + run.min(left), number);
        } else {
            // The last group is filled up; some writers leave out the bytes of what only fills.
            let all = run.saturating_mul(bits as usize).min(bytes.len());
            let packed = take(&mut bytes, all)?;
            let held = if bits == 0 { usize::MAX } else { packed.len() * 8 / bits as usize };
            let here = run.saturating_mul(8).min(left);
            if held < here {
                return Err(cut());
            }
            numbers.extend((0..here).map(|place| number_at(packed, place * bits as usize, bits)));
        }
    }
    Ok(numbers)
}

fn number_at(packed: &[u8], at: usize, bits: u32) -> u32 {
    let byte = |place: usize| packed.get(place).map_or(0, |byte| u64::from(*byte));
    let five = (0..5).fold(0, |word, place| word | byte(at / 8 + place) << (8 * place));
    ((five >> (at % 8)) & ((1 << bits) - 1)) as u32
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Fault::damaged("a number of more than 64 bits"))
}

/// Cuts off the first bytes.
pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Fault> {
    let (first, rest) = bytes.split_at_checked(count).ok_or_else(cut)?;
    *bytes = rest;
    Ok(first)
}

fn cut() -> Fault {
    Fault::damaged("a page ends before all its values")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_packed_groups_are_read() {
        // The example of the format's documents: 0 to 7 in three bits each, then a run.
        let packed = [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010, 8, 5];
        assert_eq!(unpacked(&packed, 3, 11).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 5, 5, 5]);
        assert_eq!(unpacked(&packed, 3, 9).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 5]);
        assert_eq!(unpacked(&[6, 0xcd, 0xab], 12, 3).unwrap(), [0xabcd; 3]);
        assert_eq!(unpacked(&[3, 1, 0, 0, 0x80], 32, 1).unwrap(), [0x8000_0001]);
        assert_eq!(
            (unpacked(&[20], 0, 10).unwrap(), unpacked(&[5], 0, 10).unwrap()),
            (vec![0; 10], vec![0; 10])
        );
        assert!(unpacked(&[], 3, 0).unwrap().is_empty());
    }

    #[test]
    fn what_is_too_short_or_too_wide_is_an_error() {
        for (bytes, bits) in
            [(&[][..], 1), (&[2], 1), (&[3], 1), (&[0xff; 12], 1), (&[2, 1], 33), (&[0, 0], 1)]
        {
            assert!(unpacked(bytes, bits, 10).is_err(), "{bytes:?}");
        }
    }
}
