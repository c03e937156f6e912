//! How good a way of learning is, and how much better than another on the same images.

use crate::shift::{Hits, hits, where_several};
use crate::statistics::{Bootstrap, Interval, Units};
use crate::{EvalError, Predictions};

/// The accuracy on `split`, the mean over verdicts that differ in seeds alone, with an interval over images, or over their groups
/// where these are known: they are drawn with replacement. `None` if a verdict lacks the split or its predictions, the verdicts are
/// not of the same images, or these are all of one group.
///
/// # Errors
/// As [`Bootstrap::interval`].
pub fn accuracy(
    verdicts: &[&Predictions],
    split: &str,
    bootstrap: Bootstrap,
) -> Result<Option<Interval>, EvalError> {
    let Some(Hits { right, units }) = hits(verdicts, split) else { return Ok(None) };
    where_several(mean(&right, units, bootstrap))
}

/// The mean over images, with an interval over `units` of them.
pub(crate) fn mean(of: &[f64], units: Units, bootstrap: Bootstrap) -> Result<Interval, EvalError> {
    let measure =
        |images: &[usize]| Some(images.iter().map(|&image| of[image]).sum::<f64>() / images.len() as f64);
    bootstrap.interval(units, measure)
}

/// `accuracy of ours - accuracy of theirs` on `split`, each the mean over verdicts that differ in seeds alone, with an interval
/// over images, or over their groups where these are known: they are drawn with replacement, the same ones for both sides, so what
/// makes an image hard for both cancels. `None` if a verdict lacks the split or its predictions, the verdicts are not of
/// the same images, or these are all of one group.
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
    let (Some(of_ours), Some(of_theirs)) = (hits(ours, split), hits(theirs, split)) else {
        return Ok(None);
    };
    if labels(ours) != labels(theirs) {
        return Ok(None);
    }
    let difference: Vec<f64> = of_ours.right.iter().zip(&of_theirs.right).map(|(a, b)| a - b).collect();
    // Verdicts of earlier versions know no groups, but their images are the same.
    let units = if of_ours.units.group_count().is_some() { of_ours.units } else { of_theirs.units };
    where_several(mean(&difference, units, bootstrap))
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
    fn where_groups_are_known_they_are_drawn() {
        let numbers: Vec<u32> = (0..40).map(|image| image / 4).collect();
        let grouped = |right: usize| {
            let mut verdict = verdict(right);
            verdict.splits[0].groups = Some(numbers.clone());
            verdict
        };
        let (good, bad) = (grouped(36), grouped(20));
        let apart = accuracy(&[&verdict(20)], "test", Bootstrap::default()).unwrap().unwrap();
        let found = accuracy(&[&bad], "test", Bootstrap::default()).unwrap().unwrap();
        // Five of ten groups are wholly right: as ten images, not as 40.
        assert_eq!((found.value, found.groups, apart.groups), (0.5, Some(10), None));
        assert!(found.high - found.low > 1.7 * (apart.high - apart.low), "{found:?} {apart:?}");
        let brought = gain(&[&good], &[&bad], "test", Bootstrap::default()).unwrap().unwrap();
        assert_eq!(brought.groups, Some(10));
        // An older verdict of the same images knows no groups.
        assert_eq!(gain(&[&verdict(36)], &[&bad], "test", Bootstrap::default()).unwrap().unwrap(), brought);
        let mut one = good.clone();
        one.splits[0].groups = Some(vec![3; 40]);
        assert!(accuracy(&[&one], "test", Bootstrap::default()).unwrap().is_none());
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
