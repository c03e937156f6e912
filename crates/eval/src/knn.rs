//! The kNN protocol: how often do the nearest training images agree with an image's label?

use serde::{Deserialize, Serialize};

use crate::metrics::{Confusion, predictions};
use crate::neighbours::{Neighbours, cosine_neighbours, euclidean_neighbours};
use crate::settings::{above_zero, at_least, some_of};
use crate::{Distance, EvalError, Judgement, Labelled, Predictions};

/// How neighbours vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vote {
    /// A neighbour of cosine `s` counts `exp(s / temperature)` (Wu et al., "Unsupervised feature learning via
    /// non-parametric instance discrimination", CVPR 2018, section 3.4); one at the Euclidean distance `d`
    /// counts `1 / d`, and where some are at distance 0 only these count (as scikit-learn's
    /// `weights="distance"`).
    Weighted,
    /// Every neighbour counts one.
    Majority,
}

/// Settings of the kNN protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Knn {
    /// Numbers of neighbours; one search serves all.
    pub k: Vec<usize>,
    /// Ways of voting.
    pub votes: Vec<Vote>,
    /// What makes a neighbour.
    pub distance: Distance,
    /// Temperatures of the weighted vote by cosine, above 0; no other vote has one.
    pub temperatures: Vec<f64>,
}

impl Default for Knn {
    /// k = 20 and 200, both votes, cosine, temperature 0.07.
    fn default() -> Knn {
        Knn {
            k: vec![20, 200],
            votes: vec![Vote::Weighted, Vote::Majority],
            distance: Distance::Cosine,
            temperatures: vec![0.07],
        }
    }
}

impl Knn {
    /// Judges each held-out split by the labels of its nearest training rows. One judgement per vote, k and temperature, in
    /// the order of the settings; all held-out splits in each.
    ///
    /// # Errors
    /// A k that is 0 or larger than the training split, no k, no vote, no temperature or no split; a temperature that is
    /// not above 0; splits whose dimensions or classes differ from the training split's.
    pub fn run(
        &self,
        train: &Labelled,
        held_out: &[(&str, &Labelled)],
    ) -> Result<Vec<Judgement<Predictions>>, EvalError> {
        let largest = self.check(train, held_out)?;
        let variants = self.variants();
        let mut verdicts: Vec<Judgement<Predictions>> =
            variants.iter().map(|&variant| self.verdict(variant, train)).collect();
        for &(split, set) in held_out {
            let neighbours = self.neighbours(train, set, largest)?;
            for (&variant, verdict) in variants.iter().zip(&mut verdicts) {
                verdict.judge(split, set, &self.count(&neighbours, train, variant))?;
            }
        }
        Ok(verdicts)
    }

    /// The accuracy on one held-out split of every vote, k and temperature, as in [`Knn::run`], but without the other
    /// measures and their intervals: for a look while training.
    ///
    /// # Errors
    /// As [`Knn::run`].
    pub fn accuracies(&self, train: &Labelled, split: &str, set: &Labelled) -> Result<Vec<f64>, EvalError> {
        let largest = self.check(train, &[(split, set)])?;
        let neighbours = self.neighbours(train, set, largest)?;
        let classes = set.classes().len();
        let accuracy = |variant| {
            let predicted = predictions(&self.count(&neighbours, train, variant), classes);
            Ok(Confusion::new(set.labels(), &predicted, classes)?.accuracy())
        };
        self.variants().into_iter().map(accuracy).collect()
    }

    fn neighbours(&self, train: &Labelled, set: &Labelled, most: usize) -> Result<Neighbours, EvalError> {
        let find = match self.distance {
            Distance::Cosine => cosine_neighbours,
            Distance::Euclidean => euclidean_neighbours,
        };
        find(train.features(), set.features(), most)
    }

    /// Refuses settings that no data allow.
    ///
    /// # Errors
    /// [`EvalError::NoValues`] for an empty list, [`EvalError::Setting`] for no neighbours, or a temperature that is not above 0.
    pub fn check_settings(&self) -> Result<(), EvalError> {
        some_of("vote", &self.votes)?;
        some_of("k", &self.k)?;
        self.k.iter().try_for_each(|&k| at_least("k", 1, k))?;
        some_of("temperature", &self.temperatures)?;
        above_zero("temperature", &self.temperatures)
    }

    /// The largest k, if everything fits.
    fn check(&self, train: &Labelled, held_out: &[(&str, &Labelled)]) -> Result<usize, EvalError> {
        let empty = |what: &str| EvalError::Empty { what: what.to_string() };
        self.check_settings()?;
        if held_out.is_empty() {
            return Err(empty("the list of held-out splits"));
        }
        for &(split, set) in held_out {
            train.check_comparable(split, set)?;
        }
        let rows = train.labels().len();
        if let Some(&k) = self.k.iter().find(|&&k| k > rows) {
            return Err(EvalError::NeighbourCount { k, rows });
        }
        Ok(self.k.iter().copied().max().unwrap_or_default())
    }

