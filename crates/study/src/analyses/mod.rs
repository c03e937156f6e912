//! What is made of the numbers of a study: analyses of its table, made anew with every report. One kind a file.
//!
//! The statistics themselves are those of [`twinlens_eval::analyses`]; here stand their names in recipes, what they are taken from,
//! and how their findings enter the table and the page. An analysis is named like a protocol: its numbers are
//! `NAME.SPLIT.MEASURE`, and pages, published numbers and expected shapes take them as any others.

mod behaviour;
mod behaviour_match;
mod curves;
mod difference;
mod group_means;
mod mean_over;
mod opposed_classes;
mod properties_vs_behaviour;
mod shared_classes;

use std::collections::BTreeMap;

use serde::Deserialize;
use twinlens_eval::analyses::{Behaviour, Permutations};
use twinlens_eval::{Better, Unit};
use twinlens_lab::MeasureRecord;
use twinlens_report::Block;

use crate::StudyError;
use crate::axes::AxisSpec;
use crate::plan::PlannedCell;
use crate::recipe::{At, Recipe};
use crate::table::{Results, Row};

/// `analyses`: one of them as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct AnalysisUse {
    /// What measures and pages call it.
    pub name: String,
    /// The only cells that it looks at.
    #[serde(default)]
    pub at: At,
    /// What it does.
    #[serde(flatten)]
    pub kind: AnalysisKind,
}

/// The kinds of analyses, each with its settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AnalysisKind {
    /// Classes of which one loses where the other gains.
    OpposedClasses(opposed_classes::OpposedClasses),
    /// Which classes gain along an axis, and which lose.
    Behaviour(behaviour::Behaviours),
    /// Whether classes that gain are of another kind than those that lose.
    PropertiesVsBehaviour(properties_vs_behaviour::PropertiesVsBehaviour),
    /// Classes that are opposed with several levels of an axis.
    SharedClasses(shared_classes::SharedClasses),
    /// Whether classes behave alike in two analyses.
    BehaviourMatch(behaviour_match::BehaviourMatch),
    /// Means over groups of classes.
    GroupMeans(group_means::GroupMeans),
    /// One number of a whole axis.
    MeanOver(mean_over::MeanOver),
    /// How far the numbers of some cells lie above those of others.
    Difference(difference::Difference),
}

/// What a kind of analysis does.
trait Analysis {
    /// What it measures.
    fn measures(&self) -> &'static [Measured];

    /// The measures of protocols that it is taken from.
    fn sources(&self) -> Vec<&str>;

    /// What it finds in the table.
    ///
    /// # Errors
    /// [`StudyError`] of input that is malformed; what data do not suffice for is told among the findings.
    fn run(&self, table: &Table<'_>) -> Result<Findings, StudyError>;
}

/// A measure of an analysis: its id, what it is called, and what its values are.
type Measured = (&'static str, &'static str, Unit);

/// The labels of a cell.
type Labels = BTreeMap<String, String>;

impl AnalysisKind {
    fn inner(&self) -> &dyn Analysis {
        match self {
            AnalysisKind::OpposedClasses(kind) => kind,
            AnalysisKind::Behaviour(kind) => kind,
            AnalysisKind::PropertiesVsBehaviour(kind) => kind,
            AnalysisKind::SharedClasses(kind) => kind,
            AnalysisKind::BehaviourMatch(kind) => kind,
            AnalysisKind::GroupMeans(kind) => kind,
            AnalysisKind::MeanOver(kind) => kind,
            AnalysisKind::Difference(kind) => kind,
        }
    }

    /// The ids of what it measures.
    pub fn measures(&self) -> impl Iterator<Item = &'static str> {
        self.inner().measures().iter().map(|(id, ..)| *id)
    }

    /// The measures that it is taken from.
    pub fn sources(&self) -> Vec<&str> {
        self.inner().sources()
    }

    /// The axes that it goes along or across.
    pub fn axes(&self) -> Vec<&str> {
        match self {
            AnalysisKind::OpposedClasses(kind) => vec![&kind.along],
            AnalysisKind::Behaviour(kind) => vec![&kind.along],
            AnalysisKind::PropertiesVsBehaviour(kind) => vec![&kind.along, &kind.across],
            AnalysisKind::SharedClasses(kind) => vec![&kind.across],
            AnalysisKind::GroupMeans(kind) => vec![&kind.along],
            AnalysisKind::MeanOver(kind) => vec![&kind.over],
            AnalysisKind::Difference(kind) => {
                kind.a.0.keys().chain(kind.b.0.keys()).map(String::as_str).collect()
            }
            AnalysisKind::BehaviourMatch(_) => Vec::new(),
        }
    }

    /// The protocols that it needs besides those of its measures.
    pub fn protocols(&self) -> Vec<&str> {
        match self {
            AnalysisKind::PropertiesVsBehaviour(kind) => vec![&kind.properties],
            _ => Vec::new(),
        }
    }

