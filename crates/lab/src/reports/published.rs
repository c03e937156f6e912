//! Published numbers beside ours: a recipe may name what its source printed, in `[[about.published]]`.

use serde::Deserialize;
use toml::Table;
use twinlens_eval::Predictions;
use twinlens_ssl::finetune::SCRATCH;
use twinlens_ssl::{finetune, recipes};

use super::conditions::Condition;
use super::file_name_of;
use super::run_view::RunView;
use crate::run_settings::RunSettings;
use crate::study::ExistingStudy;
use crate::{FeaturesKind, Verdict};

/// A number that a recipe's source printed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The data set, by its name.
    data: String,
    /// The protocol's name in verdicts.
    protocol: String,
    /// Neighbours, of a kNN.
    k: Option<u64>,
    /// Share of the labels, of a probe or a fine-tuning; all if it is not named.
    label_share: Option<f64>,
    /// How a fine-tuned encoder was pre-trained: a method's name, or `scratch` for not at all.
    method: Option<String>,
    /// The accuracy on test, from 0 to 1.
    accuracy: f64,
    /// Where it stands, and under which conditions.
    source: String,
}

/// What was published for a run's recipe on its data.
pub(super) struct Published {
    entries: Vec<Entry>,
}

impl Published {
    /// What the run's recipe says about the run's data; nothing for most, and for runs of earlier versions, which do not say
    /// what they followed.
    pub(super) fn of(run: &RunView) -> Published {
        let Some(lineage) = &run.record.lineage else { return Published { entries: Vec::new() } };
        let named = lineage.recipe.as_ref().map(|recipe| recipe.id.as_str());
        let data = &run.settings.common().data;
        match &run.settings {
            RunSettings::Finetuning(_) => Published::of_finetuning(named, data),
            RunSettings::Pretraining(settings) => {
                let recipe =
                    named.map_or_else(|| recipes::default_for(settings.method.name()), str::to_owned);
                Published::in_recipe(recipes::find(&recipe).unwrap_or_default(), data)
            }
        }
    }

    /// What the recipe of a study says about its data.
    pub(super) fn of_study(study: &ExistingStudy) -> Published {
        let named = study.plan.recipe.as_ref().map(|recipe| recipe.id.as_str());
        Published::of_finetuning(named, &study.plan.settings.data)
    }

    /// What a recipe of fine-tuning, the usual one if none is named, says about `data`.
    pub(super) fn of_finetuning(named: Option<&str>, data: &str) -> Published {
        let named = named.unwrap_or(finetune::recipes::DEFAULT);
        let text = finetune::recipes::RECIPES.iter().find(|(name, _)| *name == named);
        Published::in_recipe(text.map_or("", |(_, text)| text), data)
    }

    fn in_recipe(text: &str, data: &str) -> Published {
        let mut entries = entries(text);
        entries.retain(|entry| entry.data == set_of(data));
        Published { entries }
    }

    fn entry(&self, condition: &Condition) -> Option<&Entry> {
        let ours = condition.kind.is_trained() && condition.own_data;
        ours.then(|| self.entry_of(condition.first()))?
    }

    fn entry_of(&self, verdict: &Verdict<Predictions>) -> Option<&Entry> {
        let number = |key: &str| verdict.number(key);
        let fits = |entry: &&Entry| {
            entry.protocol == verdict.protocol
                && entry.k.is_none_or(|k| number("k") == Some(k as f64))
                && entry.label_share.unwrap_or(1.0) == number("label_share").unwrap_or(1.0)
                && number("labels_per_class").is_none()
                && entry.method.as_deref().is_none_or(|method| method == pretrained_by(verdict))
        };
        self.entries.iter().find(fits)
    }

    /// The number published for a verdict on the recipe's own data.
    pub(super) fn value_of(&self, verdict: &Verdict<Predictions>) -> Option<f64> {
        self.entry_of(verdict).map(|entry| entry.accuracy)
    }

    /// The number published for a condition.
    pub(super) fn value(&self, condition: &Condition) -> Option<f64> {
        self.entry(condition).map(|entry| entry.accuracy)
    }

    /// Where the numbers stand.
    pub(super) fn note(&self) -> Option<String> {
        let mut sources: Vec<&str> = self.entries.iter().map(|entry| entry.source.as_str()).collect();
        sources.dedup();
        (!sources.is_empty()).then(|| format!("Published test accuracy: {}.", sources.join("; ")))
    }
}

