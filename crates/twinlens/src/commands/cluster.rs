//! `cluster`: group features without labels, and compare the groups with the labels there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::json;
use twinlens_data::{ImageSource, Split};
use twinlens_eval::clustering::{
    CLUSTER_MEASURES, Cluster, ClusterProtocol, ClusterVerdict, Number, RowName,
};
use twinlens_eval::{MeasureOf, Repeated};
use twinlens_lab::{Part, features_of, images, labels, names};
use twinlens_report::{MontageRow, Picture, montage};
use twinlens_run::{RunFolder, csv_cell, write_atomically};

use super::judge::{JudgeArgs, name_of, write_document};
use super::knn::Distance;
use super::labels::{each_once, spread};
use super::views::shown;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// The side of an image on the montage, in pixels.
const CELL: u32 = 84;

/// Arguments of `cluster`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens cluster runs/a --data blood.npz
  twinlens cluster runs/a --data blood.npz --clusters 8 --montage clusters.png
  twinlens cluster runs/a --data blood.npz --clusters 8 --seeds 0,1,2
  twinlens cluster runs/a --data photos/ --split all --clusters auto --distance cosine")]
pub struct ClusterArgs {
    /// What embeds, and what is clustered.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Which images
    #[arg(long, value_name = "all|train|val|test", default_value = "test", hide_possible_values = true, value_parser = super::part())]
    pub split: Part,
    /// Number of clusters; auto takes the one from 2 to 20 with the largest silhouette
    #[arg(long, visible_alias = "k", value_name = "N|auto", default_value = "auto", value_parser = number)]
    pub clusters: Number,
    /// Starts of k-means, of which the best counts
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    pub restarts: u32,
    /// What makes rows of features near
    #[arg(long, value_name = "cosine|euclidean", default_value = "euclidean", hide_possible_values = true)]
    pub distance: Distance,
    /// Seed of all randomness
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: i64,
    /// Repeat with each of these seeds, and tell mean and spread
    #[arg(long, value_name = "N,..", value_delimiter = ',', conflicts_with = "seed", value_parser = clap::value_parser!(i64).range(0..))]
    pub seeds: Vec<i64>,
    /// Images to show of each cluster, those nearest to its centroid
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub nearest: u32,
    /// Where to write the picture of the clusters [default: the run's plots]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub montage: Option<PathBuf>,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
}

/// `auto`, or a number of clusters from 1.
fn number(text: &str) -> Result<Number, String> {
    match text.parse::<usize>() {
        _ if text == "auto" => Ok(Number::Auto),
        Ok(k) if k > 0 => Ok(Number::Fixed(k)),
        _ => Err("expected auto, or a whole number above 0".to_owned()),
    }
}

/// Runs `cluster`.
///
/// # Errors
/// An encoder or data that cannot be used, more clusters than images, files that cannot be written.
pub fn run(args: &ClusterArgs, terminal: &Terminal) -> Outcome {
    let (subject, data) = args.judge.open(terminal)?;
    let source = images(&data, args.split)?;
    let features = features_of(&subject, &data, args.split, &args.judge.computing(), terminal)?;
    let labels = labels(source.as_ref());
    let named = |(split, name): (Split, String)| RowName { split: split.name().to_owned(), name };
    let rows: Vec<RowName> = names(&data, args.split)?.into_iter().map(named).collect();
    let of_seed = |seed: u64| -> Outcome<ClusterVerdict> {
        let mut verdict = args.protocol(seed).run(&features, labels.as_deref(), &data.classes)?;
        let ClusterVerdict { settings, seeds, .. } = &mut verdict;
        args.judge.features.sign(settings, seeds, args.judge.untrained_seed, &args.judge.data, &data);
        settings.insert("split".into(), args.split.name().into());
        verdict.rows.clone_from(&rows);
        Ok(verdict)
    };
    let seeds = each_once(&args.seeds, args.seed as u64);
    let mut verdicts = seeds.into_iter().map(of_seed).collect::<Outcome<Vec<_>>>()?;
    if labels.is_none() {
        let reason =
            if data.has_tags() { "an image may show several classes" } else { "not every image has a label" };
        let message = format!("{reason}: clusters were not compared with labels");
        verdicts.iter_mut().for_each(|verdict| verdict.warnings.push(message.clone()));
    }
    let warnings: BTreeSet<&String> = verdicts.iter().flat_map(|verdict| &verdict.warnings).collect();
    warnings.into_iter().for_each(|warning| tracing::warn!("{warning}"));
    let pictures = keep(args, &verdicts, source.as_ref())?;
    let summary = summary(&verdicts)?;
    let document = json!({ "verdicts": verdicts, "montages": pictures, "summary": summary });
    if let Some(out) = &args.out {
        write_document(out, &document)?;
        write_atomically(&out.with_extension("csv"), csv(&verdicts).as_bytes())?;
    }
    terminal.result(&document, || {
        let shown = pictures.iter().map(|path| format!("\nThe clusters: {}", path.display()));
        table(&verdicts, &summary, terminal) + &shown.collect::<String>() + "\n"
    })
}

impl ClusterArgs {
    fn protocol(&self, seed: u64) -> ClusterProtocol {
        ClusterProtocol {
            k: self.clusters,
            restarts: self.restarts as usize,
            seed,
            spherical: self.distance == Distance::Cosine,
            nearest: self.nearest as usize,
            ..ClusterProtocol::default()
        }
    }
}

