//! K-means: in the plane of features, or on the sphere.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::draws::{Draw, stream};
use crate::linalg::product_with_transposed;
use crate::settings::at_least;
use crate::{EvalError, Features};

/// Rows compared with all centroids at a time.
const ROW_BLOCK: usize = 64;
/// Sums this short have no direction.
const MIN_LENGTH: f64 = 1e-12;

/// Settings of k-means: centroids `c` and clusters `a` that make
///
/// ```text
/// inertia = sum_i ||x_i - c_a(i)||^2
/// ```
///
/// small. From first centroids, rows go to their nearest centroid (of several, the first) and centroids to
/// the mean of their rows, until no row changes its cluster (Lloyd, 1982). First centroids are drawn by greedy
/// k-means++ (Arthur and Vassilvitskii, SODA 2007, with `2 + ln k` candidates for each, as scikit-learn).
/// A cluster without rows takes the row that lies farthest from its centroid, which lowers the inertia.
///
/// Distances and sums are in f64 and in a fixed order: the same bits whatever the number of threads. Products in f32 only
/// pick the nearest centroid where their rounding cannot matter.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeans {
    /// Number of clusters.
    pub k: usize,
    /// First centroids to draw; the clustering with the smallest inertia is kept, the first of several.
    pub restarts: usize,
    /// Moves of the centroids after which a clustering is returned as not converged.
    pub max_iterations: usize,
    /// Seed of the first centroids.
    pub seed: u64,
    /// Spherical k-means (Dhillon and Modha, 2001): rows and centroids are scaled to length 1, so that rows go
    /// to the centroid with the largest cosine, and the inertia is `2 sum (1 - cos)`.
    pub spherical: bool,
}

impl Default for KMeans {
    /// 8 clusters, the best of 10 restarts, at most 300 iterations, seed 0, Euclidean.
    fn default() -> KMeans {
        KMeans { k: 8, restarts: 10, max_iterations: 300, seed: 0, spherical: false }
    }
}

/// Rows in clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Clustering {
    /// The cluster of every row.
    pub clusters: Vec<usize>,
    /// The centroids, `[k, dim]`.
    pub centroids: Vec<f64>,
    /// Every row's squared distance to its centroid.
    pub distances: Vec<f64>,
    /// Their sum.
    pub inertia: f64,
    /// Moves of the centroids.
    pub iterations: usize,
    /// Whether the clusters repeated.
    pub converged: bool,
}

impl Clustering {
    /// The rows of every cluster by rising distance to its centroid (of several, the lower row first).
    pub fn members_by_distance(&self, k: usize) -> Vec<Vec<usize>> {
        let mut members = members(&self.clusters, k);
        let by_distance = |&a: &usize, &b: &usize| self.distances[a].total_cmp(&self.distances[b]);
        members.iter_mut().for_each(|rows| rows.sort_by(by_distance));
        members
    }
}

impl KMeans {
    /// Clusters `features`. With fewer than k different rows, some clusters stay empty.
    ///
    /// # Errors
    /// [`EvalError::ClusterCount`] unless `1 <= k <= rows`, [`EvalError::Setting`] without restarts or
    /// iterations.
    pub fn run(&self, features: &Features) -> Result<Clustering, EvalError> {
        self.check(features)?;
        let points = Points::new(features, self.spherical);
        let mut best: Option<Clustering> = None;
        for restart in 0..self.restarts {
            let found = points.lloyd(points.first_centroids(self, restart), self.max_iterations);
            if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
                best = Some(found);
            }
        }
        let mut best = best.ok_or(EvalError::Empty { what: "the list of restarts".to_string() })?;
        points.shift_back(&mut best.centroids);
        Ok(best)
    }

    /// Clusters `features` from given first `centroids`, `[k, dim]`.
    ///
    /// # Errors
    /// As [`KMeans::run`]; [`EvalError::Length`] for another number of centroids.
    pub fn run_from(&self, features: &Features, centroids: &[f64]) -> Result<Clustering, EvalError> {
        self.check(features)?;
        let (expected, got) = (self.k * features.dim(), centroids.len());
        if got != expected {
            return Err(EvalError::Length { what: "values of the centroids", expected, got });
        }
        let points = Points::new(features, self.spherical);
        let shifted = centroids.iter().zip(points.mean.iter().cycle()).map(|(value, mean)| value - mean);
        let mut found = points.lloyd(shifted.collect(), self.max_iterations);
        points.shift_back(&mut found.centroids);
        Ok(found)
    }

    fn check(&self, features: &Features) -> Result<(), EvalError> {
        let (k, rows) = (self.k, features.rows());
        if k == 0 || k > rows {
            return Err(EvalError::ClusterCount { k, rows });
        }
        at_least("restarts", 1, self.restarts)?;
        at_least("max_iterations", 1, self.max_iterations)
    }
}

