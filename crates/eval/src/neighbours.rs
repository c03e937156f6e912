//! Exact nearest neighbours by blocked matrix products.

use rayon::prelude::*;

use crate::distances::{SPARE, squared_difference};
use crate::linalg::product_with_transposed;
use crate::{EvalError, Features};

/// Queries per task and bank rows per product: one block of similarities (1 MB) stays in a core's cache.
const QUERY_BLOCK: usize = 128;
const BANK_BLOCK: usize = 2048;

/// The `k` most similar bank rows of every query, most similar first: similar by cosine, or near (a similarity
/// is then a distance with a minus sign).
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    k: usize,
    indices: Vec<u32>,
    similarities: Vec<f32>,
}

impl Neighbours {
    /// Neighbours per query.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Bank rows, `[queries, k]`.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Their similarities to the query, `[queries, k]`.
    pub fn similarities(&self) -> &[f32] {
        &self.similarities
    }

    /// Per query its (bank row, similarity) pairs, most similar first.
    pub fn iter(&self) -> impl Iterator<Item = impl Iterator<Item = (usize, f32)> + '_> + '_ {
        let rows = self.indices.chunks_exact(self.k).zip(self.similarities.chunks_exact(self.k));
        rows.map(|(indices, values)| indices.iter().map(|&i| i as usize).zip(values.iter().copied()))
    }
}

/// The `k` rows of `bank` with the highest cosine similarity to each row of `queries`; of equal
/// similarities the lower row comes first. A row of zeros has similarity 0 to everything.
///
/// Exact (every pair is computed, in f32), and the same bits whatever the number of threads.
///
/// # Errors
/// [`EvalError::NeighbourCount`] unless `1 <= k <= bank.rows()`, [`EvalError::SplitsDiffer`] when the rows
/// have different numbers of features.
pub fn cosine_neighbours(bank: &Features, queries: &Features, k: usize) -> Result<Neighbours, EvalError> {
    check_dims(bank, queries)?;
    let offsets = vec![0.0; bank.rows()];
    search(bank.unit_rows().values(), &offsets, queries.unit_rows().values(), bank.dim(), k)
}

/// The `k` rows of `bank` nearest to each row of `queries` by Euclidean distance; of equal distances the lower
/// row comes first. Similarities are distances with a minus sign.
///
/// Found by f32 products about the mean of `bank`, then measured by differences in f64: the same bits whatever
/// the number of threads.
///
/// # Errors
/// As [`cosine_neighbours`]; [`EvalError::NotFinite`] for rows too far from `bank` for an f32.
pub fn euclidean_neighbours(bank: &Features, queries: &Features, k: usize) -> Result<Neighbours, EvalError> {
    check_dims(bank, queries)?;
    if k == 0 || k > bank.rows() {
        return Err(EvalError::NeighbourCount { k, rows: bank.rows() });
    }
    let mean = bank.column_means();
    let about_mean = |features: &Features| {
        let values = features.values().iter().zip(mean.iter().cycle());
        let values = values.map(|(&value, mean)| (f64::from(value) - mean) as f32).collect();
        Features::new(features.rows(), features.dim(), values)
    };
    let (near_bank, near_queries) = (about_mean(bank)?, about_mean(queries)?);
    // |a - b|^2 = |a|^2 - 2 (a.b - |b|^2 / 2): the nearest b has the largest bracket.
    let half_square = |row: &[f32]| (-0.5 * row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>()) as f32;
    let offsets: Vec<f32> = near_bank.iter().map(half_square).collect();
    // Rounding may misplace a row at the border.
    let wider = (k + SPARE).min(bank.rows());
    let found = search(near_bank.values(), &offsets, near_queries.values(), bank.dim(), wider)?;
    let measure = |(query, rows): (&[f32], &[u32])| {
        let mut measured: Vec<(f64, u32)> =
            rows.iter().map(|&row| (squared_difference(query, bank.row(row as usize)).sqrt(), row)).collect();
        measured.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        measured.truncate(k);
        measured
    };
    let rows = queries.values().par_chunks_exact(bank.dim()).zip(found.indices.par_chunks_exact(wider));
    let measured: Vec<Vec<(f64, u32)>> = rows.map(measure).collect();
    let (similarities, indices) =
        measured.into_iter().flatten().map(|(distance, row)| (-distance as f32, row)).unzip();
    Ok(Neighbours { k, indices, similarities })
}

