//! Clusters: how well they follow labels that they never saw, and what they hold.

use twinlens_eval::clustering::{Cluster, Clusters};
use twinlens_report::{Block, Cell, Column, Picture, Plate, Section, Table, TableRow};

use super::absent;
use super::run_view::RunView;
use crate::{Verdict, plain};

/// Every clustering of the run.
pub(super) fn section(run: &RunView) -> Section {
    if run.clusters.is_empty() {
        return absent();
    }
    let mut blocks = vec![Block::Table(measures(run.clusters.iter().map(|verdict| (None, verdict))))];
    for (number, verdict) in run.clusters.iter().enumerate() {
        blocks.push(Block::Heading(title(verdict)));
        blocks.push(Block::Table(members(verdict, number + 1)));
        blocks.extend(plate(verdict).map(|plate| Block::Plates(vec![plate])));
    }
    Section::new("Clusters", blocks)
}

fn text(verdict: &Verdict<Clusters>, key: &str) -> String {
    verdict.asked.get(key).map(plain).unwrap_or_default()
}

fn title(verdict: &Verdict<Clusters>) -> String {
    let (kind, split) = (verdict.subject.title(), text(verdict, "split"));
    format!("{} clusters of the {split} images, {kind}, {}", verdict.outcome.k, text(verdict, "distance"))
}

/// One row for each clustering, and the run it belongs to where there are several.
pub(super) fn measures<'a>(verdicts: impl Iterator<Item = (Option<String>, &'a Verdict<Clusters>)>) -> Table {
    let row = |(run, verdict): (Option<String>, &Verdict<Clusters>)| {
        let number = |value: Option<f64>| Cell::Number(value);
        let agreement = verdict.outcome.agreement;
        let mut cells: Vec<Cell> = run.map(Cell::Text).into_iter().collect();
        cells.extend([
            Cell::Text(title(verdict)),
            number(agreement.map(|found| found.ami)),
            number(agreement.map(|found| found.shuffled.mean)),
            number(agreement.map(|found| found.shuffled.largest)),
            number(agreement.map(|found| found.ari)),
            number(agreement.map(|found| found.nmi)),
            Cell::Share(agreement.map(|found| found.purity).into_iter().collect()),
            number(verdict.outcome.silhouette),
        ]);
        TableRow { ours: verdict.subject.features.is_trained(), cells }
    };
    let rows: Vec<TableRow> = verdicts.map(row).collect();
    let names = ["AMI", "AMI shuffled", "AMI shuffled, largest", "ARI", "NMI", "purity %", "silhouette"];
    let mut columns: Vec<Column> =
        std::iter::once(Column::text("Clusters")).chain(names.map(Column::number)).collect();
    if rows.first().is_some_and(|row| row.cells.len() > columns.len()) {
        columns.insert(0, Column::text("Run"));
    }
    Table {
        name: "clusters".into(),
        caption: "Agreement of clusters with labels that had no part in them. Shuffled: the same with the labels in random \
                  order; an AMI that does not stand clear of it says nothing."
            .into(),
        columns,
        rows,
    }
}

fn members(verdict: &Verdict<Clusters>, number: usize) -> Table {
    let row = |(at, cluster): (usize, &Cluster)| {
        let name = cluster.most_common.and_then(|(class, _)| verdict.outcome.classes.get(class).cloned());
        let share = cluster.most_common.map(|(_, share)| share);
        let cells = vec![
            Cell::Text(format!("cluster {}", at + 1)),
            Cell::Count(cluster.size as u64),
            Cell::Text(name.unwrap_or_else(|| "–".into())),
            Cell::Share(share.into_iter().collect()),
        ];
        TableRow { ours: false, cells }
    };
    Table {
        name: format!("cluster-members-{number}"),
        caption: "By falling size; the most common class of each cluster, and its share in per cent.".into(),
        columns: vec![
            Column::text("Cluster"),
            Column::number("images"),
            Column::text("most common class"),
            Column::number("share"),
        ],
        rows: verdict.outcome.clusters.iter().enumerate().map(row).collect(),
    }
}

/// The images nearest to each centroid, where their picture was kept.
fn plate(verdict: &Verdict<Clusters>) -> Option<Plate> {
    let picture = Picture::from_png(verdict.exhibit("png")?.to_vec()).ok()?;
    Some(Plate {
        title: "The images nearest to each centroid".to_owned(),
        caption:
            "A row for each cluster, by falling size; from the left, by growing distance to the centroid."
                .to_owned(),
        alt: format!(
            "Rows of images, one for each of {} clusters; their classes are in the table above.",
            verdict.outcome.k
        ),
        picture,
    })
}
