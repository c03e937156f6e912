//! Every judgement by predictions in one table, and its accuracies as bars.

use twinlens_eval::metrics::measured;
use twinlens_eval::{Measure, SplitPredictions};
use twinlens_report::{
    Bar, Block, Cell, Column, Comparison, Group, Plate, Section, Table, TableRow, comparison,
};

use super::conditions::Condition;
use super::published::Published;
use super::run_view::RunView;
use super::whose::{Whose, with_runs};
use super::{Extras, absent};
use crate::LabError;

const CAPTION: &str = "Features of the trained encoder beside those it is compared with; within a protocol, everything but \
                       the features is the same. In per cent; in brackets after an accuracy, the interval that holds 95 % of \
                       the accuracies when the images are drawn again (bootstrap).";
const BELOW: &str = " Choices were made on val, so test is what counts. “Test below val” is the difference of the accuracies in \
                     points, with its interval: one clear of 0 says that the test images are of another kind.";

/// A condition as a row of the table.
pub(super) struct Entry<'a> {
    /// The run that it is about.
    pub(super) whose: Whose<'a>,
    pub(super) condition: &'a Condition,
    /// What was published for it.
    pub(super) published: Option<f64>,
}

/// The results of one run; the pictures of how its accuracies came about are given.
pub(super) fn section(run: &RunView, courses: Vec<Plate>, extras: &mut Extras) -> Result<Section, LabError> {
    if run.conditions.is_empty() && !run.tags.is_empty() {
        return Ok(absent());
    }
    let published = Published::of(run);
    let entry =
        |condition| Entry { whose: Whose::default(), condition, published: published.value(condition) };
    let entries: Vec<Entry> = run.conditions.iter().map(entry).collect();
    let mut blocks = tables(&entries);
    if entries.is_empty() {
        let nothing = "Nothing was compared with labels in this run. With labels, the commands under “To repeat this” do it.";
        blocks.push(Block::Text(nothing.to_owned()));
    }
    blocks.extend(published.note().filter(|_| !entries.is_empty()).map(Block::Note));
    let mut plates = Vec::new();
    if entries.iter().any(|entry| entry.condition.kind != entries[0].condition.kind) {
        plates.push(bars_of(&entries, extras)?);
    }
    plates.extend(courses);
    if !plates.is_empty() {
        blocks.push(Block::Plates(plates));
    }
    Ok(Section::new("Results", blocks))
}

/// The split that counts in a table of these conditions, and the one that choices were made on if that is another.
fn splits(entries: &[Entry]) -> (&'static str, Option<&'static str>) {
    let judged = |split: &str| {
        let verdicts = entries.iter().flat_map(|entry| &entry.condition.verdicts);
        verdicts.into_iter().any(|verdict| verdict.outcome.split(split).is_some())
    };
    match (judged("test"), judged("val")) {
        (false, _) => ("val", None),
        (true, val) => ("test", val.then_some("val")),
    }
}

/// A row for each condition; behind it, everything that was measured on the validation images too.
pub(super) fn tables(entries: &[Entry]) -> Vec<Block> {
    if entries.is_empty() {
        return Vec::new();
    }
    let (split, other) = splits(entries);
    let mut blocks = vec![Block::Table(table(entries, split, other))];
    blocks.extend(other.map(|other| {
        let table = Table { name: format!("results-{other}"), ..table(entries, other, None) };
        Block::Folded("The same on the validation images".to_owned(), table)
    }));
    blocks
}

/// Every measure on one split, and the accuracy on an `other`.
fn table(entries: &[Entry], split: &str, other: Option<&str>) -> Table {
    let measures = measured(entries.iter().flat_map(|entry| entry.condition.scores()));
    let with_published = other.is_some() && entries.iter().any(|entry| entry.published.is_some());
    let mut columns = vec![Column::text("Protocol"), Column::text("Features")];
    columns.push(Column::number(format!("{split} accuracy")));
    columns.extend(with_published.then(|| Column::number("published")));
    if let Some(other) = other {
        columns.extend([format!("{other} accuracy"), format!("{split} below {other}")].map(Column::number));
    }
    // The first measure is the accuracy.
    columns.extend(measures.iter().skip(1).map(|one| Column::number(format!("{split} {}", one.title))));
    let row = |Entry { whose, condition, published }: &Entry| {
        let mut cells = vec![
            Cell::Text(condition.protocol.clone()),
            Cell::Text(condition.features()),
            condition.accuracy_cell(split),
        ];
        cells.extend(with_published.then(|| Cell::Share(published.iter().copied().collect())));
        if let Some(other) = other {
            let accuracies = condition.values(other, |scores| Some(scores.accuracy()));
            cells.extend([Cell::Share(accuracies), Cell::Gap(condition.gap())]);
        }
        let value = |measure| Cell::Share(condition.values(split, |scores| Measure::value(measure, scores)));
        cells.extend(measures.iter().skip(1).map(|measure| value(measure)));
        whose.row(condition.kind, cells)
    };
    let rows: Vec<TableRow> = entries.iter().map(row).collect();
    let caption = if other.is_some() { format!("{CAPTION}{BELOW}") } else { CAPTION.to_owned() };
    Table { name: "results".into(), caption, columns: with_runs(columns, &rows), rows }
}

