//! Every judgement by predictions in one table, validation and test side by side, and the same as bars.

use twinlens_eval::SplitPredictions;
use twinlens_eval::metrics::measured;
use twinlens_report::{
    Bar, Block, Cell, Column, Comparison, Group, Plate, Section, Table, TableRow, comparison,
};

use super::conditions::Condition;
use super::published::Published;
use super::run_view::RunView;
use super::{Extras, absent};
use crate::{FeaturesKind, LabError};

const CAPTION: &str = "Features of the trained encoder beside those it is compared with; within a protocol, everything but \
                       the features is the same. In per cent; choices were made on val, so test is what counts. “Test \
                       below val” is the difference of the accuracies in points, with the interval that holds 95 % of the \
                       differences when images are drawn again (bootstrap): one clear of 0 says that the test images are \
                       of another kind.";

/// The results of one run.
pub(super) fn section(run: &RunView, extras: &mut Extras) -> Result<Section, LabError> {
    if run.conditions.is_empty() && !run.tags.is_empty() {
        return Ok(absent());
    }
    if run.conditions.is_empty() {
        let nothing = "Nothing was evaluated in this run; the commands under “To repeat this” do it.";
        return Ok(Section::new("Results", vec![Block::Text(nothing.to_owned())]));
    }
    let published = Published::of(run);
    let rows = run.conditions.iter().map(|condition| (None, condition, published.value(condition)));
    let mut blocks = vec![Block::Table(table(&rows.collect::<Vec<_>>()))];
    blocks.extend(published.note().map(Block::Note));
    let kinds: Vec<FeaturesKind> = run.conditions.iter().map(|condition| condition.kind).collect();
    if kinds.iter().any(|kind| *kind != kinds[0]) {
        let named = |condition: &Condition| condition.features();
        let bars: Vec<(String, &Condition)> = run.conditions.iter().map(|one| (named(one), one)).collect();
        blocks.push(Block::Plates(vec![bars_of(&bars, extras)?]));
    }
    Ok(Section::new("Results", blocks))
}

/// A row for each condition: the run it belongs to (where there are several), and what was published for it.
pub(super) fn table(conditions: &[(Option<String>, &Condition, Option<f64>)]) -> Table {
    let with_runs = conditions.iter().any(|(run, _, _)| run.is_some());
    let with_published = conditions.iter().any(|(_, _, published)| published.is_some());
    let mut columns = vec![Column::text("Protocol"), Column::text("Features")];
    if with_runs {
        columns.insert(0, Column::text("Run"));
    }
    let measures = measured(conditions.iter().flat_map(|(_, condition, _)| condition.scores()));
    // What is said of the first measure, the accuracy, stands beside it.
    for (number, measure) in measures.iter().enumerate() {
        columns.extend(["val", "test"].map(|split| Column::number(format!("{split} {}", measure.title))));
        if number == 0 {
            columns.push(Column::number("test below val"));
            columns.extend(with_published.then(|| Column::number("published")));
        }
    }
    let row = |(run, condition, published): &(Option<String>, &Condition, Option<f64>)| {
        let mut cells: Vec<Cell> = run.iter().map(|run| Cell::Text(run.clone())).collect();
        cells.push(Cell::Text(condition.protocol.clone()));
        cells.push(Cell::Text(condition.features()));
        for (number, measure) in measures.iter().enumerate() {
            let values = |split| condition.values(split, |scores| measure.value(scores));
            cells.extend(["val", "test"].map(|split| Cell::Share(values(split))));
            if number == 0 {
                cells.push(Cell::Gap(condition.gap()));
                cells.extend(with_published.then(|| Cell::Share(published.iter().copied().collect())));
            }
        }
        TableRow { ours: condition.kind.is_trained(), cells }
    };
    Table {
        name: "results".into(),
        caption: CAPTION.into(),
        columns,
        rows: conditions.iter().map(row).collect(),
    }
}

/// Test accuracies as bars, by protocol; what each bar is comes with its condition.
pub(super) fn bars_of(conditions: &[(String, &Condition)], extras: &mut Extras) -> Result<Plate, LabError> {
    let mut groups: Vec<Group> = Vec::new();
    for (name, condition) in conditions {
        let values = condition.values("test", |scores| Some(scores.accuracy()));
        let bar = Bar { name: name.clone(), values };
        match groups.iter_mut().find(|group| group.name == condition.protocol) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group { name: condition.protocol.clone(), bars: vec![bar] }),
        }
    }
    let majority =
        conditions.iter().find_map(|(_, one)| one.first().outcome.split("test").and_then(most_frequent));
    let drawn = Comparison {
        measure: "Accuracy on the test images".to_owned(),
        groups,
        reference: majority.map(|share| (share, "always the most frequent class".to_owned())),
    };
    let picture = comparison(&drawn)?;
    extras.plot("comparison", &picture);
    Ok(Plate {
        title: "Side by side".to_owned(),
        caption: "Each protocol is the same for all: the same training labels, the same test images. Untrained: the same \
                  network with random weights. Raw pixels: what any encoder has to beat."
            .to_owned(),
        alt: "Bars of the test accuracy by protocol; the numbers are in the table above.".to_owned(),
        picture,
    })
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
        let rows: Vec<_> = conditions.iter().map(|one| (None, one, None)).collect();
        let table = table(&rows);
        let told: Vec<_> =
            table.rows.iter().map(|row| (row.cells[1].clone(), row.ours, row.cells[3].clone())).collect();
        let text = |text: &str| Cell::Text(text.into());
        let share = |values: &[f64]| Cell::Share(values.to_vec());
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
        let named = |name: &str| table.columns.iter().any(|column| column.name.contains(name));
        assert!(
            named("test macro F1") && !named("macro AUC"),
            "what is undefined in every row has no column"
        );
        assert!(table.rows.iter().all(|row| row.cells[4] == Cell::Gap(None)), "no predictions, no interval");
        assert_eq!(conditions[3].accuracy("test"), 0.5);
        assert_eq!(conditions[0].first().outcome.split("test").and_then(most_frequent), Some(0.75));
    }

    #[test]
    fn runs_and_published_numbers_have_columns_where_there_are_any() {
        let conditions = Condition::gather(vec![probe("trained", 1, 0.1, 0.75)], None);
        let plain = table(&[(None, &conditions[0], None)]);
        let full = table(&[(Some("runs/a".into()), &conditions[0], Some(0.8))]);
        assert_eq!(full.columns.len(), plain.columns.len() + 2);
        assert_eq!(full.rows[0].cells[0], Cell::Text("runs/a".into()));
        assert_eq!(full.rows[0].cells[6], Cell::Share(vec![0.8]));
        assert_eq!(full.rows[0].cells.len(), full.columns.len());
    }
}
