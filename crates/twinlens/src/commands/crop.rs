//! `data crop`: cells cut out of fields of view.

use std::path::PathBuf;

use clap::ValueHint;
use clap::builder::TypedValueParser;
use serde_json::json;
use toml::{Table, Value};
use twinlens_cells::{
    Background, Border, CropSettings, Cut, Detector, Finder, Padding, PictureFormat, Written, channel_number,
    check_place, cut, divided, drawn, is_npz, shown, write_folder, write_npz,
};
use twinlens_data::{DataSet, DataSettings, Image, ImageSource as _, Notice, Pixels, Split};
use twinlens_lab::Lab;
use twinlens_report::{Picture, RgbImage, contact_sheet};
use twinlens_run::write_atomically;

use super::reading::ReadingArgs;
use super::training::lab;
use super::{notices, one_of};
use crate::exit::{Exit, Failure, Outcome};
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// Arguments of `data crop`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens data crop --data fields/ --channel DAPI --size 196 --out cells.npz --sheet found.png
  twinlens data crop --data fields/ --channel 0 --out cells/ threshold=local min_area=200
  twinlens data crop --data fields/ --objects MyExpt_Nuclei.csv --out cells.npz
  twinlens data crop --data fields/ --masks masks/ --background neighbours --out cells.npz")]
pub struct CropArgs {
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name
    ///
    /// Its images are fields of view.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: String,
    /// The channel that shows nuclei, by name or by number, counted from 0
    ///
    /// Without it the only one there is.
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// Where cells are, instead of finding them: CellProfiler's table of objects, or a CSV of path, x and y
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "masks")]
    pub objects: Option<PathBuf>,
    /// CellProfiler's table of images, if it is not beside its table of objects
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "objects")]
    pub image_table: Option<PathBuf>,
    /// Masks of cells, instead of finding them: images of the numbers of objects, called as their fields
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub masks: Option<String>,
    /// Side of the images in pixels
    ///
    /// Rows and columns of a crop.
    #[arg(long, value_name = "N", default_value = "196", value_parser = clap::value_parser!(u32).range(1..=16384))]
    pub size: u32,
    /// What becomes of a cell whose crop leaves the field
    #[arg(long, value_name = "drop|pad", default_value = "drop", hide_possible_values = true, value_parser = border())]
    pub border: Border,
    /// What a crop shows beyond its field, with --border pad
    #[arg(long, value_name = "reflect|constant", default_value = "reflect", hide_possible_values = true, value_parser = padding())]
    pub padding: Padding,
    /// What becomes of the pixels around a cell
    #[arg(long, value_name = "keep|own|neighbours", default_value = "keep", value_parser = background())]
    pub background: Background,
    /// The value of what is filled, in numbers of the stored images
    #[arg(long, value_name = "X", default_value = "0", allow_negative_numbers = true)]
    pub fill: f64,
    /// The most cells of a field, drawn by the seed; 0 for all
    #[arg(long, value_name = "N", default_value = "0")]
    pub per_field: usize,
    /// Seed of all randomness
    ///
    /// Of the draw of --per-field.
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    /// Where to write
    ///
    /// An .npz with a table beside it, or a folder of pictures with its table.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: PathBuf,
    /// What pictures of a folder are written as; auto is PNG where it holds the images
    #[arg(long, value_name = "auto|png|tiff", default_value = "auto", hide_possible_values = true, value_parser = picture_format())]
    pub image_format: PictureFormat,
    /// Replace what an earlier run wrote there
    #[arg(long)]
    pub overwrite: bool,
    /// Draw a contact sheet as PNG
    ///
    /// Some fields with what was found, and their first cells.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub sheet: Option<PathBuf>,
    /// Fields that --sheet shows
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub sheet_fields: u32,
    /// How the fields are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Settings of the detector, such as min_area=200 or threshold=local
    #[arg(value_name = "KEY=VALUE")]
    pub detector: Vec<String>,
}

fn border() -> impl TypedValueParser<Value = Border> {
    one_of([("drop", "it is left out", Border::Drop), ("pad", "it is padded", Border::Pad)])
}

fn padding() -> impl TypedValueParser<Value = Padding> {
    one_of([
        ("reflect", "the field, reflected", Padding::Reflect),
        ("constant", "the value of --fill", Padding::Constant),
    ])
}

