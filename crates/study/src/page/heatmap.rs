//! A measure of pairs of operations.

use twinlens_report::{Block, Heatmap, Plate, Values, heatmap};

use super::{Drawn, PageSpec, table};
use crate::StudyError;
use crate::axes::Role;

/// A matrix for each measure, and its numbers.
pub(super) fn blocks(drawn: &Drawn<'_>, page: &PageSpec) -> Result<Vec<Block>, StudyError> {
    let mut blocks = Vec::new();
    for measure in &drawn.measures(page) {
        let plates = plates(drawn, page, measure)?;
        if !plates.is_empty() {
            blocks.push(Block::Plates(plates));
        }
        blocks.extend(table::blocks(drawn, page, measure));
    }
    Ok(blocks)
}

fn plates(drawn: &Drawn<'_>, page: &PageSpec, measure: &str) -> Result<Vec<Plate>, StudyError> {
    let (title, share) = drawn.results.title(measure);
    let summaries = drawn.results.summaries(measure, &drawn.over, &|at| page.at.has(at));
    let mut plates = Vec::new();
    for axis in drawn.axes(Role::Matrix) {
        let mut names: [Vec<String>; 2] = Default::default();
        for (row, column) in drawn.plan.cells.iter().filter_map(|cell| cell.pairs.get(axis)) {
            for (names, name) in names.iter_mut().zip([row, column]) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        let [rows, columns] = names;
        let mut cells = vec![vec![None; columns.len()]; rows.len()];
        for (at, summary) in &summaries {
            let Some(label) = at.get(axis) else { continue };
            let planned = drawn.plan.cells.iter().find(|cell| cell.at.get(axis) == Some(label));
            let Some((row, column)) = planned.and_then(|cell| cell.pairs.get(axis)) else { continue };
            let place =
                (rows.iter().position(|one| one == row), columns.iter().position(|one| one == column));
            if let (Some(row), Some(column)) = place {
                cells[row][column] = Some(summary.mean());
            }
        }
        if cells.iter().flatten().all(Option::is_none) {
            continue;
        }
        let seeds = summaries.iter().map(|(_, summary)| summary.values.len()).max().unwrap_or(0);
        let picture = Heatmap {
            measure: title.clone(),
            values: if share { Values::Shares } else { Values::Numbers },
            rows: ("first".to_owned(), rows),
            columns: ("second".to_owned(), columns),
            cells,
            note: if seeds > 1 { format!("means of {seeds} repeats") } else { String::new() },
        };
        let [svg, _] = heatmap(&picture)?;
        plates.push(Plate::new(title.clone(), "", format!("{title} of every pair"), svg));
    }
    Ok(plates)
}
