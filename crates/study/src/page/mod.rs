//! The page of a study: published beside measured, pictures, and which shapes were found. One kind of block a file.

mod bars;
mod confusion;
mod exhibits;
mod heatmap;
mod lines;
mod table;
mod times;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use twinlens_report::{Block, Cell, Column, Page, Section, Table, TableRow, page_html};
use twinlens_run::write_atomically;

use crate::StudyError;
use crate::analyses::{self, Findings};
use crate::axes::{AxisSpec, Role};
use crate::data::PlannedData;
use crate::expect::{Finding, Tested, Tests};
use crate::node::{Kind, Node, Work};
use crate::plan::Plan;
use crate::recipe::{At, Recipe};
use crate::store::{Done, State, Store, write_json};
use crate::table::Results;
use crate::worker::Tally;

/// `pages`: one thing that is drawn.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageSpec {
    /// What is drawn.
    pub kind: PageKind,
    /// Its heading.
    #[serde(default)]
    pub title: Option<String>,
    /// What is measured: `PROTOCOL.SPLIT.MEASURE[.CLASS]`.
    #[serde(default)]
    pub measure: Option<String>,
    /// Further measures, drawn after the first.
    #[serde(default)]
    pub beside: Vec<String>,
    /// The protocol, of what is no measure.
    #[serde(default)]
    pub protocol: Option<String>,
    /// The analysis whose findings are shown.
    #[serde(default)]
    pub analysis: Option<String>,
    /// Classes of which lines are drawn, one each, of a measure of classes.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The only cells that are drawn.
    #[serde(default)]
    pub at: At,
    /// Values less the largest along this axis.
    #[serde(default)]
    pub minus_best: Option<String>,
}

/// The kinds of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageKind {
    /// Numbers, published beside measured.
    Table,
    /// A measure along an axis.
    Lines,
    /// A measure of each cell, as bars.
    Bars,
    /// A measure of pairs of operations.
    Heatmap,
    /// Who is taken for whom.
    Confusion,
    /// Maps of features.
    Maps,
    /// Images of clusters.
    Montage,
    /// What encoders were shown: originals and their views.
    Views,
    /// How fast trainings were, and where.
    Times,
    /// What an analysis found.
    Analysis,
}

/// What a page is drawn from.
pub(crate) struct Drawn<'a> {
    pub recipe: &'a Recipe,
    pub plan: &'a Plan,
    pub store: &'a Store,
    pub results: &'a Results,
    /// What analyses found, by name.
    pub found: BTreeMap<String, Findings>,
    /// The axes that repeat.
    pub over: Vec<String>,
    /// Whether learned and judged data are the source's.
    pub own_data: bool,
    /// Which levels were chosen, in words.
    pub chosen: Vec<String>,
}

/// What a study came to.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The recipe.
    pub study: String,
    /// The budget.
    pub budget: String,
    /// How its nodes stand.
    pub tally: Tally,
    /// The shapes.
    pub expected: Vec<Tested>,
    /// What differs from the source.
    pub differences: Vec<String>,
}