fn background() -> impl TypedValueParser<Value = Background> {
    one_of([
        ("keep", "they stay", Background::Keep),
        ("own", "all that is not of the cell's own mask is filled", Background::Own),
        ("neighbours", "what is of the masks of others is filled", Background::Neighbours),
    ])
}

fn picture_format() -> impl TypedValueParser<Value = PictureFormat> {
    one_of([
        ("auto", "PNG where it holds the images, else TIFF", PictureFormat::Auto),
        ("png", "PNG", PictureFormat::Png),
        ("tiff", "TIFF", PictureFormat::Tiff),
    ])
}

impl CropArgs {
    fn settings(&self) -> CropSettings {
        CropSettings {
            size: self.size as usize,
            border: self.border,
            padding: self.padding,
            background: self.background,
            fill: self.fill,
            per_field: self.per_field,
            seed: self.seed,
        }
    }

    /// The detector with the settings that were given: a value is TOML where it can be read as such, else text.
    fn detector(&self) -> Outcome<Detector> {
        let wrong = |text: &str, reason: &str| Failure::message(Exit::Usage, format!("`{text}`: {reason}"));
        let mut settings = Table::new();
        for text in &self.detector {
            let (key, value) = text.split_once('=').ok_or_else(|| wrong(text, "expected KEY=VALUE"))?;
            let read = format!("value = {value}").parse::<Table>().ok();
            let read = read.and_then(|mut table| table.remove("value"));
            settings.insert(key.to_owned(), read.unwrap_or_else(|| Value::String(value.to_owned())));
            // Told with the setting that is wrong, as the error itself names none.
            let all: Result<Detector, toml::de::Error> = settings.clone().try_into();
            all.map_err(|error| wrong(text, error.message()))?;
        }
        settings.try_into().map_err(|error: toml::de::Error| Failure::message(Exit::Usage, error.message()))
    }

    /// Whether the cells are found here.
    fn finds(&self) -> bool {
        self.objects.is_none() && self.masks.is_none()
    }

    /// The number of the channel that nuclei are found on and the sheet shows, of so many.
    fn channel(&self, names: &[String], channels: usize) -> Outcome<usize> {
        match &self.channel {
            Some(name) => Ok(channel_number(name, names, channels)?),
            None if channels == 1 || !self.finds() => Ok(0),
            None => {
                let failure = Failure::message(
                    Exit::Usage,
                    format!(
                        "the fields have {channels} channels, and which of them shows nuclei is not said"
                    ),
                );
                Err(failure.hint("name it with --channel NAME, or give its number, counted from 0"))
            }
        }
    }
}

/// The fields, what says where their cells are, and what is to be told of that.
struct Asked {
    fields: DataSet,
    finder: Finder,
    channel: usize,
    notices: Vec<Notice>,
}

impl Asked {
    fn open(args: &CropArgs, lab: &Lab<'_>) -> Outcome<Asked> {
        let detector = args.detector()?;
        if !args.finds() && !args.detector.is_empty() {
            let message = "settings of the detector are given, but it is not asked for";
            return Err(
                Failure::message(Exit::Usage, message).hint("leave out --objects and --masks, or KEY=VALUE")
            );
        }
        let settings = args.reading.over(&DataSettings::default())?;
        let all = lab.open(&args.data, &settings)?;
        let apart = divided(&all)?;
        let own_masks = args.masks.as_deref() == Some(args.data.as_str());
        let (fields, beside) = match apart {
            Some((fields, masks)) => (fields, Some(masks)),
            None => (all, None),
        };
        let mut notices: Vec<Notice> = Vec::new();
        if let Some(masks) = beside.as_ref().filter(|_| !own_masks) {
            let sources = Split::ALL.iter().filter_map(|split| masks.splits.get(*split));
            let names = sources.flat_map(|source| (0..source.len()).map(|index| source.name(index)));
            let message = "images are masks of others by their names, and are no fields";
            let notice = Notice::new("masks-among-fields", message)
                .hint("{masks} and the same path takes cells from them");
            notices.push(names.fold(notice, Notice::about));
        }
        let first = Split::ALL.iter().find_map(|split| fields.splits.get(*split));
        let first =
            first.ok_or_else(|| Failure::message(Exit::Data, "there are no fields").at(&args.data))?;
        let channel = args.channel(&fields.channel_names, first.stored(0)?.channels)?;
        let (finder, told) = match (&args.objects, &args.masks, beside) {
            (Some(table), ..) => Finder::table_at(table, args.image_table.as_deref(), &fields)?,
            (None, Some(_), Some(masks)) if own_masks => Finder::masks(&masks, &fields)?,
            (None, Some(path), _) => {
                // Labels and splits of the fields are no matter of masks; how images are turned is.
                let settings = DataSettings { orientation: settings.orientation, ..DataSettings::default() };
                Finder::masks(&lab.open(path, &settings)?, &fields)?
            }
            (None, None, _) => (Finder::detector(detector, channel)?, Vec::new()),
        };
        notices.extend(told);
        Ok(Asked { fields, finder, channel, notices })
    }
}

