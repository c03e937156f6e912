//! Numbers that say how good predictions are. One file per family; [`MEASURES`] lists them, [`Scores`] holds them.

mod auc;
mod average_precision;
mod calibration;
mod confusion;
mod measures;
mod tags;
mod top_k;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use auc::{auc, auc_one_vs_rest};
pub use average_precision::{ApRule, average_precision, average_precision_one_vs_rest};
pub use calibration::expected_calibration_error;
pub use confusion::Confusion;
pub use measures::{Formula, MEASURES, Scored, measured};
pub use tags::{ByRule, TAG_MEASURES, TagClassScores, TagScores};
pub use top_k::top_k_accuracy;

use crate::features::check_labels;
use crate::{EvalError, Measure};

/// Everything said about the predictions on one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Number of samples judged.
    pub samples: usize,
    /// The value of every one of [`MEASURES`], by its id. `None` (JSON `null`) stands where it is undefined, never 0 or NaN.
    #[serde(flatten)]
    pub measures: BTreeMap<String, Option<f64>>,
    /// Counts of true class (row) against predicted class (column).
    pub confusion: Confusion,
    /// What is said about each class, in class order.
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
        Scores::of(&Scored::new(labels, scores, classes)?, predictions)
    }

    /// As [`Scores::new`], of scores that are sorted already.
    pub(crate) fn of(scored: &Scored<'_>, predictions: &[usize]) -> Result<Scores, EvalError> {
        let confusion = Confusion::new(scored.labels, predictions, scored.classes)?;
        let once = vec![1; scored.samples()];
        let value = |measure: &Measure<Formula>| match measure.of {
            Formula::Counts(of) => of(&confusion),
            Formula::Scores(of) => of(scored, &once),
        };
        let per_class = |class: usize| ClassScores {
            support: confusion.support(class),
            recall: confusion.recall(class),
            precision: confusion.precision(class),
            f1: confusion.f1(class),
            auc: scored.rising[class].auc(|_| 1),
            average_precision: scored.falling[class].average_precision(|_| 1, ApRule::Step),
        };
        Ok(Scores {
            samples: scored.samples(),
            measures: MEASURES.iter().map(|measure| (measure.id.to_owned(), value(measure))).collect(),
            per_class: (0..scored.classes).map(per_class).collect(),
            confusion,
        })
    }

    /// Share of samples predicted right.
    pub fn accuracy(&self) -> f64 {
        confusion::ACCURACY.value(self).unwrap_or(f64::NAN)
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
