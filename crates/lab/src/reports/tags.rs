//! Judgements of images that may show several classes: a line for each protocol, and a table of its classes.

use twinlens_eval::TagPredictions;
use twinlens_eval::metrics::{TAG_MEASURES, TagClassScores, TagScores};
use twinlens_report::{Block, Cell, Column, Section, Table, TableRow};

use super::run_view::RunView;
use super::whose::{Whose, with_runs};
use super::{absent, file_name_of};
use crate::{FeaturesKind, Verdict};

/// Verdicts that differ in their seeds alone; never empty.
pub(super) struct Group<'a> {
    /// Whose features, and of which data where these are not the run's own.
    name: String,
    kind: FeaturesKind,
    verdicts: Vec<&'a Verdict<TagPredictions>>,
}

/// Every judgement of the run.
pub(super) fn section(run: &RunView) -> Section {
    let groups = groups(run);
    if groups.is_empty() {
        return absent();
    }
    let mut blocks = vec![Block::Table(measures(groups.iter().map(|group| (Whose::default(), group))))];
    let trained = groups.iter().filter(|group| group.kind.is_trained());
    blocks.extend(trained.enumerate().map(|(number, group)| Block::Table(classes(number, group))));
    Section::new("Images of several classes", blocks)
}

/// The judgements of a run, those together that differ in seeds alone.
pub(super) fn groups<'a>(run: &'a RunView) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = Vec::new();
    for verdict in &run.tags {
        match groups.iter_mut().find(|group| group.verdicts[0].repeats(verdict)) {
            Some(group) => group.verdicts.push(verdict),
            None => {
                let own = run.own_data().is_none_or(|own| verdict.data.sha256.as_deref() == Some(own));
                let kind = verdict.subject.features;
                let name = match own {
                    false => format!("{} on {}", verdict.subject.title(), file_name_of(&verdict.data.path)),
                    true => verdict.subject.title(),
                };
                groups.push(Group { name, kind, verdicts: vec![verdict] });
            }
        }
    }
    groups.sort_by_key(|group| group.kind);
    groups
}

/// A row for each group, and the run it belongs to where there are several.
pub(super) fn measures<'a>(groups: impl Iterator<Item = (Whose<'a>, &'a Group<'a>)>) -> Table {
    let row = |(whose, group): (Whose, &Group)| {
        let interval = group.verdicts[0].outcome.split("test").and_then(|test| test.scores.interval);
        let mut cells = vec![Cell::Text(group.name.clone())];
        for (number, measure) in TAG_MEASURES.iter().enumerate() {
            let [val, test] = ["val", "test"].map(|split| group.values(split, measure.of));
            // The interval is that of the first measure, the mean average precision.
            let test = if number == 0 { Cell::Estimate(test, interval) } else { Cell::Share(test) };
            cells.extend([Cell::Share(val), test]);
        }
        whose.row(group.kind, cells)
    };
    let rows: Vec<TableRow> = groups.map(row).collect();
    let mut columns = vec![Column::text("Features")];
    for measure in &TAG_MEASURES {
        columns.extend(["val", "test"].map(|split| Column::number(format!("{split} {}", measure.title))));
    }
    Table {
        name: "several-classes".into(),
        caption: "Linear support vector machines, one a class, each with the cost that is best in cross-validation on the \
                  training and validation images; those behind the test numbers learned from both, those behind the \
                  validation numbers from training images alone. mAP: mean over classes of the average precision, of all \
                  thresholds (scikit-learn), as the area under the envelope of precision (PASCAL VOC from 2010), and of 11 \
                  points (PASCAL VOC 2007). Images that are not judged for a class do not count for it. In per cent. The \
                  interval in brackets (95 %) is a bootstrap over test images, of the first seed where there are several."
            .into(),
        columns: with_runs(columns, &rows),
        rows,
    }
}

impl Group<'_> {
    /// One value a seed, of those that are defined.
    fn values(&self, split: &str, measure: impl Fn(&TagScores) -> Option<f64>) -> Vec<f64> {
        let splits = self.verdicts.iter().filter_map(|verdict| verdict.outcome.split(split));
        splits.filter_map(|split| measure(&split.scores)).collect()
    }

    fn of_class(&self, split: &str, class: usize, measure: fn(&TagClassScores) -> Option<f64>) -> Cell {
        Cell::Share(self.values(split, |scores| measure(scores.per_class.get(class)?)))
    }
}

fn classes(number: usize, group: &Group) -> Table {
    let verdict = group.verdicts[0];
    let test = verdict.outcome.split("test");
    let row = |(class, name): (usize, &String)| {
        let counted = test.and_then(|test| test.scores.per_class.get(class));
        let count = |count: fn(&TagClassScores) -> usize| Cell::Count(counted.map_or(0, count) as u64);
        let cells = vec![
            Cell::Text(name.clone()),
            count(|class| class.present),
            count(|class| class.not_judged),
            group.of_class("val", class, |class| class.average_precision.step),
            group.of_class("test", class, |class| class.average_precision.step),
            group.of_class("test", class, |class| class.average_precision.area),
            group.of_class("test", class, |class| class.average_precision.voc07),
            group.of_class("test", class, |class| class.auc),
        ];
        TableRow::new(cells)
    };
    let names = [
        "test images",
        "not judged",
        "val AP",
        "test AP",
        "test AP (area)",
        "test AP (11 points)",
        "test AUC",
    ];
    Table {
        name: if number == 0 { "classes-svm-tags".into() } else { format!("classes-svm-tags-{number}") },
        caption: format!("{}, class by class. In per cent; – where undefined.", group.name),
        columns: std::iter::once(Column::text("Class")).chain(names.map(Column::number)).collect(),
        rows: verdict.outcome.classes.iter().enumerate().map(row).collect(),
    }
}