impl Drawn<'_> {
    /// The axes of that role that cells have, by name. Axes that are varied in turn may have a picture each.
    fn axes(&self, role: Role) -> Vec<&str> {
        let all = self.recipe.axes.iter().flat_map(AxisSpec::all);
        let all = all.filter(|axis| axis.one_of.is_none() || role == Role::Panel);
        all.filter(|axis| axis.role == role).map(|axis| axis.name.as_str()).collect()
    }

    /// The labels of a cell but for some axes, in the order of the recipe, in words.
    fn name(&self, at: &BTreeMap<String, String>, but: &[&str]) -> String {
        let labels = self.results.axes.iter().filter(|axis| !but.contains(&axis.as_str()));
        let labels: Vec<&str> = labels.filter_map(|axis| at.get(axis)).map(String::as_str).collect();
        labels.join(", ")
    }

    /// The measures that a page shows.
    fn measures(&self, page: &PageSpec) -> Vec<String> {
        let measures = page.measure.iter().chain(&page.beside);
        if page.classes.is_empty() {
            return measures.cloned().collect();
        }
        measures
            .flat_map(|measure| page.classes.iter().map(move |class| format!("{measure}.{class}")))
            .collect()
    }

    /// The distinct parts of labels, in the order in which they come.
    fn parts(&self, cells: &[&BTreeMap<String, String>], axes: &[&str]) -> Vec<Vec<String>> {
        let mut parts: Vec<Vec<String>> = Vec::new();
        for at in cells {
            let part: Vec<String> =
                axes.iter().map(|axis| at.get(*axis).cloned().unwrap_or_default()).collect();
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts
    }

    /// The axes that do not tell one training from another: repeats, and those of protocols.
    fn beside_trainings(&self) -> Vec<&str> {
        let of_protocols = self.recipe.axes.iter().filter(|axis| axis.of.is_some());
        let of_protocols = of_protocols.flat_map(AxisSpec::all).map(|axis| axis.name.as_str());
        of_protocols.chain(self.over.iter().map(String::as_str)).collect()
    }

    /// The trainings that cells need, each with the labels of the first cell that does.
    fn trainings(&self, page: &PageSpec) -> Vec<(&Node, BTreeMap<String, String>)> {
        let mut found: Vec<(&Node, BTreeMap<String, String>)> = Vec::new();
        for cell in self.plan.cells.iter().filter(|cell| page.at.has(&cell.at)) {
            let mut node = self.plan.node(&cell.node);
            while let Some(input) = node.and_then(|node| node.input.as_deref()) {
                node = self.plan.node(input);
            }
            let Some(node) = node.filter(|node| node.kind() == Kind::Train) else { continue };
            if found.iter().all(|(known, _)| known.id != node.id) {
                found.push((node, cell.at.clone()));
            }
        }
        found
    }

    /// Whether a cell is in the panel with these labels of the axes `panels`.
    fn is_in(at: &BTreeMap<String, String>, panels: &[&str], panel: &[String]) -> bool {
        panels.iter().zip(panel).all(|(axis, label)| at.get(*axis).map_or("", |one| one) == label)
    }

    fn blocks(&self, page: &PageSpec) -> Result<Vec<Block>, StudyError> {
        match page.kind {
            PageKind::Table => {
                Ok(self.measures(page).iter().flat_map(|one| table::blocks(self, page, one)).collect())
            }
            PageKind::Lines => lines::blocks(self, page),
            PageKind::Bars => bars::blocks(self, page),
            PageKind::Heatmap => heatmap::blocks(self, page),
            PageKind::Confusion => confusion::blocks(self, page),
            PageKind::Maps | PageKind::Montage => exhibits::blocks(self, page),
            PageKind::Views => exhibits::sheets(self, page),
            PageKind::Times => times::blocks(self, page),
            PageKind::Analysis => {
                let found = page.analysis.as_ref().and_then(|name| self.found.get(name));
                Ok(found.map(|found| found.blocks.clone()).unwrap_or_default())
            }
        }
    }
}

impl Recipe {
    /// The axes that repeat the same.
    pub(crate) fn repeats(&self) -> Vec<String> {
        let all = self.axes.iter().flat_map(AxisSpec::all);
        all.filter(|axis| axis.role == Role::Repeat).map(|axis| axis.name.clone()).collect()
    }

    /// The names of all axes that cells may have, in their order.
    pub fn axis_names(&self) -> Vec<String> {
        self.axes.iter().flat_map(AxisSpec::all).map(|axis| axis.name.clone()).collect()
    }

    /// The measure that is tested where a shape names none.
    fn usual_measure(&self) -> String {
        self.pages.iter().find_map(|page| page.measure.clone()).unwrap_or_default()
    }
}

/// Collects what is there of a study in the folder `path`, tests its shapes, and writes `table.csv`, `expect.json` and
/// `report.html`. `commands` make it again.
///
/// # Errors
/// Files that cannot be read or written; a picture that cannot be drawn.
pub fn report(path: &Path, store: &Store, commands: Vec<String>) -> Result<Outcome, StudyError> {
    let (plan, recipe) = Plan::read(path)?;
    let states = store.states(&plan)?;
    let mut results = Results::collect(&plan, store, recipe.axis_names())?;
    imports(path, &mut results)?;
    let differences = differences(&recipe, &plan)?;
    let own_data = !differences.iter().any(|one| one.starts_with("data "));
    let over = recipe.repeats();
    let found = analyses::run(&recipe, &plan.cells, &mut results, &over)?;
    results.write(path)?;
    let chosen = choices(&recipe, &mut results, &over);
    let usual = recipe.usual_measure();
    let tests = Tests { results: &results, cells: &plan.cells, over: &over, own_data, usual: &usual };
    let expected: Vec<Tested> = recipe.expect.iter().flat_map(|one| tests.test(one)).collect();
    let tally = Tally::of(&states);
    let outcome =
        Outcome { study: plan.study.clone(), budget: plan.budget.clone(), tally, expected, differences };
    write_json(&path.join("expect.json"), &outcome)?;
    let drawn =
        Drawn { recipe: &recipe, plan: &plan, store, results: &results, found, over, own_data, chosen };
    let page = page(&drawn, &outcome, &states, commands)?;
    write_atomically(&path.join("report.html"), page_html(&page)?.as_bytes())?;
    Ok(outcome)
}

