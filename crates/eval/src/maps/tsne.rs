//! t-SNE maps that come out the same every time.

use bhtsne::{Neighbor, SparseAffinities, tSNE};
use serde::{Deserialize, Serialize};

use super::Pca;
use crate::neighbours::nearest_others;
use crate::{EvalError, Features};

/// Up to this many rows every pair counts in full.
const EXACT_ROWS: usize = 500;
/// An angle under which no tree cell is seen.
const EXACT_THETA: f64 = 1e-6;
/// Standard deviation of the starting map's first axis (as scikit-learn's `init="pca"`).
const START_SPREAD: f64 = 1e-4;
/// How strongly the first iterations exaggerate affinities, and for how long. (4 is the 2008 paper's value; the
/// 12 of later practice, at equal rate and momentum, diverged more on two of three reference cases.)
const EXAGGERATION: f32 = 4.0;
const EXAGGERATED_ITERATIONS: usize = 250;
/// Smallest learning rate, and the momentum after the exaggerated iterations (0.5 before): larger than usual,
/// as `bhtsne` limits the gains by which other implementations speed up slow directions.
const LEARNING_RATE: f32 = 400.0;
const MOMENTUM: f32 = 0.9;

/// Settings of a t-SNE map (van der Maaten and Hinton, JMLR 2008; Barnes-Hut: van der Maaten, JMLR 2014).
///
/// Features are reduced to `pca_dims` principal components, Euclidean distances between those make the
/// affinities, and the map starts from the first two components, so nothing is random. Affinities are
/// exaggerated 4 times for 250 iterations; the learning rate is `max(rows / 4, 400)` (rows over exaggeration:
/// Belkina et al., Nature Communications 2019).
///
/// Up to 500 rows all pairs attract and repel; beyond, the nearest `3 * perplexity` neighbours attract and
/// a tree gathers far points. (`bhtsne`'s own exact variant is not used: it counts every point as its own
/// neighbour, which misses the reference divergence.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tsne {
    /// Effective number of neighbours, at least 1 and at most `(rows - 1) / 3`.
    pub perplexity: f64,
    /// Steps of gradient descent.
    pub iterations: usize,
    /// Accuracy of the approximation above 500 rows: tree cells seen under a smaller angle count as one point.
    pub theta: f64,
    /// Principal components kept; all of them if the features have fewer.
    pub pca_dims: usize,
}

impl Default for Tsne {
    /// Perplexity 30, 1000 iterations, theta 0.5, 50 principal components.
    fn default() -> Tsne {
        Tsne { perplexity: 30.0, iterations: 1000, theta: 0.5, pca_dims: 50 }
    }
}

/// A map of features in two dimensions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// One point per row.
    pub points: Vec<[f32; 2]>,
    /// Kullback-Leibler divergence `sum p log(p / q)` of the map's affinities `q` from those of the features,
    /// `p`, which above 500 rows are 0 beyond the nearest `3 * perplexity` neighbours. Maps of different data or
    /// perplexity cannot be compared by it.
    pub kl_divergence: f64,
}

impl Tsne {
    /// Lays `features` out.
    ///
    /// The same features give the same bits whatever the number of threads: the descent runs on one, as its
    /// parallel sums in `bhtsne` have no fixed order, and neighbours are ours, as that crate's search tree
    /// draws its centres at random.
    ///
    /// # Errors
    /// [`EvalError::Setting`] for a perplexity the rows cannot give and other settings out of range,
    /// [`EvalError::NoSpread`] when all rows are equal.
    pub fn run(&self, features: &Features) -> Result<Map, EvalError> {
        self.run_from(features, None)
    }

