//! The confusion matrix and the metrics that follow from it.

use serde::{Deserialize, Serialize};

use super::basics::mean_of_defined;
use super::scored::Formula;
use crate::features::check_labels;
use crate::{Better, EvalError, Measure, Unit};

const fn of_counts(
    id: &'static str,
    title: &'static str,
    of: fn(&Confusion) -> Option<f64>,
) -> Measure<Formula> {
    Measure { id, title, unit: Unit::Share, better: Better::Higher, of: Formula::Counts(of) }
}

pub(super) const ACCURACY: Measure<Formula> =
    of_counts("accuracy", "accuracy", |counts| Some(counts.accuracy()));
pub(super) const BALANCED_ACCURACY: Measure<Formula> =
    of_counts("balanced_accuracy", "balanced accuracy", |counts| Some(counts.balanced_accuracy()));
pub(super) const MACRO_F1: Measure<Formula> =
    of_counts("macro_f1", "macro F1", |counts| Some(counts.macro_f1()));
pub(super) const MICRO_F1: Measure<Formula> =
    of_counts("micro_f1", "micro F1", |counts| Some(counts.micro_f1()));
pub(super) const COHEN_KAPPA: Measure<Formula> =
    of_counts("cohen_kappa", "Cohen's kappa", Confusion::cohen_kappa);

