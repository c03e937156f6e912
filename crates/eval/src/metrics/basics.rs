//! What several families share: checks of scores, predictions of them, means of what is defined.

use crate::EvalError;
use crate::features::check_labels;

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
pub(super) fn check_scores(labels: &[usize], scores: &[f64], classes: usize) -> Result<(), EvalError> {
    check_score_values(labels.len(), scores, classes)?;
    check_labels("label", labels, labels.len(), classes)
}

/// Refuses scores that are not `[samples, classes]`, or not finite.
pub(super) fn check_score_values(samples: usize, scores: &[f64], classes: usize) -> Result<(), EvalError> {
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
