//! Images that travel to a device as bytes.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// The images `bytes`, of shape `[N, H, W, C]`, in single precision: `byte * scale[c] + shift[c]`.
///
/// A quarter of the memory of single precision moves to the device. Four bytes travel as one number of 32 bits, as not every
/// device has numbers of one byte.
///
/// # Panics
/// When there are not as many bytes as the shape says, or not one scale and shift for each channel.
pub fn from_bytes(
    bytes: &[u8],
    shape: [usize; 4],
    [scale, shift]: [&[f32]; 2],
    device: &Device,
) -> Tensor<4> {
    let words: Vec<i32> = bytes.chunks(4).map(word).collect();
    let count = words.len();
    let words = Tensor::<1, Int>::from_data(TensorData::new(words, [count]), device).reshape([count, 1]);
    let places =
        [0, 8, 16, 24].map(|bits| words.clone().bitwise_right_shift_scalar(bits).bitwise_and_scalar(255));
    let x =
        Tensor::cat(places.into(), 1).reshape([4 * count]).narrow(0, 0, bytes.len()).reshape(shape).float();
    let channels = |values: &[f32]| Tensor::<1>::from_floats(values, device).reshape([1, 1, 1, shape[3]]);
    x * channels(scale) + channels(shift)
}

/// Up to four bytes as one number, the first in the lowest place.
fn word(bytes: &[u8]) -> i32 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | i32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::read;

    #[test]
    fn every_byte_arrives_in_its_place_and_is_normalised_to_the_same_bits() {
        // All values, and a number of bytes that is no multiple of four.
        let bytes: Vec<u8> = (0..2 * 9 * 5 * 3).map(|at| (at * 7 % 256) as u8).collect();
        let (scale, shift) = ([0.017_f32, 0.0175, 0.0174], [-2.1_f32, -2.0, -1.8]);
        let x = from_bytes(&bytes, [2, 9, 5, 3], [&scale, &shift], &Device::flex());
        assert_eq!(x.dims(), [2, 9, 5, 3]);
        let expected = |(at, &byte): (usize, &u8)| f32::from(byte) * scale[at % 3] + shift[at % 3];
        assert_eq!(bytes.len() % 4, 2);
        assert_eq!(read(x), bytes.iter().enumerate().map(expected).collect::<Vec<_>>());
    }
}
