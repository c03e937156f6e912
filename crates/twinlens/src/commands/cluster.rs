//! `cluster`: group features without labels, and compare the groups with the labels there are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;
use twinlens_eval::Repeated;
use twinlens_eval::clustering::{CLUSTER_MEASURES, ClusterProtocol, Clusters, Number};
use twinlens_lab::protocols::{Protocol, clusters_csv, clusters_summary, find, settings};
use twinlens_lab::{Repeat, Verdict};
use twinlens_run::write_atomically;

use super::Images;
use super::cells::{self, spread};
use super::judging::{JudgeArgs, write_document};
use super::knn::Distance;
use super::labels::each_once;
use super::verdict_output::sentences;
use crate::exit::Outcome;
use crate::terminal::Terminal;

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
    #[arg(long, value_name = "auto|all|train|val|test", default_value = "auto", hide_possible_values = true, value_parser = super::images())]
    pub split: Images,
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
    let settings = args.judge.over(settings(&args.protocol()))?;
    let protocol = find(ClusterProtocol::ID)?;
    protocol.check(&settings)?;
    let (subject, data) = args.judge.open(terminal)?;
    let computing = args.judge.computing();
    let mut judging = args.judge.judging((&subject, &data), &computing, terminal);
    judging.part = args.split.of(&data);
    let repeat = Repeat { seeds: each_once(&args.seeds, args.seed as u64), ..Repeat::default() };
    let verdicts = judging.run(protocol, &settings, &repeat)?;
    let mut pictures = args.judge.keep(&verdicts)?;
    if let (Some(path), Some(picture)) = (&args.montage, verdicts.first().and_then(|one| one.exhibit("png")))
    {
        write_atomically(path, picture)?;
        pictures = vec![path.clone()];
    }
    let clusters: Vec<Verdict<Clusters>> = verdicts.iter().filter_map(Verdict::clusters).collect();
    let summary = clusters_summary(&clusters)?;
    let document = json!({ "verdicts": verdicts, "montages": pictures, "summary": summary });
    if let Some(out) = &args.out {
        write_document(out, &document)?;
        write_atomically(&out.with_extension("csv"), clusters_csv(&clusters).as_bytes())?;
    }
    terminal.result(&document, || {
        let shown = pictures.iter().map(|path| format!("\nThe clusters: {}", path.display()));
        sentences(&verdicts)
            + "\n"
            + &table(&clusters, &summary, terminal)
            + &shown.collect::<String>()
            + "\n"
    })
}

impl ClusterArgs {
    fn protocol(&self) -> ClusterProtocol {
        ClusterProtocol {
            k: self.clusters,
            restarts: self.restarts as usize,
            distance: self.distance.into(),
            nearest: self.nearest as usize,
            ..ClusterProtocol::default()
        }
    }
}

/// The measures, a line a seed, and mean and deviation of several.
fn table(
    verdicts: &[Verdict<Clusters>],
    summary: &Option<BTreeMap<&str, Repeated>>,
    terminal: &Terminal,
) -> String {
    let headings: Vec<&str> =
        ["seed", "k"].into_iter().chain(CLUSTER_MEASURES.iter().map(|measure| measure.title)).collect();
    let line = |verdict: &Verdict<Clusters>| {
        let seed = verdict.seeds.get("clusters").map_or("-".to_owned(), u64::to_string);
        let measured = CLUSTER_MEASURES.iter().map(|measure| cells::number((measure.of)(&verdict.outcome)));
        [seed, verdict.outcome.k.to_string()].into_iter().chain(measured).collect()
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
            (Number::Auto, Images::Auto, Distance::Euclidean)
        );
        let args: ClusterArgs = parse("runs/a --data b.npz --k 8 --distance cosine").unwrap();
        assert_eq!((args.clusters, args.distance), (Number::Fixed(8), Distance::Cosine));
        for bad in ["0", "-1", "some", "2.5"] {
            assert!(parse::<ClusterArgs>(&format!("runs/a --data b.npz --clusters={bad}")).is_err(), "{bad}");
        }
    }
}
