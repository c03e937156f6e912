//! Conditions: verdicts of one run that differ in their seeds alone.

use std::cmp::Reverse;

use serde_json::Value;
use twinlens_eval::{Predictions, Repeats, Scores};
use twinlens_report::{Cell, Gap};

use super::file_name_of;
use crate::protocols::{PROTOCOLS, title};
use crate::shift_of;
use crate::{FeaturesKind, Verdict, plain};

/// Verdicts that differ in their seeds alone.
pub(super) struct Condition {
    /// The protocol with the settings that tell it from others.
    pub(super) protocol: String,
    pub(super) kind: FeaturesKind,
    /// Whether it was judged on the data that the encoder was trained on.
    pub(super) own_data: bool,
    /// One per set of seeds; never empty.
    pub(super) verdicts: Vec<Verdict<Predictions>>,
    /// What they came to on the split that counts, with intervals; none of verdicts that keep no predictions.
    judged: Option<Repeats>,
}

impl Condition {
    /// Groups verdicts of a run on the data whose SHA-256 is `own`.
    pub(super) fn gather(verdicts: Vec<Verdict<Predictions>>, own: Option<&str>) -> Vec<Condition> {
        let mut conditions: Vec<Condition> = Vec::new();
        for verdict in verdicts {
            match conditions.iter_mut().find(|condition| condition.first().repeats(&verdict)) {
                // The same again, perhaps from a version that named its file otherwise.
                Some(condition) if condition.verdicts.iter().any(|one| one.seeds == verdict.seeds) => {}
                Some(condition) => condition.verdicts.push(verdict),
                None => conditions.push(Condition::new(verdict, own)),
            }
        }
        conditions.sort_by(|a, b| {
            // Those of the registry in its order, after what is not in it: fine-tuning.
            let known = |one: &Condition| PROTOCOLS.iter().position(|spec| spec.id == one.first().protocol);
            let number = |one: &Condition, key: &str| one.setting(key).and_then(Value::as_f64).unwrap_or(0.0);
            let numbers = |one: &Condition| {
                ["k", "label_share", "labels_per_class", "temperature"].map(|key| number(one, key))
            };
            let first = known(a).cmp(&known(b)).then_with(|| a.first().protocol.cmp(&b.first().protocol));
            let second = numbers(a).partial_cmp(&numbers(b)).unwrap_or(std::cmp::Ordering::Equal);
            first
                .then(second)
                .then_with(|| (&a.protocol, Reverse(a.kind)).cmp(&(&b.protocol, Reverse(b.kind))))
        });
        tell_apart(&mut conditions);
        for condition in &mut conditions {
            condition.judged = condition.repeats();
        }
        conditions
    }

    fn new(verdict: Verdict<Predictions>, own: Option<&str>) -> Condition {
        let own_data =
            verdict.data.sha256.as_deref().is_none_or(|sha256| own.is_none_or(|own| own == sha256));
        let mut protocol = title(&verdict.protocol, &verdict.asked);
        if !own_data {
            protocol += &format!(" on {}", file_name_of(&verdict.data.path));
        }
        Condition {
            protocol,
            kind: verdict.subject.features,
            own_data,
            verdicts: vec![verdict],
            judged: None,
        }
    }

    /// What was judged, in words.
    pub(super) fn features(&self) -> String {
        self.first().subject.title()
    }

    pub(super) fn first(&self) -> &Verdict<Predictions> {
        &self.verdicts[0]
    }

    fn setting(&self, key: &str) -> Option<&Value> {
        self.first().asked.get(key)
    }

    /// The scores of all splits and seeds.
    pub(super) fn scores(&self) -> impl Iterator<Item = &Scores> {
        self.verdicts.iter().flat_map(|verdict| &verdict.outcome.splits).map(|split| &split.scores)
    }

    /// One value per seed, of those that are defined.
    pub(super) fn values(&self, split: &str, measure: impl Fn(&Scores) -> Option<f64>) -> Vec<f64> {
        let splits = self.verdicts.iter().filter_map(|verdict| verdict.outcome.split(split));
        splits.filter_map(|split| measure(&split.scores)).collect()
    }

    /// The last split, which is test where there is one.
    fn repeats(&self) -> Option<Repeats> {
        let split = self.first().outcome.splits.last().filter(|split| !split.predictions.is_empty())?;
        let outcomes: Vec<&Predictions> = self.verdicts.iter().map(|verdict| &verdict.outcome).collect();
        // Verdicts of other images have no interval in common.
        Repeats::of(&split.split, &outcomes).ok()
    }

    /// The ends of the interval of the accuracy on a split, if that is the one that counts.
    pub(super) fn interval(&self, split: &str) -> Option<[f64; 2]> {
        let judged = self.judged.as_ref().filter(|judged| judged.split == split)?;
        judged.get("accuracy")?.interval
    }

    /// The accuracy on a split as tables show it.
    pub(super) fn accuracy_cell(&self, split: &str) -> Cell {
        Cell::Estimate(self.values(split, |scores| Some(scores.accuracy())), self.interval(split))
    }

