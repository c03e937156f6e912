//! Several runs side by side.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::Path;

use toml::Table as Toml;
use twinlens_config::differences;
use twinlens_report::{Block, Cell, Column, Fact, Page, Plate, Section, Table, TableRow};

use super::published::Published;
use super::results::Entry;
use super::run_view::RunView;
use super::whose::Whose;
use super::{
    Extras, FrontEnd, Report, absent, clusters, file_name_of, health, map, measured, overview, results,
    retrieval, tags, to_repeat, training,
};
use crate::LabError;

/// The runs of a page, each with its name there.
struct Runs<'a> {
    runs: &'a [RunView],
    names: Vec<String>,
}

/// The report of several runs: every result in one table, what each was and where they differ, all curves in one grid, and the
/// map of each.
pub(super) fn report(runs: &[RunView], front_end: &dyn FrontEnd) -> Result<Report, LabError> {
    let runs = &Runs { runs, names: names(runs) };
    let mut extras = Extras::default();
    for (name, run) in runs.named() {
        extras.warnings.extend(run.warnings.iter().map(|warning| format!("{name}: {warning}")));
    }
    let same_data = runs.runs.iter().all(|run| run.own_data() == runs.runs[0].own_data());
    if !same_data {
        extras.warn("The runs did not learn from the same data.");
    }
    let (courses, training) = training::of_several(runs.runs, &runs.names)?;
    let sections = vec![
        results(runs, courses, &mut extras)?,
        several_classes(runs),
        maps(runs, &mut extras)?,
        measures(runs),
        training,
        differing(runs),
        commands(runs, front_end),
    ];
    let mut all = vec![about(runs, &mut extras)];
    all.extend(sections);
    let title = format!("{} runs side by side", runs.runs.len());
    Ok(Report { page: Page { title, sections: all, ..Page::default() }, plots: extras.plots })
}

/// The last parts of the runs' folders, or all of them where those do not tell them apart.
fn names(runs: &[RunView]) -> Vec<String> {
    let full: Vec<String> = runs.iter().map(RunView::name).collect();
    let short: Vec<String> = full.iter().map(|name| file_name_of(name)).collect();
    let different: BTreeSet<&String> = short.iter().collect();
    if different.len() == short.len() { short } else { full }
}

impl<'a> Runs<'a> {
    fn named(&self) -> impl Iterator<Item = (&str, &'a RunView)> {
        self.names.iter().map(String::as_str).zip(self.runs)
    }

    /// Each run as rows of tables know it.
    fn each(&self) -> impl Iterator<Item = (Whose<'_>, &'a RunView)> {
        let named = self.named().enumerate();
        named.map(|(number, (name, run))| (Whose::one_of_several(number, name), run))
    }

    /// A column of words, and one a run.
    fn columns(&self, first: &str) -> Vec<Column> {
        std::iter::once(Column::text(first)).chain(self.names.iter().map(Column::text)).collect()
    }
}

/// What each run was, a column a run.
fn about(runs: &Runs, extras: &mut Extras) -> Section {
    let of_run = |run: &RunView| {
        let state = Fact::new("State", run.record.status.state.to_string());
        [vec![Fact::new("Folder", run.name()), state], overview::facts(run)].concat()
    };
    let facts: Vec<Vec<Fact>> = runs.runs.iter().map(of_run).collect();
    let mut names: Vec<&str> = Vec::new();
    for fact in facts.iter().flatten() {
        if !names.contains(&fact.name.as_str()) {
            names.push(&fact.name);
        }
    }
    let value = |facts: &Vec<Fact>, name: &str| {
        let found =
            facts.iter().find(|fact| fact.name == name).map_or("–".to_owned(), |fact| fact.value.clone());
        Cell::Text(found)
    };
    let row = |name: &&str| {
        let values = facts.iter().map(|facts| value(facts, name));
        TableRow::new(std::iter::once(Cell::Text((*name).to_owned())).chain(values).collect())
    };
    let rows = names.iter().map(row).collect();
    let table = Table { name: "runs".into(), caption: String::new(), columns: runs.columns(""), rows };
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(extras.warnings.drain(..).map(Block::Warning));
    Section::new("", blocks)
}