/// Accuracies as bars, by protocol.
pub(super) fn bars_of(entries: &[Entry], extras: &mut Extras) -> Result<Plate, LabError> {
    let (split, _) = splits(entries);
    let mut groups: Vec<Group> = Vec::new();
    for Entry { whose, condition, .. } in entries {
        let bar = Bar {
            name: whose.named(condition.features()),
            hue: whose.hue(condition.kind),
            values: condition.values(split, |scores| Some(scores.accuracy())),
            interval: condition.interval(split),
        };
        match groups.iter_mut().find(|group| group.name == condition.protocol) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group { name: condition.protocol.clone(), bars: vec![bar] }),
        }
    }
    let majority =
        entries.iter().find_map(|one| one.condition.first().outcome.split(split).and_then(most_frequent));
    let drawn = Comparison {
        measure: format!("Accuracy on the {split} images"),
        groups,
        reference: majority.map(|share| (share, "always the most frequent class".to_owned())),
    };
    let picture = comparison(&drawn)?;
    extras.plot("comparison", &picture);
    Ok(Plate::new(
        "Side by side",
        "Each protocol is the same for all: the same training labels, the same images. Black lines: 95 % interval. Untrained: \
         the same network with random weights. Raw pixels: what any encoder has to beat.",
        format!("Bars of the {split} accuracy by protocol; the numbers are in the table above."),
        picture,
    ))
}

/// The accuracy of always naming the most frequent class of a split.
pub(super) fn most_frequent(split: &SplitPredictions) -> Option<f64> {
    let largest = split.scores.per_class.iter().map(|class| class.support).max()?;
    Some(largest as f64 / split.scores.samples.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{probe, verdict};
    use super::*;

    #[test]
    fn seeds_share_a_row_and_everything_else_has_its_own() {
        let knn = |k: u64| verdict("knn", json!({"features": "trained", "k": k, "vote": "majority"}), 0, 0.5);
        let verdicts = vec![
            probe("trained", 1, 0.1, 0.75),
            probe("pixels", 1, 0.1, 0.5),
            knn(200),
            probe("trained", 2, 1.0, 0.25),
            knn(20),
        ];
        let conditions = Condition::gather(verdicts, None);
        let blocks = tables(&entries(&conditions));
        let [Block::Table(table), Block::Folded(_, val)] = &blocks[..] else { panic!("{blocks:?}") };
        let told: Vec<_> =
            table.rows.iter().map(|row| (row.cells[1].clone(), row.ours, row.cells[2].clone())).collect();
        let text = |text: &str| Cell::Text(text.into());
        // No predictions, no interval.
        let share = |values: &[f64]| Cell::Estimate(values.to_vec(), None);
        let trained = "trained encoder";
        let expected = [
            (text(trained), true, share(&[0.5])),
            (text(trained), true, share(&[0.5])),
            (text("raw pixels"), false, share(&[0.5])),
            (text(trained), true, share(&[0.75, 0.25])),
        ];
        assert_eq!(told, expected);
        let protocol = |row: usize| format!("{:?}", table.rows[row].cells[0]);
        assert!(protocol(0).contains("k=20 ") && protocol(1).contains("k=200"), "{}", protocol(0));
        let named = |table: &Table, name: &str| table.columns.iter().any(|column| column.name.contains(name));
        assert!(
            named(table, "test macro F1") && !named(table, "macro AUC"),
            "what is undefined in every row has no column"
        );
        assert!(named(table, "val accuracy") && !named(table, "val macro F1"), "no measure stands twice");
        assert!(named(val, "val macro F1") && !named(val, "test"));
        assert!(table.rows.iter().all(|row| row.cells[4] == Cell::Gap(None)), "no predictions, no interval");
        assert_eq!(conditions[3].accuracy("test"), 0.5);
        assert_eq!(conditions[0].first().outcome.split("test").and_then(most_frequent), Some(0.75));
    }

    fn entries(conditions: &[Condition]) -> Vec<Entry<'_>> {
        let entry = |condition| Entry { whose: Whose::default(), condition, published: None };
        conditions.iter().map(entry).collect()
    }

    #[test]
    fn data_without_test_images_are_judged_on_validation() {
        let mut verdict = probe("trained", 1, 0.1, 0.75);
        verdict.outcome.splits.pop();
        let conditions = Condition::gather(vec![verdict], None);
        let blocks = tables(&entries(&conditions));
        let [Block::Table(table)] = &blocks[..] else { panic!("{blocks:?}") };
        assert_eq!((table.name.as_str(), table.columns[2].name.as_str()), ("results", "val accuracy"));
        assert!(tables(&[]).is_empty());
    }

    #[test]
    fn runs_and_published_numbers_have_columns_where_there_are_any() {
        let conditions = Condition::gather(vec![probe("trained", 1, 0.1, 0.75)], None);
        let plain = table(&entries(&conditions), "test", Some("val"));
        let entry = Entry {
            whose: Whose::one_of_several(0, "runs/a"),
            condition: &conditions[0],
            published: Some(0.8),
        };
        let full = table(&[entry], "test", Some("val"));
        assert_eq!(full.columns.len(), plain.columns.len() + 2);
        assert_eq!(full.rows[0].cells[0], Cell::Text("runs/a".into()));
        assert_eq!(full.rows[0].cells[4], Cell::Share(vec![0.8]));
        assert_eq!(full.rows[0].cells.len(), full.columns.len());
    }
}
