//! Multinomial logistic regression.

use rayon::prelude::*;

use super::lbfgs::{Limits, Minimum, minimise};
use crate::exponential::exp_of_negatives;
use crate::linalg::{add_transposed_product, product_with_transposed};
use crate::metrics::predictions;
use crate::settings::above_zero;
use crate::{EvalError, Features, Labelled};

/// Rows whose features are widened to f64 and multiplied at a time, so that they stay in a core's cache
/// between the scores and the gradient: the features are read from memory once per evaluation.
const ROW_BLOCK: usize = 32;
/// Gradients are summed over parts of the rows; their number depends on the shape alone, and all of them
/// together stay below this many values.
const MAX_PARTS: usize = 64;
const MAX_PARTIAL_VALUES: usize = 1 << 25;

/// Settings of a multinomial logistic regression: minimise
///
/// ```text
/// f(W, b) = c * sum_n -log p(y_n | x_n) + ||W||^2 / 2,      p = softmax(W x + b)
/// ```
///
/// with the intercept `b` unpenalised. With two classes, `p(class 1) = sigmoid(w x + b)` and `W` is the one
/// row `w`. This is scikit-learn's `LogisticRegression(C=c, solver="lbfgs")`, rule for two classes included.
/// Sums are in f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticRegression {
    /// Weight of the data against the penalty, above 0: small values regularise strongly.
    pub c: f64,
    /// Converged when no element of the gradient of the mean loss, `f / (c n)`, is larger than this.
    pub tolerance: f64,
    /// Steps of L-BFGS after which the model is returned as not converged.
    pub max_iterations: usize,
}

impl Default for LogisticRegression {
    /// `c` 1, tolerance 1e-4 (scikit-learn's), at most 1000 iterations.
    fn default() -> LogisticRegression {
        LogisticRegression { c: 1.0, tolerance: 1e-4, max_iterations: 1000 }
    }
}

/// A fitted logistic regression.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticModel {
    dim: usize,
    classes: usize,
    present: Vec<usize>,
    parameters: Vec<f64>,
    /// The objective at the end.
    pub objective: f64,
    /// The largest element of the gradient of `f / (c n)` at the end.
    pub largest_gradient: f64,
    /// Steps taken.
    pub iterations: usize,
    /// Whether the gradient came below the tolerance.
    pub converged: bool,
}

impl LogisticRegression {
    /// Fits `train`. A class absent from its labels gets no row of weights and probability 0 (its best
    /// intercept would be minus infinity).
    ///
    /// # Errors
    /// [`EvalError::OneClass`] when the labels name one class only, [`EvalError::Setting`] for settings that
    /// are not above 0.
    pub fn fit(&self, train: &Labelled) -> Result<LogisticModel, EvalError> {
        self.fit_from(train, None)
    }

    /// Fits `train` starting from the model of the same training set with other settings.
    pub(super) fn fit_from(
        &self,
        train: &Labelled,
        start: Option<&LogisticModel>,
    ) -> Result<LogisticModel, EvalError> {
        above_zero("c", &[self.c])?;
        above_zero("tolerance", &[self.tolerance])?;
        let problem = Problem::new(train, self.c)?;
        let start = match start {
            Some(model) => model.parameters.clone(),
            None => vec![0.0; problem.outputs() * (problem.dim() + 1)],
        };
        let scale = 1.0 / (self.c * train.labels().len() as f64);
        let limits = Limits { gradient: self.tolerance / scale, iterations: self.max_iterations };
        let found = minimise(start, limits, |at, gradient| problem.evaluate(at, gradient));
        Ok(problem.model(found, scale))
    }
}

impl LogisticModel {
    /// The classes with a row of weights (with two of them, the one row is the second's), rising.
    pub fn present_classes(&self) -> &[usize] {
        &self.present
    }

    /// The weights `W`: one row of `dim` for each present class, or one row when there are two.
    pub fn coef(&self) -> &[f64] {
        &self.parameters[..self.outputs() * self.dim]
    }

    /// The intercepts `b`, one for each row of [`LogisticModel::coef`]; of more than one, the mean is 0.
    pub fn intercept(&self) -> &[f64] {
        &self.parameters[self.outputs() * self.dim..]
    }

    /// Probabilities of all classes, `[rows, classes]`; 0 for classes absent from the training labels.
    ///
    /// # Errors
    /// [`EvalError::SplitsDiffer`] when `features` has another dimension than the training features.
    pub fn probabilities(&self, features: &Features) -> Result<Vec<f64>, EvalError> {
        if features.dim() != self.dim {
            let (split, what) = ("features".to_string(), "features per row");
            return Err(EvalError::SplitsDiffer { split, what, expected: self.dim, got: features.dim() });
        }
        let blocks = features.values().par_chunks(ROW_BLOCK * self.dim);
        Ok(blocks.flat_map_iter(|block| self.probabilities_of_block(block)).collect())
    }