/// Counts of samples by true class (row) and predicted class (column); JSON: a list of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confusion {
    counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// Counts `predictions` against the true `labels`.
    ///
    /// # Errors
    /// No samples, lists of different length, or a label or prediction outside `0..classes`.
    pub fn new(labels: &[usize], predictions: &[usize], classes: usize) -> Result<Confusion, EvalError> {
        if labels.is_empty() {
            return Err(EvalError::Empty { what: "the list of labels".to_string() });
        }
        check_labels("label", labels, labels.len(), classes)?;
        check_labels("prediction", predictions, labels.len(), classes)?;
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &prediction) in labels.iter().zip(predictions) {
            counts[label][prediction] += 1;
        }
        Ok(Confusion { counts })
    }

    /// The counts: `counts()[true class][predicted class]`.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Each row divided by its sum: the shares into which a true class falls. An empty row stays 0.
    pub fn normalised(&self) -> Vec<Vec<f64>> {
        let share = |count: u64, support: u64| if support == 0 { 0.0 } else { count as f64 / support as f64 };
        let normalise = |(class, row): (usize, &Vec<u64>)| {
            row.iter().map(|&count| share(count, self.support(class))).collect()
        };
        self.counts.iter().enumerate().map(normalise).collect()
    }

    /// Number of samples whose true class is `class`.
    pub fn support(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    /// Share of the samples of `class` that are predicted right; `None` without any.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.hits(class), self.support(class))
    }

    /// Share of the predictions of `class` that are right; `None` when it was never predicted.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.hits(class), self.predicted(class))
    }

    /// `2 tp / (2 tp + fp + fn)`; `None` when `class` is in neither truth nor predictions.
    pub fn f1(&self, class: usize) -> Option<f64> {
        ratio(2 * self.hits(class), self.support(class) + self.predicted(class))
    }

    /// Share of all samples predicted right.
    pub fn accuracy(&self) -> f64 {
        let classes = 0..self.counts.len();
        let hits: u64 = classes.clone().map(|class| self.hits(class)).sum();
        let samples: u64 = classes.map(|class| self.support(class)).sum();
        hits as f64 / samples as f64
    }

    /// Mean recall over the classes present in the truth (as scikit-learn's `balanced_accuracy_score`).
    pub fn balanced_accuracy(&self) -> f64 {
        self.mean_over_classes(Self::recall)
    }

    /// Mean F1 over the classes present in truth or predictions (as scikit-learn's `f1_score` with
    /// `average="macro"` and without `labels`).
    pub fn macro_f1(&self) -> f64 {
        self.mean_over_classes(Self::f1)
    }

    /// `2 tp / (2 tp + fp + fn)` of the counts summed over the classes. With one label and one prediction a
    /// sample, as here, every miss is one `fp` and one `fn`, and this is the accuracy.
    pub fn micro_f1(&self) -> f64 {
        let sum =
            |count: fn(&Self, usize) -> u64| (0..self.counts.len()).map(|class| count(self, class)).sum();
        let (hits, truth, predicted): (u64, u64, u64) =
            (sum(Self::hits), sum(Self::support), sum(Self::predicted));
        2.0 * hits as f64 / (truth + predicted) as f64
    }

    /// Cohen's kappa, `(p_o - p_e) / (1 - p_e)` with the agreement `p_o` seen and the agreement `p_e` expected
    /// from the margins (Cohen, "A coefficient of agreement for nominal scales", 1960); 1 for perfect
    /// predictions, 0 for none better than chance. `None` when truth and predictions name one class only.
    pub fn cohen_kappa(&self) -> Option<f64> {
        let classes = 0..self.counts.len();
        let samples: u64 = classes.clone().map(|class| self.support(class)).sum();
        let agreed =
            u128::from(samples) * classes.clone().map(|class| u128::from(self.hits(class))).sum::<u128>();
        let product = |class| u128::from(self.support(class)) * u128::from(self.predicted(class));
        let expected: u128 = classes.map(product).sum();
        let possible = u128::from(samples).pow(2) - expected;
        (possible > 0).then(|| (agreed as f64 - expected as f64) / possible as f64)
    }

    /// A matrix holds at least one sample, so at least one class is defined.
    fn mean_over_classes(&self, metric: impl Fn(&Self, usize) -> Option<f64>) -> f64 {
        mean_of_defined((0..self.counts.len()).map(|class| metric(self, class))).unwrap_or(0.0)
    }

    fn hits(&self, class: usize) -> u64 {
        self.counts[class][class]
    }

    fn predicted(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::classes_of;
    use proptest::prelude::*;

    #[test]
    fn golden_classification() {
        for case in twinlens_golden::cases("metrics/classification") {
            let classes = case.count("num_classes");
            let (labels, predictions) = (classes_of(&case, "in.labels"), classes_of(&case, "in.predictions"));
            let confusion = Confusion::new(&labels, &predictions, classes).unwrap();
            let counts: Vec<i64> = confusion.counts().iter().flatten().map(|&count| count as i64).collect();
            case.check_exact("out.confusion", &counts);
            case.check("out.confusion_normalised", &confusion.normalised().concat());
            case.check("out.accuracy", &[confusion.accuracy()]);
            case.check("out.balanced_accuracy", &[confusion.balanced_accuracy()]);
            case.check("out.macro_f1", &[confusion.macro_f1()]);
        }
    }

    /// Two readers, 50 papers: both say yes to 20, both no to 15; the agreement of 0.7 has kappa 0.4.
    #[test]
    fn kappa_agrees_with_the_textbook() {
        let pairs = [(0, 0, 20), (0, 1, 5), (1, 0, 10), (1, 1, 15)];
        let (labels, predictions): (Vec<usize>, Vec<usize>) =
            pairs.iter().flat_map(|&(label, prediction, count)| vec![(label, prediction); count]).unzip();
        let kappa = Confusion::new(&labels, &predictions, 3).unwrap().cohen_kappa().unwrap();
        assert!((kappa - 0.4).abs() < 1e-12, "{kappa}");
        assert_eq!(Confusion::new(&[1, 1], &[1, 1], 3).unwrap().cohen_kappa(), None);
        assert_eq!(Confusion::new(&[1, 1], &[0, 0], 3).unwrap().cohen_kappa(), Some(0.0));
    }

    #[test]
    fn undefined_ratios_are_none() {
        let confusion = Confusion::new(&[0, 0, 1], &[0, 2, 0], 4).unwrap();
        assert_eq!(confusion.recall(0), Some(0.5));
        assert_eq!(
            (confusion.recall(2), confusion.precision(2), confusion.f1(2)),
            (None, Some(0.0), Some(0.0))
        );
        assert_eq!(
            (confusion.recall(1), confusion.precision(1), confusion.f1(1)),
            (Some(0.0), None, Some(0.0))
        );
        assert_eq!((confusion.recall(3), confusion.precision(3), confusion.f1(3)), (None, None, None));
        assert_eq!(confusion.balanced_accuracy(), 0.25);
    }

    #[test]
    fn bad_lists_are_refused() {
        assert!(matches!(Confusion::new(&[], &[], 2), Err(EvalError::Empty { .. })));
        assert!(matches!(Confusion::new(&[0], &[0, 1], 2), Err(EvalError::Length { .. })));
        let outside = Confusion::new(&[0], &[2], 2).unwrap_err().to_string();
        assert_eq!(outside, "prediction 2 at position 0 is outside 0..2");
    }

    proptest! {
        #[test]
        fn rows_sum_to_the_support_and_all_to_the_samples(
            pairs in prop::collection::vec((0usize..5, 0usize..5), 1..80)
        ) {
            let (labels, predictions): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
            let confusion = Confusion::new(&labels, &predictions, 5).unwrap();
            for class in 0..5 {
                let support = labels.iter().filter(|&&label| label == class).count();
                prop_assert_eq!(confusion.support(class), support as u64);
                let share: f64 = confusion.normalised()[class].iter().sum();
                let wanted = if support == 0 { 0.0 } else { 1.0 };
                prop_assert!((share - wanted).abs() < 1e-12);
            }
            let right = pairs.iter().filter(|(label, prediction)| label == prediction).count();
            prop_assert_eq!(confusion.accuracy(), right as f64 / pairs.len() as f64);
            prop_assert!((confusion.micro_f1() - confusion.accuracy()).abs() < 1e-12);
            let turned = Confusion::new(&predictions, &labels, 5).unwrap();
            prop_assert_eq!(confusion.cohen_kappa(), turned.cohen_kappa());
            prop_assert!(confusion.cohen_kappa().is_none_or(|kappa| (-1.0..=1.0).contains(&kappa)));
        }
    }
}