/// Features as they are clustered: about their mean, where the squares that distances are taken from lose the
/// fewest digits; or on the sphere.
struct Points {
    features: Features,
    mean: Vec<f64>,
    spherical: bool,
    /// The rows without their mean, rounded.
    rounded: Vec<f32>,
    /// The lengths of the rows without their mean.
    lengths: Vec<f64>,
}

impl Points {
    fn new(features: &Features, spherical: bool) -> Points {
        let (features, mean) = match spherical {
            true => (features.unit_rows(), vec![0.0; features.dim()]),
            false => (features.clone(), features.column_means()),
        };
        let (rounded, lengths) = (Vec::new(), Vec::new());
        let mut points = Points { features, mean, spherical, rounded, lengths };
        let all = 0..points.features.rows();
        points.rounded = all.clone().flat_map(|row| points.point(row)).map(|value| value as f32).collect();
        points.lengths = all.map(|row| length(points.point(row))).collect();
        points
    }

    fn dim(&self) -> usize {
        self.features.dim()
    }

    /// Row `row`.
    fn point(&self, row: usize) -> impl Iterator<Item = f64> + '_ {
        centred(self.features.row(row), &self.mean)
    }

    fn shift_back(&self, centroids: &mut [f64]) {
        centroids.iter_mut().zip(self.mean.iter().cycle()).for_each(|(value, mean)| *value += mean);
    }

    /// Greedy k-means++: each next centroid is a row drawn with probability proportional to the squared
    /// distance to the nearest centroid so far; of a few such draws the one that lowers the inertia most.
    fn first_centroids(&self, settings: &KMeans, restart: usize) -> Vec<f64> {
        let mut draws = stream(settings.seed, Draw::Centroids, restart);
        let candidates = 2 + (settings.k as f64).ln() as usize;
        let first = draws.below(self.features.rows());
        let mut centroids: Vec<f64> = self.point(first).collect();
        let mut nearest = self.distances_within(&vec![f64::INFINITY; self.features.rows()], &centroids);
        for _ in 1..settings.k {
            let drawn = (0..candidates).map(|_| draw_proportionally(&nearest, draws.uniform()));
            let tried: Vec<f64> = drawn.flat_map(|row| self.point(row)).collect();
            let within = self.distances_within(&nearest, &tried);
            let lowered = |candidate: usize| within.iter().skip(candidate).step_by(candidates).copied();
            let inertia = |candidate: &usize| lowered(*candidate).sum::<f64>();
            // The first of equals: `min_by` keeps it.
            let best = (0..candidates).min_by(|a, b| inertia(a).total_cmp(&inertia(b))).unwrap_or(0);
            centroids.extend(&tried[best * self.dim()..][..self.dim()]);
            nearest = lowered(best).collect();
        }
        centroids
    }

    /// The squared distances of all rows to `centroids`, where they are smaller than `nearest`, `[rows, centroids]`.
    fn distances_within(&self, nearest: &[f64], centroids: &[f64]) -> Vec<f64> {
        let dim = self.dim();
        let mut distances = vec![0.0; nearest.len() * (centroids.len() / dim)];
        let rows = distances.par_chunks_exact_mut(centroids.len() / dim).zip(nearest).with_min_len(ROW_BLOCK);
        rows.zip(self.features.values().par_chunks_exact(dim)).for_each_init(
            || vec![0.0; dim],
            |row, task| {
                let ((distances, nearest), values) = task;
                about(values, &self.mean, row);
                for (distance, centroid) in distances.iter_mut().zip(centroids.chunks_exact(dim)) {
                    *distance = nearest.min(squared_distance(row, centroid));
                }
            },
        );
        distances
    }

    fn lloyd(&self, mut centroids: Vec<f64>, max_iterations: usize) -> Clustering {
        let mut clusters = self.assign(&centroids);
        let (mut iterations, mut converged) = (0, false);
        while iterations < max_iterations && !converged {
            self.fill_empty(&mut clusters, &centroids);
            self.move_centroids(&clusters, &mut centroids);
            iterations += 1;
            let before = clusters;
            clusters = self.assign(&centroids);
            converged = clusters == before;
        }
        let distances = self.distances(&clusters, &centroids);
        let inertia = distances.iter().sum();
        Clustering { clusters, centroids, distances, inertia, iterations, converged }
    }

    /// The nearest centroid of every row.
    fn assign(&self, centroids: &[f64]) -> Vec<usize> {
        let dim = self.dim();
        let k = centroids.len() / dim;
        let rounded: Vec<f32> = centroids.iter().map(|&value| value as f32).collect();
        let lengths: Vec<f64> = centroids.chunks_exact(dim).map(|c| length(c.iter().copied())).collect();
        let half_squares: Vec<f64> = lengths.iter().map(|length| 0.5 * length * length).collect();
        // More than rounding to f32 and a sum of so many products in f32 can be off by, relative to the lengths of both.
        let longest = lengths.iter().fold(0.0, |longest: f64, &length| longest.max(length));
        let doubt = 4.0 * (dim + 8) as f64 * f64::from(f32::EPSILON) * longest;
        let underflow = dim as f64 * f64::from(f32::MIN_POSITIVE);
        let mut clusters = vec![0; self.features.rows()];
        let blocks = clusters.par_chunks_mut(ROW_BLOCK).zip(self.rounded.par_chunks(ROW_BLOCK * dim));
        blocks.enumerate().for_each_init(Vec::new, |products, (block, (clusters, rows))| {
            products.resize(clusters.len() * k, 0.0);
            product_with_transposed(products, rows, &rounded, dim);
            for ((cluster, products), row) in
                clusters.iter_mut().zip(products.chunks_exact(k)).zip(block * ROW_BLOCK..)
            {
                let nearest = nearest_by(products, &half_squares, doubt * self.lengths[row] + underflow);
                *cluster = nearest.unwrap_or_else(|| self.nearest(row, centroids));
            }
        });
        clusters
    }

    /// The centroid nearest to a row, of several the first.
    fn nearest(&self, row: usize, centroids: &[f64]) -> usize {
        let row: Vec<f64> = self.point(row).collect();
        let distances = centroids.chunks_exact(self.dim()).map(|centroid| squared_distance(&row, centroid));
        distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(nearest, _)| nearest)
    }

    /// Every row's squared distance to its centroid, from differences: exact also where squares would cancel.
    fn distances(&self, clusters: &[usize], centroids: &[f64]) -> Vec<f64> {
        let dim = self.dim();
        let rows = self.features.values().par_chunks_exact(dim).with_min_len(ROW_BLOCK).zip(clusters);
        let distance = |row: &mut Vec<f64>, (values, &cluster): (&[f32], &usize)| {
            about(values, &self.mean, row);
            squared_distance(row, &centroids[cluster * dim..][..dim])
        };
        rows.map_init(|| vec![0.0; dim], distance).collect()
    }

    /// Gives every empty cluster the row farthest from its centroid (of several, the first), unless it would leave
    /// another empty or no row is off its centroid.
    fn fill_empty(&self, clusters: &mut [usize], centroids: &[f64]) {
        let mut sizes = vec![0_usize; centroids.len() / self.dim()];
        clusters.iter().for_each(|&cluster| sizes[cluster] += 1);
        if !sizes.contains(&0) {
            return;
        }
        let mut distances = self.distances(clusters, centroids);
        for empty in 0..sizes.len() {
            if sizes[empty] > 0 {
                continue;
            }
            let movable = (0..clusters.len()).filter(|&row| distances[row] > 0.0 && sizes[clusters[row]] > 1);
            let farthest =
                movable.reduce(|best, row| if distances[row] > distances[best] { row } else { best });
            let Some(row) = farthest else { return };
            sizes[clusters[row]] -= 1;
            sizes[empty] = 1;
            clusters[row] = empty;
            distances[row] = 0.0;
        }
    }

    fn move_centroids(&self, clusters: &[usize], centroids: &mut [f64]) {
        let means = if self.spherical { Means::Directions } else { Means::Centres };
        move_to_means(self.features.values(), &self.mean, clusters, means, centroids);
    }
}

