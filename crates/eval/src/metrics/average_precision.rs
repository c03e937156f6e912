//! Average precision: how well scores rank the samples of one class before the rest.

use serde::{Deserialize, Serialize};

use super::basics::{check_score_values, check_scores, mean_of_defined};
use super::scored::Formula;
use crate::{Better, EvalError, Measure, Unit};

/// Mean one-vs-rest average precision ([`ApRule::Step`]) over the classes present in the truth.
pub(super) const MACRO_AVERAGE_PRECISION: Measure<Formula> = Measure {
    id: "macro_average_precision",
    title: "mean AP",
    unit: Unit::Share,
    better: Better::Higher,
    of: Formula::Scores(|scored, times| {
        let of = |class: &Ranking| class.average_precision(|sample| times[sample] as usize, ApRule::Step);
        mean_of_defined(scored.falling.iter().map(of))
    }),
};

/// How the curve of precision over recall becomes one number.
///
/// Thresholds fall through the distinct scores; threshold `k` has precision `p_k` and recall `r_k`, `r_0 = 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApRule {
    /// `sum_k (r_k - r_{k-1}) p_k`, as scikit-learn's `average_precision_score`.
    Step,
    /// The same with `p_k` replaced by `max_{j >= k} p_j`: the exact area under the envelope, as PASCAL VOC
    /// from 2010 on.
    Area,
    /// `mean over t in {0, 0.1, .., 1} of max {p_k : r_k >= t}`: the 11 points of PASCAL VOC up to 2009
    /// (Everingham et al., IJCV 2010, section 4.2).
    Voc07,
}

/// Average precision of one class: `positive` says which samples belong to it, `scores` ranks them. Samples
/// of equal score pass the threshold together. `None` without a positive sample.
///
/// # Errors
/// No samples, lists of different length, scores that are not finite.
pub fn average_precision(positive: &[bool], scores: &[f64], rule: ApRule) -> Result<Option<f64>, EvalError> {
    check_score_values(positive.len(), scores, 1)?;
    Ok(Ranking::new(positive, |sample| scores[sample]).average_precision(|_| 1, rule))
}

/// [`average_precision`] of every class against the rest, for samples with one label each. `scores` is
/// `[samples, classes]`; a class absent from the truth gives `None`.
///
/// # Errors
/// No samples, lists of the wrong length, labels outside `0..classes`, scores that are not finite.
pub fn average_precision_one_vs_rest(
    labels: &[usize],
    scores: &[f64],
    classes: usize,
    rule: ApRule,
) -> Result<Vec<Option<f64>>, EvalError> {
    check_scores(labels, scores, classes)?;
    let of_class =
        |class: usize| Ranking::of_class(labels, scores, classes, class).average_precision(|_| 1, rule);
    Ok((0..classes).map(of_class).collect())
}

/// The samples of one class in the order of falling scores. Sorted once, it gives the average precision of any number of
/// draws from them.
pub(super) struct Ranking(Vec<Ranked>);

struct Ranked {
    sample: usize,
    positive: bool,
    /// Whether the threshold falls below its score here: it is the last of those with this score.
    last: bool,
}

impl Ranking {
    /// Of `class`, in `scores` `[samples, classes]`.
    pub(super) fn of_class(labels: &[usize], scores: &[f64], classes: usize, class: usize) -> Ranking {
        let positive: Vec<bool> = labels.iter().map(|&label| label == class).collect();
        Ranking::new(&positive, |sample| scores[sample * classes + class])
    }

    pub(super) fn new(positive: &[bool], score: impl Fn(usize) -> f64) -> Ranking {
        let mut order: Vec<usize> = (0..positive.len()).collect();
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        let mut ranked = Vec::with_capacity(order.len());
        for tied in order.chunk_by(|&a, &b| score(a) == score(b)) {
            let of = |&sample: &usize| Ranked { sample, positive: positive[sample], last: false };
            ranked.extend(tied.iter().map(of));
            if let Some(lowest) = ranked.last_mut() {
                lowest.last = true;
            }
        }
        Ranking(ranked)
    }

    /// The average precision where each sample counts as often as `times` says; `None` without a positive one.
    pub(super) fn average_precision(&self, times: impl Fn(usize) -> usize, rule: ApRule) -> Option<f64> {
        let (mut hits, mut taken) = (0, 0);
        let mut curve = Vec::new();
        for &Ranked { sample, positive, last } in &self.0 {
            let times = times(sample);
            taken += times;
            hits += if positive { times } else { 0 };
            if last && taken > 0 {
                curve.push(Threshold { hits, precision: hits as f64 / taken as f64 });
            }
        }
        (hits > 0).then(|| summary(curve, hits, rule))
    }
}

