//! `data`: public data sets, and what a data set holds.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Subcommand, ValueHint};
use serde_json::json;
use twinlens_data::{DataSettings, Inspection, SplitInspection, SplitOrigin};
use twinlens_lab::catalogue::{self, EditionListing, Listing, PublicSet};
pub use twinlens_lab::range_in_words;
use twinlens_lab::{ClassTexture, LabError, NameError, class_textures, data_sheet};
use twinlens_report::Picture;
use twinlens_run::write_atomically;

use super::crop::{self, CropArgs};
use super::reading::ReadingArgs;
use super::training::lab;
use super::{bytes, data_folder, notices};
use crate::exit::{Exit, Failure, Outcome};
use crate::invocation::Invocation;
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
    /// Cut cells out of fields of view: around nuclei that are found, or objects of CellProfiler, masks or a table
    Crop(Box<CropArgs>),
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
    #[arg(id = "name", value_name = "NAME", value_parser = public_set())]
    pub set: &'static PublicSet,
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
  twinlens data inspect axial.npz --join coronal.npz
  twinlens data inspect plate/ --group well --sheet wells.png --sheet-by compound
  twinlens data inspect cells.zip --json")]
pub struct InspectArgs {
    /// A file or folder of images (`twinlens list formats`), or a public data set by name
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath, required_unless_present = "named")]
    pub data: Option<String>,
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name
    #[arg(id = "named", long = "data", value_name = "PATH", value_hint = ValueHint::AnyPath, conflicts_with = "data")]
    pub named: Option<String>,
    /// Another data set, learned from as one with the first
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub join: Vec<String>,
    /// Measure texture and detail of the images of every class
    #[arg(long)]
    pub by_class: bool,
    /// Draw a contact sheet as PNG
    ///
    /// A few images of every class, a class a row.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub sheet: Option<PathBuf>,
    /// The column whose values are the rows of the sheet, such as a treatment
    #[arg(long, value_name = "COLUMN", requires = "sheet")]
    pub sheet_by: Option<String>,
    /// How it is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

impl InspectArgs {
    /// The data set, named either way.
    fn data(&self) -> &str {
        self.data.as_ref().or(self.named.as_ref()).map_or("", String::as_str)
    }
}

/// A public data set, by its name.
fn public_set() -> impl TypedValueParser<Value = &'static PublicSet> {
    let names = catalogue::sets().iter().map(|set| set.name.as_str());
    PossibleValuesParser::new(names)
        .try_map(|name| catalogue::sets().iter().find(|set| set.name == name).ok_or("no public data set"))
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
        DataVerb::Crop(args) => crop::run(args, terminal),
    }
}

fn list(terminal: &Terminal) -> Outcome {
    let sets = catalogue::listing(data_folder().as_deref());
    let document = json!({ "datasets": sets });
    terminal.result(&document, || {
        let sides = |editions: &mut dyn Iterator<Item = &EditionListing>| {
            editions.map(|edition| edition.side.to_string()).collect::<Vec<_>>().join(" ")
        };
        let row = |set: &Listing| {
            let here = sides(&mut set.editions.iter().filter(|edition| edition.here));
            vec![
                set.name.to_owned(),
                set.summary.to_owned(),
                set.images.sum().to_string(),
                set.classes.to_string(),
                set.channels.to_string(),
                sides(&mut set.editions.iter()),
                set.bytes().map_or("not known".to_owned(), bytes),
                set.licence.to_owned(),
                if here.is_empty() { "-".to_owned() } else { here },
            ]
        };
        let headings =
            ["name", "what", "images", "classes", "channels", "sizes", "download", "licence", "here"];
        terminal.table(&headings, &sets.iter().map(row).collect::<Vec<_>>())
    })
}

