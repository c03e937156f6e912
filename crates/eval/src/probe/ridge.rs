//! Ridge regression on one-hot targets: a linear read-out in closed form.

use rayon::prelude::*;

use crate::linalg::{add_transposed_product, product_with_transposed, solve_positive};
use crate::settings::above_zero;
use crate::{EvalError, Features, Labelled};

/// Rows whose scores are computed at a time.
const ROW_BLOCK: usize = 256;

/// Settings of a ridge regression of one-hot targets `Y` (0 and 1) on features `X`, both without their column
/// means:
///
/// ```text
/// W = (X^T X + alpha I)^-1 X^T Y,      b = mean(Y) - mean(X) W
/// ```
///
/// This is scikit-learn's `Ridge(alpha)`. With fewer rows than features the equal
/// `X^T (X X^T + alpha I)^-1 Y` is taken, so the cost is that of the smaller side. Sums are in f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ridge {
    /// Weight of the penalty, above 0: large values regularise strongly.
    pub alpha: f64,
}

impl Default for Ridge {
    /// `alpha` 1.
    fn default() -> Ridge {
        Ridge { alpha: 1.0 }
    }
}

/// A fitted ridge regression.
#[derive(Clone, Debug, PartialEq)]
pub struct RidgeModel {
    /// The weights, `[classes, dim]`; 0 for a class absent from the training labels.
    pub coef: Vec<f64>,
    /// The intercepts, one for each class.
    pub intercept: Vec<f64>,
}

impl Ridge {
    /// Fits `train`.
    ///
    /// # Errors
    /// [`EvalError::OneClass`] when the labels name one class only, [`EvalError::Setting`] unless `alpha` is
    /// above 0, [`EvalError::Numeric`] when it is too small for these features to be told from 0.
    pub fn fit(&self, train: &Labelled) -> Result<RidgeModel, EvalError> {
        above_zero("alpha", &[self.alpha])?;
        let (features, labels) = (train.features(), train.labels());
        if labels.iter().all(|&label| label == labels[0]) {
            return Err(EvalError::OneClass { class: labels[0], rows: labels.len() });
        }
        let (rows, dim, classes) = (features.rows(), features.dim(), train.classes().len());
        let mean = features.column_means();
        let centred: Vec<f64> =
            features.values().iter().zip(mean.iter().cycle()).map(|(&v, mean)| f64::from(v) - mean).collect();
        let (shares, targets) = centred_targets(labels, classes);
        // `[dim, classes]`.
        let mut weights = vec![0.0; dim * classes];
        if rows < dim {
            let mut gram = vec![0.0; rows * rows];
            product_with_transposed(&mut gram, &centred, &centred, dim);
            let dual = self.solve(gram, &targets, rows)?;
            add_transposed_product(&mut weights, &centred, &dual, rows);
        } else {
            let (mut gram, mut right) = (vec![0.0; dim * dim], vec![0.0; dim * classes]);
            add_transposed_product(&mut gram, &centred, &centred, rows);
            add_transposed_product(&mut right, &centred, &targets, rows);
            weights = self.solve(gram, &right, dim)?;
        }
        let column = |class: usize| weights.iter().skip(class).step_by(classes).copied();
        let intercept = |(class, share): (usize, &f64)| {
            share - column(class).zip(&mean).map(|(weight, mean)| weight * mean).sum::<f64>()
        };
        Ok(RidgeModel {
            coef: (0..classes).flat_map(column).collect(),
            intercept: shares.iter().enumerate().map(intercept).collect(),
        })
    }

    /// `(gram + alpha I)^-1 right`.
    fn solve(&self, mut gram: Vec<f64>, right: &[f64], side: usize) -> Result<Vec<f64>, EvalError> {
        gram.iter_mut().step_by(side + 1).for_each(|diagonal| *diagonal += self.alpha);
        solve_positive(&gram, right, side)
    }
}

impl RidgeModel {
    /// The scores of every class, `[rows, classes]`: near 1 for the class that a row looks like, near 0 for
    /// others, and no probabilities.
    ///
    /// # Errors
    /// [`EvalError::SplitsDiffer`] when `features` has another dimension than the training features.
    pub fn scores(&self, features: &Features) -> Result<Vec<f64>, EvalError> {
        let classes = self.intercept.len();
        let dim = self.coef.len() / classes;
        if features.dim() != dim {
            let (split, what) = ("features".to_string(), "features per row");
            return Err(EvalError::SplitsDiffer { split, what, expected: dim, got: features.dim() });
        }
        let of_block = |block: &[f32]| {
            let rows: Vec<f64> = block.iter().map(|&value| value.into()).collect();
            let mut scores = vec![0.0; block.len() / dim * classes];
            product_with_transposed(&mut scores, &rows, &self.coef, dim);
            scores.iter_mut().zip(self.intercept.iter().cycle()).for_each(|(score, b)| *score += b);
            scores
        };
        Ok(features.values().par_chunks(ROW_BLOCK * dim).flat_map_iter(of_block).collect())
    }
}

