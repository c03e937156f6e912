//! Principal components.

use rayon::prelude::*;

use crate::linalg::{add_transposed_product, eigen, product_with_transposed};
use crate::{EvalError, Features};

/// Rows projected at a time.
const ROW_BLOCK: usize = 256;

/// The directions in which features vary most.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    components: Vec<f64>,
    variances: Vec<f64>,
}

impl Pca {
    /// The first `components` principal components of `features`, from the eigenvectors of the smaller Gram
    /// matrix of the centred features, in f64.
    ///
    /// Of the two signs of a component the one is taken whose largest loading by magnitude (the first of
    /// several) is positive.
    ///
    /// # Errors
    /// [`EvalError::Setting`] unless `1 <= components <= min(rows, dim)`, [`EvalError::Numeric`] if the
    /// eigenvalue iteration fails.
    pub fn fit(features: &Features, components: usize) -> Result<Pca, EvalError> {
        let (rows, dim) = (features.rows(), features.dim());
        let side = rows.min(dim);
        if components == 0 || components > side {
            let expected = format!("choose from 1 to {side}, the smaller side of {rows} rows x {dim}");
            return Err(EvalError::Setting { setting: "components", value: components as f64, expected });
        }
        let (mean, centred) = centred(features);
        let mut gram = vec![0.0; side * side];
        if rows < dim {
            product_with_transposed(&mut gram, &centred, &centred, dim);
        } else {
            add_transposed_product(&mut gram, &centred, &centred, rows);
        }
        let (squares, vectors) = eigen(&gram, side)?;
        let largest_first = (0..side).rev().take(components);
        let columns: Vec<f64> = largest_first
            .clone()
            .flat_map(|at| vectors.col(at).iter().copied().collect::<Vec<_>>())
            .collect();
        let mut directions = if rows < dim {
            // Eigenvectors over rows: carried over to directions over features.
            let mut directions = vec![0.0; components * dim];
            add_transposed_product(&mut directions, &transposed(&columns, rows), &centred, rows);
            directions
        } else {
            columns
        };
        directions.chunks_exact_mut(dim).for_each(normalise);
        let variances = largest_first.map(|at| squares[at].max(0.0) / rows as f64).collect();
        Ok(Pca { mean, components: directions, variances })
    }

    /// The components, `[components, dim]`, each of length 1 (or 0, where the features have no further
    /// direction), by falling variance.
    pub fn components(&self) -> &[f64] {
        &self.components
    }

    /// The variance (divided by n) along each component.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Coordinates of the rows of `features` along the components.
    ///
    /// # Errors
    /// [`EvalError::SplitsDiffer`] for another dimension than the fitted one, [`EvalError::NotFinite`] when
    /// a coordinate is too large for an f32.
    pub fn project(&self, features: &Features) -> Result<Features, EvalError> {
        let dim = self.mean.len();
        if features.dim() != dim {
            let (split, what) = ("features".to_string(), "features per row");
            return Err(EvalError::SplitsDiffer { split, what, expected: dim, got: features.dim() });
        }
        let project = |block: &[f32]| -> Vec<f32> {
            let centred: Vec<f64> = centre(block, &self.mean).collect();
            let mut coordinates = vec![0.0; block.len() / dim * self.variances.len()];
            product_with_transposed(&mut coordinates, &centred, &self.components, dim);
            coordinates.iter().map(|&value| value as f32).collect()
        };
        let blocks = features.values().par_chunks(ROW_BLOCK * dim);
        Features::new(features.rows(), self.variances.len(), blocks.flat_map_iter(project).collect())
    }
}

/// The mean of every column, and the features without it.
fn centred(features: &Features) -> (Vec<f64>, Vec<f64>) {
    let mean = features.column_means();
    let centred = centre(features.values(), &mean).collect();
    (mean, centred)
}

fn centre(values: &[f32], mean: &[f64]) -> impl Iterator<Item = f64> {
    values.iter().zip(mean.iter().cycle()).map(|(&value, mean)| f64::from(value) - mean)
}

fn transposed(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.len() / columns;
    (0..values.len()).map(|at| values[at % rows * columns + at / rows]).collect()
}