/// Runs `data crop`.
///
/// # Errors
/// Fields that cannot be read, settings that make no sense, no cells, a place that cannot be written.
pub fn run(args: &CropArgs, terminal: &Terminal) -> Outcome {
    check_place(&args.out, args.overwrite)?;
    let asked = Asked::open(args, &lab(&Invocation::default(), terminal))?;
    let settings = args.settings();
    let progress = terminal.progress("looking for cells", 0);
    let told = |done: usize, all: usize| progress.set_of(done as u64, all as u64, "");
    let found = cut(&asked.fields, &asked.finder, &settings, Some(&told))?;
    drop(progress);
    if let Some(path) = &args.sheet {
        let sheet = sheet(args, &asked, &found)?;
        write_atomically(path, Picture::png(&sheet)?.bytes())?;
    }
    let written = match is_npz(&args.out) {
        true => write_npz(&found.set, &args.out, args.overwrite)?,
        false => write_folder(&found.set, &args.out, args.image_format, args.overwrite)?,
    };
    tell(args, &asked, (&found, &settings), &written, terminal)
}

fn tell(
    args: &CropArgs,
    asked: &Asked,
    (found, settings): (&Cut, &CropSettings),
    written: &Written,
    terminal: &Terminal,
) -> Outcome {
    let counts = &found.counts;
    let splits: serde_json::Map<String, serde_json::Value> = Split::ALL
        .iter()
        .filter_map(|split| Some((split.name().to_owned(), found.set.splits.get(*split)?.len().into())))
        .collect();
    let all = asked.notices.iter().chain(&found.set.notices).cloned();
    let all: Vec<Notice> = all
        .map(|notice| Notice { hint: notice.hint.as_deref().map(crate::exit::spelled), ..notice })
        .collect();
    let document = json!({
        "cells": counts.cells,
        "fields": counts.fields,
        "objects": counts.objects,
        "empty_fields": counts.empty_fields,
        "left_field": counts.left_field,
        "not_drawn": counts.not_drawn,
        "splits": splits,
        "settings": settings,
        "detector": args.finds().then(|| args.detector()).transpose()?,
        "channel": args.finds().then_some(asked.channel),
        "out": written.path,
        "table": written.table,
        "sheet": args.sheet,
        "fingerprint": found.set.fingerprint,
        "notices": all,
    });
    terminal.result(&document, || {
        let (size, path) = (settings.size, written.path.display());
        let mut text = format!(
            "{} cells, of {} objects in {} fields, {size} x {size} pixels: {path}\n",
            counts.cells, counts.objects, counts.fields
        );
        for notice in asked.notices.iter().chain(&found.set.notices) {
            text += &format!("\n{}\n", notices::notice(notice));
        }
        text
    })
}

/// Pixels of a side of what the sheet shows.
const CELL: u32 = 560;
/// Crops beside each field of the sheet.
const CROPS: usize = 3;

