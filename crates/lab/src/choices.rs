//! What there is to choose from by name: methods, encoders, protocols, data sets, formats, views, presets.

use serde::{Serialize, Serializer};
use twinlens_nn::encoders::ENCODERS;
use twinlens_ssl::methods::METHODS;
use twinlens_ssl::{finetune, recipes};
use twinlens_views::{ops, presets};

use crate::catalogue;
use crate::protocols::ProtocolSpec;

/// One thing to choose. As JSON it is an object of texts: `name`, `summary`, and the details by their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The name by which it is chosen.
    pub name: String,
    /// What it is, in one line.
    pub summary: String,
    /// More: the paper, the width, the hardware, the time, the expected score.
    pub details: Vec<(&'static str, String)>,
}

impl Choice {
    /// What `name` chooses.
    pub fn new(name: &str, summary: &str, details: Vec<(&'static str, String)>) -> Choice {
        Choice { name: name.to_owned(), summary: summary.to_owned(), details }
    }

    /// A detail by its key.
    pub fn detail(&self, key: &str) -> Option<&str> {
        self.details.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str())
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = [("name", &self.name), ("summary", &self.summary)];
        serializer.collect_map(named.into_iter().chain(self.details.iter().map(|(key, value)| (*key, value))))
    }
}

/// Ways to learn without labels, with the paper of each.
pub fn methods() -> Vec<Choice> {
    let choice = |id, summary, paper: &str| Choice::new(id, summary, vec![("paper", paper.to_owned())]);
    METHODS.iter().map(|spec| choice(spec.id, spec.summary, spec.paper)).collect()
}

/// Networks, with the width of their features.
pub fn encoders() -> Vec<Choice> {
    let details = |features: usize| vec![("features", features.to_string())];
    ENCODERS.iter().map(|spec| Choice::new(spec.id, spec.summary, details(spec.features))).collect()
}

/// Ways to judge an encoder: what each needs, and its settings as they are unless others are asked for.
pub fn protocols(protocols: &[ProtocolSpec]) -> Vec<Choice> {
    let choice = |spec: &ProtocolSpec| {
        let settings: Vec<String> =
            spec.usual().iter().map(|(key, value)| format!("{key}={value}")).collect();
        let details = vec![("needs", spec.needs.name().to_owned()), ("settings", settings.join(" "))];
        Choice::new(spec.id, spec.summary, details)
    };
    protocols.iter().map(choice).collect()
}

/// Public data sets, with the numbers of their images and classes.
pub fn datasets() -> Vec<Choice> {
    let choice = |set: &catalogue::PublicSet| {
        let images = set.images.iter().sum::<u32>().to_string();
        Choice::new(&set.name, &set.summary, vec![("images", images), ("classes", set.classes.to_string())])
    };
    catalogue::sets().iter().map(choice).collect()
}

/// Formats in which data sets are read.
pub fn formats() -> Vec<Choice> {
    twinlens_data::formats().map(|(name, what)| Choice::new(name, what, vec![])).collect()
}

/// Operations that make views, then named policies of them.
pub fn augmentations() -> Vec<Choice> {
    let operations = ops::NAMES.iter().map(|name| Choice::new(name, "operation", vec![]));
    let policies = presets::PRESETS.iter().map(|(name, _)| Choice::new(name, "view policy", vec![]));
    operations.chain(policies).collect()
}

/// Every recipe, of pre-training and of fine-tuning, as name and text.
pub fn all_recipes() -> Vec<(&'static str, &'static str)> {
    [recipes::RECIPES, finetune::recipes::RECIPES].concat()
}

/// Ready-made settings, from the `[about]` table of each: `summary`, and the details `for`, `hardware`, `time` and `expected`.
pub fn recipes(recipes: &[(&str, &str)]) -> Vec<Choice> {
    const DETAILS: [&str; 4] = ["for", "hardware", "time", "expected"];
    let choice = |(name, text): &(&str, &str)| {
        let table: toml::Table = text.parse().unwrap_or_default();
        let about = |key: &str| {
            let value = table.get("about").and_then(|about| about.get(key)).and_then(toml::Value::as_str);
            value.map(str::to_owned)
        };
        let details = DETAILS.into_iter().filter_map(|key| Some((key, about(key)?))).collect();
        Choice::new(name, &about("summary").unwrap_or_default(), details)
    };
    recipes.iter().map(choice).collect()
}

/// Whether `name` matches a pattern of `*`, for any characters, and `?`, for one.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => name
            .char_indices()
            .map(|(at, _)| &name[at..])
            .chain([""])
            .any(|tail| matches(rest.as_str(), tail)),
        Some(wanted) => {
            let mut tail = name.chars();
            tail.next().is_some_and(|found| wanted == '?' || wanted == found)
                && matches(rest.as_str(), tail.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wildcards_match_as_in_a_shell() {
        for (pattern, name) in
            [("*", ""), ("*", "x"), ("resnet*", "resnet18"), ("*18", "resnet18"), ("r*t?8", "resnet18")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("", "x"), ("resnet", "resnet18"), ("?", ""), ("*34", "resnet18"), ("resnet18?", "resnet18")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn recipes_describe_themselves() {
        let text =
            "epochs = 3\n[about]\nsummary = 'Small tiles'\nhardware = '2 cores'\nexpected = 'kNN 0.9'\n";
        let choices = recipes(&[("medmnist", text)]);
        assert_eq!(choices[0].summary, "Small tiles");
        assert_eq!(
            choices[0].details,
            [("hardware", "2 cores".to_owned()), ("expected", "kNN 0.9".to_owned())]
        );
        assert!(recipes(&all_recipes()).iter().all(|choice| !choice.summary.is_empty()));
    }

    #[test]
    fn details_stand_beside_name_and_summary() {
        let choice = Choice::new("resnet18", "18 layers", vec![("features", "512".to_owned())]);
        assert_eq!((choice.detail("features"), choice.detail("paper")), (Some("512"), None));
        let expected = json!({"name": "resnet18", "summary": "18 layers", "features": "512"});
        assert_eq!(json!(choice), expected);
    }
}
