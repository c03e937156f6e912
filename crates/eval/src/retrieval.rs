//! Retrieval: are the images nearest to an image of its class?
//!
//! A query is an image of a split, its gallery the other images of that split (so Oh Song et al., "Deep metric learning
//! via lifted structured feature embedding", CVPR 2016, and what follows it), or the training images. With the gallery
//! ordered by falling cosine to a query, `r_i` 1 where the `i`-th image has the query's class and 0 elsewhere, and `R`
//! images of that class in the gallery,
//!
//! ```text
//! recall@k = mean over queries of max_{i <= k} r_i
//! AP@k     = 1 / min(k, R)  sum_{i <= k} r_i (r_1 + .. + r_i) / i
//! mAP@k    = mean over queries of AP@k
//! ```
//!
//! recall@k is the share of queries with an image of their class among the `k` nearest (all, of a gallery that has fewer).
//! The divisor `min(k, R)` makes AP@k 1 where the nearest images are all of the class, as in the landmark challenges
//! (Weyand et al., "Google Landmarks Dataset v2", CVPR 2020); MAP@R divides by `R` instead. A query whose class has no
//! image in the gallery has neither, and is left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::gain::mean;
use crate::neighbours::{cosine_neighbours, cosine_others};
use crate::settings::at_least;
use crate::statistics::{Bootstrap, Interval, Units};
use crate::{Better, EvalError, Judgement, Labelled, Measure, Unit};

/// The ranks that [`RETRIEVAL_MEASURES`] look at, whatever the `k` of the mAP.
const RANKS: usize = 10;

/// Settings of the retrieval protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrievalProtocol {
    /// Ranks that AP@k looks at.
    pub k: usize,
    /// Queries that the outcome names with their nearest images, spread over the last split.
    pub examples: usize,
    /// Nearest images of each of these.
    pub nearest: usize,
}

impl Default for RetrievalProtocol {
    /// mAP@10; 12 queries with 8 images each.
    fn default() -> RetrievalProtocol {
        RetrievalProtocol { k: 10, examples: 12, nearest: 8 }
    }
}

/// What is retrieved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// Names of the classes, in the order of every list by class.
    pub classes: Vec<String>,
    /// Every split whose images are queries.
    pub splits: Vec<RetrievalSplit>,
}

/// The queries of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrievalSplit {
    /// Name of the split.
    pub split: String,
    /// Queries that count.
    pub samples: usize,
    /// Queries left out: of classes that have no image in the gallery.
    pub alone: usize,
    /// Images that each query is compared with.
    pub gallery: usize,
    /// The mean over queries of every one of [`RETRIEVAL_MEASURES`], by its id; `None` without queries.
    pub measures: BTreeMap<String, Option<f64>>,
    /// Both ends of the usual [`Bootstrap`] interval of these: queries, or their groups where these are known, are drawn with
    /// replacement, the gallery stays. Nothing of queries of one group.
    pub intervals: BTreeMap<String, [f64; 2]>,
    /// The number of groups that intervals are over; nothing where they are over queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// The same means class by class.
    pub per_class: Vec<RetrievalClass>,
    /// Some queries with the images nearest to them; only of the last split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<RetrievalExample>,
}

/// The queries of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrievalClass {
    /// Queries that count.
    pub samples: usize,
    /// As [`RetrievalSplit::measures`].
    pub measures: BTreeMap<String, Option<f64>>,
}

/// A query and what is nearest to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrievalExample {
    /// A row of the split.
    pub query: usize,
    /// Rows of the gallery, nearest first.
    pub nearest: Vec<usize>,
    /// Which of these are of the query's class.
    pub right: Vec<bool>,
}

/// What the ranks of one query say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    class: usize,
    /// The rank, from 0, of the first image of its class, if that is among those looked at.
    first: Option<usize>,
    average_precision: f64,
}

/// A number of one query.
pub type OfQuery = fn(&Ranked) -> f64;

/// All measures, in the order in which they are shown: each is a mean over queries.
pub static RETRIEVAL_MEASURES: [Measure<OfQuery>; 4] = [
    of_query("recall_at_1", "recall@1", |query| query.hit_within(1)),
    of_query("recall_at_5", "recall@5", |query| query.hit_within(5)),
    of_query("recall_at_10", "recall@10", |query| query.hit_within(RANKS)),
    of_query("map_at_k", "mAP@k", |query| query.average_precision),
];

const fn of_query(id: &'static str, title: &'static str, of: OfQuery) -> Measure<OfQuery> {
    Measure { id, title, unit: Unit::Share, better: Better::Higher, of }
}

impl Ranked {
    fn hit_within(&self, ranks: usize) -> f64 {
        f64::from(u8::from(self.first.is_some_and(|first| first < ranks)))
    }
}

