//! Images made smaller by area averages.
//!
//! A pixel of the result covers a rectangle of the source, whose sides need not be whole pixels; it is the mean of what it covers:
//!
//! ```text
//! out[j] = sum over i of overlap(i, j) * in[i] / sum over i of overlap(i, j)
//! overlap(i, j) = length of [i, i + 1) within [start + j * scale, start + (j + 1) * scale)
//! ```
//!
//! along rows, then along columns. Whole numbers are rounded.

use crate::{Image, Pixels, each_pixel_type};

/// What each pixel of a row or column covers: the first source pixel, and the share of that and of those that follow.
fn covered(start: f64, scale: f64, count: usize, len: usize) -> Vec<(usize, Vec<f64>)> {
    let one = |at: usize| {
        let from = (start + at as f64 * scale).max(0.0);
        let to = (start + (at + 1) as f64 * scale).min(len as f64);
        let first = (from as usize).min(len - 1);
        let last = (to.ceil() as usize).clamp(first + 1, len);
        let overlap = |pixel: usize| (to.min((pixel + 1) as f64) - from.max(pixel as f64)).max(0.0);
        let shares: Vec<f64> = (first..last).map(overlap).collect();
        let sum: f64 = shares.iter().sum();
        match sum > 0.0 {
            true => (first, shares.into_iter().map(|share| share / sum).collect()),
            false => (first, vec![1.0]), // nothing but what rounding left
        }
    };
    (0..count).map(one).collect()
}

/// `sides` (rows, columns) pixels, of which each covers `scale` pixels of `image` down and across; the first begin at `start`.
pub(super) fn shrunk(image: &Image, start: [f64; 2], scale: [f64; 2], sides: [usize; 2]) -> Image {
    let &Image { height, width, channels, .. } = image;
    let down = covered(start[0], scale[0], sides[0], height);
    let across = covered(start[1], scale[1], sides[1], width);
    let line = width * channels;
    let (mut rows, mut means) = (vec![0.0; line], Vec::with_capacity(sides[0] * sides[1] * channels));
    each_pixel_type!(&image.pixels, values => for (first, shares) in &down {
        rows.fill(0.0);
        for (source, share) in values[first * line..].chunks_exact(line).zip(shares) {
            rows.iter_mut().zip(source).for_each(|(sum, &value)| *sum += share * f64::from(value));
        }
        for (first, shares) in &across {
            let pixels = rows[first * channels..].chunks_exact(channels);
            let start = means.len();
            means.resize(start + channels, 0.0);
            for (pixel, share) in pixels.zip(shares) {
                means[start..].iter_mut().zip(pixel).for_each(|(mean, value)| *mean += share * value);
            }
        }
    });
    let pixels = match &image.pixels {
        // Casts end at the bounds of the type.
        Pixels::U8(_) => Pixels::U8(means.iter().map(|mean| mean.round() as u8).collect()),
        Pixels::U16(_) => Pixels::U16(means.iter().map(|mean| mean.round() as u16).collect()),
        Pixels::I16(_) => Pixels::I16(means.iter().map(|mean| mean.round() as i16).collect()),
        Pixels::U32(_) => Pixels::U32(means.iter().map(|mean| mean.round() as u32).collect()),
        Pixels::F32(_) => Pixels::F32(means.iter().map(|&mean| mean as f32).collect()),
    };
    Image { height: sides[0], width: sides[1], channels, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(height: usize, width: usize, values: &[u8]) -> Image {
        Image::new(height, width, 1, Pixels::U8(values.to_vec())).unwrap()
    }

    #[test]
    fn means_of_what_is_covered() {
        let image = grey(2, 4, &[0, 10, 20, 30, 40, 50, 60, 70]);
        let halves = shrunk(&image, [0.0, 0.0], [2.0, 2.0], [1, 2]);
        assert_eq!(halves.pixels, Pixels::U8(vec![25, 45]));
        // Columns 0.5 to 2 and 2 to 3.5: (0.5 * 0 + 10) / 1.5, (20 + 0.5 * 30) / 1.5.
        let parts = shrunk(&grey(1, 4, &[0, 10, 20, 30]), [0.0, 0.5], [1.0, 1.5], [1, 2]);
        assert_eq!(parts.pixels, Pixels::U8(vec![7, 23]));
        let same = shrunk(&image, [0.0, 0.0], [1.0, 1.0], [2, 4]);
        assert_eq!(same, image);
    }

    #[test]
    fn what_is_constant_stays_so() {
        let image = Image::new(9, 7, 3, Pixels::F32([1.5, 2.0, -3.0].repeat(63))).unwrap();
        let shrunk = shrunk(&image, [0.3, 0.9], [2.9, 1.7], [3, 3]);
        for pixel in shrunk.pixels.to_f64().chunks(3) {
            assert!(pixel.iter().zip([1.5, 2.0, -3.0]).all(|(one, other)| (one - other).abs() < 1e-6));
        }
    }
}