/// The method that pre-trained a fine-tuned encoder.
fn pretrained_by(verdict: &Verdict<Predictions>) -> &str {
    if verdict.subject.features == FeaturesKind::FromScratch {
        return SCRATCH;
    }
    verdict.subject.pretrained_by.as_deref().unwrap_or_default()
}

fn entries(recipe: &str) -> Vec<Entry> {
    #[derive(Deserialize)]
    struct About {
        #[serde(default)]
        published: Vec<Entry>,
    }
    let about = recipe.parse::<Table>().ok().and_then(|mut table| table.remove("about"));
    about.and_then(|about| about.try_into::<About>().ok()).map(|about| about.published).unwrap_or_default()
}

/// The name of a data set that a path or name means: `pathmnist` for `data/pathmnist_64.npz`.
fn set_of(data: &str) -> String {
    let name = file_name_of(data).to_lowercase();
    name.split(['_', '.']).next().unwrap_or_default().replace('-', "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{probe, verdict};
    use super::*;

    #[test]
    fn every_published_number_of_every_recipe_can_be_read() {
        let mut found = 0;
        for (name, text) in recipes::RECIPES.iter().chain(finetune::recipes::RECIPES) {
            let table: Table = text.parse().unwrap();
            let stated = table["about"].get("published").and_then(toml::Value::as_array).map_or(0, Vec::len);
            let read = entries(text);
            assert_eq!(read.len(), stated, "{name}");
            assert!(
                read.iter().all(|entry| entry.accuracy > 0.0 && entry.accuracy < 1.0),
                "{name}: not per cent"
            );
            assert!(read.iter().all(|entry| !entry.source.is_empty() && !entry.data.contains(['_', '-'])));
            found += stated;
        }
        assert!(found >= 13, "{found}");
    }

    #[test]
    fn numbers_stand_beside_the_same_protocol_of_the_trained_encoder() {
        let text = "[[about.published]]\ndata = 'pathmnist'\nprotocol = 'knn'\nk = 200\naccuracy = 0.797\nsource = 's'\n";
        let published = Published { entries: entries(text) };
        let knn = |features: &str, k: u64| verdict("knn", json!({"features": features, "k": k}), 0, 0.5);
        let verdicts = vec![
            knn("trained", 200),
            knn("trained", 20),
            knn("untrained", 200),
            verdict("knn", json!({"features": "trained", "k": 200, "labels_per_class": 5}), 0, 0.5),
            probe("trained", 0, 1.0, 0.5),
        ];
        let conditions = Condition::gather(verdicts, None);
        let found: Vec<_> = conditions
            .iter()
            .map(|one| (one.first().asked.get("k").cloned(), one.kind, published.value(one)))
            .filter(|(_, _, value)| value.is_some())
            .collect();
        assert_eq!(found, [(Some(json!(200)), FeaturesKind::Trained, Some(0.797))]);
        assert_eq!(published.note().as_deref(), Some("Published test accuracy: s."));
    }

    #[test]
    fn fine_tunings_are_compared_by_share_and_by_what_pre_trained_them() {
        let published = Published::of_finetuning(None, "pathmnist_28.npz");
        let tuned = |features: &str, origin: &str, share: f64| {
            let settings = json!({"features": features, "init_origin": origin, "label_share": share});
            published.value_of(&verdict("fine-tune", settings, 0, 0.5))
        };
        assert_eq!(
            tuned("fine-tuned", "barlow-twins on pathmnist_28.npz, 9 epochs planned", 0.01),
            Some(0.801)
        );
        assert_eq!(tuned("fine-tuned", "simclr on pathmnist_28.npz", 0.01), Some(0.767));
        assert_eq!(tuned("from-scratch", "", 0.05), Some(0.705));
        assert_eq!(tuned("from-scratch", "", 0.2), None, "not printed");
        assert_eq!(tuned("fine-tuned", "byol on pathmnist_28.npz", 0.01), None);
        assert!(Published::of_finetuning(Some("finetune/full"), "pathmnist").entries.is_empty());
        let note = published.note().unwrap();
        assert_eq!(note.matches("PathMNIST at 64 pixels").count(), 3, "each source once: {note}");
    }

    #[test]
    fn data_sets_are_known_by_name() {
        let sets =
            ["pathmnist", "data/pathmnist_64.npz", "/x/cifar-10", "cifar100", "blood_28.npz"].map(set_of);
        assert_eq!(sets, ["pathmnist", "pathmnist", "cifar10", "cifar100", "blood"]);
    }
}
