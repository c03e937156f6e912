//! Area under the ROC curve, one class against the rest.

use super::basics::{check_score_values, check_scores, mean_of_defined};
use super::scored::Formula;
use crate::{Better, EvalError, Measure, Unit};

/// Mean one-vs-rest AUC over the classes for which it is defined.
pub(super) const MACRO_AUC: Measure<Formula> = Measure {
    id: "macro_auc",
    title: "macro AUC",
    unit: Unit::Share,
    better: Better::Higher,
    of: Formula::Scores(|scored, times| {
        mean_of_defined(scored.rising.iter().map(|class| class.auc(|sample| times[sample])))
    }),
};

/// Per class, the probability that a sample of the class scores higher than one of the rest, ties counting
/// one half: the area under its ROC curve (Mann and Whitney's U over the number of pairs).
///
/// `scores` is `[samples, classes]`. A class that is absent from the truth, or that is the only one present,
/// has no pairs and gives `None`, so that the macro mean runs over the other classes; scikit-learn's
/// `roc_auc_score` refuses such input. Counted in integers by midranks: exact, in `O(n log n)` a class.
///
/// # Errors
/// No samples, lists of the wrong length, labels outside `0..classes`, scores that are not finite.
pub fn auc_one_vs_rest(
    labels: &[usize],
    scores: &[f64],
    classes: usize,
) -> Result<Vec<Option<f64>>, EvalError> {
    check_scores(labels, scores, classes)?;
    Ok((0..classes).map(|class| Rising::of_class(labels, scores, classes, class).auc(|_| 1)).collect())
}

/// The same of one class: `positive` says which samples belong to it.
///
/// # Errors
/// No samples, lists of different length, scores that are not finite.
pub fn auc(positive: &[bool], scores: &[f64]) -> Result<Option<f64>, EvalError> {
    check_score_values(positive.len(), scores, 1)?;
    let rising = Rising::new(positive.len(), |sample| positive[sample], |sample| scores[sample]);
    Ok(rising.auc(|_| 1))
}

/// The samples in rising order of one class's scores: sorted once, counted as often as there are draws of the samples.
pub(crate) struct Rising {
    samples: Vec<Ranked>,
}

struct Ranked {
    sample: u32,
    positive: bool,
    last_of_ties: bool,
}

impl Rising {
    /// Of `class`, in `scores` `[samples, classes]`.
    pub fn of_class(labels: &[usize], scores: &[f64], classes: usize, class: usize) -> Rising {
        let score = |sample: usize| scores[sample * classes + class];
        Rising::new(labels.len(), |sample| labels[sample] == class, score)
    }

    fn new(samples: usize, positive: impl Fn(usize) -> bool, score: impl Fn(usize) -> f64) -> Rising {
        let mut order: Vec<usize> = (0..samples).collect();
        order.sort_unstable_by(|&a, &b| score(a).total_cmp(&score(b)));
        let ranked = |(at, &sample): (usize, &usize)| Ranked {
            sample: sample as u32,
            positive: positive(sample),
            last_of_ties: order.get(at + 1).is_none_or(|&next| score(next) != score(sample)),
        };
        Rising { samples: order.iter().enumerate().map(ranked).collect() }
    }

