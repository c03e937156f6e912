//! Several runs side by side.

use std::cmp::Reverse;

use toml::Table as Toml;
use twinlens_config::differences;
use twinlens_report::{Block, Cell, Column, Fact, Page, Section, Table, TableRow};

use super::conditions::Condition;
use super::published::Published;
use super::seen::Seen;
use super::{
    Kept, Report, absent, clusters, health, map, measured, overview, repeat, results, tags, training,
};
use crate::exit::Outcome;

/// The report of several runs: what differs between them, every result in one table, then the curves and map of each.
pub(super) fn report(runs: &[Seen]) -> Outcome<Report> {
    let mut kept = Kept::default();
    for run in runs {
        kept.warnings.extend(run.warnings.iter().map(|warning| format!("{}: {warning}", run.name())));
    }
    let same_data = runs.iter().all(|run| run.own_data() == runs[0].own_data());
    if !same_data {
        kept.warn("The runs did not learn from the same data.");
    }
    let sections = vec![
        results(runs, &mut kept)?,
        several_classes(runs),
        differing(runs),
        curves(runs)?,
        maps(runs, &mut kept)?,
        measures(runs),
        commands(runs),
    ];
    let mut all = vec![about(runs, &mut kept)];
    all.extend(sections);
    let title = format!("{} runs side by side", runs.len());
    Ok(Report { page: Page { title, sections: all, ..Page::default() }, plots: kept.plots })
}

/// What each run was, a column a run.
fn about(runs: &[Seen], kept: &mut Kept) -> Section {
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
    blocks.extend(kept.warnings.drain(..).map(Block::Warning));
    Section::new("", blocks)
}

fn run_columns(first: &str, runs: &[Seen]) -> Vec<Column> {
    std::iter::once(Column::text(first)).chain(runs.iter().map(|run| Column::text(run.name()))).collect()
}

fn results(runs: &[Seen], kept: &mut Kept) -> Outcome<Section> {
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
        vec![Block::Table(results::table(&rows)), Block::Plates(vec![results::bars_of(&bars, kept)?])];
    Ok(Section::new("Results", blocks))
}

/// Judgements of images that may show several classes, a row a run and condition.
fn several_classes(runs: &[Seen]) -> Section {
    let groups: Vec<_> = runs.iter().map(|run| (run.name(), tags::groups(run))).collect();
    let rows =
        groups.iter().flat_map(|(run, groups)| groups.iter().map(move |group| (Some(run.clone()), group)));
    let table = tags::measures(rows);
    let blocks = if table.rows.is_empty() { Vec::new() } else { vec![Block::Table(table)] };
    Section::new("Images of several classes", blocks)
}

/// The settings in which the runs differ.
fn differing(runs: &[Seen]) -> Section {
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

fn curves(runs: &[Seen]) -> Outcome<Section> {
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

fn maps(runs: &[Seen], kept: &mut Kept) -> Outcome<Section> {
    let mut blocks = Vec::new();
    for run in runs {
        let map = map::section(run, kept)?.blocks;
        if !map.is_empty() {
            blocks.push(Block::Heading(run.name()));
            blocks.extend(map);
        }
    }
    Ok(Section::new("Maps of the features", blocks))
}

/// Clusters, health and what protocols of their own measure, a row a run and verdict.
fn measures(runs: &[Seen]) -> Section {
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

fn commands(runs: &[Seen]) -> Section {
    let mut commands: Vec<String> = runs.iter().flat_map(repeat::commands).collect();
    let names: Vec<String> = runs.iter().map(|run| run.name()).collect();
    commands.push(format!("twinlens report {} --out compared.html", names.join(" ")));
    Section::new("To repeat this", vec![Block::Commands(commands)])
}