fn results(runs: &Runs, courses: Vec<Plate>, extras: &mut Extras) -> Result<Section, LabError> {
    let mut entries = Vec::new();
    for (whose, run) in runs.each() {
        let published = Published::of(run);
        let entry = |condition| Entry { whose, condition, published: published.value(condition) };
        entries.extend(run.conditions.iter().map(entry));
    }
    if entries.is_empty() && runs.runs.iter().any(|run| !run.tags.is_empty()) {
        return Ok(absent());
    }
    // A stable sort: what compares stands together, runs in the order in which they were named.
    entries.sort_by(|a, b| {
        let key = |one: &Entry| (one.condition.protocol.clone(), Reverse(one.condition.kind));
        key(a).cmp(&key(b))
    });
    let mut plates = Vec::new();
    if !entries.is_empty() {
        plates.push(results::bars_of(&entries, extras)?);
    }
    plates.extend(courses);
    let mut blocks = results::tables(&entries);
    if entries.is_empty() {
        let nothing = "Nothing was evaluated in these runs; the commands below do it.";
        blocks.push(Block::Text(nothing.to_owned()));
    }
    if !plates.is_empty() {
        blocks.push(Block::Plates(plates));
    }
    Ok(Section::new("Results", blocks))
}

/// Judgements of images that may show several classes, a row a run and condition.
fn several_classes(runs: &Runs) -> Section {
    let groups: Vec<_> = runs.each().map(|(whose, run)| (whose, tags::groups(run))).collect();
    let rows = groups.iter().flat_map(|(whose, groups)| groups.iter().map(move |group| (*whose, group)));
    let table = tags::measures(rows);
    let blocks = if table.rows.is_empty() { Vec::new() } else { vec![Block::Table(table)] };
    Section::new("Images of several classes", blocks)
}

/// The settings in which the runs differ.
fn differing(runs: &Runs) -> Section {
    let tables: Vec<Toml> =
        runs.runs.iter().map(|run| run.record.config.parse().unwrap_or_default()).collect();
    let differing = differences(&tables.iter().collect::<Vec<_>>());
    if differing.is_empty() {
        return Section::new(
            "Settings that differ",
            vec![Block::Text("The settings are the same.".to_owned())],
        );
    }
    let cell = |value: &Option<toml::Value>| {
        Cell::Text(value.as_ref().map_or("–".into(), |value| match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        }))
    };
    let row = |(key, values): &(String, Vec<Option<toml::Value>>)| {
        TableRow::new(std::iter::once(Cell::Text(key.clone())).chain(values.iter().map(cell)).collect())
    };
    let table = Table {
        name: "settings".into(),
        caption: String::new(),
        columns: runs.columns("Setting"),
        rows: differing.iter().map(row).collect(),
    };
    Section::new("Settings that differ", vec![Block::Table(table)])
}

fn maps(runs: &Runs, extras: &mut Extras) -> Result<Section, LabError> {
    let mut blocks = Vec::new();
    for (name, run) in runs.named() {
        let map = map::section(run, extras)?.blocks;
        if !map.is_empty() {
            blocks.push(Block::Heading(name.to_owned()));
            blocks.extend(map);
        }
    }
    Ok(Section::new("Maps of the features", blocks))
}

/// Retrieval, clusters, health and what protocols of their own measure, a row a run and verdict.
fn measures(runs: &Runs) -> Section {
    let retrieval = retrieval::measures(
        runs.each().flat_map(|(whose, run)| run.retrieval.iter().map(move |verdict| (whose, verdict))),
    );
    let clusters = clusters::measures(
        runs.each().flat_map(|(whose, run)| run.clusters.iter().map(move |verdict| (whose, verdict))),
    );
    let health = health::measures(
        runs.each().flat_map(|(whose, run)| run.health.iter().map(move |verdict| (whose, verdict))),
    );
    let further: Vec<_> = runs
        .each()
        .flat_map(|(whose, run)| run.measured.iter().map(move |verdict| (whose, verdict)))
        .collect();
    let tables = [retrieval, clusters, health].into_iter().filter(|table| !table.rows.is_empty());
    let tables = tables.chain(measured::tables(&further));
    Section::new("Retrieval, clusters, health and further measures", tables.map(Block::Table).collect())
}

fn commands(runs: &Runs, front_end: &dyn FrontEnd) -> Section {
    let mut commands: Vec<String> = Vec::new();
    for command in runs.runs.iter().flat_map(|run| front_end.repeat(run)) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    let folders: Vec<&Path> = runs.runs.iter().map(|run| run.record.path.as_path()).collect();
    commands.push(front_end.report(&folders));
    to_repeat(commands)
}