/// One line for each image of each clustering: seed, split, name, cluster.
fn csv(verdicts: &[ClusterVerdict]) -> String {
    let mut text = "seed,split,name,cluster\n".to_owned();
    for verdict in verdicts {
        let seed = verdict.seeds.get("clusters").map_or(String::new(), u64::to_string);
        for (RowName { split, name }, cluster) in verdict.rows.iter().zip(&verdict.assignments) {
            text += &format!("{seed},{split},{},{cluster}\n", csv_cell(name));
        }
    }
    text
}

/// Every measure over seeds; nothing for one seed.
fn summary(verdicts: &[ClusterVerdict]) -> Outcome<Option<BTreeMap<&'static str, Repeated>>> {
    if verdicts.len() < 2 {
        return Ok(None);
    }
    let of = |measure: &MeasureOf<ClusterVerdict>| {
        Ok((measure.id, Repeated::of(verdicts.iter().map(measure.of).collect())?))
    };
    CLUSTER_MEASURES.iter().map(of).collect::<Outcome<_>>().map(Some)
}

/// Rows of the montage: the images of a cluster nearest to its centroid. `source` holds the images that were clustered.
///
/// # Errors
/// Images that cannot be read.
pub fn montage_rows(verdict: &ClusterVerdict, source: &dyn ImageSource) -> Outcome<Vec<MontageRow>> {
    let row = |cluster: &Cluster| {
        let images = cluster.nearest.iter().map(|&row| shown(&source.image(row)?));
        let size = cluster.size;
        let title = if size == 1 { "1 image".to_owned() } else { format!("{size} images") };
        Ok(MontageRow {
            title,
            note: most_common(cluster, &verdict.classes),
            images: images.collect::<Outcome<_>>()?,
        })
    };
    verdict.clusters.iter().map(row).collect()
}

/// The most common class of a cluster in words; nothing without labels.
fn most_common(cluster: &Cluster, classes: &[String]) -> String {
    let words = |(class, share): (usize, f64)| {
        classes.get(class).map(|name| format!("{:.0} % {name}", 100.0 * share))
    };
    cluster.most_common.and_then(words).unwrap_or_default()
}

/// Writes the verdicts to the run, if the encoder is one's, and the pictures there, or the first where it is wanted; returns
/// where the pictures are.
fn keep(args: &ClusterArgs, verdicts: &[ClusterVerdict], source: &dyn ImageSource) -> Outcome<Vec<PathBuf>> {
    let name = |verdict: &ClusterVerdict| name_of(&verdict.protocol, &verdict.settings, &verdict.seeds);
    let run = if args.judge.encoder.is_dir() { Some(RunFolder::open(&args.judge.encoder)?) } else { None };
    if let Some(run) = &run {
        for verdict in verdicts {
            run.write_verdict(&name(verdict), verdict)?;
            run.write_predictions(&name(verdict), &csv(std::slice::from_ref(verdict)))?;
        }
    }
    let draw = |verdict: &ClusterVerdict| -> Outcome<Picture> {
        let sheet = montage(&montage_rows(verdict, source)?, CELL)
            .map_err(|error| Failure::from(error).ending(Exit::Usage))?;
        Ok(Picture::png(&sheet)?)
    };
    match (&args.montage, &run) {
        (Some(path), _) => verdicts.iter().take(1).map(|verdict| written(path, &draw(verdict)?)).collect(),
        (None, Some(run)) => verdicts
            .iter()
            .map(|verdict| Ok(run.write_plot(&format!("{}.png", name(verdict)), draw(verdict)?.bytes())?))
            .collect(),
        (None, None) => Ok(Vec::new()),
    }
}

fn written(path: &Path, picture: &Picture) -> Outcome<PathBuf> {
    write_atomically(path, picture.bytes())?;
    Ok(path.to_owned())
}

/// The measures, a line a seed, and mean and deviation of several.
fn table(
    verdicts: &[ClusterVerdict],
    summary: &Option<BTreeMap<&str, Repeated>>,
    terminal: &Terminal,
) -> String {
    let headings: Vec<&str> =
        ["seed", "k"].into_iter().chain(CLUSTER_MEASURES.iter().map(|measure| measure.title)).collect();
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let line = |verdict: &ClusterVerdict| {
        let seed = verdict.seeds.get("clusters").map_or("-".to_owned(), u64::to_string);
        let measured = CLUSTER_MEASURES.iter().map(|measure| number((measure.of)(verdict)));
        [seed, verdict.k.to_string()].into_iter().chain(measured).collect()
    };
    let mut rows: Vec<Vec<String>> = verdicts.iter().map(line).collect();
    if let Some(summary) = summary {
        let mean =
            CLUSTER_MEASURES.iter().map(|measure| summary.get(measure.id).map_or("-".to_owned(), spread));
        rows.push(["mean".to_owned(), String::new()].into_iter().chain(mean).collect());
    }
    terminal.table(&headings, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn the_number_of_clusters_is_read() {
        let args: ClusterArgs = parse("runs/a --data b.npz").unwrap();
        assert_eq!(
            (args.clusters, args.split, args.distance),
            (Number::Auto, Part::Split(Split::Test), Distance::Euclidean)
        );
        let args: ClusterArgs = parse("runs/a --data b.npz --k 8 --distance cosine").unwrap();
        assert_eq!((args.clusters, args.distance), (Number::Fixed(8), Distance::Cosine));
        for bad in ["0", "-1", "some", "2.5"] {
            assert!(parse::<ClusterArgs>(&format!("runs/a --data b.npz --clusters={bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn clusters_are_put_in_words() {
        let cluster = Cluster { size: 9, most_common: Some((1, 2.0 / 3.0)), nearest: vec![] };
        let classes = ["a".to_owned(), "b".to_owned()];
        assert_eq!(most_common(&cluster, &classes), "67 % b");
        assert_eq!(most_common(&Cluster { most_common: None, ..cluster }, &classes), "");
    }
}
