//! Judgements by protocols of their own measures: a table each.

use twinlens_eval::Unit;
use twinlens_report::{Block, Cell, Column, Section, Table};

use super::run_view::RunView;
use super::whose::{Whose, with_runs};
use crate::protocols::title;
use crate::{MeasureRecord, Readings, Verdict};

/// Every such judgement of the run.
pub(super) fn section(run: &RunView) -> Section {
    let verdicts = run.measured.iter().map(|verdict| (Whose::default(), verdict));
    Section::new(
        "Further measures",
        tables(&verdicts.collect::<Vec<_>>()).into_iter().map(Block::Table).collect(),
    )
}

/// A table for each protocol, a row for each verdict and split, and the run it belongs to where there are several.
pub(super) fn tables(verdicts: &[(Whose, &Verdict)]) -> Vec<Table> {
    let mut protocols: Vec<&str> = Vec::new();
    for (_, verdict) in verdicts {
        if !protocols.contains(&verdict.protocol.as_str()) {
            protocols.push(&verdict.protocol);
        }
    }
    protocols.into_iter().map(|protocol| table(protocol, verdicts)).collect()
}

fn table(protocol: &str, verdicts: &[(Whose, &Verdict)]) -> Table {
    let (mut measures, mut rows) = (Vec::new(), Vec::new());
    for (whose, verdict) in verdicts.iter().filter(|(_, verdict)| verdict.protocol == protocol) {
        let readings = verdict.readings();
        for (split, values) in &readings.splits {
            let words = [title(protocol, &verdict.asked), verdict.subject.title(), split.clone()];
            let mut cells: Vec<Cell> = words.map(Cell::Text).into();
            cells.extend(readings.measures.iter().zip(values).map(|(measure, value)| cell(measure, *value)));
            rows.push(whose.row(verdict.subject.features, cells));
        }
        let Readings { measures: of, .. } = readings;
        measures = of;
    }
    let words = ["Protocol", "Features", "Images"].map(Column::text);
    let columns = words
        .into_iter()
        .chain(measures.iter().map(|measure| Column::number(measure.title.clone())))
        .collect();
    let columns = with_runs(columns, &rows);
    Table { name: protocol.to_owned(), caption: String::new(), columns, rows }
}

fn cell(measure: &MeasureRecord, value: Option<f64>) -> Cell {
    match measure.unit {
        Unit::Share => Cell::Share(value.into_iter().collect()),
        Unit::Number => Cell::Number(value),
    }
}