fn fetch(args: &FetchArgs, terminal: &Terminal) -> Outcome {
    let edition = args.set.edition(args.size)?;
    let folder = data_folder().ok_or(NameError::NoFolder)?;
    let was_here = edition.is_here(&folder);
    if !was_here {
        if args.offline {
            let message = format!("{} is not here, and --offline leaves the network alone", edition.name());
            let failure = Failure::message(Exit::Environment, message).at(edition.path(&folder).display());
            return Err(failure.hint("leave --offline out, or copy the files there from another machine"));
        }
        let mirror = std::env::var(catalogue::MIRROR).ok().filter(|mirror| !mirror.is_empty());
        edition.fetch(&folder, mirror.as_deref(), terminal)?;
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

fn inspect(args: &InspectArgs, terminal: &Terminal) -> Outcome {
    let settings = args.reading.over(&DataSettings { join: args.join.clone(), ..DataSettings::default() })?;
    let (data, inspection) = lab(&Invocation::default(), terminal).inspect(args.data(), &settings)?;
    let mut document = json!(notices::inspection(inspection.clone()));
    document["warnings"] = json!(inspection.notices.iter().map(notices::notice).collect::<Vec<_>>());
    if let Some(file) = &args.sheet {
        let sheet = Picture::png(&data_sheet(&data, args.sheet_by.as_deref())?).map_err(LabError::Sheet)?;
        write_atomically(file, sheet.bytes())?;
        document["sheet"] = json!(file);
    }
    let textures = if args.by_class { class_textures(&data, terminal)? } else { Vec::new() };
    if args.by_class {
        document["by_class"] = json!(textures);
    }
    terminal.result(&document, || {
        let sheet = args.sheet.as_ref().map(|file| format!("The sheet: {}\n", file.display()));
        describe(&inspection, terminal) + &by_class(&textures, terminal) + &sheet.unwrap_or_default()
    })
}

/// A row a class; nothing where classes were not measured.
fn by_class(classes: &[ClassTexture], terminal: &Terminal) -> String {
    if classes.is_empty() {
        return String::new();
    }
    let number = |value: f64| format!("{value:.4}");
    let row = |class: &ClassTexture| {
        let detail = class.high_frequency.map_or("-".to_owned(), number);
        let texture = [class.contrast, class.homogeneity, class.energy, class.correlation].map(number);
        let words = [class.class.clone(), class.images.to_string()];
        words.into_iter().chain(texture).chain([detail]).collect()
    };
    let rows: Vec<Vec<String>> = classes.iter().map(row).collect();
    let headings =
        ["class", "images", "contrast", "homogeneity", "energy", "correlation", "high frequencies"];
    format!("\n{}", terminal.table(&headings, &rows))
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
        splits_in_words(inspection),
    );
    for part in &inspection.parts {
        text += &format!("joined: {part}\n");
    }
    if !inspection.channel_names.is_empty() {
        text += &format!("channels: {}\n", inspection.channel_names.join(", "));
    }
    if let Some([height, width]) = inspection.pixel_size {
        text += &format!("a pixel: {height} x {width} micrometres\n");
    }
    if !inspection.columns.is_empty() {
        text += &format!("known of every image: {}\n", inspection.columns.join(", "));
    }
    if let Some(groups) = &inspection.groups {
        text += &format!("groups: {groups}\n");
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
fn splits_in_words(inspection: &Inspection) -> &'static str {
    match inspection.split_origin {
        SplitOrigin::Defined if inspection.classes.is_empty() && inspection.splits.len() == 1 => {
            "none, as there are no labels: all images are learned from"
        }
        SplitOrigin::Defined => "as the set says",
        SplitOrigin::ValFromTrain => {
            "train and test as the set says; twinlens drew the validation images from train, by --split-seed"
        }
        SplitOrigin::Drawn if inspection.groups.is_some() => {
            "drawn by twinlens from all images, by --split-seed; no group is divided"
        }
        SplitOrigin::Drawn => {
            "drawn by twinlens from all images, by --split-seed; where images belong together (of one patient, say), \
             keep them together with --group, with folders train, val and test, or with --split-column"
        }
        SplitOrigin::Complete => "nothing held out but the test images of the set",
        SplitOrigin::Column => "as a column of the table says",
        SplitOrigin::OfEachSet => "each set by itself",
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
