//! Haematoxylin, eosin and DAB, told apart by their colours.
//!
//! A. Ruifrok and D. Johnston, "Quantification of histochemical staining by color deconvolution", Analytical and Quantitative
//! Cytology and Histology 2001. With the optical densities `d = -ln(max(x, 1e-6))` of red, green and blue (`x` is the share of
//! white) and the colours `M` of the stains, the amounts `s` of these are those with `d = s M`. (scikit-image's `rgb2hed`
//! divides them by `ln(1e6)` and cuts them off at zero.)

pub use crate::matrix::Matrix;
use crate::matrix::{inverse, row_times};

/// Optical density in red, green and blue of one unit of haematoxylin, eosin and DAB (diaminobenzidine): `M`.
pub const COLORS: Matrix = [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]];

/// The smallest share of white that has a density.
pub const DARKEST: f64 = 1e-6;

/// The optical density of a share of white: `-ln(max(x, 1e-6))`.
pub fn density(share: f64) -> f64 {
    -share.max(DARKEST).ln()
}

/// The amounts of the three stains behind these densities: `d M^-1`.
pub fn amounts(densities: [f64; 3]) -> [f64; 3] {
    row_times(densities, inverse(COLORS))
}

/// The densities of these amounts: `s M`.
pub fn densities(amounts: [f64; 3]) -> [f64; 3] {
    row_times(amounts, COLORS)
}

/// What amounts `scale s + shift` do to densities: `(A, b)` with new densities `d A + b`, where `A = M^-1 diag(scale) M` and
/// `b = shift M`.
pub fn remixed(scale: [f64; 3], shift: [f64; 3]) -> (Matrix, [f64; 3]) {
    let scaled = |row: [f64; 3]| std::array::from_fn(|stain| row[stain] * scale[stain]);
    (inverse(COLORS).map(|row| densities(scaled(row))), densities(shift))
}

#[cfg(test)]
mod tests {
    use twinlens_golden::cases;

    use super::*;

    /// An image as pixels, from planes.
    fn pixels(planes: &[u8]) -> Vec<[f64; 3]> {
        let area = planes.len() / 3;
        (0..area).map(|at| [0, 1, 2].map(|c: usize| f64::from(planes[c * area + at]) / 255.0)).collect()
    }

    fn planes(pixels: &[[f64; 3]]) -> Vec<f64> {
        (0..3).flat_map(|channel| pixels.iter().map(move |pixel| pixel[channel])).collect()
    }

    #[test]
    fn amounts_are_those_of_the_reference() {
        let unit = -DARKEST.ln();
        for case in cases("stain/hed") {
            let three = |key: &str| -> [f64; 3] { std::array::from_fn(|at| f64::from(case.f32(key)[at])) };
            let (scale, shift) = (three("in.scale"), three("in.shift"));
            let hed: Vec<[f64; 3]> = pixels(case.u8("in.image"))
                .into_iter()
                .map(|pixel| amounts(pixel.map(density)).map(|amount| (amount / unit).max(0.0)))
                .collect();
            case.check("out.hed", &planes(&hed));
            let changed = |amounts: &[f64; 3]| -> [f64; 3] {
                let amounts = std::array::from_fn(|at| (amounts[at] * scale[at] + shift[at]) * unit);
                densities(amounts).map(|density| (255.0 * (-density).exp().clamp(0.0, 1.0)).round())
            };
            case.check("out.image", &planes(&hed.iter().map(changed).collect::<Vec<_>>()));
        }
    }

    #[test]
    fn remixing_is_separating_changing_and_joining() {
        let (scale, shift) = ([1.5, 0.5, 2.0], [0.1, -0.2, 0.3]);
        let (matrix, offset) = remixed(scale, shift);
        let before = [0.3, 0.9, 0.2];
        let amounts = amounts(before);
        let after = densities(std::array::from_fn(|at| amounts[at] * scale[at] + shift[at]));
        let mixed = row_times(before, matrix);
        (0..3).for_each(|at| assert!((mixed[at] + offset[at] - after[at]).abs() < 1e-12));
    }
}
