//! `data`: public data sets, and what a data set holds.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Subcommand, ValueHint};
use serde_json::json;
use twinlens_data::{DataSettings, Inspection, OpenOptions, SplitInspection, SplitOrigin};
use twinlens_lab::NameError;
use twinlens_lab::catalogue::{self, Client, Edition, PublicSet};
pub use twinlens_lab::range_in_words;

use super::reading::ReadingArgs;
use super::{bytes, data_folder, notices};
use crate::exit::{Exit, Failure, Outcome};
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
    /// List public data sets that can be fetched by name
    #[command(before_help = "\
Examples:
  twinlens data list
  twinlens data list --json")]
    List,
    /// Download a public data set and verify it
    Fetch(FetchArgs),
    /// Tell what a data set holds: splits, classes, sizes, statistics, bad files
    Inspect(Box<InspectArgs>),
}

/// Arguments of `data fetch`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens data fetch bloodmnist
  twinlens data fetch bloodmnist --size 64
  twinlens pretrain --data bloodmnist_64 --out runs/a")]
pub struct FetchArgs {
    /// The data set (`twinlens data list`)
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(catalogue::sets().iter().map(|set| set.name.as_str())))]
    pub name: String,
    /// Side of the images in pixels
    ///
    /// Without it, the smallest that the set has.
    #[arg(long, value_name = "28|64|128|224")]
    pub size: Option<usize>,
    /// Leave the network alone: succeed only if the files are here already
    #[arg(long)]
    pub offline: bool,
}

/// Arguments of `data inspect`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens data inspect blood.npz
  twinlens data inspect photos/ --on-bad-sample fail
  twinlens data inspect cells.zip --json")]
pub struct InspectArgs {
    /// A file or folder of images (`twinlens list formats`), or a public data set by name
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: String,
    /// How it is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Runs `data`.
///
/// # Errors
/// When the data cannot be read, or stdout cannot be written.
pub fn run(args: &DataArgs, terminal: &Terminal) -> Outcome {
    match &args.verb {
        DataVerb::List => list(terminal),
        DataVerb::Fetch(args) => fetch(args, terminal),
        DataVerb::Inspect(args) => inspect(args, terminal),
    }
}

/// Where the data set called `data` lies, and the names of its classes where its files do not hold them: a path that
/// exists, or a public data set that was fetched.
///
/// # Errors
/// A public data set that is not here yet, or what looks like a misspelt one.
pub fn locate(data: &str) -> Outcome<(PathBuf, Option<Vec<String>>)> {
    Ok(twinlens_lab::locate(data, data_folder().as_deref())?)
}

fn downloads() -> Outcome<PathBuf> {
    Ok(data_folder().ok_or(NameError::NoFolder)?)
}

fn list(terminal: &Terminal) -> Outcome {
    let folder = data_folder();
    let is_here = |edition: &Edition| folder.as_deref().is_some_and(|folder| edition.is_here(folder));
    let edition = |edition: Edition| {
        json!({
            "name": edition.name(),
            "side": edition.side,
            "files": edition.files(None).into_iter().map(|(_, remote)| remote).collect::<Vec<_>>(),
            "here": is_here(&edition),
        })
    };
    let described = |set: &'static PublicSet| {
        let [train, val, test] = set.images;
        json!({
            "name": set.name,
            "summary": set.summary,
            "images": {"train": train, "val": val, "test": test},
            "classes": set.classes,
            "channels": set.channels,
            "licence": set.licence,
            "editions": set.editions().into_iter().map(edition).collect::<Vec<_>>(),
        })
    };
    let document = json!({"datasets": catalogue::sets().iter().map(described).collect::<Vec<_>>()});
    terminal.result(&document, || {
        let row = |set: &'static PublicSet| {
            let editions = set.editions();
            let sides = |editions: &mut dyn Iterator<Item = &Edition>| {
                editions.map(|edition| edition.side.to_string()).collect::<Vec<_>>().join(" ")
            };
            let here = sides(&mut editions.iter().filter(|edition| is_here(edition)));
            let lengths =
                editions.iter().flat_map(|edition| edition.files(None)).map(|(_, remote)| remote.bytes);
            vec![
                set.name.clone(),
                set.summary.clone(),
                set.images.iter().sum::<u32>().to_string(),
                set.classes.to_string(),
                set.channels.to_string(),
                sides(&mut editions.iter()),
                lengths.sum::<Option<u64>>().map_or("not known".to_owned(), bytes),
                set.licence.clone(),
                if here.is_empty() { "-".to_owned() } else { here },
            ]
        };
        let headings =
            ["name", "what", "images", "classes", "channels", "sizes", "download", "licence", "here"];
        terminal.table(&headings, &catalogue::sets().iter().map(row).collect::<Vec<_>>())
    })
}

impl FetchArgs {
    fn edition(&self) -> Outcome<Edition> {
        let own = catalogue::sets().iter().filter(|set| set.name == self.name);
        let editions: Vec<Edition> = own.flat_map(PublicSet::editions).collect();
        let wanted = |edition: &&Edition| self.size.is_none_or(|size| size == edition.side);
        editions.iter().find(wanted).copied().ok_or_else(|| {
            let sides: Vec<String> = editions.iter().map(|edition| edition.side.to_string()).collect();
            let message = format!("{} has no images of size {}", self.name, self.size.unwrap_or_default());
            Failure::message(Exit::Usage, message).hint(format!("it has {}", sides.join(", ")))
        })
    }
}

