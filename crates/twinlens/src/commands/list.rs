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

/// Runs `list` for what there is of the kind asked for, `all`.
///
/// # Errors
/// When nothing matches the pattern, or stdout cannot be written.
pub fn run(args: &ListArgs, all: &[Choice], terminal: &Terminal) -> Outcome {
    let pattern = args.pattern.as_deref().unwrap_or("*");
    let found: Vec<&Choice> = all.iter().filter(|choice| choices::matches(pattern, &choice.name)).collect();
    let kind = args.kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    if found.is_empty() && !all.is_empty() {
        let failure = Failure::message(Exit::Usage, format!("no {kind} match `{pattern}`"));
        let near = nearest(pattern, all.iter().map(|choice| choice.name.as_str()));
        return Err(failure.hint(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`twinlens list {kind}` lists them all"),
        }));
    }
    terminal.result(&json!({ kind: found }), || {
        let keys: Vec<&str> =
            found.first().map_or(vec![], |choice| choice.details.iter().map(|(key, _)| *key).collect());
        let headings: Vec<&str> = ["name", "what"].into_iter().chain(keys.iter().copied()).collect();
        let row = |choice: &&Choice| {
            let details = keys.iter().map(|key| choice.detail(key).unwrap_or_default());
            let cells = [choice.name.as_str(), &choice.summary].into_iter().chain(details);
            cells.map(str::to_owned).collect()
        };
        terminal.table(&headings, &found.iter().map(row).collect::<Vec<_>>())
    })
}
