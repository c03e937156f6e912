//! `list`: what there is to choose from.

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use twinlens_config::nearest;
use twinlens_lab::catalogue;
use twinlens_lab::protocols::{PROTOCOLS, ProtocolSpec};
use twinlens_nn::encoders::ENCODERS;
use twinlens_ssl::finetune;
use twinlens_ssl::methods::METHODS;
use twinlens_ssl::recipes::RECIPES;

use super::bench;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens list methods
  twinlens list encoders 'resnet*'
  twinlens list presets --json")]
pub struct ListArgs {
    /// What to list
    pub kind: Kind,
    /// Only names that match, `*` for any characters and `?` for one
    pub pattern: Option<String>,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Ways to learn without labels
    Methods,
    /// Networks
    Encoders,
    /// Ways to judge an encoder
    Protocols,
    /// Public data sets
    Datasets,
    /// Formats in which data sets are read
    Formats,
    /// Operations that make views, and named policies
    Augmentations,
    /// Ready-made settings
    Presets,
    /// Work that `bench` times
    Cases,
}

/// One thing to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name on the command line.
    pub name: String,
    /// What it is, in one line.
    pub summary: String,
    /// More: the paper, the width, the hardware, the time, the expected score.
    pub details: Vec<(&'static str, String)>,
}

/// The entries of every kind.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// `list methods`
    pub methods: Vec<Entry>,
    /// `list encoders`
    pub encoders: Vec<Entry>,
    /// `list protocols`
    pub protocols: Vec<Entry>,
    /// `list datasets`
    pub datasets: Vec<Entry>,
    /// `list formats`
    pub formats: Vec<Entry>,
    /// `list augmentations`
    pub augmentations: Vec<Entry>,
    /// `list presets`; see [`presets`].
    pub presets: Vec<Entry>,
    /// `list cases`
    pub cases: Vec<Entry>,
}

impl Catalogue {
    fn of(&self, kind: Kind) -> &[Entry] {
        match kind {
            Kind::Methods => &self.methods,
            Kind::Encoders => &self.encoders,
            Kind::Protocols => &self.protocols,
            Kind::Datasets => &self.datasets,
            Kind::Formats => &self.formats,
            Kind::Augmentations => &self.augmentations,
            Kind::Presets => &self.presets,
            Kind::Cases => &self.cases,
        }
    }
}

/// The entries of presets, from the `[about]` table of each: `summary`, and the details `hardware`, `time` and
/// `expected`.
pub fn presets(presets: &[(&str, &str)]) -> Vec<Entry> {
    const DETAILS: [&str; 3] = ["hardware", "time", "expected"];
    let entry = |(name, text): &(&str, &str)| {
        let table: toml::Table = text.parse().unwrap_or_default();
        let about = |key: &str| {
            let value = table.get("about").and_then(|about| about.get(key)).and_then(toml::Value::as_str);
            value.map(str::to_owned)
        };
        Entry {
            name: (*name).to_owned(),
            summary: about("summary").unwrap_or_default(),
            details: DETAILS.into_iter().filter_map(|key| Some((key, about(key)?))).collect(),
        }
    };
    presets.iter().map(entry).collect()
}

/// The entries of protocols: what each needs, and its settings as they are unless others are asked for.
pub fn protocols(protocols: &[ProtocolSpec]) -> Vec<Entry> {
    let entry = |spec: &ProtocolSpec| {
        let settings: Vec<String> =
            spec.usual().iter().map(|(key, value)| format!("{key}={value}")).collect();
        Entry {
            name: spec.id.to_owned(),
            summary: spec.summary.to_owned(),
            details: vec![("needs", spec.needs.name().to_owned()), ("settings", settings.join(" "))],
        }
    };
    protocols.iter().map(entry).collect()
}

/// Everything that this program has.
pub fn catalogue() -> Catalogue {
    let entry = |name: &str, summary: &str, details: Vec<(&'static str, String)>| Entry {
        name: name.to_owned(),
        summary: summary.to_owned(),
        details,
    };
    let operations = twinlens_views::ops::NAMES.iter().map(|name| entry(name, "operation", vec![]));
    let policies =
        twinlens_views::presets::PRESETS.iter().map(|(name, _)| entry(name, "view policy", vec![]));
    Catalogue {
        methods: METHODS
            .iter()
            .map(|spec| entry(spec.id, spec.summary, vec![("paper", spec.paper.to_owned())]))
            .collect(),
        encoders: ENCODERS
            .iter()
            .map(|spec| entry(spec.id, spec.summary, vec![("features", spec.features.to_string())]))
            .collect(),
        protocols: protocols(&PROTOCOLS),
        datasets: catalogue::sets()
            .iter()
            .map(|set| {
                let images = set.images.iter().sum::<u32>().to_string();
                let details = [("images", images), ("classes", set.classes.to_string())];
                entry(&set.name, &set.summary, details.into())
            })
            .collect(),
        formats: twinlens_data::formats().map(|(name, what)| entry(name, what, vec![])).collect(),
        augmentations: operations.chain(policies).collect(),
        presets: presets(&[RECIPES, finetune::recipes::RECIPES].concat()),
        cases: bench::cases().iter().map(|case| entry(case.name(), &case.what(), vec![])).collect(),
    }
}

/// Runs `list`.
///
/// # Errors
/// When nothing matches the pattern, or stdout cannot be written.
pub fn run(args: &ListArgs, catalogue: &Catalogue, terminal: &Terminal) -> Outcome {
    let all = catalogue.of(args.kind);
    let pattern = args.pattern.as_deref().unwrap_or("*");
    let found: Vec<&Entry> = all.iter().filter(|entry| matches(pattern, &entry.name)).collect();
    let kind = args.kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    if found.is_empty() && !all.is_empty() {
        let failure = Failure::message(Exit::Usage, format!("no {kind} match `{pattern}`"));
        let near = nearest(pattern, all.iter().map(|entry| entry.name.as_str()));
        return Err(failure.hint(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`twinlens list {kind}` lists them all"),
        }));
    }
    let document = json!({ kind: found.iter().map(|entry| as_json(entry)).collect::<Vec<_>>() });
    terminal.result(&document, || {
        let keys: Vec<&str> =
            found.first().map_or(vec![], |entry| entry.details.iter().map(|(key, _)| *key).collect());
        let headings: Vec<&str> = ["name", "what"].into_iter().chain(keys.iter().copied()).collect();
        let detail = |entry: &Entry, key: &str| {
            entry.details.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone())
        };
        let row = |entry: &&Entry| {
            let details = keys.iter().map(|key| detail(entry, key).unwrap_or_default());
            [entry.name.clone(), entry.summary.clone()].into_iter().chain(details).collect()
        };
        terminal.table(&headings, &found.iter().map(row).collect::<Vec<_>>())
    })
}

fn as_json(entry: &Entry) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(entry.name));
    object.insert("summary".to_owned(), json!(entry.summary));
    for (key, value) in &entry.details {
        object.insert((*key).to_owned(), json!(value));
    }
    Value::Object(object)
}

/// Whether `name` matches a pattern of `*` and `?`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
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
    fn presets_describe_themselves() {
        let text =
            "epochs = 3\n[about]\nsummary = 'Small tiles'\nhardware = '2 cores'\nexpected = 'kNN 0.9'\n";
        let entries = presets(&[("medmnist", text)]);
        assert_eq!(entries[0].summary, "Small tiles");
        assert_eq!(
            entries[0].details,
            [("hardware", "2 cores".to_owned()), ("expected", "kNN 0.9".to_owned())]
        );
    }
}