    /// Number of rows of `set` whose most probable class is the true one.
    pub(super) fn hits(&self, set: &Labelled) -> Result<usize, EvalError> {
        let predicted = predictions(&self.probabilities(set.features())?, self.classes);
        Ok(predicted.iter().zip(set.labels()).filter(|(predicted, label)| predicted == label).count())
    }

    fn probabilities_of_block(&self, block: &[f32]) -> Vec<f64> {
        let outputs = self.outputs();
        let mut logits = vec![0.0; block.len() / self.dim * outputs];
        scores_of(&widened(block), &self.parameters, self.dim, &mut logits);
        if outputs > 1 {
            softmax(&mut logits, outputs);
        }
        let mut probabilities = vec![0.0; block.len() / self.dim * self.classes];
        for (logits, row) in logits.chunks_exact(outputs).zip(probabilities.chunks_exact_mut(self.classes)) {
            if let &[logit] = logits {
                row[self.present[0]] = sigmoid(-logit);
                row[self.present[1]] = sigmoid(logit);
            } else {
                self.present.iter().zip(logits).for_each(|(&class, p)| row[class] = *p);
            }
        }
        probabilities
    }

    fn outputs(&self) -> usize {
        rows_of_weights(self.present.len())
    }
}

/// The training set as L-BFGS sees it. Parameters are `W` row by row, then `b`.
struct Problem<'a> {
    features: &'a Features,
    classes: usize,
    present: Vec<usize>,
    /// For each row, the place of its class among the present ones.
    targets: Vec<usize>,
    c: f64,
}