    /// As [`Tsne::run`], but going on from an earlier map of the same rows: maps through the epochs of a run, or before and
    /// after fine-tuning. Nothing is exaggerated, so that points move as far as their neighbours did and do not jump; the
    /// price is a somewhat larger divergence than that of a fresh map where the neighbours are quite different ones. The
    /// new map is then turned, and mirrored if need be, to lie as near to the earlier one as it can, which changes no
    /// distance.
    ///
    /// # Errors
    /// As [`Tsne::run`]; [`EvalError::Length`] for an earlier map of another number of rows,
    /// [`EvalError::NumberNotFinite`] for one with a point that is not finite.
    pub fn run_after(&self, features: &Features, before: &[[f32; 2]]) -> Result<Map, EvalError> {
        if before.len() != features.rows() {
            let what = "rows of the earlier map";
            return Err(EvalError::Length { what, expected: features.rows(), got: before.len() });
        }
        if let Some(position) = before.iter().flatten().position(|value| !value.is_finite()) {
            let value = f64::from(before[position / 2][position % 2]);
            return Err(EvalError::NumberNotFinite { what: "the earlier map", position, value });
        }
        let map = self.run_from(features, Some(before))?;
        Ok(Map { points: turned_towards(&map.points, before), ..map })
    }

    fn run_from(&self, features: &Features, before: Option<&[[f32; 2]]>) -> Result<Map, EvalError> {
        self.check(features.rows())?;
        let components = self.pca_dims.min(features.rows()).min(features.dim());
        let pca = Pca::fit(features, components)?;
        if pca.variances()[0] == 0.0 {
            return Err(EvalError::NoSpread { rows: features.rows() });
        }
        let reduced = pca.project(features)?;
        let (start, exaggeration) = match before {
            Some(before) => (before.as_flattened().to_vec(), 1.0),
            None => {
                let plane = reduced.iter().map(|row| [row[0], row.get(1).copied().unwrap_or(0.0)]);
                (shrunk(plane), EXAGGERATION)
            }
        };
        let neighbours = self.neighbours(&reduced)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| {
            EvalError::Numeric { what: "starting the t-SNE thread", reason: error.to_string() }
        })?;
        pool.install(|| self.descend(&reduced, start, exaggeration, &neighbours))
    }

    fn check(&self, rows: usize) -> Result<(), EvalError> {
        let require = |holds: bool, setting, value, expected: String| {
            if holds { Ok(()) } else { Err(EvalError::Setting { setting, value, expected }) }
        };
        let most = rows.saturating_sub(1) as f64 / 3.0;
        let expected = format!("{rows} rows allow a perplexity from 1 to {most:.0}", most = most.floor());
        require((1.0..=most).contains(&self.perplexity), "perplexity", self.perplexity, expected)?;
        let expected = "choose a number above 0".to_string();
        require(self.theta > 0.0 && self.theta.is_finite(), "theta", self.theta, expected)?;
        let expected = "choose 2 or more".to_string();
        require(self.pca_dims >= 2, "pca_dims", self.pca_dims as f64, expected)
    }

    fn neighbours(&self, reduced: &Features) -> Result<Vec<Vec<Neighbor<f32>>>, EvalError> {
        let all = reduced.rows() - 1;
        let count = if all < EXACT_ROWS { all } else { (3.0 * self.perplexity) as usize };
        let found = nearest_others(reduced, count)?;
        let convert = |row: Vec<(usize, f32)>| {
            row.into_iter().map(|(index, distance)| Neighbor { index, distance }).collect()
        };
        Ok(found.into_iter().map(convert).collect())
    }

    /// The map reached from `start`, the affinities exaggerated at first.
    fn descend(
        &self,
        reduced: &Features,
        start: Vec<f32>,
        exaggeration: f32,
        neighbours: &[Vec<Neighbor<f32>>],
    ) -> Result<Map, EvalError> {
        let rows: Vec<&[f32]> = reduced.iter().collect();
        let theta = if rows.len() <= EXACT_ROWS { EXACT_THETA } else { self.theta };
        let mut tsne: tSNE<'_, f32, &[f32], 2> = tSNE::new(&rows);
        tsne.perplexity(self.perplexity as f32)
            .epochs(self.iterations)
            .learning_rate((rows.len() as f32 / EXAGGERATION).max(LEARNING_RATE))
            .early_exaggeration(exaggeration)
            .final_momentum(MOMENTUM)
            .stop_lying_epoch(EXAGGERATED_ITERATIONS)
            .initial_embedding(start)
            .barnes_hut_with_neighbors(theta as f32, neighbours);
        let points = tsne.embedding().as_chunks::<2>().0.to_vec();
        // bhtsne's own figure for its approximate variant is far off, so the sum is done here.
        let affinities = tsne.affinities().ok_or_else(|| EvalError::Numeric {
            what: "t-SNE",
            reason: "the fit left no affinities".to_string(),
        })?;
        let kl_divergence = kl_divergence(&affinities, &points);
        Ok(Map { points, kl_divergence })
    }
}

