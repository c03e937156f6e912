//! Clusters: how well they follow labels that they never saw, and what they hold.

use twinlens_eval::clustering::{Cluster, Clusters, LabelAgreement};
use twinlens_report::{Block, Cell, Column, Picture, Plate, Section, Table, TableRow, montage_spots};

use super::absent;
use super::run_view::RunView;
use super::whose::{Whose, with_runs};
use crate::{Verdict, plain};

/// Every clustering of the run.
pub(super) fn section(run: &RunView) -> Section {
    if run.clusters.is_empty() {
        return absent();
    }
    let mut blocks =
        vec![Block::Table(measures(run.clusters.iter().map(|verdict| (Whose::default(), verdict))))];
    for (number, verdict) in run.clusters.iter().enumerate() {
        blocks.push(Block::Heading(title(verdict)));
        blocks.extend(plate(verdict).map(|plate| Block::Plates(vec![plate])));
        blocks.push(Block::Table(members(verdict, number + 1)));
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
pub(super) fn measures<'a>(verdicts: impl Iterator<Item = (Whose<'a>, &'a Verdict<Clusters>)>) -> Table {
    let number = |value: Option<f64>| Cell::Number(value);
    let cells = |title: String, agreement: Option<LabelAgreement>, silhouette: Option<f64>| {
        vec![
            Cell::Text(title),
            number(agreement.map(|found| found.ami)),
            number(agreement.and_then(|found| found.ami_max)),
            number(agreement.map(|found| found.shuffled.mean)),
            number(agreement.map(|found| found.shuffled.largest)),
            number(agreement.map(|found| found.ari)),
            number(agreement.map(|found| found.nmi)),
            Cell::Share(agreement.map(|found| found.purity).into_iter().collect()),
            number(silhouette),
        ]
    };
    let rows_of = |(whose, verdict): (Whose, &Verdict<Clusters>)| {
        let Clusters { agreement, against, silhouette, .. } = &verdict.outcome;
        let name = title(verdict);
        let first = cells(name.clone(), *agreement, *silhouette);
        let others = against
            .iter()
            .map(|(column, found)| cells(format!("{name}, against {column}"), Some(*found), None));
        let rows = std::iter::once(first).chain(others);
        rows.map(|cells| whose.row(verdict.subject.features, cells)).collect::<Vec<TableRow>>()
    };
    let rows: Vec<TableRow> = verdicts.flat_map(rows_of).collect();
    let names = [
        "AMI",
        "AMI by the larger entropy",
        "AMI shuffled",
        "AMI shuffled, largest",
        "ARI",
        "NMI",
        "purity %",
        "silhouette",
    ];
    let columns = std::iter::once(Column::text("Clusters")).chain(names.map(Column::number)).collect();
    Table {
        name: "clusters".into(),
        caption: "Agreement of clusters with labels that had no part in them. Shuffled: the same with the labels in random \
                  order; an AMI that does not stand clear of it says nothing. Clusters that agree with what groups the images (a plate, a \
                  patient) better than with their labels may be of these."
            .into(),
        columns: with_runs(columns, &rows),
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
            Cell::Text(names_of(verdict, cluster).into_iter().next().unwrap_or_else(|| "–".into())),
        ];
        TableRow::new(cells)
    };
    Table {
        name: format!("cluster-members-{number}"),
        caption: "By falling size; the most common class of each cluster, and its share in per cent.".into(),
        columns: vec![
            Column::text("Cluster"),
            Column::number("images"),
            Column::text("most common class"),
            Column::number("share"),
            Column::text("nearest to the centroid"),
        ],
        rows: verdict.outcome.clusters.iter().enumerate().map(row).collect(),
    }
}

/// What the images nearest to a centroid are called, as far as that was kept.
fn names_of(verdict: &Verdict<Clusters>, cluster: &Cluster) -> Vec<String> {
    let rows = &verdict.outcome.rows;
    cluster.nearest.iter().filter_map(|&row| Some(rows.get(row)?.name.clone())).collect()
}

/// The images nearest to each centroid, where their picture was kept.
fn plate(verdict: &Verdict<Clusters>) -> Option<Plate> {
    let picture = Picture::from_png(verdict.exhibit("png")?.to_vec()).ok()?;
    let names: Vec<Vec<String>> =
        verdict.outcome.clusters.iter().map(|cluster| names_of(verdict, cluster)).collect();
    let spots = montage_spots(&picture, &names);
    let plate = Plate::new(
        "The images nearest to each centroid",
        "A row for each cluster, by falling size; from the left, by growing distance to the centroid. Point at an image to see \
         its name.",
        format!(
            "Rows of images, one for each of {} clusters; their classes are in the table below.",
            verdict.outcome.k
        ),
        picture,
    );
    Some(plate.wide(spots))
}
