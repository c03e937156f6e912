//! A threshold for every place: the mean of its surroundings, and how much more than that a nucleus is.
//!
//! `mean(p)` is that of the square of `2 radius + 1` pixels around `p`, as far as it lies in the image, by sums over rectangles
//! (Crow 1984, "Summed-area tables for texture mapping"). Pixels of nuclei are those with `value(p) - mean(p) > t`, where `t`
//! is Otsu's threshold of all these differences: an offset from the local mean, as in `skimage.filters.threshold_local`,
//! that is found instead of given.

use rayon::prelude::*;

use crate::Plane;

/// The mean of the square of `2 radius + 1` pixels around every pixel.
pub fn local_mean(plane: &Plane, radius: usize) -> Plane {
    let (height, width) = (plane.height, plane.width);
    let sums = sums(plane);
    let mut values = vec![0.0; plane.values.len()];
    values.par_chunks_mut(width.max(1)).enumerate().for_each(|(y, out)| {
        let (top, bottom) = (y.saturating_sub(radius), (y + radius + 1).min(height));
        let row = |at: usize| &sums[at * (width + 1)..(at + 1) * (width + 1)];
        let (above, below) = (row(top), row(bottom));
        for (x, out) in out.iter_mut().enumerate() {
            let (left, right) = (x.saturating_sub(radius), (x + radius + 1).min(width));
            let sum = below[right] - below[left] - above[right] + above[left];
            *out = sum / ((bottom - top) * (right - left)) as f64;
        }
    });
    Plane { values, ..*plane }
}

/// The sums of all pixels above and to the left of each corner; `(height + 1) * (width + 1)` of them.
fn sums(plane: &Plane) -> Vec<f64> {
    let pitch = plane.width + 1;
    let mut sums = vec![0.0; (plane.height + 1) * pitch];
    for (y, row) in plane.values.chunks(plane.width.max(1)).enumerate() {
        let mut along = 0.0;
        for (x, value) in row.iter().enumerate() {
            along += value;
            sums[(y + 1) * pitch + x + 1] = sums[y * pitch + x + 1] + along;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn means_are_those_of_the_pixels_around(
            (height, width, values) in (1usize..9, 1usize..9)
                .prop_flat_map(|(h, w)| (Just(h), Just(w), prop::collection::vec(0.0f64..100.0, h * w))),
            radius in 0usize..6,
        ) {
            let plane = Plane { height, width, values };
            let means = local_mean(&plane, radius);
            for y in 0..height {
                for x in 0..width {
                    let near = (0..height * width).filter(|at| {
                        (at / width).abs_diff(y) <= radius && (at % width).abs_diff(x) <= radius
                    });
                    let near: Vec<f64> = near.map(|at| plane.values[at]).collect();
                    let want = near.iter().sum::<f64>() / near.len() as f64;
                    prop_assert!((means.values[y * width + x] - want).abs() < 1e-9);
                }
            }
        }
    }
}
