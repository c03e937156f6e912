//! Numbers in rows: published beside measured.

use twinlens_report::{Block, Cell, Column, Gap, Table, TableRow};

use super::{Drawn, PageSpec};
use crate::table::is_share_of_images;

/// From this many rows on, a table stands behind its title.
const LONG: usize = 40;

/// The table of a measure: a row a cell, the mean over repeats, and what the source has there.
pub(super) fn blocks(drawn: &Drawn<'_>, page: &PageSpec, measure: &str) -> Vec<Block> {
    let summaries = drawn.results.summaries(measure, &drawn.over, &|at| page.at.has(at));
    if summaries.is_empty() {
        return Vec::new();
    }
    let (title, share) = drawn.results.title(measure);
    let axes: Vec<&String> = drawn
        .results
        .axes
        .iter()
        .filter(|axis| summaries.iter().any(|(at, _)| at.contains_key(*axis)))
        .collect();
    let beside: Vec<_> = summaries.iter().map(|(at, _)| drawn.recipe.published_in(measure, at)).collect();
    let any = beside.iter().any(Option::is_some);
    let images = summaries.iter().find_map(|(_, summary)| summary.samples);
    let mut columns: Vec<Column> = axes.iter().map(|axis| Column::text((*axis).clone())).collect();
    columns.push(Column::number(if share { format!("{title}, %") } else { title.clone() }));
    columns.push(Column::number("repeats"));
    if any {
        columns.push(Column::number("published"));
    }
    if any && drawn.own_data {
        columns.push(Column::number("difference"));
    }
    let mut marks = Vec::new();
    let rows = summaries.iter().zip(&beside).map(|((at, summary), beside)| {
        let mut cells: Vec<Cell> =
            axes.iter().map(|axis| Cell::Text(at.get(*axis).cloned().unwrap_or_default())).collect();
        let values: Vec<f64> = summary.values.iter().map(|(_, value)| *value).collect();
        let interval = summary.interval().filter(|_| share);
        cells.push(if share {
            Cell::Estimate(values, interval)
        } else {
            match summary.deviation() {
                Some(deviation) => Cell::Text(format!("{:.3} ± {deviation:.3}", summary.mean())),
                None => Cell::Number(Some(summary.mean())),
            }
        });
        cells.push(Cell::Count(summary.values.len() as u64));
        if any {
            let of = |value: f64| if share { format!("{:.1}", 100.0 * value) } else { format!("{value:.3}") };
            cells.push(Cell::Text(beside.as_ref().map_or("–".to_owned(), |beside| {
                let mark = beside.mark.as_ref().map(|mark| format!(" [{mark}]")).unwrap_or_default();
                marks.extend(beside.mark.clone());
                let spread = beside.std.map(|std| format!(" ± {}", of(std))).unwrap_or_default();
                format!("{}{spread}{mark}", of(beside.value))
            })));
        }
        if any && drawn.own_data {
            let gap = beside.as_ref().map(|beside| {
                let value = summary.mean() - beside.value;
                let [low, high] = interval.unwrap_or([summary.mean(); 2]).map(|end| end - beside.value);
                Gap { value, low, high }
            });
            cells.push(Cell::Gap(gap.filter(|_| share)));
        }
        TableRow::new(cells)
    });
    let rows: Vec<TableRow> = rows.collect();
    let mut caption = format!("{title}. Mean ± sample standard deviation over repeats");
    if let Some(images) = images.filter(|_| parts_are_of_images(measure)) {
        caption += &format!("; in brackets a 95 % interval over the {images} images");
    }
    caption.push('.');
    if any && !drawn.own_data {
        caption += " The data are not the source's, so that its numbers are set beside and not subtracted.";
    }
    for (mark, words) in [
        ("arxiv", " [arxiv]: from the paper's arXiv version."),
        ("code", " [code]: from the authors' code."),
        ("issue", " [issue]: an author's word in an issue of that code."),
    ] {
        if marks.iter().any(|one| one == mark) {
            caption += words;
        }
    }
    let name = measure.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let long = rows.len() > LONG;
    let table = Table { name, caption, columns, rows };
    vec![if long { Block::Folded(format!("{title}: all numbers"), table) } else { Block::Table(table) }]
}

fn parts_are_of_images(measure: &str) -> bool {
    crate::table::parts(measure).is_some_and(|(_, _, id)| is_share_of_images(id))
}