/// `sum p log(p / q)` with `q = k / sum k` over all pairs and Student's kernel `k = 1 / (1 + distance^2)`.
fn kl_divergence(p: &SparseAffinities<f32>, points: &[[f32; 2]]) -> f64 {
    let kernel = |i: usize, j: usize| {
        let [x, y] = [0, 1].map(|axis| f64::from(points[i][axis]) - f64::from(points[j][axis]));
        1.0 / (1.0 + x * x + y * y)
    };
    let all = 0..points.len();
    let kernels: f64 = all.clone().map(|i| 2.0 * (0..i).map(|j| kernel(i, j)).sum::<f64>()).sum();
    let term = |i: usize, at: usize| {
        let p_ij = f64::from(p.values()[at]);
        if p_ij > 0.0 { p_ij * (p_ij * kernels / kernel(i, p.columns()[at] as usize)).ln() } else { 0.0 }
    };
    all.map(|i| (p.rows()[i]..p.rows()[i + 1]).map(|at| term(i, at)).sum::<f64>()).sum()
}

/// `points` turned and, if that is nearer, mirrored about their mean so that the sum of squared distances to the points of
/// `target`, about theirs, is the least (Procrustes' problem without scaling): with points as complex numbers `z` and `t`,
/// turned by the angle of `sum conj(z) t`, or mirrored to `conj(z)` first if `|sum z t|` is larger.
fn turned_towards(points: &[[f32; 2]], target: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let centred = |points: &[[f32; 2]]| -> Vec<[f64; 2]> {
        let mean = [0, 1]
            .map(|axis| points.iter().map(|point| f64::from(point[axis])).sum::<f64>() / points.len() as f64);
        points.iter().map(|point| [0, 1].map(|axis| f64::from(point[axis]) - mean[axis])).collect()
    };
    let (from, to) = (centred(points), centred(target));
    // sum conj(z) t, of the points as they are (mirror 1) and mirrored (mirror -1).
    let product = |mirror: f64| {
        let pairs =
            from.iter().zip(&to).map(|([x, y], [u, v])| [x * u + mirror * y * v, x * v - mirror * y * u]);
        pairs.fold([0.0, 0.0], |sum, term| [sum[0] + term[0], sum[1] + term[1]])
    };
    let length = |[re, im]: [f64; 2]| re.hypot(im);
    let mirror = if length(product(-1.0)) > length(product(1.0)) { -1.0 } else { 1.0 };
    let turn = product(mirror);
    if length(turn) == 0.0 {
        return points.to_vec();
    }
    let (cos, sin) = (turn[0] / length(turn), turn[1] / length(turn));
    let turned = |[x, y]: [f64; 2]| [x * cos - mirror * y * sin, x * sin + mirror * y * cos];
    from.into_iter().map(turned).map(|point| point.map(|value| value as f32)).collect()
}