/// The `k` other rows with the highest cosine similarity to each row of `points`, most similar first.
///
/// # Errors
/// As [`cosine_neighbours`]; there are one less than `points.rows()` others.
pub fn cosine_others(points: &Features, k: usize) -> Result<Vec<Vec<usize>>, EvalError> {
    if k == 0 || k >= points.rows() {
        return Err(EvalError::NeighbourCount { k, rows: points.rows() - 1 });
    }
    let with_self = cosine_neighbours(points, points, k + 1)?;
    // A row with copies may not be its own nearest, and may not even be found; either way k others are left.
    let others = |(row, nearest): (usize, Vec<(usize, f32)>)| {
        nearest.into_iter().map(|(other, _)| other).filter(|&other| other != row).take(k).collect()
    };
    Ok(with_self.iter().map(Iterator::collect).enumerate().map(others).collect())
}

/// The `k` rows of `points` nearest to each of them, itself excluded, with the distances.
pub(crate) fn nearest_others(points: &Features, k: usize) -> Result<Vec<Vec<(usize, f32)>>, EvalError> {
    let with_self = euclidean_neighbours(points, points, k + 1)?;
    let others = |(row, nearest): (usize, Vec<(usize, f32)>)| {
        let others = nearest.into_iter().filter(|&(other, _)| other != row).take(k);
        others.map(|(other, similarity)| (other, -similarity)).collect()
    };
    Ok(with_self.iter().map(Iterator::collect).enumerate().map(others).collect())
}

fn check_dims(bank: &Features, queries: &Features) -> Result<(), EvalError> {
    if bank.dim() == queries.dim() {
        return Ok(());
    }
    let (split, what) = ("queries".to_string(), "features per row");
    Err(EvalError::SplitsDiffer { split, what, expected: bank.dim(), got: queries.dim() })
}

/// The `k` rows of `bank` with the largest `query . row + offset(row)` for each query.
fn search(
    bank: &[f32],
    offsets: &[f32],
    queries: &[f32],
    dim: usize,
    k: usize,
) -> Result<Neighbours, EvalError> {
    let rows = offsets.len();
    if k == 0 || k > rows || u32::try_from(rows).is_err() {
        return Err(EvalError::NeighbourCount { k, rows });
    }
    let best: Vec<Vec<u64>> = queries
        .par_chunks(QUERY_BLOCK * dim)
        .flat_map_iter(|block| best_of_block(bank, offsets, block, dim, k))
        .collect();
    let (similarities, indices) = best.into_iter().flatten().map(unpack).unzip();
    Ok(Neighbours { k, indices, similarities })
}

/// For each query of a block, the packed `k` best in order.
fn best_of_block(bank: &[f32], offsets: &[f32], queries: &[f32], dim: usize, k: usize) -> Vec<Vec<u64>> {
    let mut best = vec![Vec::new(); queries.len() / dim];
    let mut products = vec![0.0; best.len() * BANK_BLOCK];
    for (block, (bank, offsets)) in bank.chunks(BANK_BLOCK * dim).zip(offsets.chunks(BANK_BLOCK)).enumerate()
    {
        let products = &mut products[..best.len() * offsets.len()];
        product_with_transposed(products, queries, bank, dim);
        for (best, products) in best.iter_mut().zip(products.chunks_exact(offsets.len())) {
            let first = block * BANK_BLOCK;
            let similarities = products.iter().zip(offsets).map(|(product, offset)| product + offset);
            keep_best(best, similarities.zip(first..), k);
        }
    }
    best
}

/// Adds candidates to the best so far, keeping `k` of them, in order.
fn keep_best(best: &mut Vec<u64>, candidates: impl Iterator<Item = (f32, usize)>, k: usize) {
    let worst = if best.len() == k { best[k - 1] } else { u64::MAX };
    best.extend(candidates.map(|(similarity, row)| pack(similarity, row)).filter(|&packed| packed < worst));
    if best.len() > k {
        best.select_nth_unstable(k - 1);
        best.truncate(k);
    }
    best.sort_unstable();
}

