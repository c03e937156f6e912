//! All distances between the rows of a set, a block of rows at a time.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Features;
use crate::features::MIN_NORM;
use crate::linalg::product_with_transposed;

/// Rows per task, and rows they are multiplied with at a time.
const ROW_BLOCK: usize = 64;
const COLUMN_BLOCK: usize = 512;
/// Candidates beyond k that are measured again by differences, as rounding of products may have misplaced some.
pub(crate) const SPARE: usize = 2;

/// How far apart two rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// `||a - b||_2`.
    Euclidean,
    /// `1 - cos(a, b)`; 1 where a row is 0.
    Cosine,
}

impl Distance {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Distance::Euclidean => "euclidean",
            Distance::Cosine => "cosine",
        }
    }
}

/// Distances between rows of one set, in f64: by products of the centred (Euclidean) or unit (cosine) rows.
pub(crate) struct Distances<'a> {
    features: &'a Features,
    distance: Distance,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl<'a> Distances<'a> {
    pub(crate) fn new(features: &'a Features, distance: Distance) -> Distances<'a> {
        let mean = match distance {
            Distance::Euclidean => features.column_means(),
            Distance::Cosine => Vec::new(),
        };
        let mut distances = Distances { features, distance, mean, squares: Vec::new() };
        let square = |row: usize| distances.prepared(row..row + 1).iter().map(|v| v * v).sum();
        distances.squares = (0..features.rows()).into_par_iter().map(square).collect();
        distances
    }

    /// `per_row(row, distances from it to every row)` for each row, in order.
    pub(crate) fn map_rows<T: Send>(&self, per_row: impl Fn(usize, &[f64]) -> T + Sync) -> Vec<T> {
        let rows = self.features.rows();
        let blocks = (0..rows).into_par_iter().step_by(ROW_BLOCK);
        let of_block = |first: usize| {
            let block = first..rows.min(first + ROW_BLOCK);
            let distances = self.block(block.clone());
            block.zip(distances.chunks_exact(rows)).map(|(row, line)| per_row(row, line)).collect::<Vec<_>>()
        };
        blocks.flat_map_iter(of_block).collect()
    }

    /// Distances of a block of rows to all, `[block, rows]`.
    fn block(&self, block: Range<usize>) -> Vec<f64> {
        let (rows, dim) = (self.features.rows(), self.features.dim());
        let from = self.prepared(block.clone());
        let mut distances = vec![0.0; block.len() * rows];
        let mut products = vec![0.0; block.len() * COLUMN_BLOCK];
        for first in (0..rows).step_by(COLUMN_BLOCK) {
            let to = first..rows.min(first + COLUMN_BLOCK);
            let products = &mut products[..block.len() * to.len()];
            product_with_transposed(products, &from, &self.prepared(to.clone()), dim);
            for (i, row) in block.clone().enumerate() {
                let line = &mut distances[i * rows..][to.clone()];
                let products = &products[i * to.len()..][..to.len()];
                for ((slot, &product), other) in line.iter_mut().zip(products).zip(to.clone()) {
                    *slot = if other == row { 0.0 } else { self.distance(row, other, product) };
                }
            }
        }
        distances
    }

    fn distance(&self, a: usize, b: usize, product: f64) -> f64 {
        match self.distance {
            Distance::Euclidean => (self.squares[a] + self.squares[b] - 2.0 * product).max(0.0).sqrt(),
            Distance::Cosine => (1.0 - product).max(0.0),
        }
    }

    /// Rows as they are multiplied.
    fn prepared(&self, rows: Range<usize>) -> Vec<f64> {
        let dim = self.features.dim();
        let values = &self.features.values()[rows.start * dim..rows.end * dim];
        let mut values: Vec<f64> = values.iter().map(|&value| value.into()).collect();
        for row in values.chunks_exact_mut(dim) {
            match self.distance {
                Distance::Euclidean => row.iter_mut().zip(&self.mean).for_each(|(v, mean)| *v -= mean),
                Distance::Cosine => {
                    let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt().max(MIN_NORM);
                    row.iter_mut().for_each(|v| *v /= norm);
                }
            }
        }
        values
    }
}

/// The Euclidean distances of every row to its `k` nearest others, rising. Taken from differences in f64, so
/// that near copies of a row have exact distances. `k` must be below the number of rows.
pub(crate) fn nearest_distances(features: &Features, k: usize) -> Vec<Vec<f64>> {
    let nearest = |row: usize, distances: &[f64]| {
        let mut others: Vec<usize> = (0..distances.len()).filter(|&other| other != row).collect();
        let kept = (k + SPARE).min(others.len());
        others.select_nth_unstable_by(kept - 1, |&a, &b| distances[a].total_cmp(&distances[b]));
        let exact = |&other: &usize| squared_difference(features.row(row), features.row(other)).sqrt();
        let mut exact: Vec<f64> = others[..kept].iter().map(exact).collect();
        exact.sort_by(f64::total_cmp);
        exact.truncate(k);
        exact
    };
    Distances::new(features, Distance::Euclidean).map_rows(nearest)
}

/// `||a - b||^2`.
pub(crate) fn squared_difference(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on_threads, random_features};

    #[test]
    fn blocks_of_any_fill_agree_with_differences() {
        let features = random_features(COLUMN_BLOCK + ROW_BLOCK + 3, 5, 1);
        let rows = |distance| Distances::new(&features, distance).map_rows(|_, row| row.to_vec());
        let (euclidean, cosine) = (rows(Distance::Euclidean), rows(Distance::Cosine));
        let norm = |row: &[f32]| row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        for (i, a) in features.iter().enumerate() {
            for (j, b) in features.iter().enumerate() {
                assert!((euclidean[i][j] - squared_difference(a, b).sqrt()).abs() < 1e-9);
                let dot: f64 = a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                assert!((cosine[i][j] - (1.0 - dot / (norm(a) * norm(b)))).abs() < 1e-12);
            }
        }
        assert_eq!(euclidean, on_threads(3, || rows(Distance::Euclidean)));
    }

    #[test]
    fn nearest_distances_are_exact_far_from_the_origin() {
        let features = Features::new(4, 1, vec![1e6, 1e6 + 0.5, 1e6 + 2.0, -1e6]).unwrap();
        assert_eq!(nearest_distances(&features, 2)[..3], [[0.5, 2.0], [0.5, 1.5], [1.5, 2.0]]);
    }
}