    /// The mean accuracy over seeds; below all others where there is none.
    pub(super) fn accuracy(&self, split: &str) -> f64 {
        let values = self.values(split, |scores| Some(scores.accuracy()));
        if values.is_empty() { -1.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
    }

    /// How far the accuracy on test lies below that on validation.
    pub(super) fn gap(&self) -> Option<Gap> {
        let verdicts: Vec<&Verdict<Predictions>> = self.verdicts.iter().collect();
        // Verdicts without predictions have no interval; that their accuracies differ stands in the table.
        let found = shift_of(&verdicts)?;
        Some(Gap { value: found.value, low: found.low, high: found.high })
    }
}

/// Conditions that would carry the same words are told apart by the settings in which they differ.
fn tell_apart(conditions: &mut [Condition]) {
    let mut additions = vec![String::new(); conditions.len()];
    for (at, condition) in conditions.iter().enumerate() {
        let twin = |other: &&Condition| other.protocol == condition.protocol && other.kind == condition.kind;
        let twins: Vec<&Condition> = conditions.iter().filter(twin).collect();
        for (key, value) in &condition.first().asked {
            let differs = twins.iter().any(|other| other.setting(key) != Some(value));
            if differs {
                additions[at] += &format!(", {} {}", key.replace('_', " "), plain(value));
            }
        }
    }
    for (condition, addition) in conditions.iter_mut().zip(additions) {
        condition.protocol += &addition;
    }
}

/// Of the conditions of the trained encoder under each protocol on its own data, the one with the best validation
/// accuracy, the first of several, and how many there were: the choice must not look at the test part.
pub(super) fn best_by_protocol(conditions: &[Condition]) -> Vec<(&Condition, usize)> {
    let mut best: Vec<(&Condition, usize)> = Vec::new();
    for one in conditions.iter().filter(|one| one.kind.is_trained() && one.own_data) {
        match best.iter_mut().find(|(found, _)| found.first().protocol == one.first().protocol) {
            None => best.push((one, 1)),
            Some((found, count)) => {
                *count += 1;
                if one.accuracy("val") > found.accuracy("val") {
                    *found = one;
                }
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{probe, verdict};
    use super::*;

    #[test]
    fn other_data_have_conditions_of_their_own() {
        let on = |sha256: &str, data: &str| {
            let settings = json!({"features": "untrained", "k": 20, "data": data, "data_sha256": sha256});
            verdict("knn", settings, 0, 0.5)
        };
        let verdicts = vec![on("aa", "blood.npz"), on("aa", "elsewhere/blood.npz"), on("bb", "x/other.npz")];
        let conditions = Condition::gather(verdicts, Some("aa"));
        let told: Vec<_> = conditions.iter().map(|one| (one.own_data, one.verdicts.len())).collect();
        assert_eq!(told, [(true, 1), (false, 1)], "of one set in two places, one");
        assert!(
            !conditions[0].protocol.contains("blood") && conditions[1].protocol.ends_with(" on other.npz")
        );
    }

    #[test]
    fn an_accuracy_has_an_interval_where_predictions_were_kept() {
        let mut verdict = probe("trained", 0, 1.0, 0.75);
        assert_eq!(Condition::gather(vec![verdict.clone()], None)[0].interval("test"), None);
        verdict.outcome.splits[1].labels = vec![0, 1, 1, 1];
        verdict.outcome.splits[1].predictions = vec![0, 1, 1, 0];
        let conditions = Condition::gather(vec![verdict], None);
        let [low, high] = conditions[0].interval("test").unwrap();
        assert!((0.0..0.75).contains(&low) && 0.75 < high && high <= 1.0, "{low} to {high}");
        assert_eq!(conditions[0].interval("val"), None);
        assert_eq!(conditions[0].accuracy_cell("test"), Cell::Estimate(vec![0.75], Some([low, high])));
    }

    #[test]
    fn protocols_of_any_name_are_shown_and_told_apart() {
        let tuned =
            |lr: f64, seed| verdict("finetune", json!({"features": "trained", "lr_head": lr}), seed, 0.5);
        let conditions = Condition::gather(vec![tuned(0.1, 0), tuned(0.5, 0), tuned(0.1, 1)], None);
        let names: Vec<&str> = conditions.iter().map(|one| one.protocol.as_str()).collect();
        assert_eq!(names, ["finetune, lr head 0.1", "finetune, lr head 0.5"]);
        assert_eq!(conditions[0].verdicts.len(), 2);
    }

    #[test]
    fn the_best_is_chosen_on_validation_and_the_first_of_several() {
        let mut low = verdict("knn", json!({"k": 5}), 0, 0.5);
        low.outcome.splits[1].scores.measures.insert("accuracy".into(), Some(0.9));
        let high = verdict("knn", json!({"k": 20}), 0, 0.6);
        let same = verdict("knn", json!({"k": 200}), 0, 0.6);
        let mut foreign = verdict("knn", json!({"k": 7, "data_sha256": "bb"}), 0, 0.99);
        foreign.seeds.clear();
        let verdicts = vec![low, high, same, foreign, probe("pixels", 0, 1.0, 0.99)];
        let conditions = Condition::gather(verdicts, Some("aa"));
        let best = best_by_protocol(&conditions);
        assert_eq!(best.len(), 1);
        assert_eq!((best[0].0.setting("k"), best[0].1), (Some(&json!(20)), 3));
    }
}
