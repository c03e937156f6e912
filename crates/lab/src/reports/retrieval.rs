//! Retrieval: how often the images nearest to an image are of its class.

use twinlens_eval::retrieval::{RETRIEVAL_MEASURES, Retrieval, RetrievalClass, RetrievalSplit};
use twinlens_report::{Block, Cell, Column, Picture, Plate, Section, Table, TableRow};

use super::absent;
use super::run_view::RunView;
use super::whose::{Whose, with_runs};
use crate::Verdict;
use crate::protocols::title;

/// Every retrieval of the run, class by class too, and the sheets of neighbours.
pub(super) fn section(run: &RunView) -> Section {
    if run.retrieval.is_empty() {
        return absent();
    }
    let mut blocks =
        vec![Block::Table(measures(run.retrieval.iter().map(|verdict| (Whose::default(), verdict))))];
    for (number, verdict) in run.retrieval.iter().enumerate() {
        let Some(split) = verdict.outcome.splits.last() else { continue };
        blocks.push(Block::Heading(name(verdict, split)));
        blocks.extend(plate(verdict).map(|plate| Block::Plates(vec![plate])));
        blocks.push(Block::Table(by_class(verdict, split, number + 1)));
    }
    Section::new("Retrieval", blocks)
}

fn name(verdict: &Verdict<Retrieval>, split: &RetrievalSplit) -> String {
    let protocol = title(&verdict.protocol, &verdict.asked);
    format!("{protocol}, {}, {} of {} images", verdict.subject.title(), split.split, split.samples)
}

/// One row for each verdict and split, and the run it belongs to where there are several.
pub(super) fn measures<'a>(verdicts: impl Iterator<Item = (Whose<'a>, &'a Verdict<Retrieval>)>) -> Table {
    let row = |whose: Whose, verdict: &Verdict<Retrieval>, split: &RetrievalSplit| {
        let words = [title(&verdict.protocol, &verdict.asked), verdict.subject.title(), split.split.clone()];
        let mut cells: Vec<Cell> = words.map(Cell::Text).into();
        cells.push(Cell::Count(split.samples as u64));
        cells.extend(RETRIEVAL_MEASURES.iter().map(|measure| {
            let value = split.measures.get(measure.id).copied().flatten();
            Cell::Estimate(value.into_iter().collect(), split.intervals.get(measure.id).copied())
        }));
        whose.row(verdict.subject.features, cells)
    };
    let of_verdict = |(whose, verdict): (Whose<'a>, &'a Verdict<Retrieval>)| {
        verdict.outcome.splits.iter().map(move |split| (whose, verdict, split)).collect::<Vec<_>>()
    };
    let rows: Vec<TableRow> =
        verdicts.flat_map(of_verdict).map(|(whose, verdict, split)| row(whose, verdict, split)).collect();
    let words = ["Protocol", "Features", "Images"].map(Column::text);
    let numbers = std::iter::once("queries").chain(RETRIEVAL_MEASURES.iter().map(|one| one.title));
    let columns = words.into_iter().chain(numbers.map(Column::number)).collect();
    Table {
        name: "retrieval".into(),
        caption: "recall@k: share of queries with an image of their class among the k nearest; mAP@k: how early all of \
                  these come, 1 where they come first. In per cent, with the 95 % interval of other queries."
            .into(),
        columns: with_runs(columns, &rows),
        rows,
    }
}

fn by_class(verdict: &Verdict<Retrieval>, split: &RetrievalSplit, number: usize) -> Table {
    let row = |(class, found): (&String, &RetrievalClass)| {
        let value = |id: &str| found.measures.get(id).copied().flatten();
        let mut cells = vec![Cell::Text(class.clone()), Cell::Count(found.samples as u64)];
        cells.extend(
            RETRIEVAL_MEASURES.iter().map(|measure| Cell::Share(value(measure.id).into_iter().collect())),
        );
        TableRow::new(cells)
    };
    let names = std::iter::once("queries").chain(RETRIEVAL_MEASURES.iter().map(|one| one.title));
    Table {
        name: format!("retrieval-classes-{number}"),
        caption: "Class by class, in per cent; – where a class has nothing to retrieve.".into(),
        columns: std::iter::once(Column::text("Class")).chain(names.map(Column::number)).collect(),
        rows: verdict.outcome.classes.iter().zip(&split.per_class).map(row).collect(),
    }
}

/// Queries and the images nearest to them, where their picture was kept.
fn plate(verdict: &Verdict<Retrieval>) -> Option<Plate> {
    let picture = Picture::from_png(verdict.exhibit("png")?.to_vec()).ok()?;
    let plate = Plate::new(
        "Queries and the images nearest to them",
        "A row for each of some queries, spread over the images: first the query, then the images nearest to it.",
        "Rows of images, a query and its nearest in each.",
        picture,
    );
    Some(plate.wide(Vec::new()))
}