/// Takes the best level of every axis that is tuned, and says which, and by what.
fn choices(recipe: &Recipe, results: &mut Results, over: &[String]) -> Vec<String> {
    let mut told = Vec::new();
    for axis in recipe.axes.iter().flat_map(AxisSpec::all) {
        let Some(choose) = &axis.choose else { continue };
        let (title, _) = results.title(&choose.measure);
        for (cell, level) in results.choose(&axis.name, &choose.measure, over) {
            let cell = if cell.is_empty() { String::new() } else { format!(" for {cell}") };
            told.push(format!("{} = {level}{cell}, by the mean of {title}", axis.name));
        }
        if crate::table::parts(&choose.measure).is_some_and(|(_, split, _)| split == "test") {
            told.push(format!(
                "{} was chosen by labels of the test images: its numbers are too good",
                axis.name
            ));
        }
    }
    told
}

/// Numbers from outside that were put into the folder of the study.
fn imports(path: &Path, results: &mut Results) -> Result<(), StudyError> {
    let folder = path.join("imports");
    if !folder.is_dir() {
        return Ok(());
    }
    let failed = |error| StudyError::io(&folder, error);
    let entries = std::fs::read_dir(&folder).map_err(failed)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| StudyError::io(&file, error))?;
        results.import(&text).map_err(|reason| StudyError::Unreadable { path: file, reason })?;
    }
    Ok(())
}

/// What differs from the source, of the first training of the plan.
fn differences(recipe: &Recipe, plan: &Plan) -> Result<Vec<String>, StudyError> {
    let settings = plan.nodes.iter().find_map(|node| match &node.work {
        Work::Train(training) => Some(&training.settings),
        Work::Finetune(tuning) => Some(&tuning.settings),
        Work::Judge(_) => None,
    });
    let table: toml::Table = settings
        .map(|text| text.parse())
        .transpose()
        .map_err(|error: toml::de::Error| StudyError::Unreadable {
            path: crate::plan::PLAN.into(),
            reason: error.to_string(),
        })?
        .unwrap_or_default();
    let data: Vec<String> = plan.data.iter().map(PlannedData::title).collect();
    Ok(recipe.differences(&table, &data))
}

fn page(
    drawn: &Drawn<'_>,
    outcome: &Outcome,
    states: &[State],
    commands: Vec<String>,
) -> Result<Page, StudyError> {
    let Drawn { recipe, plan, .. } = drawn;
    let mut sections = vec![Section::verdict(sentences(outcome, drawn), Vec::new()), setup(drawn, outcome)];
    for (number, page) in recipe.pages.iter().enumerate() {
        let title = page.title.clone().unwrap_or_else(|| {
            let measure = page.measure.as_deref().map(|measure| drawn.results.title(measure).0);
            measure
                .or_else(|| page.protocol.clone())
                .or_else(|| page.analysis.clone())
                .unwrap_or_else(|| format!("Page {}", number + 1))
        });
        let mut blocks = drawn.blocks(page)?;
        if blocks.is_empty() {
            blocks.push(Block::Note("Nothing is there yet that could be drawn here.".to_owned()));
        }
        sections.push(Section::new(title, blocks));
    }
    sections.push(shapes(outcome));
    sections.push(gaps(drawn, states));
    sections.push(Section::new("To make this again", vec![Block::Commands(commands)]));
    let unfinished = outcome.tally.nodes - outcome.tally.there();
    let state = if unfinished == 0 {
        "done".to_owned()
    } else {
        format!("{unfinished} of {} nodes missing", outcome.tally.nodes)
    };
    let title = format!("{} ({})", recipe.title, plan.study);
    Ok(Page { title, state, message: String::new(), sections })
}