impl<'a> Problem<'a> {
    fn new(train: &'a Labelled, c: f64) -> Result<Problem<'a>, EvalError> {
        let classes = train.classes().len();
        let absent = train.absent_classes();
        let present: Vec<usize> = (0..classes).filter(|class| !absent.contains(class)).collect();
        if let [class] = present[..] {
            return Err(EvalError::OneClass { class, rows: train.labels().len() });
        }
        let mut place = vec![0; classes];
        present.iter().enumerate().for_each(|(at, &class)| place[class] = at);
        let targets = train.labels().iter().map(|&label| place[label]).collect();
        Ok(Problem { features: train.features(), classes, present, targets, c })
    }

    fn dim(&self) -> usize {
        self.features.dim()
    }

    fn outputs(&self) -> usize {
        rows_of_weights(self.present.len())
    }

    /// The objective at `parameters`; `gradient` receives its gradient.
    fn evaluate(&self, parameters: &[f64], gradient: &mut [f64]) -> f64 {
        let (mut loss, partial_sums) = self.loss_by_parts(parameters);
        gradient.fill(0.0);
        for partial in partial_sums {
            gradient.iter_mut().zip(partial).for_each(|(sum, value)| *sum += value);
        }
        loss *= self.c;
        gradient.iter_mut().for_each(|value| *value *= self.c);
        let weights = self.outputs() * self.dim();
        for (slope, weight) in gradient[..weights].iter_mut().zip(parameters) {
            *slope += weight;
            loss += 0.5 * weight * weight;
        }
        loss
    }

    /// The summed `-log p` and its gradient in parts, whose order and borders are fixed.
    fn loss_by_parts(&self, parameters: &[f64]) -> (f64, Vec<Vec<f64>>) {
        let parts = (MAX_PARTIAL_VALUES / parameters.len()).clamp(1, MAX_PARTS);
        let rows = self.targets.len().div_ceil(parts).next_multiple_of(ROW_BLOCK);
        let part = |(features, targets): (&[f32], &[usize])| {
            let mut gradient = vec![0.0; parameters.len()];
            let mut scratch = [Vec::new(), Vec::new()];
            let loss: f64 = features
                .chunks(ROW_BLOCK * self.dim())
                .zip(targets.chunks(ROW_BLOCK))
                .map(|block| self.add_block(block, parameters, &mut gradient, &mut scratch))
                .sum();
            (loss, gradient)
        };
        let all: Vec<(f64, Vec<f64>)> = self
            .features
            .values()
            .par_chunks(rows * self.dim())
            .zip(self.targets.par_chunks(rows))
            .map(part)
            .collect();
        let loss = all.iter().map(|(loss, _)| loss).sum();
        (loss, all.into_iter().map(|(_, gradient)| gradient).collect())
    }

    /// Adds a block's gradient of `-log p` to `gradient` and returns its sum.
    fn add_block(
        &self,
        (features, targets): (&[f32], &[usize]),
        parameters: &[f64],
        gradient: &mut [f64],
        [widened, scores]: &mut [Vec<f64>; 2],
    ) -> f64 {
        let (dim, outputs) = (self.dim(), self.outputs());
        widened.clear();
        widened.extend(features.iter().map(|&value| f64::from(value)));
        scores.resize(targets.len() * outputs, 0.0);
        scores_of(widened, parameters, dim, scores);
        let loss = residuals(scores, outputs, targets);
        let (weights, intercepts) = gradient.split_at_mut(outputs * dim);
        add_transposed_product(weights, scores, widened, targets.len());
        for residual in scores.chunks_exact(outputs) {
            intercepts.iter_mut().zip(residual).for_each(|(sum, value)| *sum += value);
        }
        loss
    }

    fn model(self, found: Minimum, scale: f64) -> LogisticModel {
        let (dim, outputs) = (self.dim(), self.outputs());
        let mut parameters = found.at;
        if outputs > 1 {
            // A shift common to all intercepts changes no probability.
            let intercepts = &mut parameters[outputs * dim..];
            let mean = intercepts.iter().sum::<f64>() / outputs as f64;
            intercepts.iter_mut().for_each(|intercept| *intercept -= mean);
        }
        LogisticModel {
            dim,
            classes: self.classes,
            present: self.present,
            parameters,
            objective: found.value,
            largest_gradient: found.largest_gradient * scale,
            iterations: found.iterations,
            converged: found.converged,
        }
    }
}

/// Two classes share one row of weights.
fn rows_of_weights(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

/// `scores = features W^T + b`.
fn scores_of(features: &[f64], parameters: &[f64], dim: usize, scores: &mut [f64]) {
    let outputs = parameters.len() / (dim + 1);
    let (weights, intercepts) = parameters.split_at(outputs * dim);
    product_with_transposed(scores, features, weights, dim);
    for row in scores.chunks_exact_mut(outputs) {
        row.iter_mut().zip(intercepts).for_each(|(score, intercept)| *score += intercept);
    }
}

/// Returns the sum of `-log p(target)` over rows and turns their scores into its derivative, `p - one_hot(target)`.
fn residuals(scores: &mut [f64], outputs: usize, targets: &[usize]) -> f64 {
    if outputs == 1 {
        return scores.iter_mut().zip(targets).map(|(score, &target)| residual(score, target)).sum();
    }
    below_highest(scores, outputs);
    let rows = scores.chunks_exact(outputs).zip(targets);
    let below: f64 = rows.map(|(row, &target)| row[target]).sum();
    exp_of_negatives(scores);
    let mut logarithms = 0.0;
    for (row, &target) in scores.chunks_exact_mut(outputs).zip(targets) {
        logarithms += normalise(row).ln();
        row[target] -= 1.0;
    }
    logarithms - below
}

/// The same of one row of two classes.
fn residual(score: &mut f64, target: usize) -> f64 {
    let margin = if target == 1 { *score } else { -*score };
    *score = sigmoid(*score) - target as f64;
    (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
}

/// Turns rows of scores into probabilities.
fn softmax(scores: &mut [f64], outputs: usize) {
    below_highest(scores, outputs);
    exp_of_negatives(scores);
    scores.chunks_exact_mut(outputs).for_each(|row| {
        normalise(row);
    });
}

/// Takes the highest score of each row from the row, which changes no probability.
fn below_highest(scores: &mut [f64], outputs: usize) {
    for row in scores.chunks_exact_mut(outputs) {
        let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut().for_each(|score| *score -= highest);
    }
}

/// Divides a row by its sum, and returns that.
fn normalise(row: &mut [f64]) -> f64 {
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
    sum
}

fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{blobs, labelled, on_threads};
    use proptest::prelude::*;

    fn exact(c: f64) -> LogisticRegression {
        LogisticRegression { c, tolerance: 1e-9, max_iterations: 2000 }
    }

    #[test]
    fn golden_logistic_regression() {
        for case in twinlens_golden::cases("probe/logistic_regression") {
            let classes = case.count("num_classes");
            let train = labelled(&case, "in.train_x", "in.train_y");
            let test = labelled(&case, "in.test_x", "in.test_y");
            let model = exact(case.number("C")).fit(&train).unwrap();
            assert!(model.converged);
            case.check("out.coef", model.coef());
            case.check("out.intercept", model.intercept());
            case.check("out.objective", &[model.objective]);
            let judge = |set: &Labelled| {
                let probabilities = model.probabilities(set.features()).unwrap();
                let predicted = predictions(&probabilities, classes);
                (probabilities, predicted, model.hits(set).unwrap() as f64 / set.labels().len() as f64)
            };
            let (probabilities, predicted, accuracy) = judge(&test);
            let stored: Vec<f64> = match classes {
                2 => probabilities.chunks_exact(2).map(|row| row[1]).collect(),
                _ => probabilities,
            };
            case.check("out.test_probabilities", &stored);
            let predicted: Vec<i64> = predicted.iter().map(|&class| class as i64).collect();
            case.check_exact("out.test_predictions", &predicted);
            case.check("out.test_accuracy", &[accuracy]);
            case.check("out.train_accuracy", &[judge(&train).2]);
        }
    }

    /// The objective at `parameters` and the largest error of its gradient against central differences.
    fn gradient_error(train: &Labelled, c: f64, parameters: &[f64]) -> f64 {
        let problem = Problem::new(train, c).unwrap();
        let mut gradient = vec![0.0; parameters.len()];
        problem.evaluate(parameters, &mut gradient);
        let mut unused = vec![0.0; parameters.len()];
        let mut value_at = |place: usize, shift: f64| {
            let mut moved = parameters.to_vec();
            moved[place] += shift;
            problem.evaluate(&moved, &mut unused)
        };
        let numeric = |place| (value_at(place, 1e-5) - value_at(place, -1e-5)) / 2e-5;
        let numeric: Vec<f64> = (0..parameters.len()).map(numeric).collect();
        gradient.iter().zip(numeric).map(|(g, n)| (g - n).abs() / (1.0 + n.abs())).fold(0.0, f64::max)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn gradient_agrees_with_finite_differences(seed: u64, classes in 2usize..5, c in 0.01f64..3.0) {
            let train = blobs(40, classes, 3, 1.5, seed);
            let outputs = rows_of_weights(classes);
            let at = crate::testing::random_features(1, outputs * 4, seed ^ 7);
            let at: Vec<f64> = at.values().iter().map(|&v| v.into()).collect();
            prop_assert!(gradient_error(&train, c, &at) < 1e-6);
        }

        #[test]
        fn the_gradient_vanishes_at_the_optimum_and_no_step_goes_lower(
            seed: u64, classes in 2usize..5, c in 0.01f64..3.0
        ) {
            let train = blobs(50, classes, 4, 2.0, seed);
            let model = exact(c).fit(&train).unwrap();
            prop_assert!(model.converged);
            let problem = Problem::new(&train, c).unwrap();
            let mut gradient = vec![0.0; model.parameters.len()];
            let value = problem.evaluate(&model.parameters, &mut gradient);
            prop_assert!(gradient.iter().all(|g| g.abs() < 1e-6 * (1.0 + c * 50.0)));
            let step = crate::testing::random_features(1, gradient.len(), seed);
            let moved: Vec<f64> =
                model.parameters.iter().zip(step.values()).map(|(p, &s)| p + 0.01 * f64::from(s)).collect();
            prop_assert!(problem.evaluate(&moved, &mut gradient) > value);
        }
    }

    #[test]
    fn more_iterations_never_raise_the_objective() {
        let train = blobs(200, 4, 10, 3.0, 1);
        let objective = |max_iterations| {
            let model = LogisticRegression { max_iterations, ..exact(1.0) }.fit(&train).unwrap();
            assert_eq!(model.converged, model.largest_gradient <= 1e-9);
            model.objective
        };
        let objectives: Vec<f64> = (0..12).map(objective).collect();
        assert!(objectives.windows(2).all(|pair| pair[1] < pair[0]), "{objectives:?}");
    }

    #[test]
    fn an_absent_class_gets_probability_zero() {
        let all = blobs(60, 4, 3, 1.0, 1);
        for present in [vec![1, 3], vec![0, 2, 3]] {
            let rows: Vec<usize> = (0..60).filter(|&row| present.contains(&all.labels()[row])).collect();
            let model = exact(1.0).fit(&all.subset(&rows).unwrap()).unwrap();
            assert_eq!(model.present_classes(), present);
            for row in model.probabilities(all.features()).unwrap().chunks_exact(4) {
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                assert!((0..4).all(|class| (row[class] > 0.0) == present.contains(&class)), "{row:?}");
            }
        }
    }

    #[test]
    fn one_class_and_bad_settings_are_refused() {
        let train = blobs(10, 2, 3, 1.0, 1);
        let one = train.subset(&[1, 3, 5]).unwrap();
        assert_eq!(exact(1.0).fit(&one), Err(EvalError::OneClass { class: 1, rows: 3 }));
        assert!(matches!(exact(0.0).fit(&train), Err(EvalError::Setting { setting: "c", .. })));
        assert!(matches!(exact(f64::NAN).fit(&train), Err(EvalError::Setting { .. })));
        let model = exact(1.0).fit(&train).unwrap();
        let wide = blobs(4, 2, 5, 1.0, 1);
        assert!(matches!(model.probabilities(wide.features()), Err(EvalError::SplitsDiffer { .. })));
    }

    #[test]
    fn bits_do_not_depend_on_the_number_of_threads() {
        let train = blobs(2000, 5, 20, 2.0, 1);
        let run = || LogisticRegression::default().fit(&train).unwrap();
        assert_eq!(on_threads(1, run), on_threads(3, run));
    }
}
