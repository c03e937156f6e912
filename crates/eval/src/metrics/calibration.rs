//! Are probabilities what they say?

use super::basics::check_scores;
use super::scored::{Formula, Scored};
use crate::{Better, EvalError, Measure, Unit};

/// The expected calibration error in 15 bins, as Guo et al. have it; undefined when the scores are no probabilities.
pub(super) const CALIBRATION_ERROR: Measure<Formula> = Measure {
    id: "calibration_error",
    title: "calibration error",
    unit: Unit::Share,
    better: Better::Lower,
    of: Formula::Scores(|scored, times| calibration_error(scored, times, 15)),
};

/// Expected calibration error:
///
/// ```text
/// ECE = sum over bins B of |B| / n * |accuracy(B) - confidence(B)|
/// ```
///
/// (Guo et al., "On calibration of modern neural networks", ICML 2017, equation 3). A sample's confidence is
/// the probability of its predicted class; the bins are `((m - 1) / bins, m / bins]`. `probabilities` is
/// `[samples, classes]`. `None` when its rows are no probabilities (a value below 0, a sum that is not 1).
///
/// # Errors
/// No bins, no samples, lists of the wrong length, labels outside `0..classes`, scores that are not finite.
pub fn expected_calibration_error(
    labels: &[usize],
    probabilities: &[f64],
    classes: usize,
    bins: usize,
) -> Result<Option<f64>, EvalError> {
    check_scores(labels, probabilities, classes)?;
    if bins == 0 {
        let expected = "choose at least 1".to_string();
        return Err(EvalError::Setting { setting: "bins", value: 0.0, expected });
    }
    let scored = Scored::new(labels, probabilities, classes)?;
    Ok(calibration_error(&scored, &vec![1; labels.len()], bins))
}

fn calibration_error(scored: &Scored<'_>, times: &[u32], bins: usize) -> Option<f64> {
    // Hits minus confidences, summed per bin: |B| (accuracy - confidence).
    let mut gaps = vec![0.0; bins];
    for (sample, (&label, &prediction)) in scored.labels.iter().zip(&scored.predictions).enumerate() {
        let confidence = scored.scores[sample * scored.classes + prediction];
        let bin = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
        let hit = f64::from(u8::from(label == prediction));
        gaps[bin] += f64::from(times[sample]) * (hit - confidence);
    }
    let samples: u32 = times.iter().sum();
    scored.are_probabilities.then(|| gaps.iter().map(|gap| gap.abs()).sum::<f64>() / f64::from(samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(confidences: &[f64]) -> Vec<f64> {
        confidences.iter().flat_map(|&p| [p, 1.0 - p]).collect()
    }

    /// Hits against confidences, bin by bin.
    #[test]
    fn agrees_with_a_computation_by_hand() {
        let found =
            expected_calibration_error(&[0, 1, 0, 0], &rows(&[0.6, 0.8, 0.9, 1.0]), 2, 5).unwrap().unwrap();
        // Bins of 0.2: 0.6 in (0.4, 0.6], 0.8 in (0.6, 0.8], 0.9 and 1.0 in (0.8, 1].
        let expected = ((1.0_f64 - 0.6).abs() + (0.0_f64 - 0.8).abs() + (2.0_f64 - 1.9).abs()) / 4.0;
        assert!((found - expected).abs() < 1e-12, "{found}");
        let one_bin =
            expected_calibration_error(&[0, 1, 0, 0], &rows(&[0.6, 0.8, 0.9, 1.0]), 2, 1).unwrap().unwrap();
        assert!((one_bin - (3.0_f64 - 3.3).abs() / 4.0).abs() < 1e-12, "{one_bin}");
    }

    #[test]
    fn scores_that_are_no_probabilities_have_no_calibration() {
        assert_eq!(expected_calibration_error(&[0], &[2.0, -1.0], 2, 15), Ok(None));
        assert_eq!(expected_calibration_error(&[0], &[0.9, 0.9], 2, 15), Ok(None));
        assert_eq!(expected_calibration_error(&[0], &[1.0, 0.0], 2, 15), Ok(Some(0.0)));
        let none = expected_calibration_error(&[0], &[1.0, 0.0], 2, 0);
        assert!(matches!(none, Err(EvalError::Setting { setting: "bins", .. })));
    }

    proptest! {
        #[test]
        fn lies_between_the_overall_gap_and_one(
            samples in prop::collection::vec((0usize..2, 0.0f64..=1.0), 1..60), bins in 1usize..20
        ) {
            let labels: Vec<usize> = samples.iter().map(|sample| sample.0).collect();
            let scores = rows(&samples.iter().map(|sample| sample.1).collect::<Vec<_>>());
            let ece = |bins| expected_calibration_error(&labels, &scores, 2, bins).unwrap().unwrap();
            // Refining one bin cannot make the gaps smaller.
            prop_assert!(ece(bins) >= ece(1) - 1e-12 && ece(bins) <= 1.0);
        }
    }
}
