//! Grey-level co-occurrence (Haralick, Shanmugam and Dinstein, "Textural features for image classification",
//! 1973).

use super::Grey;
use crate::EvalError;

/// Steps (rows down, columns right) to the four neighbours at distance 1 in the directions of 0, 45, 90 and 135
/// degrees, as scikit-image counts them.
pub const OFFSETS: [(usize, isize); 4] = [(0, 1), (1, 1), (1, 0), (1, -1)];

/// How often a level `i` has a level `j` as its neighbour: `P [levels, levels]`, summing to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Cooccurrence {
    levels: usize,
    shares: Vec<f64>,
}

/// What a co-occurrence matrix says about texture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Texture {
    /// `sum P (i - j)^2`.
    pub contrast: f64,
    /// `sum P |i - j|`.
    pub dissimilarity: f64,
    /// `sum P / (1 + (i - j)^2)`.
    pub homogeneity: f64,
    /// `sqrt(sum P^2)`.
    pub energy: f64,
    /// `sum P (i - mean_i) (j - mean_j) / (std_i std_j)`; 1 where all levels are equal, as scikit-image has it.
    pub correlation: f64,
}

impl Cooccurrence {
    /// Counts neighbours `offset` apart (one of [`OFFSETS`], say) of an image reduced to
    /// `floor(value levels / 256)`; both ways if `symmetric`.
    ///
    /// # Errors
    /// [`EvalError::Setting`] unless `1 <= levels <= 256`, [`EvalError::Undefined`] when no pixel has such a
    /// neighbour.
    pub fn new(
        image: Grey<'_>,
        levels: usize,
        (down, right): (usize, isize),
        symmetric: bool,
    ) -> Result<Cooccurrence, EvalError> {
        if levels == 0 || levels > 256 {
            let expected = "choose from 1 to 256".to_string();
            return Err(EvalError::Setting { setting: "levels", value: levels as f64, expected });
        }
        let level = |row, column| usize::from(image.at(row, column)) * levels / 256;
        let mut counts = vec![0_u64; levels * levels];
        let mut pairs = 0_u64;
        for row in 0..image.height.saturating_sub(down) {
            for column in 0..image.width {
                let Some(other) = column.checked_add_signed(right).filter(|&other| other < image.width)
                else {
                    continue;
                };
                let (i, j) = (level(row, column), level(row + down, other));
                counts[i * levels + j] += 1;
                pairs += 1;
                if symmetric {
                    counts[j * levels + i] += 1;
                    pairs += 1;
                }
            }
        }
        if pairs == 0 {
            let (height, width) = (image.height, image.width);
            let reason = format!("no pixel of {height} x {width} has a neighbour ({down}, {right}) away");
            return Err(EvalError::Undefined { what: "co-occurrence", reason });
        }
        Ok(Cooccurrence { levels, shares: counts.iter().map(|&count| count as f64 / pairs as f64).collect() })
    }

    /// The measures of this matrix.
    pub fn texture(&self) -> Texture {
        let gap = |i: f64, j: f64| (i - j).abs();
        let (mean_i, mean_j) = (self.sum(|i, _| i), self.sum(|_, j| j));
        let std_i = self.sum(|i, _| (i - mean_i).powi(2)).sqrt();
        let std_j = self.sum(|_, j| (j - mean_j).powi(2)).sqrt();
        let common = self.sum(|i, j| (i - mean_i) * (j - mean_j));
        // Below rounding, as in scikit-image.
        let flat = std_i.min(std_j) < 1e-15;
        Texture {
            contrast: self.sum(|i, j| gap(i, j).powi(2)),
            dissimilarity: self.sum(gap),
            homogeneity: self.sum(|i, j| 1.0 / (1.0 + gap(i, j).powi(2))),
            energy: self.shares.iter().map(|share| share * share).sum::<f64>().sqrt(),
            correlation: if flat { 1.0 } else { common / (std_i * std_j) },
        }
    }

    /// The mean of `value(i, j)`.
    fn sum(&self, value: impl Fn(f64, f64) -> f64) -> f64 {
        let cells = self.shares.iter().enumerate().filter(|(_, share)| **share > 0.0);
        cells.map(|(at, share)| share * value((at / self.levels) as f64, (at % self.levels) as f64)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_glcm_texture() {
        for case in twinlens_golden::cases("metrics/glcm_texture") {
            let shape = case.shape("in.image");
            let image = Grey::new(case.u8("in.image"), shape[0], shape[1]).unwrap();
            assert_eq!(case.count("distance"), 1);
            let of = |offset| {
                let (levels, symmetric) = (case.count("levels"), case.flag("symmetric"));
                Cooccurrence::new(image, levels, offset, symmetric).unwrap().texture()
            };
            let found = OFFSETS.map(of);
            case.check("out.contrast", &found.map(|texture| texture.contrast));
            case.check("out.dissimilarity", &found.map(|texture| texture.dissimilarity));
            case.check("out.homogeneity", &found.map(|texture| texture.homogeneity));
            case.check("out.energy", &found.map(|texture| texture.energy));
            case.check("out.correlation", &found.map(|texture| texture.correlation));
        }
    }

    #[test]
    fn flat_images_are_flat_and_thin_ones_have_no_neighbours() {
        let flat = Grey::new(&[7; 12], 3, 4).unwrap();
        let texture = Cooccurrence::new(flat, 256, (1, -1), false).unwrap().texture();
        let expected =
            Texture { contrast: 0.0, dissimilarity: 0.0, homogeneity: 1.0, energy: 1.0, correlation: 1.0 };
        assert_eq!(texture, expected);
        let column = Grey::new(&[1, 2, 3], 3, 1).unwrap();
        let error = Cooccurrence::new(column, 256, (0, 1), false).unwrap_err().to_string();
        assert_eq!(error, "co-occurrence is undefined: no pixel of 3 x 1 has a neighbour (0, 1) away");
        assert!(matches!(Cooccurrence::new(flat, 257, (0, 1), true), Err(EvalError::Setting { .. })));
    }

    proptest! {
        #[test]
        fn inverting_keeps_everything_and_symmetry_makes_a_symmetric_matrix(
            pixels in prop::collection::vec(any::<u8>(), 30), place in 0usize..4
        ) {
            let of = |pixels: &[u8], symmetric| {
                Cooccurrence::new(Grey::new(pixels, 5, 6).unwrap(), 64, OFFSETS[place], symmetric).unwrap()
            };
            let inverted: Vec<u8> = pixels.iter().map(|pixel| 255 - pixel).collect();
            let (plain, other) = (of(&pixels, true).texture(), of(&inverted, true).texture());
            let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
            prop_assert!(close(plain.contrast, other.contrast) && close(plain.correlation, other.correlation));
            prop_assert!(close(plain.energy, other.energy) && close(plain.homogeneity, other.homogeneity));
            let matrix = of(&pixels, true);
            prop_assert!(close(matrix.shares.iter().sum(), 1.0));
            prop_assert!((0..64 * 64).all(|at| matrix.shares[at] == matrix.shares[at % 64 * 64 + at / 64]));
            let contrast = of(&pixels, false).texture().contrast;
            prop_assert!(close(contrast, plain.contrast), "both ways have the same gaps");
        }
    }
}