/// What came out, in words.
fn sentences(outcome: &Outcome, drawn: &Drawn<'_>) -> Vec<String> {
    let count = |finding: Finding| outcome.expected.iter().filter(|one| one.finding == finding).count();
    let mut sentences = Vec::new();
    if !outcome.expected.is_empty() {
        sentences.push(format!(
            "Of {} expected shapes {} held, {} did not, {} could not be tested.",
            outcome.expected.len(),
            count(Finding::Held),
            count(Finding::NotHeld),
            count(Finding::NotTested)
        ));
    }
    if !outcome.differences.is_empty() {
        sentences.push(format!("Not the source's set-up: {}.", outcome.differences.join("; ")));
    }
    if let Some(note) = drawn.recipe.budget.get(&drawn.plan.budget).and_then(|budget| budget.note.clone()) {
        sentences.push(note);
    }
    sentences
}

/// What was done, with what.
fn setup(drawn: &Drawn<'_>, outcome: &Outcome) -> Section {
    let Drawn { recipe, plan, store, .. } = drawn;
    let mut blocks = Vec::new();
    if !recipe.source.is_empty() {
        blocks.push(Block::Text(format!("After {}.", recipe.source.join("; "))));
    }
    if !recipe.ours.is_empty() {
        blocks.push(Block::Note(format!(
            "The source does not state, so it is chosen here: {}.",
            recipe.ours.join(", ")
        )));
    }
    let done: Vec<Done> = plan.nodes.iter().filter_map(|node| store.done(node).ok().flatten()).collect();
    let seconds: f64 = done.iter().map(|done| done.seconds).sum();
    let mut machines: Vec<String> =
        done.iter().map(|done| format!("{} on {}", done.device, done.host)).collect();
    machines.sort();
    machines.dedup();
    let data: Vec<String> = plan
        .data
        .iter()
        .map(|data| format!("{} ({} images to learn from)", data.title(), data.train))
        .collect();
    let mut facts = vec![
        twinlens_report::Fact::new("budget", plan.budget.clone()),
        twinlens_report::Fact::new("data", data.join(", ")),
        twinlens_report::Fact::new(
            "trainings and judgements",
            format!("{} of {}", outcome.tally.there(), outcome.tally.nodes),
        ),
        twinlens_report::Fact::new("computing time", hours(seconds)),
    ];
    if machines.len() > 1 {
        blocks.push(Block::Warning(format!(
            "Made on several kinds of machine: {}. Last digits may differ between them.",
            machines.join(", ")
        )));
    }
    facts.extend(machines.first().map(|machine| twinlens_report::Fact::new("machine", machine.clone())));
    blocks.push(Block::Facts(facts));
    if !drawn.chosen.is_empty() {
        blocks.extend([Block::Heading("Chosen".to_owned()), Block::List(drawn.chosen.clone())]);
    }
    Section::new("What was done", blocks)
}

fn shapes(outcome: &Outcome) -> Section {
    if outcome.expected.is_empty() {
        return Section::default();
    }
    let row = |tested: &Tested| {
        let finding = match tested.finding {
            Finding::Held => "held",
            Finding::NotHeld => "not held",
            Finding::NotTested => "not tested",
        };
        let repeats = tested.repeats.map(|(held, all)| format!("in {held} of {all}")).unwrap_or_default();
        let texts = [tested.says.clone(), finding.to_owned(), repeats, tested.detail.clone()];
        TableRow::new(texts.map(Cell::Text).to_vec())
    };
    let table = Table {
        name: "expected".to_owned(),
        caption: "Shapes that the source shows, tested on the mean over repeats, and on each repeat alone."
            .to_owned(),
        columns: ["shape", "found", "repeats", "detail"].map(Column::text).to_vec(),
        rows: outcome.expected.iter().map(row).collect(),
    };
    Section::new("Expected shapes", vec![Block::Table(table)])
}

/// What is missing, and why.
fn gaps(drawn: &Drawn<'_>, states: &[State]) -> Section {
    let mut told = Vec::new();
    for (node, state) in drawn.plan.nodes.iter().zip(states) {
        match state {
            State::Failed(cause) => {
                told.push(format!("{} {} ({}) failed: {cause}", node.kind(), node.id, node.label));
            }
            State::Collapsed => told.push(format!(
                "{} {} ({}) collapsed: its encoder is judged as it stood",
                node.kind(),
                node.id,
                node.label
            )),
            _ => {}
        }
    }
    let missing = drawn.results.missing.len();
    if missing > 0 {
        told.push(format!("{missing} of {} cells have no numbers yet", drawn.plan.cells.len()));
    }
    if told.is_empty() {
        Section::default()
    } else {
        Section::new("What is missing", vec![Block::List(told)])
    }
}

/// A time in words.
pub fn hours(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} seconds"),
        s if s < 5400.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}
