//! How far a protocol falls from validation to test: small where both come from the same place, large where the test images
//! come from another clinic, camera or year.

use crate::statistics::{Bootstrap, Interval, Units};
use crate::{EvalError, Predictions, SplitPredictions};

/// `accuracy on val - accuracy on test`, the mean over `verdicts` that differ in seeds alone, with an interval over images, or
/// over their groups where these are known: those of each split are drawn with replacement, the same ones for all verdicts. `None` if
/// a verdict lacks one of the splits or its predictions, the verdicts are not of the same images, or those of a split are all
/// of one group.
///
/// # Errors
/// As [`Bootstrap::interval_of`].
pub fn shift(verdicts: &[&Predictions], bootstrap: &Bootstrap) -> Result<Option<Interval>, EvalError> {
    let (Some(val), Some(test)) = (hits(verdicts, "val"), hits(verdicts, "test")) else {
        return Ok(None);
    };
    let mean = |hits: &[f64], drawn: &[usize]| {
        drawn.iter().map(|&image| hits[image]).sum::<f64>() / drawn.len() as f64
    };
    let measure = |drawn: &[Vec<usize>]| Some(mean(&val.right, &drawn[0]) - mean(&test.right, &drawn[1]));
    where_several(bootstrap.interval_of(&[val.units.clone(), test.units.clone()], measure))
}

/// An interval; none of a single group, which says nothing of others.
pub(crate) fn where_several(found: Result<Interval, EvalError>) -> Result<Option<Interval>, EvalError> {
    match found {
        Err(EvalError::Undefined { .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// How often verdicts were right about the images of a split.
pub(crate) struct Hits {
    /// For each image the share of the verdicts.
    pub(crate) right: Vec<f64>,
    /// What a bootstrap draws of them.
    pub(crate) units: Units,
}

/// Of each image of a split; none where verdicts are of other images.
pub(crate) fn hits(verdicts: &[&Predictions], split: &str) -> Option<Hits> {
    let splits: Vec<&SplitPredictions> =
        verdicts.iter().map(|verdict| verdict.split(split)).collect::<Option<_>>()?;
    let labels = &splits.first()?.labels;
    let comparable =
        |split: &&SplitPredictions| split.labels == *labels && split.predictions.len() == labels.len();
    if labels.is_empty() || !splits.iter().all(comparable) {
        return None;
    }
    let right =
        |image: usize| splits.iter().filter(|split| split.predictions[image] == labels[image]).count();
    let right = (0..labels.len()).map(|image| right(image) as f64 / splits.len() as f64).collect();
    Some(Hits { right, units: units(&splits) })
}

/// What a bootstrap draws of the images of `splits`, which are the same: their groups where any of them knows these.
pub(crate) fn units(splits: &[&SplitPredictions]) -> Units {
    let mut all = splits.iter().map(|split| split.units());
    let first = all.next().unwrap_or(Units::samples(0));
    if first.group_count().is_some() {
        first
    } else {
        all.find(|units| units.group_count().is_some()).unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Judgement;
    use crate::testing::{blobs, on_threads};

    /// A verdict with these images predicted right.
    fn verdict(val: &[bool], test: &[bool]) -> Predictions {
        let set = blobs(4, 2, 3, 0.1, 1);
        let mut verdict = Judgement::of_labels([], set.labels(), set.classes());
        for (name, right) in [("val", val), ("test", test)] {
            let rows: Vec<usize> = (0..right.len()).map(|at| at % 4).collect();
            let part = set.subset(&rows).unwrap();
            let score = |(label, right): (&usize, &bool)| {
                if (*label == 0) == *right { [0.9, 0.1] } else { [0.1, 0.9] }
            };
            let scores: Vec<f64> = part.labels().iter().zip(right).flat_map(score).collect();
            verdict.judge(name, &part, &scores).unwrap();
        }
        verdict.outcome
    }

    #[test]
    fn the_shift_is_the_difference_of_the_accuracies() {
        let right = |hits: usize, of: usize| (0..of).map(|at| at < hits).collect::<Vec<bool>>();
        let one = verdict(&right(90, 100), &right(160, 200));
        let settings = Bootstrap { resamples: 4000, ..Bootstrap::default() };
        let found = shift(&[&one], &settings).unwrap().unwrap();
        assert!((found.value - 0.1).abs() < 1e-12);
        // Two binomials: the variance is p (1 - p) / n of each.
        let width = 2.0 * 1.96 * (0.9 * 0.1 / 100.0 + 0.8 * 0.2 / 200.0f64).sqrt();
        assert!(((found.high - found.low) / width - 1.0).abs() < 0.06, "{found:?} against {width}");
        let other = verdict(&right(70, 100), &right(120, 200));
        let both = shift(&[&one, &other], &settings).unwrap().unwrap();
        assert!((both.value - 0.1).abs() < 1e-12);
        let run = || shift(&[&one, &other], &settings).unwrap();
        assert_eq!(on_threads(1, run), on_threads(3, run));
    }

    #[test]
    fn without_two_comparable_splits_there_is_none() {
        let settings = Bootstrap::default();
        let whole = verdict(&[true, false], &[true]);
        assert!(shift(&[], &settings).unwrap().is_none());
        let mut half = whole.clone();
        half.splits.pop();
        assert!(shift(&[&half], &settings).unwrap().is_none());
        let mut silent = whole.clone();
        silent.splits[0].predictions.clear();
        assert!(shift(&[&silent], &settings).unwrap().is_none());
        let longer = verdict(&[true, false, true], &[true]);
        assert!(shift(&[&whole, &longer], &settings).unwrap().is_none());
    }
}