    /// The AUC of samples of which each is there as often as `times` says.
    pub fn auc(&self, times: impl Fn(usize) -> u32) -> Option<f64> {
        let (mut positives, mut negatives, mut double_wins) = (0, 0, 0);
        let (mut positive, mut negative) = (0, 0);
        for ranked in &self.samples {
            let times = u64::from(times(ranked.sample as usize));
            positive += times * u64::from(ranked.positive);
            negative += times * u64::from(!ranked.positive);
            if ranked.last_of_ties {
                double_wins += u128::from(positive) * u128::from(2 * negatives + negative);
                positives += positive;
                negatives += negative;
                (positive, negative) = (0, 0);
            }
        }
        let pairs = u128::from(positives) * u128::from(negatives);
        (pairs > 0).then(|| double_wins as f64 / (2 * pairs) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::classes_of;
    use proptest::prelude::*;

    #[test]
    fn golden_auc_macro_ovr() {
        for case in twinlens_golden::cases("metrics/auc_macro_ovr") {
            let probabilities: Vec<f64> = case.f32("in.probabilities").iter().map(|&p| p.into()).collect();
            let labels = classes_of(&case, "in.labels");
            let auc = auc_one_vs_rest(&labels, &probabilities, case.count("num_classes")).unwrap();
            let per_class: Vec<f64> = auc.iter().map(|value| value.unwrap()).collect();
            case.check("out.auc_per_class", &per_class);
            case.check("out.auc_macro", &[mean_of_defined(auc).unwrap()]);
        }
    }

    #[test]
    fn a_class_without_pairs_has_no_auc() {
        let scores = [0.1, 0.2, 0.7, 0.8, 0.1, 0.1];
        assert_eq!(auc_one_vs_rest(&[2, 0], &scores, 3).unwrap(), [Some(1.0), None, Some(1.0)]);
        assert_eq!(auc_one_vs_rest(&[0, 0], &scores, 3).unwrap(), [None, None, None]);
    }

    #[test]
    fn zeros_of_either_sign_are_ties() {
        let auc = auc_one_vs_rest(&[0, 1], &[0.0, -0.0, -0.0, 0.0], 2).unwrap();
        assert_eq!(auc, [Some(0.5), Some(0.5)]);
    }

    #[test]
    fn scores_that_are_not_finite_are_refused() {
        let error = auc_one_vs_rest(&[0, 1], &[0.5, 0.5, f64::NAN, 0.0], 2).unwrap_err();
        assert!(matches!(error, EvalError::InvalidScore { sample: 1, class: 0, .. }));
    }

    /// Two classes; column 0 holds `scores`, column 1 their negatives.
    fn two_classes(samples: &[(bool, i8)], map: impl Fn(f64) -> f64) -> Option<f64> {
        let labels: Vec<usize> = samples.iter().map(|&(rest, _)| usize::from(rest)).collect();
        let scores: Vec<f64> = samples.iter().flat_map(|&(_, s)| [map(s.into()), -f64::from(s)]).collect();
        auc_one_vs_rest(&labels, &scores, 2).unwrap()[0]
    }

    proptest! {
        #[test]
        fn auc_counts_pairs_and_ignores_monotone_maps(
            samples in prop::collection::vec((any::<bool>(), -9i8..9), 1..60)
        ) {
            let auc = two_classes(&samples, |s| s);
            prop_assert_eq!(auc, two_classes(&samples, |s| (s / 5.0).exp() - 3.0));
            let of = |rest: bool| samples.iter().filter(move |sample| sample.0 == rest).map(|sample| sample.1);
            let wins = of(false).flat_map(|p| of(true).map(move |n| match p.cmp(&n) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            }));
            let pairs = of(false).count() * of(true).count();
            prop_assert_eq!(auc, (pairs > 0).then(|| wins.sum::<f64>() / pairs as f64));
        }

        #[test]
        fn a_sample_that_is_there_twice_counts_twice(
            samples in prop::collection::vec((any::<bool>(), -9i8..9, 0u32..4), 1..30)
        ) {
            let rising = Rising::new(samples.len(), |at| samples[at].0, |at| samples[at].1.into());
            let repeated: Vec<(bool, i8)> =
                samples.iter().flat_map(|&(positive, score, times)| vec![(positive, score); times as usize]).collect();
            let repeated = Rising::new(repeated.len(), |at| repeated[at].0, |at| repeated[at].1.into());
            prop_assert_eq!(rising.auc(|at| samples[at].2), repeated.auc(|_| 1));
        }

        #[test]
        fn perfect_scores_give_one_and_constants_one_half(labels in prop::collection::vec(0usize..4, 2..50)) {
            let one_hot: Vec<f64> =
                labels.iter().flat_map(|&label| (0..4).map(move |c| f64::from(u8::from(c == label)))).collect();
            let perfect = auc_one_vs_rest(&labels, &one_hot, 4).unwrap();
            prop_assert!(perfect.iter().flatten().all(|&auc| auc == 1.0));
            let constant = auc_one_vs_rest(&labels, &vec![0.25; labels.len() * 4], 4).unwrap();
            prop_assert!(constant.iter().flatten().all(|&auc| auc == 0.5));
        }
    }
}
