//! Linear support vector machines by dual coordinate descent.

use crate::draws::{Draw, stream};
use crate::settings::above_zero;
use crate::{EvalError, Features};

/// Settings of a two-class linear support vector machine with squared hinge loss, LIBLINEAR's default:
///
/// ```text
/// min over w    1/2 ||w||^2 + sum_i C_i max(0, 1 - y_i w^T x_i)^2,        y_i = +1 or -1
/// ```
///
/// where every `x` has a 1 appended, whose weight is the intercept (and is penalised like the others), and `C_i` is `c`,
/// times `positive_weight` for positive rows. Solved in the dual, one coordinate after the other in random order (Hsieh et
/// al., "A dual coordinate descent method for large-scale linear SVM", ICML 2008, algorithm 1):
///
/// ```text
/// G = y_i w^T x_i - 1 + a_i / 2 C_i,     a_i <- max(a_i - G / (x_i^T x_i + 1 / 2 C_i), 0),     w = sum_i a_i y_i x_i
/// ```
///
/// The objective is strictly convex, so the order matters for the time, not for the result. Scikit-learn's
/// `LinearSVC(C, class_weight={1: positive_weight})` minimises the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearSvm {
    /// Weight of the data against the penalty, above 0.
    pub c: f64,
    /// How many times as much as a negative row a positive one counts, above 0.
    pub positive_weight: f64,
    /// It ends when no projected gradient of a pass is larger in magnitude.
    pub tolerance: f64,
    /// Passes over the rows, at most.
    pub max_iterations: usize,
    /// Seed of the order.
    pub seed: u64,
}

impl Default for LinearSvm {
    /// `c` 1, both classes alike, tolerance 1e-4, 2000 passes, seed 0.
    fn default() -> LinearSvm {
        LinearSvm { c: 1.0, positive_weight: 1.0, tolerance: 1e-4, max_iterations: 2000, seed: 0 }
    }
}

/// A fitted machine.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearSvmModel {
    /// The weight of every feature.
    pub coef: Vec<f64>,
    /// The intercept.
    pub intercept: f64,
    /// Passes made.
    pub iterations: usize,
    /// Whether the tolerance was reached.
    pub converged: bool,
    /// The dual variables, to start a neighbouring problem from.
    dual: Vec<f64>,
}

impl LinearSvm {
    /// Fits `features`, of which `positive` says for each row whether it belongs to the class.
    ///
    /// # Errors
    /// [`EvalError::Length`] unless there is one truth value per row, [`EvalError::OneClass`] when all are the same,
    /// [`EvalError::Setting`] for settings that are not above 0.
    pub fn fit(&self, features: &Features, positive: &[bool]) -> Result<LinearSvmModel, EvalError> {
        let all: Vec<usize> = (0..features.rows()).collect();
        self.fit_from(features, &all, positive, None)
    }

    /// As [`LinearSvm::fit`] of some `rows` of the features, starting where a machine for the same rows ended, such as one
    /// with another `c`.
    pub(super) fn fit_from(
        &self,
        features: &Features,
        rows: &[usize],
        positive: &[bool],
        start: Option<&LinearSvmModel>,
    ) -> Result<LinearSvmModel, EvalError> {
        self.check(rows.len(), positive)?;
        let rows = rows.iter().zip(positive).map(|(&row, &positive)| self.row(features.row(row), positive));
        let rows: Vec<Row> = rows.collect();
        let mut dual = start.map_or_else(|| vec![0.0; rows.len()], |model| model.dual.clone());
        // The last weight is the intercept's.
        let mut weights = vec![0.0; features.dim() + 1];
        for (row, &a) in rows.iter().zip(&dual) {
            row.add_to(&mut weights, a);
        }
        let mut order = stream(self.seed, Draw::Coordinates, 0);
        let (mut iterations, mut converged) = (0, false);
        while iterations < self.max_iterations && !converged {
            let mut largest: f64 = 0.0;
            for at in order.permutation(rows.len()) {
                let row = &rows[at];
                let gradient = row.sign * row.product(&weights) - 1.0 + dual[at] * row.diagonal;
                let projected = if dual[at] == 0.0 { gradient.min(0.0) } else { gradient };
                largest = largest.max(projected.abs());
                if projected != 0.0 {
                    let new = (dual[at] - gradient / row.curvature).max(0.0);
                    row.add_to(&mut weights, new - dual[at]);
                    dual[at] = new;
                }
            }
            iterations += 1;
            converged = largest <= self.tolerance;
        }
        let intercept = weights.pop().unwrap_or(0.0);
        Ok(LinearSvmModel { coef: weights, intercept, iterations, converged, dual })
    }

