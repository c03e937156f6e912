//! `cluster`: group features without labels, and compare the groups with the labels there are.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::json;
use twinlens_data::ImageSource;
use twinlens_eval::clustering::{Cluster, ClusterProtocol, ClusterVerdict, Number};
use twinlens_report::{MontageRow, Picture, montage};
use twinlens_run::{RunFolder, write_atomically};

use super::embed::Part;
use super::images::{features_of, images, labels};
use super::judge::{JudgeArgs, name_of, write_document};
use super::knn::Distance;
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
  twinlens cluster runs/a --data photos/ --split all --clusters auto --distance cosine")]
pub struct ClusterArgs {
    /// What embeds, and what is clustered.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Which images
    #[arg(long, value_name = "all|train|val|test", default_value = "test", hide_possible_values = true)]
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
    let protocol = ClusterProtocol {
        k: args.clusters,
        restarts: args.restarts as usize,
        seed: args.seed as u64,
        spherical: args.distance == Distance::Cosine,
        nearest: args.nearest as usize,
        ..ClusterProtocol::default()
    };
    let labels = labels(source.as_ref());
    let mut verdict = protocol.run(&features, labels.as_deref(), &data.classes)?;
    if labels.is_none() {
        let reason =
            if data.has_tags() { "an image may show several classes" } else { "not every image has a label" };
        verdict.warnings.push(format!("{reason}: clusters were not compared with labels"));
    }
    let ClusterVerdict { settings, seeds, .. } = &mut verdict;
    args.judge.features.sign(settings, seeds, args.judge.untrained_seed, &args.judge.data, &data);
    settings.insert("split".into(), args.split.name().into());
    for warning in &verdict.warnings {
        tracing::warn!("{warning}");
    }
    let picture = keep(args, &verdict, source.as_ref())?;
    let document = json!({ "verdict": verdict, "montage": picture });
    if let Some(out) = &args.out {
        write_document(out, &document)?;
    }
    terminal.result(&document, || {
        let shown = picture.as_ref().map(|path| format!("\nThe clusters: {}\n", path.display()));
        table(&verdict, terminal) + &shown.unwrap_or_default()
    })
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

/// Writes the verdict to the run, if the encoder is one's, and the picture there or where it is wanted; returns
/// where the picture is.
fn keep(args: &ClusterArgs, verdict: &ClusterVerdict, source: &dyn ImageSource) -> Outcome<Option<PathBuf>> {
    let name = name_of(&verdict.protocol, &verdict.settings, &verdict.seeds);
    let run = if args.judge.encoder.is_dir() { Some(RunFolder::open(&args.judge.encoder)?) } else { None };
    if let Some(run) = &run {
        run.write_verdict(&name, verdict)?;
    }
    let draw = || -> Outcome<Picture> {
        let sheet = montage(&montage_rows(verdict, source)?, CELL)
            .map_err(|error| Failure::new(Exit::Usage, error))?;
        Picture::png(&sheet).map_err(|error| Failure::new(Exit::Failed, error))
    };
    Ok(match (&args.montage, run) {
        (Some(path), _) => Some(written(path, &draw()?)?),
        (None, Some(run)) => Some(run.write_plot(&format!("{name}.png"), draw()?.bytes())?),
        (None, None) => None,
    })
}

fn written(path: &Path, picture: &Picture) -> Outcome<PathBuf> {
    write_atomically(path, picture.bytes())?;
    Ok(path.to_owned())
}

/// The measures in one line.
fn table(verdict: &ClusterVerdict, terminal: &Terminal) -> String {
    let headings = ["k", "AMI", "ARI", "NMI", "purity", "silhouette", "AMI, labels shuffled"];
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let agreement = verdict.agreement;
    let shuffled = agreement.map(|a| format!("{:.4} ({:.4})", a.shuffled.mean, a.shuffled.std));
    let row = vec![
        verdict.k.to_string(),
        number(agreement.map(|a| a.ami)),
        number(agreement.map(|a| a.ari)),
        number(agreement.map(|a| a.nmi)),
        number(agreement.map(|a| a.purity)),
        number(verdict.silhouette),
        shuffled.unwrap_or("-".to_owned()),
    ];
    terminal.table(&headings, &[row])
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
            (Number::Auto, Part::Test, Distance::Euclidean)
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
