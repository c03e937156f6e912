//! Numbers that say how good predictions are. One file per family; [`Scores`] gathers them.

mod auc;
mod average_precision;
mod calibration;
mod confusion;
mod tags;
mod top_k;

use serde::{Deserialize, Serialize};

pub(crate) use auc::Rising;
pub use auc::{auc, auc_one_vs_rest};
pub use average_precision::{ApRule, average_precision, average_precision_one_vs_rest};
pub use calibration::expected_calibration_error;
pub use confusion::Confusion;
pub use tags::{ByRule, TagClassScores, TagScores};
pub use top_k::top_k_accuracy;

use crate::EvalError;
use crate::features::check_labels;

/// Bins of [`Scores::calibration_error`], as in Guo et al. 2017.
const CALIBRATION_BINS: usize = 15;

/// Everything said about the predictions on one split.
///
/// Values lie in 0..=1, kappa in -1..=1. `None` (JSON `null`) stands where a number is undefined, never 0 or NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Number of samples judged.
    pub samples: usize,
    /// Share of samples predicted right (top-1).
    pub accuracy: f64,
    /// Share of samples whose class is among the five best-scored; `None` up to five classes, where it
    /// would be 1 whatever the predictions.
    pub top5_accuracy: Option<f64>,
    /// Mean recall over the classes present in the truth.
    pub balanced_accuracy: f64,
    /// Mean F1 over the classes present in truth or predictions.
    pub macro_f1: f64,
    /// Mean one-vs-rest AUC over the classes for which it is defined; `None` when it is for none.
    pub macro_auc: Option<f64>,
    /// Mean one-vs-rest average precision ([`ApRule::Step`]) over the classes present in the truth.
    pub macro_average_precision: Option<f64>,
    /// Cohen's kappa of truth and predictions; `None` when both name one class only.
    pub cohen_kappa: Option<f64>,
    /// Expected calibration error in 15 bins; `None` when the scores are no probabilities.
    pub calibration_error: Option<f64>,
    /// Counts of true class (row) against predicted class (column).
    pub confusion: Confusion,
    /// The same per class, in class order.
    pub per_class: Vec<ClassScores>,
}

/// What is said about one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Samples whose true class this is.
    pub support: u64,
    /// Share of them predicted right; `None` without any.
    pub recall: Option<f64>,
    /// Share of the predictions of this class that are right; `None` when it was never predicted.
    pub precision: Option<f64>,
    /// `2 tp / (2 tp + fp + fn)`; `None` when the class is in neither truth nor predictions.
    pub f1: Option<f64>,
    /// Area under the ROC curve, this class against the rest; `None` unless both are present.
    pub auc: Option<f64>,
    /// Average precision ([`ApRule::Step`]), this class against the rest; `None` without a sample of it.
    pub average_precision: Option<f64>,
}

impl Scores {
    /// Judges `predictions` (classes) and `scores` (`[samples, classes]` probabilities, votes or any other
    /// numbers that grow with the belief in a class) against the true `labels`.
    ///
    /// # Errors
    /// Lists of the wrong length, labels outside `0..classes`, scores that are not finite, no samples.
    pub fn new(
        labels: &[usize],
        predictions: &[usize],
        scores: &[f64],
        classes: usize,
    ) -> Result<Scores, EvalError> {
        let confusion = Confusion::new(labels, predictions, classes)?;
        let auc = auc_one_vs_rest(labels, scores, classes)?;
        let average_precision = average_precision_one_vs_rest(labels, scores, classes, ApRule::Step)?;
        let top5_accuracy = match classes {
            0..=5 => None,
            _ => Some(top_k_accuracy(labels, scores, classes, 5)?),
        };
        let per_class = (0..classes)
            .map(|class| ClassScores {
                support: confusion.support(class),
                recall: confusion.recall(class),
                precision: confusion.precision(class),
                f1: confusion.f1(class),
                auc: auc[class],
                average_precision: average_precision[class],
            })
            .collect();
        Ok(Scores {
            samples: labels.len(),
            accuracy: confusion.accuracy(),
            top5_accuracy,
            balanced_accuracy: confusion.balanced_accuracy(),
            macro_f1: confusion.macro_f1(),
            macro_auc: mean_of_defined(auc),
            macro_average_precision: mean_of_defined(average_precision),
            cohen_kappa: confusion.cohen_kappa(),
            calibration_error: expected_calibration_error(labels, scores, classes, CALIBRATION_BINS)?,
            confusion,
            per_class,
        })
    }
}

/// The class with the highest score in each row of `scores` (`[samples, classes]`); the lowest of several.
///
/// # Panics
/// When `classes` is 0.
pub fn predictions(scores: &[f64], classes: usize) -> Vec<usize> {
    let best =
        |row: &[f64]| (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
    scores.chunks_exact(classes).map(best).collect()
}

/// The mean of the values that are defined; `None` when none is.
pub fn mean_of_defined(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for value in values.into_iter().flatten() {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}

/// Refuses class scores of the wrong number or that are not finite, and labels outside the classes.
fn check_scores(labels: &[usize], scores: &[f64], classes: usize) -> Result<(), EvalError> {
    check_score_values(labels.len(), scores, classes)?;
    check_labels("label", labels, labels.len(), classes)
}

/// Refuses scores that are not `[samples, classes]`, or not finite.
fn check_score_values(samples: usize, scores: &[f64], classes: usize) -> Result<(), EvalError> {
    if samples == 0 {
        return Err(EvalError::Empty { what: "the list of labels".to_string() });
    }
    if scores.len() != samples * classes {
        let (expected, got) = (samples * classes, scores.len());
        return Err(EvalError::Length { what: "class scores", expected, got });
    }
    match scores.iter().position(|score| !score.is_finite()) {
        Some(at) => {
            Err(EvalError::InvalidScore { sample: at / classes, class: at % classes, value: scores[at] })
        }
        None => Ok(()),
    }
}
