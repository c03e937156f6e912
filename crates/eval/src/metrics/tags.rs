//! Numbers for images that may show several classes: each class is ranked by itself, over the images judged for it.

use serde::{Deserialize, Serialize};
use twinlens_data::Tag;

use super::auc;
use super::average_precision::{ApRule, Ranking};
use super::basics::{check_score_values, mean_of_defined};
use crate::statistics::{Bootstrap, Interval, Units};
use crate::{Better, EvalError, Measure, MeasureOf, Tagged, Unit};

/// An average precision by each [`ApRule`]; `None` where it is undefined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ByRule {
    /// By [`ApRule::Step`].
    pub step: Option<f64>,
    /// By [`ApRule::Area`].
    pub area: Option<f64>,
    /// By [`ApRule::Voc07`].
    pub voc07: Option<f64>,
}

/// Everything said about the scores on one split. `None` (JSON `null`) stands where a number is undefined, never 0 or NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagScores {
    /// Number of images judged.
    pub samples: usize,
    /// Mean average precision over the classes for which it is defined.
    pub mean_average_precision: ByRule,
    /// What it would be, by [`ApRule::Step`], of other images of the same kind: the interval of a [`Bootstrap`].
    pub interval: Option<[f64; 2]>,
    /// The number of groups that the interval is over; nothing where it is over images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Mean area under the ROC curve over the classes for which it is defined.
    pub macro_auc: Option<f64>,
    /// The same per class, in class order.
    pub per_class: Vec<TagClassScores>,
}

/// What is said about one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagClassScores {
    /// Images that show it.
    pub present: usize,
    /// Images that do not.
    pub absent: usize,
    /// Images that do not count for it.
    pub not_judged: usize,
    /// Undefined without an image that shows it, or without a classifier for it.
    pub average_precision: ByRule,
    /// Area under the ROC curve; undefined unless some images show it and some do not.
    pub auc: Option<f64>,
}

/// All measures, in the order in which they are shown: mean average precision by each rule, and AUC.
pub static TAG_MEASURES: [MeasureOf<TagScores>; 4] = [
    of_tags("map", "mAP", |scores| scores.mean_average_precision.step),
    of_tags("map_area", "mAP (area)", |scores| scores.mean_average_precision.area),
    of_tags("map_voc07", "mAP (11 points)", |scores| scores.mean_average_precision.voc07),
    of_tags("macro_auc", "macro AUC", |scores| scores.macro_auc),
];

const fn of_tags(
    id: &'static str,
    title: &'static str,
    of: fn(&TagScores) -> Option<f64>,
) -> MeasureOf<TagScores> {
    Measure { id, title, unit: Unit::Share, better: Better::Higher, of }
}

/// The images judged for one class, in their order, and what was found of them.
struct Judged {
    images: Vec<usize>,
    positive: Vec<bool>,
    scores: Vec<f64>,
    ranking: Ranking,
}

impl TagScores {
    /// Judges one score for every image and class, larger for images that look more like showing it; `None` for classes that
    /// have no classifier. The interval is `bootstrap`'s.
    ///
    /// # Errors
    /// Another number of classes or images than `truth` has, scores that are not finite.
    pub fn new(
        truth: &Tagged,
        scores: &[Option<Vec<f64>>],
        bootstrap: &Bootstrap,
    ) -> Result<TagScores, EvalError> {
        let (expected, got) = (truth.classes().len(), scores.len());
        if expected != got {
            return Err(EvalError::Length { what: "classes with scores", expected, got });
        }
        let judged = |(class, scores): (usize, &Option<Vec<f64>>)| {
            scores.as_ref().map(|scores| Judged::new(truth, class, scores)).transpose()
        };
        let judged: Vec<Option<Judged>> =
            scores.iter().enumerate().map(judged).collect::<Result<_, EvalError>>()?;
        let per_class: Vec<TagClassScores> = judged
            .iter()
            .enumerate()
            .map(|(class, judged)| of_class(truth, class, judged.as_ref()))
            .collect();
        let mean = |value: fn(&ByRule) -> Option<f64>| {
            mean_of_defined(per_class.iter().map(|class| value(&class.average_precision)))
        };
        let units = Units::of(truth.features().rows(), truth.groups());
        Ok(TagScores {
            samples: truth.features().rows(),
            mean_average_precision: ByRule {
                step: mean(|ap| ap.step),
                area: mean(|ap| ap.area),
                voc07: mean(|ap| ap.voc07),
            },
            groups: units.group_count(),
            interval: interval(truth.features().rows(), units, &judged, bootstrap)?,
            macro_auc: mean_of_defined(per_class.iter().map(|class| class.auc)),
            per_class,
        })
    }
}

