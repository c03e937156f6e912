//! Class by class: confusion matrices and what was found of each class.

use twinlens_eval::{Predictions, SplitPredictions};
use twinlens_report::{
    Block, Cell, Column, Confusion, Picture, Plate, Section, Table, TableRow, confusion_matrix,
};

use super::Extras;
use super::conditions::{Condition, best_by_protocol};
use super::run_view::RunView;
use crate::{LabError, Verdict};

/// The trained encoder's confusion matrix and classes under each protocol.
pub(super) fn section(run: &RunView, extras: &mut Extras) -> Result<Section, LabError> {
    let (mut plates, mut tables) = (Vec::new(), Vec::new());
    for (condition, of) in best_by_protocol(&run.conditions) {
        let Some(test) = condition.first().outcome.split("test") else { continue };
        plates.push(plate(condition, test, of, extras)?);
        tables.push(Block::Table(table(condition, test)));
    }
    let mut blocks = tables;
    if !plates.is_empty() {
        blocks.insert(0, Block::Plates(plates));
    }
    Ok(Section::new("Class by class", blocks))
}

fn plate(
    condition: &Condition,
    test: &SplitPredictions,
    of: usize,
    extras: &mut Extras,
) -> Result<Plate, LabError> {
    let verdict = condition.first();
    let picture = matrix(verdict, test)?;
    extras.plot(&format!("confusion-{}", verdict.protocol), &picture);
    let chosen =
        if of > 1 { " Of the variants above, the one with the best validation accuracy." } else { "" };
    Ok(Plate::new(
        format!("Confusion matrix: {}", condition.protocol),
        format!("{}{chosen} Rows are true classes, in per cent of the row.", what(condition, test)),
        matrix_in_words(verdict, test),
        picture,
    ))
}

/// The confusion matrix of a verdict's test images.
pub(super) fn matrix(verdict: &Verdict<Predictions>, test: &SplitPredictions) -> Result<Picture, LabError> {
    let counts = test.scores.confusion.counts().to_vec();
    Ok(confusion_matrix(&Confusion { counts, classes: verdict.outcome.classes.clone() })?)
}

/// The same in one sentence for those who cannot see it.
pub(super) fn matrix_in_words(verdict: &Verdict<Predictions>, test: &SplitPredictions) -> String {
    format!(
        "Confusion matrix of {} classes; accuracy {:.3}.",
        verdict.outcome.classes.len(),
        test.scores.accuracy()
    )
}

fn table(condition: &Condition, test: &SplitPredictions) -> Table {
    let verdict = condition.first();
    let val = verdict.outcome.split("val");
    let share = |value: Option<f64>| Cell::Share(value.into_iter().collect());
    let row = |(class, name): (usize, &String)| {
        let scores = &test.scores.per_class[class];
        let val_recall = val.and_then(|val| val.scores.per_class.get(class)?.recall);
        TableRow::new(vec![
            Cell::Text(name.clone()),
            Cell::Count(scores.support),
            share(val_recall),
            share(scores.recall),
            share(scores.precision),
            share(scores.f1),
            share(scores.auc),
            share(scores.average_precision),
        ])
    };
    let classes =
        verdict.outcome.classes.iter().enumerate().filter(|(class, _)| *class < test.scores.per_class.len());
    let names =
        ["test images", "val recall", "test recall", "test precision", "test F1", "test AUC", "test AP"];
    Table {
        name: format!("classes-{}", verdict.protocol),
        caption: format!("{} In per cent; – where undefined.", what(condition, test)),
        columns: std::iter::once(Column::text("Class")).chain(names.map(Column::number)).collect(),
        rows: classes.map(row).collect(),
    }
}

/// Protocol, features and images in words.
fn what(condition: &Condition, test: &SplitPredictions) -> String {
    let seeds = match condition.verdicts.len() {
        1 => String::new(),
        count => format!(" The first of {count} seeds."),
    };
    let (protocol, kind) = (&condition.protocol, condition.features());
    format!("{protocol}, {kind}, {} test images.{seeds}", test.scores.samples)
}

#[cfg(test)]
mod tests {
    use super::super::testing::probe;
    use super::*;

    #[test]
    fn val_and_test_stand_side_by_side_for_each_class() {
        let mut verdict = probe("trained", 0, 1.0, 0.75);
        verdict.outcome.splits[0].scores.per_class[1].recall = Some(0.25);
        let conditions = Condition::gather(vec![verdict], None);
        let table = table(&conditions[0], conditions[0].first().outcome.split("test").unwrap());
        assert_eq!(table.rows.len(), 2);
        let of_b = &table.rows[1].cells;
        assert_eq!(
            of_b[..4],
            [Cell::Text("b".into()), Cell::Count(3), Cell::Share(vec![0.25]), Cell::Share(vec![1.0])]
        );
        assert_eq!(of_b[6], Cell::Share(vec![]), "an undefined AUC is no number");
    }
}
