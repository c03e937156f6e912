//! How well what was found agrees with masks that a person drew.
//!
//! The IoU of a true and a found object is the number of pixels of both by that of either. At a threshold `t` of 0.5 or more a
//! pair with IoU above `t` is a true positive: no object can have two. With TP, FP (found, not true) and FN (true, not found):
//! `precision = TP / (TP + FP)`, `recall = TP / (TP + FN)`, `F1 = 2 TP / (2 TP + FP + FN)`, `AP = TP / (TP + FP + FN)`; all are
//! 0 without a true positive (Caicedo et al. 2019, "Nucleus segmentation across imaging experiments: the 2018 Data Science
//! Bowl").

use std::collections::BTreeMap;

use crate::{CellsError, Labels};

/// 0.50, 0.55, ..., 0.95.
pub const THRESHOLDS: [f64; 10] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// Pairs, and what has no partner, at one threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    /// Pairs.
    pub true_positive: usize,
    /// Objects found that are none.
    pub false_positive: usize,
    /// Objects that were not found.
    pub false_negative: usize,
}

impl Found {
    /// The share of what was found that is true.
    pub fn precision(self) -> f64 {
        share(self.true_positive, self.true_positive + self.false_positive)
    }

    /// The share of what is true that was found.
    pub fn recall(self) -> f64 {
        share(self.true_positive, self.true_positive + self.false_negative)
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(self) -> f64 {
        share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)
    }

    /// Pairs by all there is.
    pub fn ap(self) -> f64 {
        share(self.true_positive, self.true_positive + self.false_positive + self.false_negative)
    }
}

impl std::iter::Sum for Found {
    fn sum<I: Iterator<Item = Found>>(all: I) -> Found {
        all.fold(Found::default(), |a, b| Found {
            true_positive: a.true_positive + b.true_positive,
            false_positive: a.false_positive + b.false_positive,
            false_negative: a.false_negative + b.false_negative,
        })
    }
}

fn share(part: usize, all: usize) -> f64 {
    if part == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// The agreement of one field.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Agreement {
    /// Objects that there are.
    pub true_count: usize,
    /// Objects that were found.
    pub found_count: usize,
    /// At each of [`THRESHOLDS`].
    pub at: [Found; 10],
    /// The mean of AP over the thresholds.
    pub mean_ap: f64,
    /// The mean IoU of pairs above 0.5; 0 without any.
    pub mean_matched_iou: f64,
}

/// Compares the objects of `found` with those of `truth`, however either is numbered.
///
/// # Errors
/// [`CellsError::Setting`] when they are not of one size.
pub fn agreement(truth: &Labels, found: &Labels) -> Result<Agreement, CellsError> {
    if (truth.height, truth.width) != (found.height, found.width) {
        let size = |labels: &Labels| format!("{} x {} pixels", labels.height, labels.width);
        return Err(CellsError::setting("labels", &size(truth), size(found)));
    }
    let mut pairs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    truth.ids.iter().zip(&found.ids).for_each(|(&a, &b)| *pairs.entry((a, b)).or_default() += 1);
    let (mut of_true, mut of_found) = (BTreeMap::new(), BTreeMap::new());
    for (&(a, b), &count) in &pairs {
        *of_true.entry(a).or_insert(0) += count;
        *of_found.entry(b).or_insert(0) += count;
    }
    let ious: Vec<f64> = pairs
        .iter()
        .filter(|((a, b), _)| *a > 0 && *b > 0)
        .map(|((a, b), &both)| both as f64 / (of_true[a] + of_found[b] - both) as f64)
        .filter(|iou| *iou > THRESHOLDS[0])
        .collect();
    let count = |of: &BTreeMap<u32, usize>| of.keys().filter(|id| **id > 0).count();
    let (true_count, found_count) = (count(&of_true), count(&of_found));
    let at = THRESHOLDS.map(|threshold| {
        let true_positive = ious.iter().filter(|iou| **iou > threshold).count();
        Found {
            true_positive,
            false_positive: found_count - true_positive,
            false_negative: true_count - true_positive,
        }
    });
    Ok(Agreement {
        true_count,
        found_count,
        at,
        mean_ap: at.iter().map(|found| found.ap()).sum::<f64>() / at.len() as f64,
        mean_matched_iou: if ious.is_empty() { 0.0 } else { ious.iter().sum::<f64>() / ious.len() as f64 },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twinlens_golden::{Case, cases};

    use super::*;

    fn labels(case: &Case, key: &str) -> Labels {
        let [height, width] = case.shape(key) else { panic!("{}: {key}", case.name()) };
        Labels::new(*height, *width, case.u8(key).iter().map(|&id| id.into()).collect()).unwrap()
    }

    #[test]
    fn agreement_is_that_of_the_reference() {
        for case in cases("cells/instance_match") {
            let found =
                agreement(&labels(&case, "in.labels_true"), &labels(&case, "in.labels_predicted")).unwrap();
            let counts = |of: fn(Found) -> usize| found.at.map(|at| of(at) as i64);
            case.check_exact("out.true_positive", &counts(|at| at.true_positive));
            case.check_exact("out.false_positive", &counts(|at| at.false_positive));
            case.check_exact("out.false_negative", &counts(|at| at.false_negative));
            case.check("out.f1", &found.at.map(Found::f1));
            case.check("out.ap", &found.at.map(Found::ap));
            case.check("out.mean_ap", &[found.mean_ap]);
            case.check("out.mean_matched_iou", &[found.mean_matched_iou]);
        }
    }

    #[test]
    fn sizes_must_be_the_same() {
        let of = |height, width| Labels::new(height, width, vec![0; height * width]).unwrap();
        let error = agreement(&of(2, 3), &of(3, 2)).unwrap_err();
        assert_eq!(error.to_string(), "labels: expected 2 x 3 pixels, got 3 x 2 pixels");
    }

    proptest! {
        #[test]
        fn an_object_agrees_with_itself_and_numbers_do_not_matter(ids in prop::collection::vec(0u32..5, 42)) {
            let truth = Labels::new(6, 7, ids.clone()).unwrap();
            let other = Labels::new(6, 7, ids.iter().map(|id| if *id == 0 { 0 } else { 900 - id * 100 }).collect()).unwrap();
            let found = agreement(&truth, &other).unwrap();
            prop_assert_eq!(found.true_count, found.found_count);
            prop_assert!(found.at.iter().all(|at| at.true_positive == found.true_count));
            prop_assert_eq!(agreement(&truth, &truth).unwrap(), found);
        }
    }
}
