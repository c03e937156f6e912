//! How good a way of learning is, and how much better than another on the same images.

use crate::shift::hits;
use crate::statistics::{Bootstrap, Interval};
use crate::{EvalError, Predictions};

/// The accuracy on `split`, the mean over verdicts that differ in seeds alone, with an interval over images: they are drawn with
/// replacement. `None` if a verdict lacks the split or its predictions, or the verdicts are not of the same images.
///
/// # Errors
/// As [`Bootstrap::interval`].
pub fn accuracy(
    verdicts: &[&Predictions],
    split: &str,
    bootstrap: Bootstrap,
) -> Result<Option<Interval>, EvalError> {
    hits(verdicts, split).map(|right| mean(&right, bootstrap)).transpose()
}

/// The mean over images, with an interval.
pub(crate) fn mean(of: &[f64], bootstrap: Bootstrap) -> Result<Interval, EvalError> {
    let measure =
        |images: &[usize]| Some(images.iter().map(|&image| of[image]).sum::<f64>() / images.len() as f64);
    bootstrap.interval(of.len(), measure)
}

/// `accuracy of ours - accuracy of theirs` on `split`, each the mean over verdicts that differ in seeds alone, with an interval
/// over images: they are drawn with replacement, the same ones for both sides, so what makes an image hard for both
/// cancels. `None` if a verdict lacks the split or its predictions, or the verdicts are not of the same images.
///
/// # Errors
/// As [`Bootstrap::interval`].
pub fn gain(
    ours: &[&Predictions],
    theirs: &[&Predictions],
    split: &str,
    bootstrap: Bootstrap,
) -> Result<Option<Interval>, EvalError> {
    let labels = |side: &[&Predictions]| Some(side.first()?.split(split)?.labels.clone());
    let (Some(ours_right), Some(theirs_right)) = (hits(ours, split), hits(theirs, split)) else {
        return Ok(None);
    };
    if labels(ours) != labels(theirs) {
        return Ok(None);
    }
    let difference: Vec<f64> = ours_right.iter().zip(&theirs_right).map(|(a, b)| a - b).collect();
    mean(&difference, bootstrap).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Judgement;
    use crate::testing::blobs;

    /// A verdict on 40 images of which the first `right` are predicted right.
    fn verdict(right: usize) -> Predictions {
        let set = blobs(40, 2, 2, 0.5, 1);
        let score = |image: usize| {
            if (set.labels()[image] == 0) == (image < right) { [0.9, 0.1] } else { [0.1, 0.9] }
        };
        let scores: Vec<f64> = (0..40).flat_map(score).collect();
        let mut verdict = Judgement::of_labels([], set.labels(), set.classes());
        verdict.judge("test", &set, &scores).unwrap();
        verdict.outcome
    }

    #[test]
    fn the_difference_is_paired_by_image() {
        let (good, bad, same) = (verdict(36), verdict(28), verdict(36));
        let found = gain(&[&good], &[&bad], "test", Bootstrap::default()).unwrap().unwrap();
        assert!((found.value - 0.2).abs() < 1e-12, "{found:?}");
        // Eight images of 40 differ: a mean with variance 0.16. Unpaired, the interval would be wider.
        let width = 2.0 * 1.96 * (0.16f64 / 40.0).sqrt();
        assert!(((found.high - found.low) / width - 1.0).abs() < 0.15, "{found:?} {width}");
        let none = gain(&[&good], &[&same], "test", Bootstrap::default()).unwrap().unwrap();
        assert_eq!((none.value, none.low, none.high), (0.0, 0.0, 0.0));
        let seeds = gain(&[&good, &bad], &[&bad, &bad], "test", Bootstrap::default()).unwrap().unwrap();
        assert!((seeds.value - 0.1).abs() < 1e-12);
    }

    #[test]
    fn an_accuracy_has_the_interval_that_tables_show() {
        let found = accuracy(&[&verdict(30)], "test", Bootstrap::default()).unwrap().unwrap();
        assert!((found.value - 0.75).abs() < 1e-12, "{found:?}");
        let shown = crate::Repeats::of("test", &[&verdict(30)]).unwrap();
        assert_eq!(shown.get("accuracy").unwrap().interval, Some([found.low, found.high]));
        assert!(accuracy(&[&verdict(30)], "val", Bootstrap::default()).unwrap().is_none());
    }

    #[test]
    fn other_images_cannot_be_compared() {
        let (one, mut other) = (verdict(30), verdict(30));
        other.splits[0].labels.reverse();
        assert!(gain(&[&one], &[&other], "test", Bootstrap::default()).unwrap().is_none());
        assert!(gain(&[&one], &[], "test", Bootstrap::default()).unwrap().is_none());
        assert!(gain(&[&one], &[&one], "val", Bootstrap::default()).unwrap().is_none());
    }
}