    fn row<'a>(&self, x: &'a [f32], positive: bool) -> Row<'a> {
        let c = if positive { self.c * self.positive_weight } else { self.c };
        let diagonal = 0.5 / c;
        let square = 1.0 + x.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
        Row { x, sign: if positive { 1.0 } else { -1.0 }, diagonal, curvature: square + diagonal }
    }

    fn check(&self, rows: usize, positive: &[bool]) -> Result<(), EvalError> {
        above_zero("c", &[self.c])?;
        above_zero("positive_weight", &[self.positive_weight])?;
        above_zero("tolerance", &[self.tolerance])?;
        if positive.len() != rows {
            let (expected, got) = (rows, positive.len());
            return Err(EvalError::Length { what: "truth values", expected, got });
        }
        if positive.iter().all(|one| *one == positive[0]) {
            let class = positive.first().copied().map_or(0, usize::from);
            return Err(EvalError::OneClass { class, rows });
        }
        Ok(())
    }
}

/// A row and what the descent needs of it.
struct Row<'a> {
    x: &'a [f32],
    sign: f64,
    /// `1 / 2 C`.
    diagonal: f64,
    /// `x^T x + 1 / 2 C`.
    curvature: f64,
}

impl Row<'_> {
    /// `w^T x`, the appended 1 included.
    fn product(&self, weights: &[f64]) -> f64 {
        let intercept = weights[self.x.len()];
        intercept + self.x.iter().zip(weights).map(|(&value, weight)| f64::from(value) * weight).sum::<f64>()
    }

    /// `w += a y x`.
    fn add_to(&self, weights: &mut [f64], a: f64) {
        let step = a * self.sign;
        weights.iter_mut().zip(self.x).for_each(|(weight, &value)| *weight += step * f64::from(value));
        weights[self.x.len()] += step;
    }
}

impl LinearSvmModel {
    /// The signed score of every row: above 0 for rows that look positive.
    ///
    /// # Errors
    /// [`EvalError::SplitsDiffer`] when `features` has another dimension than the training features.
    pub fn scores(&self, features: &Features) -> Result<Vec<f64>, EvalError> {
        if features.dim() != self.coef.len() {
            let (split, what) = ("features".to_string(), "features per row");
            let (expected, got) = (self.coef.len(), features.dim());
            return Err(EvalError::SplitsDiffer { split, what, expected, got });
        }
        Ok(features.iter().map(|row| self.score(row)).collect())
    }

