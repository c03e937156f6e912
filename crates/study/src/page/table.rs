//! Numbers in rows: published beside measured.

use std::collections::BTreeSet;

use twinlens_report::{Block, Cell, Column, Gap, Table, TableRow};

use super::{Drawn, PageSpec};
use crate::published::Rival;
use crate::recipe::label_of;
use crate::table::is_share_of_images;

/// From this many rows on, a table stands behind its title.
const LONG: usize = 40;

/// The table of a measure: a row a cell, the mean over repeats, and what the source has there.
pub(super) fn blocks(drawn: &Drawn<'_>, page: &PageSpec, measure: &str) -> Vec<Block> {
    let summaries = drawn.results.summaries(measure, &drawn.over, &|at| page.at.has(at));
    let (title, share) = drawn.results.title(measure);
    if summaries.is_empty() {
        return rivals(drawn, measure, &title, share).into_iter().collect();
    }
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
    let name = file_name(measure);
    let long = rows.len() > LONG;
    let table = Table { name, caption, columns, rows };
    let own = if long { Block::Folded(format!("{title}: all numbers"), table) } else { Block::Table(table) };
    std::iter::once(own).chain(rivals(drawn, measure, &title, share)).collect()
}

/// What the source sets beside: numbers of others that are not trained here.
fn rivals(drawn: &Drawn<'_>, measure: &str, title: &str, share: bool) -> Option<Block> {
    let rivals: Vec<&Rival> = drawn.recipe.rivals.iter().filter(|rival| rival.measure == measure).collect();
    let axes: BTreeSet<&String> = rivals.iter().flat_map(|rival| rival.at.0.keys()).collect();
    let row = |rival: &&Rival| {
        let label = |axis: &&String| rival.at.0.get(*axis).map(label_of).unwrap_or_default();
        let number = if share { 100.0 * rival.value } else { rival.value };
        let mark = rival.mark.as_ref().map(|mark| format!(" [{mark}]")).unwrap_or_default();
        let mut cells = vec![Cell::Text(rival.name.clone())];
        cells.extend(axes.iter().map(label).map(Cell::Text));
        cells.push(Cell::Text(format!("{number}{mark}")));
        TableRow::new(cells)
    };
    let rows: Vec<TableRow> = rivals.iter().map(row).collect();
    let mut columns = vec![Column::text("published of others")];
    columns.extend(axes.iter().map(|axis| Column::text((*axis).clone())));
    columns.push(Column::number(if share { format!("{title}, %") } else { title.to_owned() }));
    let name = format!("others-{}", file_name(measure));
    let caption = "Numbers of the source for what is not trained here.".to_owned();
    (!rows.is_empty()).then_some(Block::Table(Table { name, caption, columns, rows }))
}

fn file_name(measure: &str) -> String {
    measure.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
}

fn parts_are_of_images(measure: &str) -> bool {
    crate::table::parts(measure).is_some_and(|(_, _, id)| is_share_of_images(id))
}