/// One point of the curve.
struct Threshold {
    /// Positives at or above it: recall in units of one positive.
    hits: usize,
    precision: f64,
}

fn summary(mut curve: Vec<Threshold>, positives: usize, rule: ApRule) -> f64 {
    if rule != ApRule::Step {
        let mut best = 0.0_f64;
        for threshold in curve.iter_mut().rev() {
            best = best.max(threshold.precision);
            threshold.precision = best;
        }
    }
    if rule == ApRule::Voc07 {
        // In whole numbers: recall >= t / 10 exactly.
        let reached = |t: usize| curve.iter().find(|threshold| 10 * threshold.hits >= t * positives);
        let points = (0..=10).map(|t| reached(t).map_or(0.0, |threshold| threshold.precision));
        return points.sum::<f64>() / 11.0;
    }
    let mut before = 0;
    let mut area = 0.0;
    for threshold in curve {
        area += (threshold.hits - before) as f64 * threshold.precision;
        before = threshold.hits;
    }
    area / positives as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::mean_of_defined;
    use proptest::prelude::*;

    const RULES: [(ApRule, &str); 3] =
        [(ApRule::Step, "step"), (ApRule::Area, "area"), (ApRule::Voc07, "voc07")];

    #[test]
    fn golden_average_precision() {
        for case in twinlens_golden::cases("metrics/average_precision") {
            let classes = case.count("num_classes");
            let column = |class: usize| {
                let pick = move |at: usize| at % classes == class;
                let positive = case.i64("in.labels").iter().enumerate().filter(move |(at, _)| pick(*at));
                let scores = case.f32("in.scores").iter().enumerate().filter(move |(at, _)| pick(*at));
                let positive: Vec<bool> = positive.map(|(_, &label)| label == 1).collect();
                (positive, scores.map(|(_, &score)| score.into()).collect::<Vec<f64>>())
            };
            for (rule, name) in RULES {
                let of = |class| {
                    let (positive, scores) = column(class);
                    average_precision(&positive, &scores, rule).unwrap()
                };
                let all: Vec<Option<f64>> = (0..classes).map(of).collect();
                let defined: Vec<f64> = all.iter().copied().flatten().collect();
                case.check(&format!("out.ap_{name}"), &defined);
                case.check(&format!("out.map_{name}"), &[mean_of_defined(all).unwrap()]);
            }
        }
    }

    #[test]
    fn classes_are_judged_one_against_the_rest() {
        let scores = [0.7, 0.2, 0.1, 0.3, 0.6, 0.1, 0.5, 0.4, 0.1];
        let found = average_precision_one_vs_rest(&[0, 1, 1], &scores, 3, ApRule::Step).unwrap();
        assert_eq!(found, [Some(1.0), Some(1.0), None]);
        let refused = average_precision(&[true], &[f64::NAN], ApRule::Step);
        assert!(matches!(refused, Err(EvalError::InvalidScore { sample: 0, class: 0, .. })));
        assert!(matches!(average_precision(&[true], &[], ApRule::Step), Err(EvalError::Length { .. })));
        assert!(matches!(average_precision(&[], &[], ApRule::Step), Err(EvalError::Empty { .. })));
    }

    proptest! {
        #[test]
        fn the_envelope_lies_above_and_constant_scores_give_the_share(
            samples in prop::collection::vec((any::<bool>(), -9i8..9), 1..60)
        ) {
            let positive: Vec<bool> = samples.iter().map(|sample| sample.0).collect();
            let scores: Vec<f64> = samples.iter().map(|sample| sample.1.into()).collect();
            let ap = |scores: &[f64], rule| average_precision(&positive, scores, rule).unwrap();
            let positives = positive.iter().filter(|&&p| p).count();
            for (rule, _) in RULES {
                let value = ap(&scores, rule);
                prop_assert_eq!(value.is_some(), positives > 0);
                prop_assert!(value.is_none_or(|value| value > 0.0 && value <= 1.0 + 1e-12));
                let mapped: Vec<f64> = scores.iter().map(|s| (s / 5.0).exp() - 3.0).collect();
                prop_assert_eq!(value, ap(&mapped, rule));
                let share = positives as f64 / samples.len() as f64;
                let constant = ap(&vec![0.5; samples.len()], rule);
                prop_assert!(constant.is_none_or(|constant| (constant - share).abs() < 1e-12));
                let perfect: Vec<f64> = positive.iter().map(|&p| f64::from(u8::from(p))).collect();
                prop_assert!(ap(&perfect, rule).is_none_or(|value| (value - 1.0).abs() < 1e-12));
            }
            prop_assert!(ap(&scores, ApRule::Area) >= ap(&scores, ApRule::Step).map(|step| step - 1e-12));
        }
    }
}
