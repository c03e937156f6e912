//! Class scores, made ready for every measure of them.

use super::auc::Rising;
use super::average_precision::Ranking;
use super::basics::{check_scores, predictions};
use super::confusion::Confusion;
use crate::EvalError;

/// What a measure is computed from. `None` stands for undefined.
#[derive(Clone, Copy, Debug)]
pub enum Formula {
    /// How often each class was taken for which.
    Counts(fn(&Confusion) -> Option<f64>),
    /// The scores of all classes, each sample counted as often as the list says.
    Scores(fn(&Scored<'_>, &[u32]) -> Option<f64>),
}

/// Rows of scores that sum to 1 within this are probabilities.
const ROUNDING: f64 = 1e-6;

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
            ahead: rows().zip(labels).map(|(row, &label)| ahead_of(label, row)).collect(),
            rising: (0..classes).map(|class| Rising::of_class(labels, scores, classes, class)).collect(),
            falling: (0..classes).map(|class| Ranking::of_class(labels, scores, classes, class)).collect(),
            are_probabilities: rows().all(is_distribution),
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

/// Whether `row` holds the probabilities of all classes.
fn is_distribution(row: &[f64]) -> bool {
    row.iter().all(|&p| p >= 0.0) && (row.iter().sum::<f64>() - 1.0).abs() <= ROUNDING
}

/// How many classes have a higher score in `row` than `label`, the lower of equal ones first.
pub(super) fn ahead_of(label: usize, row: &[f64]) -> usize {
    let ahead =
        |&(class, &score): &(usize, &f64)| score > row[label] || (score == row[label] && class < label);
    row.iter().enumerate().filter(ahead).count()
}
