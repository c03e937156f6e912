//! Several runs side by side.

use std::cmp::Reverse;
use std::path::Path;

use toml::Table as Toml;
use twinlens_config::differences;
use twinlens_report::{Block, Cell, Column, Fact, Page, Section, Table, TableRow};

use super::conditions::Condition;
use super::published::Published;
use super::run_view::RunView;
use super::{
    Extras, FrontEnd, Report, absent, clusters, health, map, measured, overview, results, tags, to_repeat,
    training,
};
use crate::LabError;

/// The report of several runs: what differs between them, every result in one table, then the curves and map of each.
pub(super) fn report(runs: &[RunView], front_end: &dyn FrontEnd) -> Result<Report, LabError> {
    let mut extras = Extras::default();
    for run in runs {
        extras.warnings.extend(run.warnings.iter().map(|warning| format!("{}: {warning}", run.name())));
    }
    let same_data = runs.iter().all(|run| run.own_data() == runs[0].own_data());
    if !same_data {
        extras.warn("The runs did not learn from the same data.");
    }
    let sections = vec![
        results(runs, &mut extras)?,
        several_classes(runs),
        differing(runs),
        curves(runs)?,
        maps(runs, &mut extras)?,
        measures(runs),
        commands(runs, front_end),
    ];
    let mut all = vec![about(runs, &mut extras)];
    all.extend(sections);
    let title = format!("{} runs side by side", runs.len());
    Ok(Report { page: Page { title, sections: all, ..Page::default() }, plots: extras.plots })
}

/// What each run was, a column a run.
fn about(runs: &[RunView], extras: &mut Extras) -> Section {
    let facts: Vec<Vec<Fact>> = runs.iter().map(overview::facts).collect();
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
    let row = |name: &&str| TableRow {
        ours: false,
        cells: std::iter::once(Cell::Text((*name).to_owned()))
            .chain(facts.iter().map(|facts| value(facts, name)))
            .collect(),
    };
    let status = std::iter::once(Cell::Text("State".to_owned()))
        .chain(runs.iter().map(|run| Cell::Text(run.record.status.state.to_string())))
        .collect();
    let mut rows = vec![TableRow { ours: false, cells: status }];
    rows.extend(names.iter().map(row));
    let table = Table { name: "runs".into(), caption: String::new(), columns: run_columns("", runs), rows };
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(extras.warnings.drain(..).map(Block::Warning));
    Section::new("", blocks)
}

fn run_columns(first: &str, runs: &[RunView]) -> Vec<Column> {
    std::iter::once(Column::text(first)).chain(runs.iter().map(|run| Column::text(run.name()))).collect()
}

fn results(runs: &[RunView], extras: &mut Extras) -> Result<Section, LabError> {
    let mut rows = Vec::new();
    for run in runs {
        let published = Published::of(run);
        let of_run =
            run.conditions.iter().map(|condition| (Some(run.name()), condition, published.value(condition)));
        rows.extend(of_run);
    }
    if rows.is_empty() && runs.iter().any(|run| !run.tags.is_empty()) {
        return Ok(absent());
    }
    if rows.is_empty() {
        let nothing = "Nothing was evaluated in these runs; the commands below do it.";
        return Ok(Section::new("Results", vec![Block::Text(nothing.to_owned())]));
    }
    // A stable sort: what compares stands together, runs in the order in which they were named.
    rows.sort_by(|(_, a, _), (_, b, _)| (&a.protocol, Reverse(a.kind)).cmp(&(&b.protocol, Reverse(b.kind))));
    let name = |run: &Option<String>, condition: &Condition| {
        format!("{}, {}", run.as_deref().unwrap_or_default(), condition.features())
    };
    let bars: Vec<_> = rows.iter().map(|(run, condition, _)| (name(run, condition), *condition)).collect();
    let blocks =
        vec![Block::Table(results::table(&rows)), Block::Plates(vec![results::bars_of(&bars, extras)?])];
    Ok(Section::new("Results", blocks))
}

/// Judgements of images that may show several classes, a row a run and condition.
fn several_classes(runs: &[RunView]) -> Section {
    let groups: Vec<_> = runs.iter().map(|run| (run.name(), tags::groups(run))).collect();
    let rows =
        groups.iter().flat_map(|(run, groups)| groups.iter().map(move |group| (Some(run.clone()), group)));
    let table = tags::measures(rows);
    let blocks = if table.rows.is_empty() { Vec::new() } else { vec![Block::Table(table)] };
    Section::new("Images of several classes", blocks)
}

/// The settings in which the runs differ.
fn differing(runs: &[RunView]) -> Section {
    let tables: Vec<Toml> = runs.iter().map(|run| run.record.config.parse().unwrap_or_default()).collect();
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
    let row = |(key, values): &(String, Vec<Option<toml::Value>>)| TableRow {
        ours: false,
        cells: std::iter::once(Cell::Text(key.clone())).chain(values.iter().map(cell)).collect(),
    };
    let table = Table {
        name: "settings".into(),
        caption: String::new(),
        columns: run_columns("Setting", runs),
        rows: differing.iter().map(row).collect(),
    };
    Section::new("Settings that differ", vec![Block::Table(table)])
}

fn curves(runs: &[RunView]) -> Result<Section, LabError> {
    let mut blocks = Vec::new();
    for run in runs {
        blocks.push(Block::Heading(run.name()));
        let panels = training::panels(run)?;
        blocks.push(match panels.is_empty() {
            true => Block::Text("The metrics log holds no values.".to_owned()),
            false => Block::Panels(panels),
        });
    }
    blocks.push(Block::Note(training::NOTE.to_owned()));
    Ok(Section::new("Training", blocks))
}

fn maps(runs: &[RunView], extras: &mut Extras) -> Result<Section, LabError> {
    let mut blocks = Vec::new();
    for run in runs {
        let map = map::section(run, extras)?.blocks;
        if !map.is_empty() {
            blocks.push(Block::Heading(run.name()));
            blocks.extend(map);
        }
    }
    Ok(Section::new("Maps of the features", blocks))
}

/// Clusters, health and what protocols of their own measure, a row a run and verdict.
fn measures(runs: &[RunView]) -> Section {
    let clusters = clusters::measures(
        runs.iter().flat_map(|run| run.clusters.iter().map(|verdict| (Some(run.name()), verdict))),
    );
    let health = health::measures(
        runs.iter().flat_map(|run| run.health.iter().map(|verdict| (Some(run.name()), verdict))),
    );
    let further: Vec<_> =
        runs.iter().flat_map(|run| run.measured.iter().map(|verdict| (Some(run.name()), verdict))).collect();
    let tables = [clusters, health].into_iter().filter(|table| !table.rows.is_empty());
    let tables = tables.chain(measured::tables(&further));
    Section::new("Clusters, health and further measures", tables.map(Block::Table).collect())
}

fn commands(runs: &[RunView], front_end: &dyn FrontEnd) -> Section {
    let mut commands: Vec<String> = runs.iter().flat_map(|run| front_end.repeat(run)).collect();
    let folders: Vec<&Path> = runs.iter().map(|run| run.record.path.as_path()).collect();
    commands.push(front_end.report(&folders));
    to_repeat(commands)
}