    /// The analyses before it that it is taken from.
    pub fn builds_on(&self) -> Vec<&str> {
        match self {
            AnalysisKind::SharedClasses(kind) => vec![&kind.of],
            AnalysisKind::BehaviourMatch(kind) => kind.of.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// What an analysis looks at.
pub(crate) struct Table<'a> {
    recipe: &'a Recipe,
    cells: &'a [PlannedCell],
    results: &'a Results,
    over: &'a [String],
    at: &'a At,
    found: &'a BTreeMap<String, Findings>,
}

/// A number that an analysis found.
pub(crate) struct Finding {
    at: Labels,
    split: String,
    measure: String,
    value: Option<f64>,
}

/// What classes do in some cells, for analyses that build on it.
#[derive(Clone)]
pub(crate) struct Classes {
    at: Labels,
    split: String,
    names: Vec<String>,
    /// Whether each has an opposed partner.
    has_partner: Vec<bool>,
    /// What each does, where that could be told.
    behaviours: Vec<Behaviour>,
}

/// What an analysis came to.
#[derive(Default)]
pub(crate) struct Findings {
    numbers: Vec<Finding>,
    /// What could not be tested, and why.
    untested: Vec<String>,
    /// What is drawn of it.
    pub blocks: Vec<Block>,
    classes: Vec<Classes>,
}

impl Findings {
    fn number(&mut self, at: &Labels, split: &str, measure: &str, value: impl Into<Option<f64>>) {
        let (at, split, measure) = (at.clone(), split.to_owned(), measure.to_owned());
        self.numbers.push(Finding { at, split, measure, value: value.into() });
    }

    fn not_tested(&mut self, at: &Labels, reason: &str) {
        let place: Vec<String> = at.iter().map(|(axis, label)| format!("{axis} = {label}")).collect();
        let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(", ")) };
        self.untested.push(format!("not tested: {place}{reason}"));
    }
}

/// Analyses by name, in the order of the recipe; their numbers join the table.
///
/// # Errors
/// Settings outside their range.
pub(crate) fn run(
    recipe: &Recipe,
    cells: &[PlannedCell],
    results: &mut Results,
    over: &[String],
) -> Result<BTreeMap<String, Findings>, StudyError> {
    let mut found: BTreeMap<String, Findings> = BTreeMap::new();
    for used in &recipe.analyses {
        let table = Table { recipe, cells, results, over, at: &used.at, found: &found };
        let mut findings = used.kind.inner().run(&table)?;
        for (id, title, unit) in used.kind.inner().measures() {
            let (id, title, unit, better) = ((*id).to_owned(), (*title).to_owned(), *unit, Better::Higher);
            results.measures.entry(id.clone()).or_insert(MeasureRecord { id, title, unit, better });
        }
        for Finding { at, split, measure, value } in findings.numbers.drain(..) {
            let new = at.keys().filter(|axis| !results.axes.contains(axis)).cloned().collect::<Vec<_>>();
            results.axes.extend(new);
            let (protocol, origin) = (used.name.clone(), format!("analysis {}", used.name));
            results.rows.push(Row { protocol, at, split, measure, value, samples: None, origin });
        }
        if !findings.untested.is_empty() {
            findings.blocks.push(Block::List(std::mem::take(&mut findings.untested)));
        }
        found.insert(used.name.clone(), findings);
    }
    Ok(found)
}

impl Table<'_> {
    /// The axis whose values lie along a line, in a cell: of an axis that varies others in turn, the one that is varied there.
    fn axis_in(&self, along: &str, at: &Labels) -> Option<String> {
        let spec = self.recipe.axes.iter().flat_map(AxisSpec::all).find(|axis| axis.name == along)?;
        if spec.one_of.is_some() { at.get(along).cloned() } else { Some(along.to_owned()) }
    }

    /// Where the levels of an axis lie, by their labels.
    fn places(&self, axis: &str) -> BTreeMap<&str, f64> {
        let of = |cell: &'_ PlannedCell| cell.numbers.get(axis).copied();
        let cells = self.cells.iter().filter_map(|cell| Some((cell.at.get(axis)?.as_str(), of(cell)?)));
        cells.collect()
    }
}

/// How chance is drawn, as recipes say it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draws {
    /// How often.
    pub permutations: usize,
    /// By which seed.
    pub seed: u64,
}

impl Default for Draws {
    fn default() -> Draws {
        let Permutations { count, seed, .. } = Permutations::default();
        Draws { permutations: count, seed }
    }
}

impl From<Draws> for Permutations {
    fn from(draws: Draws) -> Permutations {
        Permutations { count: draws.permutations, seed: draws.seed, ..Permutations::default() }
    }
}

/// A label of every axis in words.
fn in_words(at: &Labels) -> String {
    at.values().cloned().collect::<Vec<_>>().join(", ")
}

/// A p-value as tables print it.
fn p_text(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests;