/// Similarity and row in one integer whose rising order is: falling similarity, then rising row.
fn pack(similarity: f32, row: usize) -> u64 {
    // Adding 0 makes -0 and 0 equal. Flipping the sign bit (or all bits, below zero) turns the order of
    // floats into that of integers; the complement reverses it.
    let bits = (similarity + 0.0).to_bits();
    let rising = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!rising) << 32 | row as u64
}

/// The similarity and row of [`pack`].
fn unpack(packed: u64) -> (f32, u32) {
    let rising = !((packed >> 32) as u32);
    let bits = if rising >> 31 == 1 { rising & !(1 << 31) } else { !rising };
    (f32::from_bits(bits), packed as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{features_of, on_threads, random_features};
    use proptest::prelude::*;

    #[test]
    fn golden_knn_neighbours() {
        for case in twinlens_golden::cases("metrics/knn") {
            let (bank, queries) =
                (features_of(&case, "in.train_features"), features_of(&case, "in.test_features"));
            let found = cosine_neighbours(&bank, &queries, case.count("k")).unwrap();
            let indices: Vec<i64> = found.indices().iter().map(|&i| i.into()).collect();
            case.check_exact("out.neighbours", &indices);
        }
    }

    /// On the sphere the nearest rows are the most similar ones.
    #[test]
    fn golden_knn_neighbours_by_euclidean_distance() {
        for case in twinlens_golden::cases("metrics/knn") {
            let bank = features_of(&case, "in.train_features").unit_rows();
            let queries = features_of(&case, "in.test_features").unit_rows();
            let found = euclidean_neighbours(&bank, &queries, case.count("k")).unwrap();
            let indices: Vec<i64> = found.indices().iter().map(|&i| i.into()).collect();
            case.check_exact("out.neighbours", &indices);
        }
    }

    #[test]
    fn euclidean_neighbours_are_exact_far_from_the_origin() {
        let shifted = |rows, seed| {
            let values = random_features(rows, 3, seed).values().iter().map(|v| v + 300.0).collect();
            Features::new(rows, 3, values).unwrap()
        };
        let (bank, queries) = (shifted(BANK_BLOCK + 5, 1), shifted(40, 2));
        let run = || euclidean_neighbours(&bank, &queries, 6).unwrap();
        let found = run();
        for (query, row) in queries.iter().zip(found.iter()) {
            let mut all: Vec<(f64, usize)> =
                bank.iter().zip(0..).map(|(b, i)| (squared_difference(query, b).sqrt(), i)).collect();
            all.sort_by(|a, b| a.partial_cmp(b).unwrap());
            for ((index, similarity), (distance, want)) in row.zip(all) {
                assert_eq!((index, similarity), (want, -distance as f32));
            }
        }
        assert_eq!(found, on_threads(3, run));
        assert!(matches!(euclidean_neighbours(&bank, &queries, 0), Err(EvalError::NeighbourCount { .. })));
        let wide = random_features(1, 4, 0);
        assert!(matches!(euclidean_neighbours(&bank, &wide, 1), Err(EvalError::SplitsDiffer { .. })));
    }

    /// Sorts all similarities, computed one by one in f64.
    fn by_hand(bank: &Features, query: &[f32], k: usize) -> Vec<(usize, f64)> {
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
        let norm = |a: &[f32]| dot(a, a).sqrt();
        let cosine = |row: &[f32]| dot(row, query) / (norm(row) * norm(query));
        let mut all: Vec<_> = bank.iter().map(cosine).enumerate().collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(k);
        all
    }

    #[test]
    fn blocks_of_any_fill_agree_with_sorting_everything() {
        let (bank, queries) =
            (random_features(2 * BANK_BLOCK + 5, 7, 1), random_features(QUERY_BLOCK + 3, 7, 2));
        let found = cosine_neighbours(&bank, &queries, 9).unwrap();
        for (query, row) in queries.iter().zip(found.iter()) {
            for ((index, similarity), (want_index, want)) in row.zip(by_hand(&bank, query, 9)) {
                assert!((f64::from(similarity) - want).abs() < 1e-6, "{similarity} against {want}");
                assert_eq!(index, want_index);
            }
        }
    }

    #[test]
    fn equal_rows_come_in_order_wherever_they_stand() {
        let row = random_features(1, 33, 3);
        let rows = BANK_BLOCK + 77;
        let bank = Features::new(rows, 33, row.values().repeat(rows)).unwrap();
        let found = cosine_neighbours(&bank, &row, rows).unwrap();
        assert!(found.indices().is_sorted(), "equal similarities must keep the order of rows");
    }

    #[test]
    fn bits_do_not_depend_on_the_number_of_threads() {
        let (bank, queries) = (random_features(3000, 40, 4), random_features(700, 40, 5));
        let run = || cosine_neighbours(&bank, &queries, 20).unwrap();
        assert_eq!(on_threads(1, run), on_threads(3, run));
    }

    #[test]
    fn zeros_are_similar_to_nothing_and_bad_k_is_refused() {
        let bank = Features::new(2, 2, vec![0.0, 0.0, -1.0, 0.0]).unwrap();
        let query = Features::new(1, 2, vec![1.0, 0.0]).unwrap();
        let found = cosine_neighbours(&bank, &query, 2).unwrap();
        assert_eq!((found.indices(), found.similarities()), (&[0, 1][..], &[0.0, -1.0][..]));
        let many = EvalError::NeighbourCount { k: 3, rows: 2 };
        assert_eq!(cosine_neighbours(&bank, &query, 3), Err(many.clone()));
        assert_eq!(many.to_string(), "k = 3 neighbours of only 2 rows: choose k between 1 and 2");
        assert!(matches!(cosine_neighbours(&bank, &query, 0), Err(EvalError::NeighbourCount { .. })));
        let wide = random_features(1, 3, 0);
        assert!(matches!(cosine_neighbours(&bank, &wide, 1), Err(EvalError::SplitsDiffer { .. })));
    }

    #[test]
    fn nearest_others_leave_out_the_point_itself() {
        let points = Features::new(4, 1, vec![0.0, 1.0, 1.0, 5.0]).unwrap();
        let found = nearest_others(&points, 2).unwrap();
        assert_eq!(found[0], [(1, 1.0), (2, 1.0)]);
        assert_eq!(found[1], [(2, 0.0), (0, 1.0)]);
        assert_eq!(found[2], [(1, 0.0), (0, 1.0)]);
        assert_eq!(found[3], [(1, 4.0), (2, 4.0)]);
    }

    #[test]
    fn cosine_others_are_the_nearest_by_direction_without_the_row_itself() {
        // At 0, 10, 30 and 90 degrees, of different lengths; then copies.
        let at = |degrees: f32, length: f32| {
            [length * degrees.to_radians().cos(), length * degrees.to_radians().sin()]
        };
        let points = [at(0.0, 1.0), at(10.0, 9.0), at(30.0, 0.1), at(90.0, 5.0)].concat();
        let points = Features::new(4, 2, points).unwrap();
        assert_eq!(cosine_others(&points, 2).unwrap(), [[1, 2], [0, 2], [1, 0], [2, 1]]);
        let copies = Features::new(4, 2, [1.0, 2.0].repeat(4)).unwrap();
        let others = cosine_others(&copies, 2).unwrap();
        assert!(others.iter().enumerate().all(|(row, others)| others.len() == 2 && !others.contains(&row)));
        assert!(matches!(cosine_others(&points, 4), Err(EvalError::NeighbourCount { k: 4, rows: 3 })));
        assert!(cosine_others(&points, 0).is_err());
    }

    proptest! {
        #[test]
        fn packing_orders_and_restores(a in -2f32..2.0, b in -2f32..2.0, i in 0usize..9, j in 0usize..9) {
            prop_assert_eq!(unpack(pack(a, i)), (a + 0.0, i as u32));
            let wanted = b.partial_cmp(&a).unwrap().then(i.cmp(&j));
            prop_assert_eq!(pack(a, i).cmp(&pack(b, j)), wanted);
        }

        #[test]
        fn scaling_the_features_changes_nothing(seed: u64, exponents in prop::collection::vec(-20i32..20, 30)) {
            let (bank, queries) = (random_features(30, 6, seed), random_features(5, 6, seed ^ 1));
            let factor = |position: usize| 2f32.powi(exponents[position / 6]);
            let values = bank.values().iter().enumerate().map(|(at, value)| value * factor(at)).collect();
            let scaled = Features::new(30, 6, values).unwrap();
            let (plain, scaled) =
                (cosine_neighbours(&bank, &queries, 7), cosine_neighbours(&scaled, &queries, 7));
            prop_assert_eq!(plain, scaled);
        }
    }
}
