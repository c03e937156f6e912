//! `cluster`: do groups of the features follow labels that they never saw? See [`ClusterProtocol`].

use std::collections::{BTreeMap, BTreeSet};

use twinlens_data::{ImageSource, column_numbers, find_column};
use twinlens_eval::clustering::{CLUSTER_MEASURES, Cluster, ClusterProtocol, Clusters, RowName};
use twinlens_eval::{Judgement, MeasureOf, Repeated};
use twinlens_report::{MontageRow, Picture, cell_for, montage};
use twinlens_run::csv_cell;

use super::{Needs, Protocol, wrapped};
use crate::outcome::Outcome;
use crate::{Exhibit, Judging, LabError, Verdict, on_screen};

/// The least side of an image on the montage, in pixels.
const CELL: u32 = 112;

impl Protocol for ClusterProtocol {
    const ID: &'static str = "cluster";
    const SUMMARY: &'static str = "k-means of the features, compared with labels that it never saw";
    const NEEDS: Needs = Needs::Images;

    fn check(&self) -> Result<(), LabError> {
        Ok(ClusterProtocol::check(self)?)
    }

    fn run(&self, judging: &Judging<'_>, seed: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let (data, labels) = (judging.data, judging.labels()?);
        let mut judgement =
            ClusterProtocol::run(self, judging.features()?, labels.as_deref(), &data.classes, seed)?;
        judgement.outcome.rows = judging.rows()?;
        compare(self, judging, &mut judgement, seed)?;
        judgement.asked.insert("split".into(), judging.part.name().into());
        if labels.is_none() {
            let reason = match data.has_tags() {
                true => "an image may show several classes",
                false if data.classes.is_empty() => "the images have no labels",
                false => "not every image has a label",
            };
            judgement.warnings.push(format!("{reason}: clusters were not compared with labels"));
        }
        Ok(vec![wrapped(judgement, Outcome::Clusters)])
    }

    /// A picture of the images nearest to each centroid, and a table of the cluster of each image.
    fn exhibits(judging: &Judging<'_>, found: &Judgement<Outcome>) -> Result<Vec<Exhibit>, LabError> {
        let Outcome::Clusters(found) = &found.outcome else { return Ok(Vec::new()) };
        let rows = montage_rows(found, judging.images()?.as_ref())?;
        let side =
            rows.iter().flat_map(|row| &row.images).map(|image| image.width().max(image.height())).max();
        let sheet = montage(&rows, cell_for(side.unwrap_or(CELL) as usize, CELL))?;
        Ok(vec![
            Exhibit { extension: "csv", bytes: csv(found).into_bytes() },
            Exhibit { extension: "png", bytes: Picture::png(&sheet)?.bytes().to_vec() },
        ])
    }
}

/// Compares the clusters with what groups the images, and with the columns that are asked for. Images without a value there have no
/// part in it.
fn compare(
    protocol: &ClusterProtocol,
    judging: &Judging<'_>,
    judgement: &mut Judgement<Clusters>,
    seed: u64,
) -> Result<(), LabError> {
    let source = judging.images()?;
    let columns = source.columns();
    let asked = protocol.against.iter().map(|name| find_column(&judging.data.name, columns, name, "against"));
    let asked = asked.collect::<Result<BTreeSet<usize>, _>>()?;
    for column in source.group_column().into_iter().chain(asked).collect::<BTreeSet<usize>>() {
        let name = &columns[column];
        let known = column_numbers(source.as_ref(), column);
        let clusters = judgement.outcome.assignments.iter().zip(&known);
        let (clusters, values): (Vec<usize>, Vec<usize>) =
            clusters.filter_map(|(cluster, value)| Some((*cluster, (*value)?))).unzip();
        if values.len() < known.len() {
            let without = known.len() - values.len();
            let told = format!("{without} images have no `{name}` and had no part in that comparison");
            judgement.warnings.push(told);
        }
        if !values.is_empty() {
            let agreement = protocol.agreement(&clusters, &values, seed)?;
            judgement.outcome.against.insert(name.clone(), agreement);
        }
    }
    Ok(())
}

/// One line for each image: split, name, cluster.
fn csv(found: &Clusters) -> String {
    std::iter::once("split,name,cluster\n".to_owned()).chain(lines(found)).collect()
}

/// The same of several clusterings, with the seed of each before it.
pub fn clusters_csv(verdicts: &[Verdict<Clusters>]) -> String {
    let mut text = "seed,split,name,cluster\n".to_owned();
    for verdict in verdicts {
        let seed = verdict.seeds.get("clusters").map_or(String::new(), u64::to_string);
        text.extend(lines(&verdict.outcome).map(|line| format!("{seed},{line}")));
    }
    text
}

fn lines(Clusters { rows, assignments, .. }: &Clusters) -> impl Iterator<Item = String> {
    let rows = rows.iter().zip(assignments);
    rows.map(|(RowName { split, name }, cluster)| format!("{split},{},{cluster}\n", csv_cell(name)))
}

/// Every measure of clusterings over their seeds; nothing of fewer than two.
///
/// # Errors
/// As [`Repeated::of`].
pub fn clusters_summary(
    verdicts: &[Verdict<Clusters>],
) -> Result<Option<BTreeMap<&'static str, Repeated>>, LabError> {
    if verdicts.len() < 2 {
        return Ok(None);
    }
    let of = |measure: &MeasureOf<Clusters>| {
        let values = verdicts.iter().map(|verdict| (measure.of)(&verdict.outcome)).collect();
        Ok((measure.id, Repeated::of(values)?))
    };
    CLUSTER_MEASURES.iter().map(of).collect::<Result<_, LabError>>().map(Some)
}

/// The images of each cluster nearest to its centroid. `source` holds the images that were clustered.
fn montage_rows(found: &Clusters, source: &dyn ImageSource) -> Result<Vec<MontageRow>, LabError> {
    let row = |cluster: &Cluster| {
        let images = cluster.nearest.iter().map(|&row| on_screen(&source.image(row)?));
        let size = cluster.size;
        let title = if size == 1 { "1 image".to_owned() } else { format!("{size} images") };
        let note = most_common(cluster, &found.classes);
        Ok(MontageRow { title, note, images: images.collect::<Result<_, LabError>>()? })
    };
    found.clusters.iter().map(row).collect()
}

/// The most common class of a cluster in words; nothing without labels.
fn most_common(cluster: &Cluster, classes: &[String]) -> String {
    let words = |(class, share): (usize, f64)| {
        classes.get(class).map(|name| format!("{:.0} % {name}", 100.0 * share))
    };
    cluster.most_common.and_then(words).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_put_in_words() {
        let cluster = Cluster { size: 9, most_common: Some((1, 2.0 / 3.0)), nearest: vec![] };
        let classes = ["a".to_owned(), "b".to_owned()];
        assert_eq!(most_common(&cluster, &classes), "67 % b");
        assert_eq!(most_common(&Cluster { most_common: None, ..cluster }, &classes), "");
    }
}