/// The centroid nearest to a row, from the row's products with them and half of their squares; nothing if another is nearer
/// or as near but for `doubt`.
fn nearest_by(products: &[f32], half_squares: &[f64], doubt: f64) -> Option<usize> {
    // ||x - c||^2 / 2 = ||x||^2 / 2 + (||c||^2 / 2 - x.c): the bracket decides.
    let costs = products.iter().zip(half_squares).map(|(&product, half)| half - f64::from(product));
    let (mut nearest, mut lowest, mut second) = (0, f64::INFINITY, f64::INFINITY);
    for (candidate, cost) in costs.enumerate() {
        if !cost.is_finite() {
            return None;
        }
        if cost < lowest {
            (nearest, lowest, second) = (candidate, cost, lowest);
        } else if cost < second {
            second = cost;
        }
    }
    (second - lowest > doubt).then_some(nearest)
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// `||a - b||^2` in sums that a processor adds side by side; their number is fixed, and so are the bits.
#[multiversion(targets("x86_64+avx2"))]
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum += (x - y) * (x - y);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| (x - y) * (x - y)).sum();
    sums.iter().sum::<f64>() + rest
}

/// `out = values - mean`.
fn about(values: &[f32], mean: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    add_about(out, values, mean);
}

/// `sum += values - mean`.
#[multiversion(targets("x86_64+avx2"))]
fn add_about(sum: &mut [f64], values: &[f32], mean: &[f64]) {
    for ((sum, &value), mean) in sum.iter_mut().zip(values).zip(mean) {
        *sum += f64::from(value) - mean;
    }
}