/// Scales a direction to length 1 with its largest loading positive. One without length stays 0.
fn normalise(direction: &mut [f64]) {
    let largest = direction.iter().fold(0.0_f64, |best, &v| if v.abs() > best.abs() { v } else { best });
    let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length > 0.0 {
        let scale = largest.signum() / length;
        direction.iter_mut().for_each(|v| *v *= scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on_threads, random_features};
    use proptest::prelude::*;

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    /// Random features with a different scale for each column, so that components are well apart.
    fn stretched(rows: usize, dim: usize, seed: u64) -> Features {
        let random = random_features(rows, dim, seed);
        let values = random.values().iter().enumerate().map(|(at, v)| v * 0.5f32.powi((at % dim) as i32));
        Features::new(rows, dim, values.collect()).unwrap()
    }

    #[test]
    fn finds_a_line_and_its_direction() {
        let points = Features::new(3, 2, vec![1.0, 1.0, 4.0, -3.0, -2.0, 5.0]).unwrap();
        let pca = Pca::fit(&points, 2).unwrap();
        // Along (3, -4), whose largest loading turns positive: (-3, 4) / 5.
        assert!((pca.components()[0] + 0.6).abs() < 1e-12 && (pca.components()[1] - 0.8).abs() < 1e-12);
        assert!((pca.variances()[0] - 50.0 / 3.0).abs() < 1e-9 && pca.variances()[1].abs() < 1e-9);
        assert_eq!(pca.project(&points).unwrap().row(1)[0], -5.0);
    }

    #[test]
    fn counts_outside_the_matrix_are_refused() {
        let points = random_features(3, 5, 1);
        for components in [0, 4] {
            assert!(matches!(Pca::fit(&points, components), Err(EvalError::Setting { .. })));
        }
        let pca = Pca::fit(&points, 2).unwrap();
        assert!(matches!(pca.project(&random_features(3, 4, 1)), Err(EvalError::SplitsDiffer { .. })));
    }

    #[test]
    fn bits_do_not_depend_on_the_number_of_threads() {
        let features = random_features(900, 60, 1);
        let run = || Pca::fit(&features, 20).unwrap().project(&features).unwrap();
        assert_eq!(on_threads(1, run), on_threads(3, run));
    }

    proptest! {
        #[test]
        fn components_are_orthonormal_and_their_variances_those_of_the_coordinates(
            seed: u64, rows in 3usize..30, dim in 2usize..30
        ) {
            let features = random_features(rows, dim, seed);
            let count = (rows - 1).min(dim).min(4);
            let pca = Pca::fit(&features, count).unwrap();
            let component = |at: usize| &pca.components()[at * dim..][..dim];
            for a in 0..count {
                for b in 0..count {
                    let wanted = if a == b { 1.0 } else { 0.0 };
                    prop_assert!((dot(component(a), component(b)) - wanted).abs() < 1e-6);
                }
                let largest = component(a).iter().copied().fold(0.0, |m: f64, v| if v.abs() > m.abs() { v } else { m });
                prop_assert!(largest > 0.0);
            }
            let projected = pca.project(&features).unwrap();
            for (at, variance) in pca.variances().iter().enumerate() {
                let squares: f64 = projected.iter().map(|row| f64::from(row[at]).powi(2)).sum();
                prop_assert!((squares / rows as f64 - variance).abs() < 1e-5 * (1.0 + variance));
            }
        }

        #[test]
        fn turning_the_features_turns_the_map_by_signs_at_most(seed: u64, angle in 0f32..6.3) {
            let features = stretched(40, 4, seed);
            let (sin, cos) = angle.sin_cos();
            let turn = |row: &[f32]| [row[0] * cos - row[1] * sin, row[0] * sin + row[1] * cos, row[2], row[3]];
            let turned = Features::new(40, 4, features.iter().flat_map(turn).collect()).unwrap();
            let map = |features: &Features| Pca::fit(features, 2).unwrap().project(features).unwrap();
            let (plain, turned) = (map(&features), map(&turned));
            for (a, b) in plain.values().iter().zip(turned.values()) {
                prop_assert!((a.abs() - b.abs()).abs() < 1e-3, "{} {}", a, b);
            }
        }
    }
}