fn fetch(args: &FetchArgs, terminal: &Terminal) -> Outcome {
    let edition = args.edition()?;
    let folder = downloads()?;
    let was_here = edition.is_here(&folder);
    if !was_here {
        if args.offline {
            let message = format!("{} is not here, and --offline leaves the network alone", edition.name());
            let failure = Failure::message(Exit::Environment, message).at(edition.path(&folder).display());
            return Err(failure.hint("leave --offline out, or copy the files there from another machine"));
        }
        download(&edition, &folder, terminal)?;
    }
    let path = edition.path(&folder);
    let document = json!({
        "name": edition.name(),
        "path": path,
        "licence": edition.set.licence,
        "files": edition.places(&folder),
        "was_here": was_here,
    });
    terminal.result(&document, || {
        let name = edition.name();
        format!("{name} is in {}; use it with --data {name}\n", path.display())
    })
}

fn download(edition: &Edition, folder: &Path, terminal: &Terminal) -> Outcome {
    let PublicSet { summary, licence, .. } = edition.set;
    tracing::info!("{}: {summary}; licence: {licence}", edition.name());
    let mirror = std::env::var(catalogue::MIRROR).ok().filter(|mirror| !mirror.is_empty());
    let client = Client::new();
    let files = edition.files(mirror.as_deref()).into_iter().zip(edition.places(folder));
    for ((name, remote), place) in files.filter(|(_, place)| !place.is_file()) {
        tracing::info!("from {}", remote.url);
        tracing::info!("to {}", place.display());
        let bar = terminal.progress(&name, 0);
        let mut told = false;
        client.fetch(&remote, &place, &mut |done, total| {
            if !std::mem::replace(&mut told, true) {
                tracing::info!(
                    "size {}, {} of it here",
                    total.map_or("not known".into(), bytes),
                    bytes(done)
                );
            }
            bar.set_of(done, total.unwrap_or(0), "");
        })?;
    }
    Ok(())
}

fn inspect(args: &InspectArgs, terminal: &Terminal) -> Outcome {
    let bar = terminal.progress("reading images", 0);
    let progress = |done: usize, total: usize| bar.set_of(done as u64, total as u64, "");
    let (path, class_names) = locate(&args.data)?;
    let options = OpenOptions {
        settings: args.reading.over(&DataSettings::default())?,
        class_names,
        cache_dir: data_folder(),
        progress: Some(&progress),
        ..OpenOptions::default()
    };
    let set = twinlens_data::open(&path, &options)?;
    let inspection = twinlens_data::inspect(&set)?;
    drop(bar);
    terminal.result(&notices::inspection(inspection.clone()), || describe(&inspection, terminal))
}

fn describe(inspection: &Inspection, terminal: &Terminal) -> String {
    let mut text = format!(
        "{}: {}, {} channel(s) of {}, {} in memory\nblack and white: {}\nsplits: {}\n",
        inspection.name,
        inspection.format,
        inspection.channels,
        inspection.pixel_type,
        bytes(inspection.bytes_in_memory),
        range_in_words(&inspection.range),
        origin_in_words(inspection.split_origin),
    );
    if !inspection.columns.is_empty() {
        text += &format!("known of every image: {}\n", inspection.columns.join(", "));
    }
    text += "\n";
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
                let counts = splits.iter().map(|part| count(part, class));
                std::iter::once(name.clone()).chain(counts).collect()
            })
            .collect();
        text += &format!("\n{}", terminal.table(&headings, &rows));
    }
    if inspection.splits.values().any(|part| part.not_judged.is_some()) {
        text += "\nan image may show several classes, or none\n";
    }
    if inspection.skipped.count > 0 {
        text += &format!("\n{} image(s) cannot be decoded and were left out\n", inspection.skipped.count);
        for sample in &inspection.skipped.first {
            text += &format!("  {}: {}\n", sample.path, notices::reason(sample));
        }
    }
    for (split, part) in inspection.splits.iter().filter(|(_, part)| part.outside_range > 0.0) {
        let share = 100.0 * part.outside_range;
        text += &format!("\n{share:.3} % of the values of {} lie beyond black and white\n", split.name());
    }
    for notice in &inspection.notices {
        text += &format!("\n{}\n", notices::notice(notice));
    }
    text
}

/// Where the splits come from.
fn origin_in_words(origin: SplitOrigin) -> &'static str {
    match origin {
        SplitOrigin::Defined => "as the set says",
        SplitOrigin::ValFromTrain => "train and test as the set says, validation drawn from train",
        SplitOrigin::Drawn => "drawn from all images",
        SplitOrigin::Complete => "nothing held out but the test images of the set",
        SplitOrigin::Column => "as a column of the table says",
    }
}

/// How many images of a split show a class, and how many are left open for it.
fn count(part: &SplitInspection, class: usize) -> String {
    let of = |counts: &[usize]| counts.get(class).copied().unwrap_or(0);
    match part.not_judged.as_deref().map_or(0, of) {
        0 => of(&part.per_class).to_string(),
        open => format!("{} ({open} not judged)", of(&part.per_class)),
    }
}