/// The first row whose share of the running sum of `weights` exceeds `share`; by `share` alone if all are 0.
fn draw_proportionally(weights: &[f64], share: f64) -> usize {
    let total: f64 = weights.iter().sum();
    if total == 0.0 {
        return (share * weights.len() as f64) as usize;
    }
    let mut sum = 0.0;
    let over = |weight: &f64| {
        sum += weight;
        sum > share * total
    };
    // Rounding may leave the whole sum just below: then the last row that counts.
    let last = || weights.iter().rposition(|&weight| weight > 0.0);
    weights.iter().position(over).or_else(last).unwrap_or(0)
}

/// The rows of each cluster, rising.
fn members(clusters: &[usize], k: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); k];
    clusters.iter().enumerate().for_each(|(row, &cluster)| members[cluster].push(row));
    members
}

fn centred<'a>(row: &'a [f32], mean: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    row.iter().zip(mean).map(|(&value, mean)| f64::from(value) - mean)
}

/// What centroids move to.
#[derive(Clone, Copy)]
enum Means {
    /// The mean of their rows.
    Centres,
    /// That mean scaled to length 1.
    Directions,
}

/// Moves every centroid of unit length to the direction of the mean of its rows; one without rows, or whose
/// rows cancel, stays: the second half of an iteration of spherical k-means.
///
/// `rows` is `[rows, dim]`, `centroids` `[k, dim]`; sums run in f64 in the order of the rows.
///
/// # Panics
/// When a cluster is not below k, or lengths do not fit.
pub fn spherical_means(rows: &[f32], dim: usize, clusters: &[usize], centroids: &mut [f64]) {
    move_to_means(rows, &vec![0.0; dim], clusters, Means::Directions, centroids);
}