    /// The score of one row of as many features as there are weights.
    pub(super) fn score(&self, row: &[f32]) -> f64 {
        self.intercept + row.iter().zip(&self.coef).map(|(&x, w)| f64::from(x) * w).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{classes_of, features_of, random_features};
    use proptest::prelude::*;

    fn tight(c: f64) -> LinearSvm {
        LinearSvm { c, tolerance: 1e-9, max_iterations: 200_000, ..LinearSvm::default() }
    }

    #[test]
    fn golden_linear_svm() {
        for case in twinlens_golden::cases("probe/linear_svm") {
            let (train, test) = (features_of(&case, "in.train_x"), features_of(&case, "in.test_x"));
            let positive: Vec<bool> =
                classes_of(&case, "in.train_y").iter().map(|&label| label == 1).collect();
            let settings =
                LinearSvm { positive_weight: case.number("positive_weight"), ..tight(case.number("c")) };
            let model = settings.fit(&train, &positive).unwrap();
            assert!(model.converged, "{}", case.name());
            case.check("out.coef", &model.coef);
            case.check("out.intercept", &[model.intercept]);
            case.check("out.test_scores", &model.scores(&test).unwrap());
        }
    }

    /// `w_1 + b` and `-w_1 + b` of rows +1 and -1: by symmetry b = 0, and w minimises w^2 / 2 + 2 c (1 - w)^2.
    #[test]
    fn two_points_have_a_solution_by_hand() {
        let features = Features::new(2, 1, vec![1.0, -1.0]).unwrap();
        let model = tight(0.75).fit(&features, &[true, false]).unwrap();
        assert!((model.coef[0] - 3.0 / 4.0).abs() < 1e-8 && model.intercept.abs() < 1e-8, "{model:?}");
        assert_eq!(model.scores(&features).unwrap().len(), 2);
    }

    #[test]
    fn a_start_elsewhere_ends_in_the_same_place_sooner() {
        let features = random_features(60, 5, 1);
        let positive: Vec<bool> = features.iter().map(|row| row[0] + 0.5 * row[1] > 0.2).collect();
        let near = tight(1.0).fit(&features, &positive).unwrap();
        let (fresh, warm) = (
            tight(1.1).fit(&features, &positive).unwrap(),
            tight(1.1).fit_from(&features, &(0..60).collect::<Vec<_>>(), &positive, Some(&near)).unwrap(),
        );
        for (a, b) in fresh.coef.iter().zip(&warm.coef) {
            assert!((a - b).abs() < 1e-6, "{fresh:?} {warm:?}");
        }
        assert!(warm.iterations < fresh.iterations, "{} {}", warm.iterations, fresh.iterations);
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let features = random_features(4, 2, 1);
        let usual = LinearSvm::default();
        let mixed = [true, false, true, false];
        assert!(matches!(
            usual.fit(&features, &mixed[1..]),
            Err(EvalError::Length { expected: 4, got: 3, .. })
        ));
        assert!(matches!(usual.fit(&features, &[true; 4]), Err(EvalError::OneClass { class: 1, rows: 4 })));
        for bad in [0.0, -1.0, f64::NAN] {
            let settings = LinearSvm { c: bad, ..usual };
            assert!(matches!(settings.fit(&features, &mixed), Err(EvalError::Setting { setting: "c", .. })));
        }
        let model = usual.fit(&features, &mixed).unwrap();
        assert!(matches!(model.scores(&random_features(2, 3, 1)), Err(EvalError::SplitsDiffer { .. })));
        let hasty = LinearSvm { max_iterations: 1, ..usual };
        assert!(!hasty.fit(&features, &mixed).unwrap().converged);
    }

    proptest! {
        #[test]
        fn no_weights_nearby_are_better_and_the_order_does_not_matter(seed: u64, weight in 0.3f64..4.0) {
            let features = random_features(30, 3, seed);
            let noise = random_features(30, 1, !seed);
            let mut positive: Vec<bool> =
                features.iter().zip(noise.values()).map(|(row, noise)| row[0] + noise > 0.0).collect();
            (positive[0], positive[1]) = (true, false);
            let settings = LinearSvm { positive_weight: weight, ..tight(0.7) };
            let objective = |coef: &[f64], intercept: f64| {
                let norm = coef.iter().map(|w| w * w).sum::<f64>() + intercept * intercept;
                let loss = |(row, positive): (&[f32], &bool)| {
                    let score = intercept + row.iter().zip(coef).map(|(&x, w)| f64::from(x) * w).sum::<f64>();
                    let (sign, c) = if *positive { (1.0, 0.7 * weight) } else { (-1.0, 0.7) };
                    c * (1.0 - sign * score).max(0.0).powi(2)
                };
                0.5 * norm + features.iter().zip(&positive).map(loss).sum::<f64>()
            };
            let model = settings.fit(&features, &positive).unwrap();
            let least = objective(&model.coef, model.intercept);
            for axis in 0..4 {
                for step in [-1e-3, 1e-3] {
                    let (mut coef, mut intercept) = (model.coef.clone(), model.intercept);
                    if axis < 3 { coef[axis] += step } else { intercept += step }
                    prop_assert!(objective(&coef, intercept) > least);
                }
            }
            let other = LinearSvm { seed: 9, ..settings }.fit(&features, &positive).unwrap();
            for (a, b) in model.coef.iter().zip(&other.coef) {
                prop_assert!((a - b).abs() < 1e-6);
            }
        }
    }
}
