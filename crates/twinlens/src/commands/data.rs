//! `data`: what a data set holds.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum, ValueHint};
use twinlens_data::{Inspection, OnBadSample, OpenOptions};

use super::{bytes, data_folder};
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `data`.
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: DataVerb,
}

/// What to do with data.
#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// Tell what a data set holds: splits, classes, sizes, statistics, bad files
    Inspect(InspectArgs),
}

/// Arguments of `data inspect`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens data inspect blood.npz
  twinlens data inspect photos/ --on-bad-sample fail
  twinlens data inspect cells.zip --json")]
pub struct InspectArgs {
    /// A file or folder: .npz, idx, a folder of images or of class folders, or a zip of these
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// What to do with an image that cannot be decoded
    #[arg(long, value_name = "skip|fail", default_value = "skip", hide_possible_values = true)]
    pub on_bad_sample: BadSample,
    /// The array of an .npz that holds the images, where its name does not say
    #[arg(long, value_name = "NAME")]
    pub member: Option<String>,
}

/// What to do with an image that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BadSample {
    /// Leave it out and count it.
    Skip,
    /// Stop with an error.
    Fail,
}

impl From<BadSample> for OnBadSample {
    fn from(how: BadSample) -> OnBadSample {
        match how {
            BadSample::Skip => OnBadSample::Skip,
            BadSample::Fail => OnBadSample::Fail,
        }
    }
}

/// Runs `data`.
///
/// # Errors
/// When the data cannot be read, or stdout cannot be written.
pub fn run(args: &DataArgs, terminal: &Terminal) -> Outcome {
    match &args.verb {
        DataVerb::Inspect(args) => inspect(args, terminal),
    }
}

fn inspect(args: &InspectArgs, terminal: &Terminal) -> Outcome {
    let bar = terminal.progress("reading images", 0);
    let progress = |done: usize, total: usize| bar.set_of(done as u64, total as u64, "");
    let options = OpenOptions {
        member: args.member.clone(),
        on_bad_sample: args.on_bad_sample.into(),
        cache_dir: data_folder(),
        progress: Some(&progress),
        ..OpenOptions::default()
    };
    let set = twinlens_data::open(&args.path, &options)?;
    let inspection = twinlens_data::inspect(&set)?;
    drop(bar);
    terminal.result(&inspection, || describe(&inspection, terminal))
}

fn describe(inspection: &Inspection, terminal: &Terminal) -> String {
    let pixel = serde_json::to_value(inspection.pixel_type).ok();
    let pixel = pixel.as_ref().and_then(|name| name.as_str()).unwrap_or("unknown");
    let mut text = format!(
        "{}: {}, {} channel(s) of {pixel}, {} in memory\n\n",
        inspection.name,
        inspection.format,
        inspection.channels,
        bytes(inspection.bytes_in_memory)
    );
    let span = |[low, high]: [usize; 2]| if low == high { low.to_string() } else { format!("{low}-{high}") };
    let decimals =
        |values: &[f64]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(" ");
    let rows: Vec<Vec<String>> = inspection
        .splits
        .iter()
        .map(|(split, part)| {
            vec![
                split.name().to_owned(),
                part.images.to_string(),
                part.labelled.to_string(),
                format!("{} x {}", span(part.height), span(part.width)),
                decimals(&part.statistics.mean),
                decimals(&part.statistics.std),
            ]
        })
        .collect();
    text += &terminal
        .table(&["split", "images", "labelled", "height x width", "mean", "standard deviation"], &rows);
    if !inspection.classes.is_empty() {
        let splits: Vec<&_> = inspection.splits.values().collect();
        let names = inspection.splits.keys().map(|split| split.name());
        let headings: Vec<&str> = std::iter::once("class").chain(names).collect();
        let rows: Vec<Vec<String>> = inspection
            .classes
            .iter()
            .enumerate()
            .map(|(class, name)| {
                let counts =
                    splits.iter().map(|part| part.per_class.get(class).copied().unwrap_or(0).to_string());
                std::iter::once(name.clone()).chain(counts).collect()
            })
            .collect();
        text += &format!("\n{}", terminal.table(&headings, &rows));
    }
    if inspection.skipped.count > 0 {
        text += &format!("\n{} image(s) cannot be decoded and were left out\n", inspection.skipped.count);
        for sample in &inspection.skipped.first {
            text += &format!("  {}: {}\n", sample.path, sample.reason);
        }
    }
    text
}