fn move_to_means(values: &[f32], mean: &[f64], clusters: &[usize], means: Means, centroids: &mut [f64]) {
    let dim = mean.len();
    let members = members(clusters, centroids.len() / dim);
    centroids.par_chunks_exact_mut(dim).zip(&members).for_each(|(centroid, members)| {
        let mut sum = vec![0.0; dim];
        for &row in members {
            add_about(&mut sum, &values[row * dim..][..dim], mean);
        }
        let divisor = match means {
            Means::Centres => members.len() as f64,
            Means::Directions => sum.iter().map(|v| v * v).sum::<f64>().sqrt(),
        };
        if divisor > MIN_LENGTH {
            centroid.iter_mut().zip(sum).for_each(|(slot, sum)| *slot = sum / divisor);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clustering::Agreement;
    use crate::testing::{blobs, features_of, on_threads, random_features};
    use proptest::prelude::*;

    #[test]
    fn golden_kmeans() {
        for case in twinlens_golden::cases("metrics/kmeans") {
            let features = features_of(&case, "in.x");
            let start: Vec<f64> = case.f32("in.centroids").iter().map(|&v| v.into()).collect();
            let k = start.len() / features.dim();
            let settings = KMeans { k, max_iterations: case.count("max_iterations"), ..KMeans::default() };
            let found = settings.run_from(&features, &start).unwrap();
            let clusters: Vec<i64> = found.clusters.iter().map(|&cluster| cluster as i64).collect();
            case.check_exact("out.labels", &clusters);
            case.check("out.centroids", &found.centroids);
            case.check("out.inertia", &[found.inertia]);
            assert!(found.converged);
        }
    }

    #[test]
    fn groups_apart_are_found_and_repeat() {
        let set = blobs(400, 5, 12, 0.2, 1);
        for spherical in [false, true] {
            let settings = KMeans { k: 5, seed: 3, spherical, ..KMeans::default() };
            let run = || settings.run(set.features()).unwrap();
            let found = on_threads(1, run);
            assert_eq!(Agreement::new(&found.clusters, set.labels()).unwrap().ari(), 1.0);
            assert_eq!(found, on_threads(3, run));
        }
    }

    #[test]
    fn rows_go_to_the_nearest_centroid_where_products_in_f32_cannot_tell() {
        // The first column, the same to both centroids, hides the second in f32; small and large scales leave its range.
        let side = |row: usize| if row.is_multiple_of(2) { 3.0 } else { -3.0 };
        let rows: Vec<f32> = (0..40).flat_map(|row| [side(row), (row as f32 - 19.5) * 1e-4]).collect();
        for scale in [1.0, 1e-30, 1e30] {
            let features = Features::new(40, 2, rows.iter().map(|value| value * scale).collect()).unwrap();
            let centroids = [10.0, -1e-5, 10.0, 1e-5].map(|value| value * f64::from(scale));
            let clusters = Points::new(&features, false).assign(&centroids);
            assert_eq!(clusters, (0..40).map(|row| usize::from(row >= 20)).collect::<Vec<_>>(), "{scale}");
        }
    }

    #[test]
    fn restarts_can_only_help() {
        let features = random_features(200, 4, 5);
        let inertia = |restarts, seed| {
            KMeans { k: 12, restarts, seed, ..KMeans::default() }.run(&features).unwrap().inertia
        };
        let pairs: Vec<(f64, f64)> = (0..4).map(|seed| (inertia(1, seed), inertia(8, seed))).collect();
        assert!(pairs.iter().all(|(one, best)| best <= one), "{pairs:?}");
        assert!(pairs.iter().any(|(one, best)| best < one), "{pairs:?}");
        assert!(pairs.iter().any(|(one, _)| *one != pairs[0].0), "seeds must matter: {pairs:?}");
    }

    #[test]
    fn empty_clusters_take_far_rows_and_copies_stay_together() {
        let line = Features::new(6, 1, vec![0.0, 0.0, 1.0, 1.0, 9.0, 10.0]).unwrap();
        let settings = KMeans { k: 3, ..KMeans::default() };
        let found = settings.run_from(&line, &[0.0, 100.0, 200.0]).unwrap();
        let sizes: Vec<usize> = members(&found.clusters, 3).iter().map(Vec::len).collect();
        assert!(sizes.iter().all(|&size| size > 0), "{found:?}");
        // Three different rows make three clusters, and two more stay empty.
        let copies = Features::new(6, 1, vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0]).unwrap();
        let found = KMeans { k: 5, ..KMeans::default() }.run(&copies).unwrap();
        assert_eq!(found.inertia, 0.0);
        assert_eq!(members(&found.clusters, 5).iter().filter(|rows| rows.is_empty()).count(), 2);
    }

    #[test]
    fn members_come_nearest_first() {
        let line = Features::new(5, 1, vec![0.0, 4.0, 1.0, 2.0, 100.0]).unwrap();
        let found = KMeans { k: 2, ..KMeans::default() }.run(&line).unwrap();
        let mut members = found.members_by_distance(2);
        members.sort_by_key(Vec::len);
        // The mean of the first four is 1.75.
        assert_eq!(members, [vec![4], vec![3, 2, 0, 1]]);
    }

    #[test]
    fn bad_settings_are_refused() {
        let features = random_features(4, 2, 1);
        let refused = |settings: KMeans| settings.run(&features).unwrap_err().to_string();
        let many = KMeans { k: 5, ..KMeans::default() };
        assert_eq!(refused(many), "k = 5 clusters of only 4 rows: choose k between 1 and 4");
        assert!(refused(KMeans { k: 0, ..KMeans::default() }).starts_with("k = 0 clusters"));
        let none = KMeans { k: 2, restarts: 0, ..KMeans::default() };
        assert_eq!(refused(none), "restarts = 0: choose at least 1");
        let wrong = KMeans { k: 2, ..KMeans::default() }.run_from(&features, &[0.0; 3]);
        assert!(matches!(wrong, Err(EvalError::Length { expected: 4, got: 3, .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn inertia_never_grows_and_ends_where_no_row_would_move(
            seed: u64, k in 1usize..9, spherical: bool, far: bool
        ) {
            let features = random_features(60, 3, seed);
            let settings = KMeans { k, restarts: 1, seed, spherical, ..KMeans::default() };
            let points = Points::new(&features, spherical);
            let mut start = points.first_centroids(&settings, 0);
            if far && !spherical {
                // A centroid that no row is near to.
                start[0] += 1e3;
            }
            let inertias: Vec<f64> = (1..12).map(|steps| points.lloyd(start.clone(), steps).inertia).collect();
            for pair in inertias.windows(2) {
                prop_assert!(pair[1] <= pair[0] * (1.0 + 1e-12), "{:?}", inertias);
            }
            let end = points.lloyd(start, 300);
            prop_assert!(end.converged);
            for row in 0..60 {
                for centroid in end.centroids.chunks_exact(3) {
                    let point: Vec<f64> = points.point(row).collect();
                    prop_assert!(end.distances[row] <= squared_distance(&point, centroid) + 1e-9);
                }
            }
        }

        #[test]
        fn scaling_keeps_the_clusters(seed: u64) {
            let features = blobs(60, 3, 4, 0.5, seed).features().clone();
            let moved = features.values().iter().map(|v| 4.0 * v).collect();
            let moved = Features::new(60, 4, moved).unwrap();
            let settings = KMeans { k: 3, seed, ..KMeans::default() };
            let (plain, scaled) = (settings.run(&features).unwrap(), settings.run(&moved).unwrap());
            prop_assert_eq!(&plain.clusters, &scaled.clusters);
            prop_assert!((16.0 * plain.inertia - scaled.inertia).abs() <= 1e-9 * scaled.inertia);
        }
    }
}
