//! Top-k accuracy.

use super::basics::check_scores;
use super::scored::{Formula, Scored, ahead_of};
use crate::{Better, EvalError, Measure, Unit};

/// Share of samples whose true class is among the five best-scored; undefined up to five classes, where it would be 1
/// whatever the predictions.
pub(super) const TOP5_ACCURACY: Measure<Formula> = Measure {
    id: "top5_accuracy",
    title: "top-5 accuracy",
    unit: Unit::Share,
    better: Better::Higher,
    of: Formula::Scores(top5_accuracy),
};

fn top5_accuracy(scored: &Scored<'_>, times: &[u32]) -> Option<f64> {
    let hits = scored.ahead.iter().zip(times).filter(|(ahead, _)| **ahead < 5).map(|(_, &times)| times);
    let samples: u32 = times.iter().sum();
    (scored.classes > 5).then(|| f64::from(hits.sum::<u32>()) / f64::from(samples))
}

/// Share of samples whose true class is among the `k` highest of its row of `scores`
/// (`[samples, classes]`). Of equal scores the lower class comes first, as in [`super::predictions`].
///
/// # Errors
/// [`EvalError::Setting`] unless `1 <= k <= classes`; no samples, lists of the wrong length, labels outside
/// `0..classes`, scores that are not finite.
pub fn top_k_accuracy(labels: &[usize], scores: &[f64], classes: usize, k: usize) -> Result<f64, EvalError> {
    check_scores(labels, scores, classes)?;
    if k == 0 || k > classes {
        let expected = format!("choose from 1 to {classes}, the number of classes");
        return Err(EvalError::Setting { setting: "top-k", value: k as f64, expected });
    }
    let rows = scores.chunks_exact(classes).zip(labels);
    let hits = rows.filter(|&(row, &label)| ahead_of(label, row) < k).count();
    Ok(hits as f64 / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::predictions;
    use proptest::prelude::*;

    #[test]
    fn ties_go_to_the_lower_class() {
        let scores = [0.5, 0.5, 0.0];
        assert_eq!(top_k_accuracy(&[0], &scores, 3, 1), Ok(1.0));
        assert_eq!(top_k_accuracy(&[1], &scores, 3, 1), Ok(0.0));
        assert_eq!(top_k_accuracy(&[1], &scores, 3, 2), Ok(1.0));
        assert!(matches!(top_k_accuracy(&[1], &scores, 3, 4), Err(EvalError::Setting { .. })));
    }

    proptest! {
        #[test]
        fn grows_from_the_accuracy_to_one(
            samples in prop::collection::vec((0usize..4, prop::array::uniform4(0u8..6)), 1..40)
        ) {
            let labels: Vec<usize> = samples.iter().map(|sample| sample.0).collect();
            let scores: Vec<f64> = samples.iter().flat_map(|sample| sample.1.map(f64::from)).collect();
            let top: Vec<f64> = (1..=4).map(|k| top_k_accuracy(&labels, &scores, 4, k).unwrap()).collect();
            let hits = predictions(&scores, 4).iter().zip(&labels).filter(|(p, l)| p == l).count();
            prop_assert_eq!(top[0], hits as f64 / labels.len() as f64);
            prop_assert!(top.is_sorted());
            prop_assert_eq!(top[3], 1.0);
        }
    }
}