impl RetrievalProtocol {
    /// Refuses settings that no data allow.
    ///
    /// # Errors
    /// [`EvalError::Setting`] for a `k` or a `nearest` of 0.
    pub fn check(&self) -> Result<(), EvalError> {
        at_least("k", 1, self.k)?;
        at_least("nearest", 1, self.nearest)
    }

    /// Takes every image of each held-out split as a query: among the images of `gallery`, or, without one, among the others
    /// of its split.
    ///
    /// # Errors
    /// As [`RetrievalProtocol::check`]; no split; a split of one image without a gallery; a gallery of other features or
    /// classes.
    pub fn run(
        &self,
        gallery: Option<&Labelled>,
        held_out: &[(&str, &Labelled)],
    ) -> Result<Judgement<Retrieval>, EvalError> {
        self.check()?;
        let Some(((last, _), (_, first))) = held_out.last().zip(held_out.first()) else {
            return Err(EvalError::Empty { what: "the list of held-out splits".to_string() });
        };
        let asked =
            [("k", self.k.into()), ("examples", self.examples.into()), ("nearest", self.nearest.into())];
        let classes = first.classes().to_vec();
        let mut judgement = Judgement::new(asked, Retrieval { classes, splits: Vec::new() });
        for (split, set) in held_out {
            let examples = if split == last { self.examples } else { 0 };
            let found = self.split(split, set, gallery, examples)?;
            if found.alone > 0 {
                judgement.warnings.push(format!(
                    "{} of {} images of split `{split}` are left out: of their classes there is no image to retrieve",
                    found.alone,
                    found.alone + found.samples
                ));
            }
            judgement.outcome.splits.push(found);
        }
        Ok(judgement)
    }

    fn split(
        &self,
        split: &str,
        set: &Labelled,
        gallery: Option<&Labelled>,
        examples: usize,
    ) -> Result<RetrievalSplit, EvalError> {
        let others = match gallery {
            Some(gallery) => {
                gallery.check_comparable(split, set)?;
                gallery.labels().len()
            }
            None => set.labels().len() - 1,
        };
        let lists = self.nearest(set, gallery, others)?;
        let labels = gallery.unwrap_or(set).labels();
        let mut of_class = vec![0; set.classes().len()];
        labels.iter().for_each(|&label| of_class[label] += 1);
        // Without a gallery, a query itself is one of its class.
        let own = usize::from(gallery.is_none());
        let (mut ranked, mut counted) = (Vec::new(), Vec::new());
        for (query, (&class, nearest)) in set.labels().iter().zip(&lists).enumerate() {
            let right = nearest.iter().map(|&row| labels[row] == class);
            let relevant = of_class[class] - own;
            if relevant > 0 {
                ranked.push(rank(class, right, self.k, relevant));
                counted.push(query);
            }
        }
        let groups =
            set.groups().map(|groups| counted.iter().map(|&query| groups[query]).collect::<Vec<u32>>());
        let units = Units::of(ranked.len(), groups.as_deref());
        let mut intervals = BTreeMap::new();
        for measure in &RETRIEVAL_MEASURES {
            let values: Vec<f64> = ranked.iter().map(measure.of).collect();
            if !values.is_empty() {
                let found = mean(&values, units.clone(), Bootstrap::default());
                let ends = Interval::ends_where_defined(found)?;
                intervals.extend(ends.map(|ends| (measure.id.to_owned(), ends)));
            }
        }
        let per_class = |class: usize| {
            let ranked: Vec<Ranked> = ranked.iter().filter(|one| one.class == class).copied().collect();
            RetrievalClass { samples: ranked.len(), measures: means(&ranked) }
        };
        let rows = set.labels().len();
        let example = |number: usize| {
            let query = number * rows / examples.min(rows);
            let nearest: Vec<usize> = lists[query].iter().copied().take(self.nearest).collect();
            let right = nearest.iter().map(|&row| labels[row] == set.labels()[query]).collect();
            RetrievalExample { query, nearest, right }
        };
        Ok(RetrievalSplit {
            split: split.to_owned(),
            samples: ranked.len(),
            alone: rows - ranked.len(),
            gallery: others,
            measures: means(&ranked),
            intervals,
            groups: units.group_count(),
            per_class: (0..set.classes().len()).map(per_class).collect(),
            examples: (0..examples.min(rows)).map(example).collect(),
        })
    }

    /// For every row of `set` the rows of its gallery, nearest first, as many as any measure or example looks at.
    fn nearest(
        &self,
        set: &Labelled,
        gallery: Option<&Labelled>,
        others: usize,
    ) -> Result<Vec<Vec<usize>>, EvalError> {
        if others == 0 {
            let what = "images of a split, each to be found by another";
            return Err(EvalError::TooFew { what, expected: 2, got: 1 });
        }
        let ranks = self.k.max(RANKS).max(self.nearest).min(others);
        let Some(gallery) = gallery else { return cosine_others(set.features(), ranks) };
        let found = cosine_neighbours(gallery.features(), set.features(), ranks)?;
        Ok(found.iter().map(|nearest| nearest.map(|(row, _)| row).collect()).collect())
    }
}