/// Some fields, at even distances, with what was found, and the first crops of each.
fn sheet(args: &CropArgs, asked: &Asked, found: &Cut) -> Outcome<RgbImage> {
    let fields = Split::ALL.iter().filter_map(|split| Some((*split, asked.fields.splits.get(*split)?)));
    let fields: Vec<_> =
        fields.flat_map(|(split, source)| (0..source.len()).map(move |at| (split, source, at))).collect();
    let wanted = (args.sheet_fields as usize).min(fields.len());
    let mut rows = Vec::new();
    for number in 0..wanted {
        let (split, source, field) = fields[number * fields.len() / wanted];
        let objects = asked.finder.find(source.as_ref(), field)?;
        let cells = found.cells.get(&split);
        let taken = |object: u32| {
            let places = cells.into_iter().flat_map(|cells| cells.cells().iter().enumerate());
            places
                .filter(move |(_, cell)| cell.field == field && cell.object == object)
                .map(|(place, _)| place)
        };
        let is_taken = |object: usize| taken(objects.numbers[object]).next().is_some();
        let of_field = drawn(
            &source.stored(field)?,
            asked.channel,
            &objects,
            &is_taken,
            (CELL as usize, args.size as usize),
        )?;
        let mut row = vec![rgb(of_field)?];
        let first = objects.numbers.iter().flat_map(|&object| taken(object).take(1)).take(CROPS);
        for (place, cells) in first.zip(cells.into_iter().cycle()) {
            row.push(rgb(shown(&cells.stored(place)?, asked.channel)?)?);
        }
        rows.push(row);
    }
    let titles = ["what was found", "its first cells", "", ""].map(String::from);
    Ok(contact_sheet(&rows, &titles, CELL)?)
}

fn rgb(image: Image) -> Outcome<RgbImage> {
    let unfit = || Failure::message(Exit::Failed, "a picture cannot be drawn");
    let Pixels::U8(bytes) = image.pixels else { return Err(unfit()) };
    RgbImage::from_raw(image.width as u32, image.height as u32, bytes).ok_or_else(unfit)
}

#[cfg(test)]
mod tests {
    use twinlens_cells::ThresholdRule;

    use super::*;
    use crate::commands::testing::parse;

    fn crop(line: &str) -> Result<CropArgs, clap::Error> {
        parse(&format!("--data fields --out cells.npz {line}"))
    }

    #[test]
    fn what_is_not_given_is_the_librarys_default() {
        assert_eq!(crop("").unwrap().settings(), CropSettings::default());
        assert_eq!(crop("").unwrap().detector().unwrap(), Detector::default());
        let settings = crop(
            "--size 64 --border pad --padding constant --fill -3 --background own --per-field 9 --seed 4",
        );
        let expected = CropSettings {
            size: 64,
            border: Border::Pad,
            padding: Padding::Constant,
            background: Background::Own,
            fill: -3.0,
            per_field: 9,
            seed: 4,
        };
        assert_eq!(settings.unwrap().settings(), expected);
    }

    #[test]
    fn settings_of_the_detector_are_words_and_numbers() {
        let detector = crop("threshold=local window=30 split=false").unwrap().detector().unwrap();
        let expected =
            Detector { threshold: ThresholdRule::Local, window: 30, split: false, ..Detector::default() };
        assert_eq!(detector, expected);
        for (line, told) in
            [("sigmma=1", "sigmma"), ("threshold=best", "best"), ("window", "expected KEY=VALUE")]
        {
            let failure = crop(line).unwrap().detector().unwrap_err();
            assert_eq!(failure.exit(), Exit::Usage);
            assert!(failure.render(false).contains(told), "{}", failure.render(false));
        }
    }

    #[test]
    fn a_channel_must_be_said_where_there_are_several() {
        assert_eq!(crop("").unwrap().channel(&[], 1).unwrap(), 0);
        assert_eq!(crop("--channel blue").unwrap().channel(&[], 3).unwrap(), 2);
        let names = ["Actin".to_owned(), "DAPI".to_owned()];
        assert_eq!(crop("--channel DAPI").unwrap().channel(&names, 2).unwrap(), 1);
        assert_eq!(crop("--masks m").unwrap().channel(&[], 3).unwrap(), 0);
        assert_eq!(crop("").unwrap().channel(&[], 3).unwrap_err().exit(), Exit::Usage);
        assert_eq!(crop("--channel 3").unwrap().channel(&[], 3).unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn objects_come_from_one_place() {
        assert!(crop("--objects o.csv --masks m").is_err());
        assert!(crop("--image-table i.csv").is_err());
        assert!(crop("--objects o.csv --image-table i.csv").is_ok());
        assert!(crop("--size 0").is_err());
    }
}