impl Judged {
    fn new(truth: &Tagged, class: usize, scores: &[f64]) -> Result<Judged, EvalError> {
        check_score_values(truth.features().rows(), scores, 1)?;
        let (images, positive) = truth.judged(class);
        let scores: Vec<f64> = images.iter().map(|&image| scores[image]).collect();
        let ranking = Ranking::new(&positive, |at| scores[at]);
        Ok(Judged { images, positive, scores, ranking })
    }
}

fn of_class(truth: &Tagged, class: usize, judged: Option<&Judged>) -> TagClassScores {
    let count = |wanted: Tag| truth.of_class(class).filter(|tag| *tag == wanted).count();
    let average_precision =
        |rule: ApRule| judged.and_then(|judged| judged.ranking.average_precision(|_| 1, rule));
    TagClassScores {
        present: count(Tag::Present),
        absent: count(Tag::Absent),
        not_judged: count(Tag::NotJudged),
        average_precision: ByRule {
            step: average_precision(ApRule::Step),
            area: average_precision(ApRule::Area),
            voc07: average_precision(ApRule::Voc07),
        },
        // No image judged: no AUC.
        auc: judged.and_then(|judged| auc(&judged.positive, &judged.scores).ok().flatten()),
    }
}

/// How far the mean average precision would move if the images were drawn again; `None` where it is undefined.
fn interval(
    images: usize,
    units: Units,
    judged: &[Option<Judged>],
    bootstrap: &Bootstrap,
) -> Result<Option<[f64; 2]>, EvalError> {
    let mean = |drawn: &[usize]| {
        let mut times = vec![0; images];
        drawn.iter().for_each(|&image| times[image] += 1);
        let of = |judged: &Option<Judged>| {
            let Judged { images, ranking, .. } = judged.as_ref()?;
            ranking.average_precision(|at| times[images[at]], ApRule::Step)
        };
        mean_of_defined(judged.iter().map(of))
    };
    Interval::ends_where_defined(bootstrap.interval(units, mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Features;
    use crate::metrics::average_precision;
    use crate::testing::on_threads;
    use proptest::prelude::*;

    const FEW: Bootstrap = Bootstrap { resamples: 200, level: 0.95, seed: 0 };

    /// One class; images are (tag, score).
    fn judge(images: &[(Tag, i8)]) -> TagScores {
        let features = Features::new(images.len(), 1, vec![0.0; images.len()]).unwrap();
        let tags = images.iter().map(|image| image.0).collect();
        let truth = Tagged::new(features, tags, vec!["a".into()]).unwrap();
        let scores = images.iter().map(|image| image.1.into()).collect();
        TagScores::new(&truth, &[Some(scores)], &FEW).unwrap()
    }

    fn tag() -> impl Strategy<Value = Tag> {
        prop_oneof![Just(Tag::Absent), Just(Tag::Present), Just(Tag::NotJudged)]
    }

    fn images() -> impl Strategy<Value = Vec<(Tag, i8)>> {
        prop::collection::vec((tag(), -9i8..9), 1..50)
    }

    #[test]
    fn classes_without_images_or_without_classifier_are_left_out_of_means() {
        use Tag::{Absent, NotJudged, Present};
        let features = Features::new(4, 1, vec![0.0; 4]).unwrap();
        let rows = [
            [Present, Absent, Present, NotJudged],
            [Absent, Absent, Present, NotJudged],
            [Present, Absent, Absent, NotJudged],
            [Absent, NotJudged, Absent, NotJudged],
        ];
        let names = ["a", "b", "c", "d"].map(String::from).to_vec();
        let truth = Tagged::new(features, rows.concat(), names).unwrap();
        let column = || Some(vec![4.0, 3.0, 2.0, 1.0]);
        let scores = TagScores::new(&truth, &[column(), column(), None, column()], &FEW).unwrap();
        let steps: Vec<_> = scores.per_class.iter().map(|class| class.average_precision.step).collect();
        // By hand: the positives of the first class stand first and third, so 1/2 (1 + 2/3).
        assert_eq!(steps, [Some(0.5 * (1.0 + 2.0 / 3.0)), None, None, None]);
        assert_eq!(scores.mean_average_precision.step, steps[0]);
        assert_eq!(scores.macro_auc, Some(0.75));
        let counts = |class: usize| {
            let TagClassScores { present, absent, not_judged, .. } = scores.per_class[class];
            (present, absent, not_judged)
        };
        assert_eq!((counts(0), counts(1), counts(3)), ((2, 2, 0), (0, 3, 1), (0, 0, 4)));
        let json = serde_json::to_string(&scores).unwrap();
        assert_eq!(serde_json::from_str::<TagScores>(&json).unwrap(), scores);
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let features = Features::new(2, 1, vec![0.0; 2]).unwrap();
        let truth = Tagged::new(features, vec![Tag::Present, Tag::Absent], vec!["a".into()]).unwrap();
        let refused = |scores: &[Option<Vec<f64>>]| TagScores::new(&truth, scores, &FEW).unwrap_err();
        assert!(matches!(refused(&[]), EvalError::Length { expected: 1, got: 0, .. }));
        assert!(matches!(refused(&[Some(vec![1.0])]), EvalError::Length { expected: 2, got: 1, .. }));
        assert!(matches!(refused(&[Some(vec![1.0, f64::NAN])]), EvalError::InvalidScore { sample: 1, .. }));
    }

    #[test]
    fn the_interval_holds_the_value_and_does_not_depend_on_threads() {
        let tag = |at: i8| if at % 3 == 0 { Tag::Present } else { Tag::Absent };
        let images: Vec<(Tag, i8)> = (0..60).map(|at| (tag(at), at % 19 - at % 3)).collect();
        let run = || judge(&images);
        let (value, [low, high]) = (run().mean_average_precision.step.unwrap(), run().interval.unwrap());
        assert!(low < value && value < high && high - low < 0.5, "{low} {value} {high}");
        assert_eq!(on_threads(1, run), on_threads(3, run));
    }

    proptest! {
        #[test]
        fn the_order_of_images_does_not_matter(images in images(), seed: u64) {
            let mut shuffled = images.clone();
            twinlens_random::Stream::new(seed, twinlens_random::Purpose::Evaluation, [0; 3]).shuffle(&mut shuffled);
            // The draws of the interval name images by their number, so it is left out.
            let plain = |images: &[(Tag, i8)]| TagScores { interval: None, ..judge(images) };
            prop_assert_eq!(plain(&images), plain(&shuffled));
        }

        #[test]
        fn images_that_are_not_judged_change_nothing(images in images(), scores in prop::collection::vec(-9i8..9, 1..20)) {
            let mut more = images.clone();
            more.extend(scores.iter().map(|&score| (Tag::NotJudged, score)));
            let (plain, more) = (judge(&images), judge(&more));
            let of = |scores: &TagScores| (scores.per_class[0].average_precision, scores.per_class[0].auc);
            prop_assert_eq!(of(&plain), of(&more));
        }

        #[test]
        fn a_drawn_image_counts_as_often_as_it_was_drawn(
            images in images(), times in prop::collection::vec(0usize..4, 50)
        ) {
            let positive: Vec<bool> = images.iter().map(|image| image.0 == Tag::Present).collect();
            let score = |at: usize| f64::from(images[at].1);
            for rule in [ApRule::Step, ApRule::Area, ApRule::Voc07] {
                let found = Ranking::new(&positive, score).average_precision(|at| times[at], rule);
                let drawn = (0..images.len()).flat_map(|at| std::iter::repeat_n(at, times[at])).collect::<Vec<_>>();
                let of = |at: &usize| (positive[*at], score(*at));
                let (positive, scores): (Vec<bool>, Vec<f64>) = drawn.iter().map(of).unzip();
                let expected = average_precision(&positive, &scores, rule).ok().flatten();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