    /// Every way of voting asked for; only the weighted vote by cosine has a temperature.
    fn variants(&self) -> Vec<Variant> {
        let mut variants = Vec::new();
        for &vote in &self.votes {
            let of = |k, temperature| Variant { k, vote, temperature };
            for &k in &self.k {
                match (vote, self.distance) {
                    (Vote::Weighted, Distance::Cosine) => {
                        variants
                            .extend(self.temperatures.iter().map(|&temperature| of(k, Some(temperature))));
                    }
                    _ => variants.push(of(k, None)),
                }
            }
        }
        variants
    }

    fn verdict(&self, variant: Variant, train: &Labelled) -> Judgement<Predictions> {
        let mut settings = vec![("distance", self.distance.name().into()), ("k", variant.k.into())];
        settings.push(match variant.vote {
            Vote::Majority => ("vote", "majority".into()),
            Vote::Weighted => ("vote", "weighted".into()),
        });
        settings.extend(variant.temperature.map(|temperature| ("temperature", temperature.into())));
        Judgement::of_labels(settings, train.labels(), train.classes())
    }

    /// The votes of the `k` nearest for each class, `[queries, classes]`, each row summing to 1.
    fn count(&self, neighbours: &Neighbours, train: &Labelled, variant: Variant) -> Vec<f64> {
        let classes = train.classes().len();
        let mut votes = Vec::new();
        for nearest in neighbours.iter() {
            let mut row = vec![0.0; classes];
            let mut total = 0.0;
            let mut highest = None;
            for (index, similarity) in nearest.take(variant.k) {
                let similarity = f64::from(similarity);
                let highest = *highest.get_or_insert(similarity);
                let weight = variant.weight(similarity, highest);
                row[train.labels()[index]] += weight;
                total += weight;
            }
            votes.extend(row.iter().map(|sum| sum / total));
        }
        votes
    }
}

/// One way of voting.
#[derive(Clone, Copy)]
struct Variant {
    k: usize,
    vote: Vote,
    /// Of the weighted vote by cosine.
    temperature: Option<f64>,
}

