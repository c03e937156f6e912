//! How fast trainings were, by their own logs. Times depend on the machine, so that they stand on pages and in no table of results.

use twinlens_report::{Block, Cell, Column, Table, TableRow};
use twinlens_run::RunRecord;

use super::{Drawn, PageSpec};
use crate::StudyError;

/// A row for each training that is there: images a second, and the hours that all of it takes at that speed.
pub(super) fn blocks(drawn: &Drawn<'_>, page: &PageSpec) -> Result<Vec<Block>, StudyError> {
    let mut rows = Vec::new();
    for (node, at) in drawn.trainings(page) {
        let Some(done) = drawn.store.done(node)? else { continue };
        let record = RunRecord::read(&drawn.store.run(node))?;
        let of =
            |key: &str| record.metrics.iter().filter_map(|row| row.get(key)?.as_f64()).collect::<Vec<_>>();
        let Some(speed) = median(of("images_per_second")) else { continue };
        let batch = record.config.parse::<toml::Table>().ok();
        let batch = batch.and_then(|settings| settings.get("batch")?.as_integer()).unwrap_or_default();
        let images = of("step").last().copied().unwrap_or_default() * batch as f64;
        let place = format!("{} on {}", done.device, done.host);
        rows.push(TableRow::new(vec![
            Cell::Text(drawn.name(&at, &[])),
            Cell::Number(Some(speed)),
            Cell::Text(super::hours(images / speed)),
            Cell::Text(place),
        ]));
    }
    let table = Table {
        name: "times".to_owned(),
        caption: "Images a second, the median of a run's log, and what the run takes at that speed without judging.".to_owned(),
        columns: vec![
            Column::text("training"),
            Column::number("images a second"),
            Column::text("time of the run"),
            Column::text("where"),
        ],
        rows,
    };
    Ok(if table.rows.is_empty() { vec![] } else { vec![Block::Table(table)] })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_step_does_not_count() {
        assert_eq!(median(vec![300.0, 2.0, 310.0]), Some(300.0));
        assert_eq!(median(vec![]), None);
    }
}
