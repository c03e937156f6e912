//! Judgements by protocols of their own measures: a table each.

use twinlens_eval::Unit;
use twinlens_report::{Block, Cell, Column, Section, Table, TableRow};

use super::run_view::RunView;
use crate::protocols::title;
use crate::{MeasureRecord, Readings, Verdict};

/// Every such judgement of the run.
pub(super) fn section(run: &RunView) -> Section {
    let verdicts = run.measured.iter().map(|verdict| (None, verdict));
    Section::new(
        "Further measures",
        tables(&verdicts.collect::<Vec<_>>()).into_iter().map(Block::Table).collect(),
    )
}

/// A table for each protocol, a row for each verdict and split, and the run it belongs to where there are several.
pub(super) fn tables(verdicts: &[(Option<String>, &Verdict)]) -> Vec<Table> {
    let mut protocols: Vec<&str> = Vec::new();
    for (_, verdict) in verdicts {
        if !protocols.contains(&verdict.protocol.as_str()) {
            protocols.push(&verdict.protocol);
        }
    }
    protocols.into_iter().map(|protocol| table(protocol, verdicts)).collect()
}

fn table(protocol: &str, verdicts: &[(Option<String>, &Verdict)]) -> Table {
    let (mut measures, mut rows) = (Vec::new(), Vec::new());
    for (run, verdict) in verdicts.iter().filter(|(_, verdict)| verdict.protocol == protocol) {
        let readings = verdict.readings();
        for (split, values) in &readings.splits {
            let mut cells: Vec<Cell> = run.iter().cloned().map(Cell::Text).collect();
            cells.push(Cell::Text(title(protocol, &verdict.asked)));
            cells.push(Cell::Text(verdict.subject.title()));
            cells.push(Cell::Text(split.clone()));
            cells.extend(readings.measures.iter().zip(values).map(|(measure, value)| cell(measure, *value)));
            rows.push(TableRow { ours: verdict.subject.features.is_trained(), cells });
        }
        let Readings { measures: of, .. } = readings;
        measures = of;
    }
    let words = ["Protocol", "Features", "Images"].map(Column::text);
    let mut columns: Vec<Column> = words
        .into_iter()
        .chain(measures.iter().map(|measure| Column::number(measure.title.clone())))
        .collect();
    if rows.first().is_some_and(|row| row.cells.len() > columns.len()) {
        columns.insert(0, Column::text("Run"));
    }
    Table { name: protocol.to_owned(), caption: String::new(), columns, rows }
}

fn cell(measure: &MeasureRecord, value: Option<f64>) -> Cell {
    match measure.unit {
        Unit::Share => Cell::Share(value.into_iter().collect()),
        Unit::Number => Cell::Number(value),
    }
}