/// What a query says whose nearest images are `right` or not, the first `k` of them for its AP@k, of `relevant` images of its
/// class.
fn rank(class: usize, right: impl Iterator<Item = bool>, k: usize, relevant: usize) -> Ranked {
    let (mut first, mut hits, mut precisions) = (None, 0_usize, 0.0);
    for (rank, _) in right.enumerate().filter(|(_, right)| *right) {
        first = first.or(Some(rank));
        hits += 1;
        if rank < k {
            precisions += hits as f64 / (rank + 1) as f64;
        }
    }
    Ranked { class, first, average_precision: precisions / k.min(relevant) as f64 }
}

/// The mean of every measure, by its id.
fn means(ranked: &[Ranked]) -> BTreeMap<String, Option<f64>> {
    let mean =
        |of: OfQuery| (!ranked.is_empty()).then(|| ranked.iter().map(of).sum::<f64>() / ranked.len() as f64);
    RETRIEVAL_MEASURES.iter().map(|measure| (measure.id.to_owned(), mean(measure.of))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Features;
    use crate::testing::{blobs, on_threads, random_features};

    const MEASURES: [&str; 4] = ["recall_at_1", "recall_at_5", "recall_at_10", "map_at_k"];

    fn labelled(dim: usize, values: Vec<f32>, labels: &[usize]) -> Labelled {
        let features = Features::new(labels.len(), dim, values).unwrap();
        let classes = (0..=*labels.iter().max().unwrap()).map(|class| format!("class {class}")).collect();
        Labelled::new(features, labels.to_vec(), classes).unwrap()
    }

    /// Unit vectors at these angles in degrees.
    fn at_angles(angles: &[f32], labels: &[usize]) -> Labelled {
        let values = angles.iter().flat_map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()]);
        labelled(2, values.collect(), labels)
    }

    fn run(k: usize, gallery: Option<&Labelled>, set: &Labelled) -> RetrievalSplit {
        let protocol = RetrievalProtocol { k, ..RetrievalProtocol::default() };
        protocol.run(gallery, &[("test", set)]).unwrap().outcome.splits.remove(0)
    }

    fn value(found: &RetrievalSplit, id: &str) -> f64 {
        found.measures[id].unwrap()
    }

    /// Nearest of each, by hand: 0 (a): 10 a, 25 b, 45 b, 70 a; 10 (a): 0 a, 25 b, 45 b, 70 a; 25 (b): 10 a, 45 b, 0 a, 70 a;
    /// 45 (b): 25 b, 70 a, 10 a, 0 a; 70 (a): 45 b, 25 b, 10 a, 0 a.
    #[test]
    fn ranks_by_hand() {
        let set = at_angles(&[0.0, 10.0, 25.0, 45.0, 70.0], &[0, 0, 1, 1, 0]);
        let found = run(3, None, &set);
        assert_eq!((found.samples, found.alone, found.gallery), (5, 0, 4));
        assert_eq!([value(&found, "recall_at_1"), value(&found, "recall_at_5")], [0.6, 1.0]);
        // AP@3: 1/2, 1/2 (of two images of class a, one within three ranks, the first), 1/2 (rank 2, of one), 1, (1/3)/2.
        let by_hand = (0.5 + 0.5 + 0.5 + 1.0 + 1.0 / 6.0) / 5.0;
        assert!((value(&found, "map_at_k") - by_hand).abs() < 1e-12, "{found:?}");
        let of_class = |class: usize| found.per_class[class].measures["recall_at_1"].unwrap();
        assert_eq!([of_class(0), of_class(1)], [2.0 / 3.0, 0.5]);
        assert_eq!([found.per_class[0].samples, found.per_class[1].samples], [3, 2]);
        let example = |query: usize, nearest: &[usize], right: &[bool]| RetrievalExample {
            query,
            nearest: nearest.to_vec(),
            right: right.to_vec(),
        };
        assert_eq!(found.examples[2], example(2, &[1, 3, 0, 4], &[false, true, false, false]));
        assert_eq!(found.examples.len(), 5, "as many as there are");
    }

    #[test]
    fn a_gallery_of_training_images_may_hold_the_same_image() {
        let train = at_angles(&[0.0, 30.0, 90.0], &[0, 1, 1]);
        let test = at_angles(&[0.0, 80.0, 25.0], &[0, 1, 0]);
        let found = run(10, Some(&train), &test);
        assert_eq!((found.samples, found.gallery), (3, 3));
        assert!((value(&found, "recall_at_1") - 2.0 / 3.0).abs() < 1e-12);
        // 25 degrees: 30 is of the other class, 0 the only one of its own.
        assert!((value(&found, "map_at_k") - (1.0 + 1.0 + 0.5) / 3.0).abs() < 1e-12);
        assert_eq!(found.examples[1].nearest, [2, 1, 0]);
    }

    #[test]
    fn who_has_nobody_to_find_is_left_out_and_told() {
        let set = at_angles(&[0.0, 10.0, 50.0], &[0, 0, 1]);
        let judged = RetrievalProtocol::default().run(None, &[("test", &set)]).unwrap();
        let found = &judged.outcome.splits[0];
        assert_eq!((found.samples, found.alone), (2, 1));
        assert_eq!(found.per_class[1].measures["map_at_k"], None);
        assert!(judged.warnings[0].starts_with("1 of 3 images of split `test`"), "{:?}", judged.warnings);
        let apart = at_angles(&[0.0, 10.0], &[0, 1]);
        let found = run(10, None, &apart);
        assert_eq!((found.samples, found.measures["recall_at_1"], found.intervals.len()), (0, None, 0));
        let json = serde_json::to_string(&judged.outcome).unwrap();
        assert_eq!(serde_json::from_str::<Retrieval>(&json).unwrap(), judged.outcome);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let set = at_angles(&[0.0, 10.0], &[0, 0]);
        let refused = |protocol: RetrievalProtocol, set: &Labelled, gallery: Option<&Labelled>| {
            protocol.run(gallery, &[("test", set)]).unwrap_err().to_string()
        };
        let usual = RetrievalProtocol::default;
        assert!(refused(RetrievalProtocol { k: 0, ..usual() }, &set, None).contains("k = 0"));
        assert!(refused(RetrievalProtocol { nearest: 0, ..usual() }, &set, None).contains("nearest = 0"));
        assert!(refused(usual(), &at_angles(&[0.0], &[0]), None).contains("at least 2, got 1"));
        let wide = labelled(3, vec![1.0; 6], &[0, 0]);
        assert!(refused(usual(), &set, Some(&wide)).contains("features per row"));
        assert!(matches!(usual().run(None, &[]), Err(EvalError::Empty { .. })));
    }

    #[test]
    fn classes_apart_are_all_found_and_threads_change_nothing() {
        let set = blobs(300, 3, 5, 0.01, 4);
        let run = || run(50, None, &set);
        let found = run();
        for id in MEASURES {
            assert_eq!((value(&found, id), found.intervals[id]), (1.0, [1.0, 1.0]), "{id}");
        }
        assert_eq!(found, on_threads(3, run));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Rotations and scales of rows change no cosine; a larger k never loses a hit; intervals hold their value.
        #[test]
        fn rotations_change_nothing(seed: u64, angle in 0f32..6.0, scale in 0.5f32..4.0) {
            let features = random_features(40, 3, seed);
            let labels: Vec<usize> = (0..40).map(|row| row % 3).collect();
            let plain = labelled(3, features.values().to_vec(), &labels);
            let (sin, cos) = angle.sin_cos();
            let turn = |row: &[f32]| {
                [cos * row[0] - sin * row[1], sin * row[0] + cos * row[1], row[2]].map(|value| scale * value)
            };
            let turned = labelled(3, features.iter().flat_map(turn).collect(), &labels);
            let (plain, turned) = (run(7, None, &plain), run(7, None, &turned));
            for id in MEASURES {
                // Two cosines may be so near that rounding decides.
                prop_assert!((value(&plain, id) - value(&turned, id)).abs() < 0.051, "{id}");
                let [low, high] = plain.intervals[id];
                prop_assert!(low <= value(&plain, id) && value(&plain, id) <= high, "{id}");
            }
            prop_assert!(value(&plain, "recall_at_1") <= value(&plain, "recall_at_5"));
            prop_assert!(value(&plain, "recall_at_5") <= value(&plain, "recall_at_10"));
            let of_class = |one: &RetrievalClass| one.samples as f64 * one.measures["map_at_k"].unwrap();
            let over_classes = plain.per_class.iter().map(of_class).sum::<f64>() / 40.0;
            prop_assert!((over_classes - value(&plain, "map_at_k")).abs() < 1e-12);
        }

        /// Of one rank, AP@k and recall@k are the same.
        #[test]
        fn one_rank_is_recall(seed: u64) {
            let features = random_features(30, 4, seed);
            let labels: Vec<usize> = (0..30).map(|row| row % 4).collect();
            let found = run(1, None, &labelled(4, features.values().to_vec(), &labels));
            prop_assert_eq!(value(&found, "map_at_k"), value(&found, "recall_at_1"));
        }
    }
}
