//! The measures of predictions: one line each here, its formula in the file of its family.
//!
//! Whatever shows numbers of predictions (tables, CSV, curves, comparisons, intervals) walks [`MEASURES`], so that a new
//! measure is a formula and a line.

use super::auc::{self, Rising};
use super::average_precision::{self, Ranking};
use super::{Confusion, Scores, calibration, check_scores, confusion, predictions, top_k};
use crate::{EvalError, Measure};

/// What a measure is computed from. `None` stands for undefined.
#[derive(Clone, Copy, Debug)]
pub enum Formula {
    /// How often each class was taken for which.
    Counts(fn(&Confusion) -> Option<f64>),
    /// The scores of all classes, each sample counted as often as the list says.
    Scores(fn(&Scored<'_>, &[u32]) -> Option<f64>),
}

/// All measures, in the order in which they are shown.
pub static MEASURES: [Measure<Formula>; 9] = [
    confusion::ACCURACY,
    top_k::TOP5_ACCURACY,
    confusion::BALANCED_ACCURACY,
    confusion::MACRO_F1,
    confusion::MICRO_F1,
    auc::MACRO_AUC,
    average_precision::MACRO_AVERAGE_PRECISION,
    confusion::COHEN_KAPPA,
    calibration::CALIBRATION_ERROR,
];

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

/// Class scores of labelled samples, sorted once for all measures and draws.
pub struct Scored<'a> {
    pub(super) labels: &'a [usize],
    pub(crate) scores: &'a [f64],
    pub(super) classes: usize,
    /// The class with the highest score of every sample.
    pub(super) predictions: Vec<usize>,
    /// How many classes are ahead of the true one, for every sample.
    pub(super) ahead: Vec<usize>,
    /// Per class, the samples by its scores, rising and falling.
    pub(super) rising: Vec<Rising>,
    pub(super) falling: Vec<Ranking>,
    /// Whether every row of scores is a distribution over the classes.
    pub(super) are_probabilities: bool,
}

impl<'a> Scored<'a> {
    /// Takes `scores` (`[samples, classes]`) of samples with these true `labels`.
    ///
    /// # Errors
    /// No samples, lists of the wrong length, labels outside `0..classes`, scores that are not finite.
    pub fn new(labels: &'a [usize], scores: &'a [f64], classes: usize) -> Result<Scored<'a>, EvalError> {
        check_scores(labels, scores, classes)?;
        let rows = || scores.chunks_exact(classes);
        Ok(Scored {
            predictions: predictions(scores, classes),
            ahead: rows().zip(labels).map(|(row, &label)| top_k::ahead_of(label, row)).collect(),
            rising: (0..classes).map(|class| Rising::of_class(labels, scores, classes, class)).collect(),
            falling: (0..classes).map(|class| Ranking::of_class(labels, scores, classes, class)).collect(),
            are_probabilities: rows().all(calibration::is_distribution),
            labels,
            scores,
            classes,
        })
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.labels.len()
    }
}