impl Variant {
    /// The weight of a neighbour relative to the nearest, so that nothing can overflow.
    fn weight(&self, similarity: f64, highest: f64) -> f64 {
        match (self.vote, self.temperature) {
            (Vote::Majority, _) => 1.0,
            (Vote::Weighted, Some(temperature)) => ((similarity - highest) / temperature).exp(),
            // By distance, which is a similarity with a minus sign.
            (Vote::Weighted, None) if similarity == highest => 1.0,
            (Vote::Weighted, None) => highest / similarity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{blobs, labelled, on_threads};

    #[test]
    fn accuracies_alone_are_those_of_the_verdicts() {
        let (train, test) = (blobs(90, 3, 5, 2.0, 1), blobs(40, 3, 5, 2.0, 2));
        let knn = Knn { k: vec![3, 20], temperatures: vec![0.07, 1.0], ..Knn::default() };
        let verdicts = knn.run(&train, &[("val", &test)]).unwrap();
        let expected: Vec<f64> =
            verdicts.iter().map(|verdict| verdict.outcome.splits[0].scores.accuracy()).collect();
        assert_eq!(knn.accuracies(&train, "val", &test).unwrap(), expected);
        assert_eq!(expected.len(), 6);
        let none = Knn { k: vec![91], ..knn };
        assert_eq!(
            none.accuracies(&train, "val", &test),
            none.run(&train, &[("val", &test)]).map(|_| vec![])
        );
    }

    #[test]
    fn golden_knn() {
        for case in twinlens_golden::cases("metrics/knn") {
            let train = labelled(&case, "in.train_features", "in.train_labels");
            let test = labelled(&case, "in.test_features", "in.test_labels");
            let k = case.count("k");
            let temperature = case.number("temperature");
            let knn = Knn { k: vec![k], temperatures: vec![temperature], ..Knn::default() };
            let verdicts = knn.run(&train, &[("test", &test)]).unwrap();
            for (verdict, vote) in verdicts.iter().zip(["weighted", "majority"]) {
                assert_eq!(verdict.asked["vote"], vote);
                let outcome = verdict.outcome.split("test").unwrap();
                let predicted: Vec<i64> = outcome.predictions.iter().map(|&class| class as i64).collect();
                case.check_exact(&format!("out.pred_{vote}"), &predicted);
                case.check(&format!("out.accuracy_{vote}"), &[outcome.scores.accuracy()]);
            }
            let neighbours = cosine_neighbours(train.features(), test.features(), k).unwrap();
            let variant = Variant { k, vote: Vote::Weighted, temperature: Some(temperature) };
            case.check("out.votes_weighted", &knn.count(&neighbours, &train, variant));
        }
    }

    /// Majorities are the same on the sphere; the weights have only the definition to go by.
    #[test]
    fn golden_knn_by_euclidean_distance() {
        for case in twinlens_golden::cases("metrics/knn") {
            let on_sphere = |features: &str, labels: &str| {
                let set = labelled(&case, features, labels);
                set.with_features(set.features().unit_rows()).unwrap()
            };
            let train = on_sphere("in.train_features", "in.train_labels");
            let test = on_sphere("in.test_features", "in.test_labels");
            let (distance, votes) = (Distance::Euclidean, vec![Vote::Majority]);
            let knn = Knn { k: vec![case.count("k")], votes, distance, ..Knn::default() };
            let verdict = &knn.run(&train, &[("test", &test)]).unwrap()[0];
            let outcome = verdict.outcome.split("test").unwrap();
            let predicted: Vec<i64> = outcome.predictions.iter().map(|&class| class as i64).collect();
            case.check_exact("out.pred_majority", &predicted);
            case.check("out.accuracy_majority", &[outcome.scores.accuracy()]);
            assert_eq!(verdict.asked["distance"], "euclidean");
        }
    }

    #[test]
    fn near_neighbours_count_by_the_inverse_of_their_distance() {
        let set = |values: Vec<f32>, labels: Vec<usize>| {
            let features = crate::Features::new(values.len(), 1, values).unwrap();
            Labelled::new(features, labels, vec!["a".into(), "b".into()]).unwrap()
        };
        let train = set(vec![1.0, 2.0, 4.0, 4.0], vec![0, 1, 1, 0]);
        let test = set(vec![0.0, 4.0], vec![0, 1]);
        let knn = Knn { k: vec![4], distance: Distance::Euclidean, ..Knn::default() };
        let neighbours = euclidean_neighbours(train.features(), test.features(), 4).unwrap();
        let votes = knn.count(&neighbours, &train, Variant { k: 4, vote: Vote::Weighted, temperature: None });
        // 1 + 1/4 against 1/2 + 1/4 of 2; then the two copies alone.
        let wanted = [0.625, 0.375, 0.5, 0.5];
        assert!(votes.iter().zip(wanted).all(|(vote, want)| (vote - want).abs() < 1e-12), "{votes:?}");
    }

    #[test]
    fn several_k_in_one_pass_equal_one_at_a_time() {
        let (train, test) = (blobs(90, 3, 5, 2.0, 1), blobs(40, 3, 5, 2.0, 2));
        let run = |k: &[usize]| {
            let knn = Knn { k: k.to_vec(), ..Knn::default() };
            on_threads(k.len(), || knn.run(&train, &[("test", &test)])).unwrap()
        };
        let together = run(&[1, 7, 90]);
        let apart: Vec<Judgement<Predictions>> =
            [0, 1].iter().flat_map(|&vote| [1, 7, 90].map(|k| run(&[k])[vote].clone())).collect();
        assert_eq!(together, apart);
    }

    #[test]
    fn several_temperatures_equal_one_at_a_time_and_only_warm_votes_have_them() {
        let (train, test) = (blobs(90, 3, 5, 2.0, 1), blobs(40, 3, 5, 2.0, 2));
        let run = |temperatures: &[f64]| {
            let knn = Knn { k: vec![9], temperatures: temperatures.to_vec(), ..Knn::default() };
            knn.run(&train, &[("test", &test)]).unwrap()
        };
        let (both, cold, warm) = (run(&[0.02, 2.0]), run(&[0.02]), run(&[2.0]));
        assert_eq!(both, [cold[0].clone(), warm[0].clone(), cold[1].clone()]);
        assert_eq!((&cold[1], cold[1].asked.get("temperature")), (&warm[1], None));
        assert_ne!(cold[0].outcome, warm[0].outcome);
    }

    #[test]
    fn small_temperatures_do_not_overflow() {
        let (train, test) = (blobs(30, 2, 4, 1.0, 1), blobs(10, 2, 4, 1.0, 2));
        let knn =
            Knn { k: vec![1, 5], votes: vec![Vote::Weighted], temperatures: vec![1e-6], ..Knn::default() };
        let verdicts = knn.run(&train, &[("test", &test)]).unwrap();
        let predictions = |verdict: &Judgement<Predictions>| verdict.outcome.splits[0].predictions.clone();
        assert_eq!(predictions(&verdicts[0]), predictions(&verdicts[1]), "only the nearest counts");
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let (train, test) = (blobs(30, 2, 4, 1.0, 1), blobs(10, 2, 4, 1.0, 2));
        let refuse = |knn: Knn, test: &Labelled| knn.run(&train, &[("test", test)]).unwrap_err().to_string();
        let with_k = |k: Vec<usize>| Knn { k, ..Knn::default() };
        assert_eq!(
            refuse(Knn::default(), &test),
            "k = 200 neighbours of only 30 rows: choose k between 1 and 30"
        );
        assert_eq!(refuse(with_k(vec![]), &test), "k has no values: give at least one");
        assert!(refuse(with_k(vec![0]), &test).starts_with("k = 0"));
        let cold = Knn { temperatures: vec![0.07, 0.0], k: vec![1], ..Knn::default() };
        assert!(refuse(cold, &test).starts_with("temperature = 0: choose"));
        let wide = blobs(10, 2, 5, 1.0, 2);
        assert_eq!(
            refuse(with_k(vec![1]), &wide),
            "split `test` has 5 features per row, the training split has 4"
        );
        let classes = blobs(10, 3, 4, 1.0, 2);
        assert!(refuse(with_k(vec![1]), &classes).contains("3 classes"));
    }
}
