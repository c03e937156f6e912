//! `list`: what there is to choose from.

use clap::ValueEnum;
use serde_json::json;
use twinlens_config::nearest;
use twinlens_lab::choices::{self, Choice};
use twinlens_lab::protocols::PROTOCOLS;

use super::bench;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens list
  twinlens list methods
  twinlens list encoders 'resnet*'
  twinlens list presets --json")]
pub struct ListArgs {
    /// What to list; without it, what can be listed
    pub kind: Option<Kind>,
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

/// Everything of a kind that this program has.
pub fn all(kind: Kind) -> Vec<Choice> {
    match kind {
        Kind::Methods => choices::methods(),
        Kind::Encoders => choices::encoders(),
        Kind::Protocols => choices::protocols(&PROTOCOLS),
        Kind::Datasets => choices::datasets(),
        Kind::Formats => choices::formats(),
        Kind::Augmentations => choices::augmentations(),
        Kind::Presets => choices::recipes(&choices::all_recipes()),
        Kind::Cases => {
            bench::cases().iter().map(|case| Choice::new(case.name(), &case.what(), vec![])).collect()
        }
    }
}

impl Kind {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Runs `list` for what there `is` of each kind.
///
/// # Errors
/// When nothing matches the pattern, or stdout cannot be written.
pub fn run(args: &ListArgs, is: &dyn Fn(Kind) -> Vec<Choice>, terminal: &Terminal) -> Outcome {
    match args.kind {
        Some(kind) => list(args, kind, &is(kind), terminal),
        None => kinds(is, terminal),
    }
}

/// Tells what can be listed, and how many of each there are.
fn kinds(is: &dyn Fn(Kind) -> Vec<Choice>, terminal: &Terminal) -> Outcome {
    let told = |kind: &Kind| {
        let what = kind.to_possible_value().and_then(|value| Some(value.get_help()?.to_string()));
        (kind.name(), is(*kind).len(), what.unwrap_or_default())
    };
    let kinds: Vec<_> = Kind::value_variants().iter().map(told).collect();
    let document: Vec<_> = kinds
        .iter()
        .map(|(name, count, what)| json!({ "name": name, "count": count, "what": what }))
        .collect();
    terminal.result(&json!({ "kinds": document }), || {
        let row = |(name, count, what): &(String, usize, String)| {
            vec![name.clone(), count.to_string(), what.clone()]
        };
        terminal.table(&["twinlens list ...", "", "what"], &kinds.iter().map(row).collect::<Vec<_>>())
    })
}

fn list(args: &ListArgs, kind: Kind, all: &[Choice], terminal: &Terminal) -> Outcome {
    let pattern = args.pattern.as_deref().unwrap_or("*");
    let found: Vec<&Choice> = all.iter().filter(|choice| choices::matches(pattern, &choice.name)).collect();
    let kind = kind.name();
    if found.is_empty() && !all.is_empty() {
        let failure = Failure::message(Exit::Usage, format!("no {kind} match `{pattern}`"));
        let near = nearest(pattern, all.iter().map(|choice| choice.name.as_str()));
        return Err(failure.hint(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`twinlens list {kind}` lists them all"),
        }));
    }
    terminal.result(&json!({ kind: found }), || {
        // What is told of some alone has a table of its own: the presets that say for which images they are.
        let (kinds, others): (Vec<_>, Vec<_>) = found.iter().partition(|choice| choice.detail(FOR).is_some());
        let tables = [kinds, others].into_iter().filter(|choices| !choices.is_empty());
        tables.map(|choices| table(&choices, terminal)).collect::<Vec<_>>().join("\n")
    })
}

/// The detail that says for whom a choice is.
const FOR: &str = "for";

/// A table of choices, with a column for every detail that one of them has.
fn table(choices: &[&Choice], terminal: &Terminal) -> String {
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in choices.iter().flat_map(|choice| &choice.details) {
        if !keys.contains(key) {
            keys.push(key);
        }
    }
    let headings: Vec<&str> = ["name", "what"].into_iter().chain(keys.iter().copied()).collect();
    let row = |choice: &&Choice| {
        let details = keys.iter().map(|key| choice.detail(key).unwrap_or_default());
        let cells = [choice.name.as_str(), &choice.summary].into_iter().chain(details);
        cells.map(str::to_owned).collect()
    };
    terminal.table(&headings, &choices.iter().map(row).collect::<Vec<_>>())
}