/// Points about their mean, shrunk so that the first coordinate has a tiny standard deviation (the second where the first has
/// none).
fn shrunk(points: impl ExactSizeIterator<Item = [f32; 2]> + Clone) -> Vec<f32> {
    let rows = points.len() as f64;
    let mean = [0, 1].map(|axis| points.clone().map(|point| f64::from(point[axis])).sum::<f64>() / rows);
    let spread = |axis: usize| {
        let squares = points.clone().map(|point| (f64::from(point[axis]) - mean[axis]).powi(2));
        (squares.sum::<f64>() / rows).sqrt()
    };
    let std = if spread(0) > 0.0 { spread(0) } else { spread(1) };
    let scale = if std > 0.0 { START_SPREAD / std } else { 0.0 };
    points
        .flat_map(|point| [0, 1].map(|axis| ((f64::from(point[axis]) - mean[axis]) * scale) as f32))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{blobs, features_of, on_threads, random_features};
    use proptest::prelude::*;

    /// The yardstick: P = (P_j|i + P_i|j) / 2n with bandwidths found in f64.
    fn joint_affinities(features: &Features, perplexity: f64) -> Vec<f64> {
        let n = features.rows();
        let mut joint = vec![0.0; n * n];
        for i in 0..n {
            let square = |j: usize| {
                let pairs = features.row(i).iter().zip(features.row(j));
                pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>()
            };
            let squares: Vec<f64> = (0..n).map(square).collect();
            let conditional = |beta: f64| {
                let weight = |j: usize| if j == i { 0.0 } else { (-beta * squares[j]).exp() };
                let weights: Vec<f64> = (0..n).map(weight).collect();
                let sum: f64 = weights.iter().sum();
                weights.into_iter().map(|w| w / sum).collect::<Vec<f64>>()
            };
            let entropy = |p: &[f64]| p.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum::<f64>();
            let (mut low, mut high) = (1e-10, 1e10);
            for _ in 0..200 {
                let middle = f64::sqrt(low * high);
                if entropy(&conditional(middle)) > perplexity.ln() { low = middle } else { high = middle }
            }
            for (j, p) in conditional(low).into_iter().enumerate() {
                joint[i * n + j] += p / (2 * n) as f64;
                joint[j * n + i] += p / (2 * n) as f64;
            }
        }
        joint
    }

    /// KL(P || Q) of a map, Q with Student's kernel.
    fn full_kl_divergence(joint: &[f64], points: &[[f32; 2]]) -> f64 {
        let n = points.len();
        let kernel = |at: usize| {
            let ([x, y], [u, v]) = (points[at / n], points[at % n]);
            let squares = (f64::from(x) - f64::from(u)).powi(2) + (f64::from(y) - f64::from(v)).powi(2);
            if at / n == at % n { 0.0 } else { 1.0 / (1.0 + squares) }
        };
        let sum: f64 = (0..n * n).map(kernel).sum();
        let term = |(at, &p): (usize, &f64)| p * (p * sum / kernel(at)).ln();
        joint.iter().enumerate().filter(|(_, p)| **p > 0.0).map(term).sum()
    }

    #[test]
    fn golden_tsne_reaches_the_reference_divergence() {
        for case in twinlens_golden::cases("metrics/tsne") {
            let features = features_of(&case, "in.x");
            let joint = joint_affinities(&features, case.number("perplexity"));
            case.check("out.p_rows", &joint[..4 * features.rows()]);
            let stored = case.f32("in.embedding").as_chunks::<2>().0;
            case.check("out.kl_of_embedding", &[full_kl_divergence(&joint, stored)]);

            let map =
                Tsne { perplexity: case.number("perplexity"), ..Tsne::default() }.run(&features).unwrap();
            let (told, divergence) = (map.kl_divergence, full_kl_divergence(&joint, &map.points));
            let bound = case.number("kl_bound_factor") * f64::from(case.scalar("out.kl_sklearn"));
            assert!(divergence <= bound, "{}: {divergence} above {bound}", case.name());
            assert!((told / divergence - 1.0).abs() < 0.1, "{}: told {told}, is {divergence}", case.name());
            let untouched = Tsne { iterations: 0, ..Tsne::default() }.run(&features).unwrap();
            assert!(divergence < 0.5 * full_kl_divergence(&joint, &untouched.points));
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_number_of_threads() {
        let set = blobs(700, 4, 60, 1.0, 1);
        let tsne = Tsne { iterations: 120, ..Tsne::default() };
        let run = || tsne.run(set.features()).unwrap();
        assert_eq!(on_threads(1, run), on_threads(2, run));
    }

    #[test]
    fn groups_stay_together() {
        let set = blobs(600, 3, 20, 0.3, 1);
        let map = Tsne { iterations: 400, ..Tsne::default() }.run(set.features()).unwrap();
        let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let nearest_has_same_class = |&row: &usize| {
            let others = (0..600).filter(|&other| other != row);
            let to = |other: usize| distance(map.points[row], map.points[other]);
            let nearest = others.min_by(|&a, &b| to(a).total_cmp(&to(b))).unwrap();
            set.labels()[nearest] == set.labels()[row]
        };
        assert_eq!((0..600).filter(nearest_has_same_class).count(), 600);
    }

    #[test]
    fn a_map_after_another_keeps_groups_in_place_and_repeats() {
        let (set, changed) = (blobs(300, 5, 20, 0.4, 1), blobs(300, 5, 20, 0.6, 2));
        let tsne = Tsne { perplexity: 20.0, iterations: 400, ..Tsne::default() };
        let before = tsne.run(set.features()).unwrap();
        // A start that no principal component would give: the earlier map, turned by 90 degrees.
        let turned: Vec<[f32; 2]> = before.points.iter().map(|point| [-point[1], point[0]]).collect();
        let after = tsne.run_after(changed.features(), &turned).unwrap();
        let fresh = tsne.run(changed.features()).unwrap();
        assert!(
            after.kl_divergence < 1.2 * fresh.kl_divergence,
            "{} {}",
            after.kl_divergence,
            fresh.kl_divergence
        );
        let centre = |points: &[[f32; 2]], class: usize, axis: usize| {
            let of: Vec<f32> =
                (0..300).filter(|&row| set.labels()[row] == class).map(|row| points[row][axis]).collect();
            of.iter().sum::<f32>() / of.len() as f32
        };
        let reach = turned.iter().flatten().fold(0.0f32, |top, x| top.max(x.abs()));
        for (class, axis) in (0..5).flat_map(|class| [(class, 0), (class, 1)]) {
            let moved = (centre(&after.points, class, axis) - centre(&turned, class, axis)).abs();
            assert!(moved < 0.3 * reach, "class {class} moved by {moved} of {reach}");
        }
        assert_eq!(after, tsne.run_after(changed.features(), &turned).unwrap());
        let short = tsne.run_after(changed.features(), &turned[1..]);
        assert!(matches!(short, Err(EvalError::Length { expected: 300, got: 299, .. })));
        let broken = tsne.run_after(changed.features(), &[&[[f32::NAN, 0.0]], &turned[1..]].concat());
        assert!(matches!(broken, Err(EvalError::NumberNotFinite { position: 0, .. })));
    }

    proptest! {
        #[test]
        fn a_turned_and_mirrored_map_is_turned_back(seed: u64, angle in -3.1f64..3.1, mirrored: bool) {
            let random = random_features(20, 2, seed);
            let points: Vec<[f32; 2]> = random.iter().map(|row| [row[0], row[1]]).collect();
            let (sin, cos) = angle.sin_cos();
            let turn = |[x, y]: [f32; 2]| {
                let (x, y) = (f64::from(x), if mirrored { -f64::from(y) } else { f64::from(y) });
                [(x * cos - y * sin + 5.0) as f32, (x * sin + y * cos - 2.0) as f32]
            };
            let moved: Vec<[f32; 2]> = points.iter().copied().map(turn).collect();
            let mean = [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f32>() / 20.0);
            for (back, point) in turned_towards(&moved, &points).iter().zip(&points) {
                for axis in [0, 1] {
                    prop_assert!((back[axis] - (point[axis] - mean[axis])).abs() < 1e-4, "{back:?} {point:?}");
                }
            }
        }
    }

    #[test]
    fn copies_of_a_row_and_a_single_column_are_mapped() {
        let (random, line) = (random_features(30, 8, 1), random_features(60, 1, 1));
        let doubled = Features::new(60, 8, random.values().repeat(2)).unwrap();
        let tsne = Tsne { perplexity: 5.0, iterations: 300, ..Tsne::default() };
        for features in [doubled, line] {
            let map = tsne.run(&features).unwrap();
            assert!(map.points.iter().flatten().all(|value| value.is_finite()));
            assert!(map.kl_divergence.is_finite());
        }
    }

    #[test]
    fn what_cannot_be_mapped_is_refused() {
        let equal = Features::new(100, 3, vec![2.5; 300]).unwrap();
        assert_eq!(Tsne::default().run(&equal), Err(EvalError::NoSpread { rows: 100 }));
        let few = random_features(50, 3, 1);
        let error = Tsne::default().run(&few).unwrap_err().to_string();
        assert_eq!(error, "perplexity = 30: 50 rows allow a perplexity from 1 to 16");
        let flat = Tsne { perplexity: 5.0, theta: 0.0, ..Tsne::default() };
        assert!(matches!(flat.run(&few), Err(EvalError::Setting { setting: "theta", .. })));
        let narrow = Tsne { perplexity: 5.0, pca_dims: 1, ..Tsne::default() };
        assert!(matches!(narrow.run(&few), Err(EvalError::Setting { setting: "pca_dims", .. })));
    }
}