/// The share of each class, and one-hot targets less these, `[rows, classes]`.
fn centred_targets(labels: &[usize], classes: usize) -> (Vec<f64>, Vec<f64>) {
    let mut shares = vec![0.0; classes];
    labels.iter().for_each(|&label| shares[label] += 1.0 / labels.len() as f64);
    let row = |&label: &usize| {
        shares.iter().enumerate().map(move |(class, share)| f64::from(u8::from(class == label)) - share)
    };
    let targets = labels.iter().flat_map(row).collect();
    (shares, targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::predictions;
    use crate::testing::{blobs, labelled, on_threads, random_features};
    use proptest::prelude::*;

    #[test]
    fn golden_ridge_one_hot() {
        for case in twinlens_golden::cases("probe/ridge_one_hot") {
            let train = labelled(&case, "in.train_x", "in.train_y");
            let test = labelled(&case, "in.test_x", "in.test_y");
            let model = Ridge { alpha: case.number("alpha") }.fit(&train).unwrap();
            case.check("out.coef", &model.coef);
            case.check("out.intercept", &model.intercept);
            let scores = model.scores(test.features()).unwrap();
            case.check("out.test_scores", &scores);
            let predicted = predictions(&scores, case.count("num_classes"));
            let hits = predicted.iter().zip(test.labels()).filter(|(p, label)| p == label).count();
            case.check("out.test_accuracy", &[hits as f64 / test.labels().len() as f64]);
            let predicted: Vec<i64> = predicted.iter().map(|&class| class as i64).collect();
            case.check_exact("out.test_predictions", &predicted);
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let train = blobs(10, 2, 3, 1.0, 1);
        let one = train.subset(&[1, 3, 5]).unwrap();
        assert_eq!(Ridge::default().fit(&one), Err(EvalError::OneClass { class: 1, rows: 3 }));
        for alpha in [0.0, -1.0, f64::NAN] {
            let refused = Ridge { alpha }.fit(&train);
            assert!(matches!(refused, Err(EvalError::Setting { setting: "alpha", .. })));
        }
        let model = Ridge::default().fit(&train).unwrap();
        let wide = random_features(2, 4, 1);
        assert!(matches!(model.scores(&wide), Err(EvalError::SplitsDiffer { expected: 3, got: 4, .. })));
    }

    /// `sum ||y - W x - b||^2 + alpha ||W||^2`.
    fn cost(model: &RidgeModel, train: &Labelled, alpha: f64) -> f64 {
        let classes = train.classes().len();
        let scores = model.scores(train.features()).unwrap();
        let target = |at: usize| f64::from(u8::from(train.labels()[at / classes] == at % classes));
        let misses: f64 = scores.iter().enumerate().map(|(at, score)| (score - target(at)).powi(2)).sum();
        misses + alpha * model.coef.iter().map(|w| w * w).sum::<f64>()
    }

    proptest! {
        #[test]
        fn no_step_lowers_the_cost_with_more_rows_or_more_features(
            seed: u64, alpha in 0.01f64..30.0, wide: bool
        ) {
            let train = if wide { blobs(9, 3, 20, 1.0, seed) } else { blobs(40, 3, 4, 1.0, seed) };
            let model = Ridge { alpha }.fit(&train).unwrap();
            let least = cost(&model, &train, alpha);
            let step = random_features(1, model.coef.len() + 3, seed);
            let mut moved = model.clone();
            let steps = step.values().iter().map(|&step| 0.01 * f64::from(step));
            moved.coef.iter_mut().chain(&mut moved.intercept).zip(steps).for_each(|(value, step)| *value += step);
            prop_assert!(cost(&moved, &train, alpha) > least);
            // Targets of a row sum to 1, so scores do.
            for row in model.scores(train.features()).unwrap().chunks_exact(3) {
                prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
            prop_assert_eq!(model, on_threads(3, || Ridge { alpha }.fit(&train).unwrap()));
        }
    }
}
