//! Everything said about the predictions on one split.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::average_precision::ApRule;
use super::confusion::{self, Confusion};
use super::measures::MEASURES;
use super::scored::{Formula, Scored};
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

impl Measure<Formula> {
    /// Its value in `scores`; `None` where it is undefined, or was not measured yet by the version that wrote them.
    pub fn value(&self, scores: &Scores) -> Option<f64> {
        scores.measures.get(self.id).copied().flatten()
    }
}

/// The measures that are defined for any of these scores: the columns that a table of them needs.
pub fn measured<'a>(scores: impl Iterator<Item = &'a Scores>) -> Vec<&'static Measure<Formula>> {
    let scores: Vec<&Scores> = scores.collect();
    let defined = |measure: &&Measure<Formula>| scores.iter().any(|one| measure.value(one).is_some());
    MEASURES.iter().filter(defined).collect()
}
