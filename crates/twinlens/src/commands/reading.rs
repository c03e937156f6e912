//! The arguments that decide how a data set is read, the same for every verb that reads one.

use clap::ValueHint;
use toml::{Table, Value};
use twinlens_config::Flag;
use twinlens_data::{DataSettings, RangeChoice, Window};

use crate::exit::{Exit, Failure, Outcome};

/// How a data set is understood, where it does not say so itself.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct ReadingArgs {
    /// What to do with an image that cannot be decoded
    #[arg(long, help_heading = HEADING, value_name = "skip|fail", value_parser = ["skip", "fail"], hide_possible_values = true)]
    pub on_bad_sample: Option<String>,
    /// The array of an .npz, or the folder, that holds the images, where names do not say
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    pub member: Option<String>,
    /// Where the labels are: an array of the .npz, a table (CSV), or a task of MIMeta
    #[arg(long, help_heading = HEADING, value_name = "NAME|FILE", value_hint = ValueHint::AnyPath)]
    pub labels: Option<String>,
    /// The column of the table that holds the labels
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    pub labels_column: Option<String>,
    /// Other classes for the same images in the same splits: the values of a column of the table, or `brightness`
    #[arg(long, help_heading = HEADING, value_name = "COLUMN")]
    pub label_by: Option<String>,
    /// A list of the training images whose labels are used, one file name a line
    #[arg(long, help_heading = HEADING, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub labels_from: Option<String>,
    /// The column of the table that names the image
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    pub path_column: Option<String>,
    /// Labels that mean "none", besides -1
    #[arg(long, help_heading = HEADING, value_name = "N,..", value_delimiter = ',', allow_negative_numbers = true)]
    pub ignore_labels: Vec<i64>,
    /// The axes of arrays: nhwc, nchw, nhw, hwc, chw, hw, ndhw, ndhwc or ncdhw
    #[arg(long, help_heading = HEADING, value_name = "AXES", value_parser = LAYOUTS, hide_possible_values = true)]
    pub layout: Option<String>,
    /// What becomes of files with several pages: the first, the middle one, their maximum, their mean, or each an image
    #[arg(long, help_heading = HEADING, value_name = "first|middle|max|mean|each", value_parser = ["first", "middle", "max", "mean", "each"], hide_possible_values = true)]
    pub pages: Option<String>,
    /// Whether images are turned as their files say, or left as stored
    #[arg(long, help_heading = HEADING, value_name = "upright|stored", value_parser = ["upright", "stored"], hide_possible_values = true)]
    pub orientation: Option<String>,
    /// Which values of DICOM images are black and white: file, lung, bone, soft-tissue, LOW,HIGH, or none
    #[arg(long, help_heading = HEADING, value_name = "WINDOW", allow_hyphen_values = true)]
    pub window: Option<Window>,
    /// The key of the hashes that stand for patients of DICOM images
    #[arg(long, help_heading = HEADING, value_name = "KEY")]
    pub patient_key: Option<String>,
    /// The plane along which volumes are cut into images
    #[arg(long, help_heading = HEADING, value_name = "axial|coronal|sagittal", value_parser = ["axial", "coronal", "sagittal"], hide_possible_values = true)]
    pub plane: Option<String>,
    /// Which volume is read of a file with several, such as the times of a series, counted from 0
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub volume: Option<i64>,
    /// Cut slides into tiles of so many pixels a side
    #[arg(long, help_heading = HEADING, value_name = "PIXELS", value_parser = clap::value_parser!(i64).range(1..))]
    pub tile_size: Option<i64>,
    /// Micrometres of a pixel of a tile; without, tiles have the pixels of the slide
    #[arg(long, help_heading = HEADING, value_name = "MICROMETRES")]
    pub mpp: Option<f64>,
    /// Pixels from one tile to the next; without, tiles touch
    #[arg(long, help_heading = HEADING, value_name = "PIXELS", value_parser = clap::value_parser!(i64).range(1..))]
    pub tile_stride: Option<i64>,
    /// The share of a tile that must be tissue, from 0 to 1
    #[arg(long, help_heading = HEADING, value_name = "SHARE")]
    pub min_tissue: Option<f64>,
    /// Which files are the channels of one image: a pattern of their names such as {well}_{site}_w{channel}, auto, or none
    #[arg(long, help_heading = HEADING, value_name = "PATTERN")]
    pub channels_from: Option<String>,
    /// The channels to read, by name and in this order
    #[arg(long, help_heading = HEADING, value_name = "NAME,..", value_delimiter = ',')]
    pub channels: Vec<String>,
    /// Divide images by the illumination of their plate
    #[arg(long, help_heading = HEADING, value_name = "off|median", value_parser = ["off", "median"], hide_possible_values = true)]
    pub illumination: Option<String>,
    /// Normalise the colours of histological stains
    #[arg(long, help_heading = HEADING, value_name = "macenko|reinhard", value_parser = ["none", "macenko", "reinhard"], hide_possible_values = true)]
    pub stain: Option<String>,
    /// The image whose colours they are normalised to, instead of the set's own
    #[arg(long, help_heading = HEADING, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub stain_reference: Option<String>,
    /// Give grey images as RGB
    #[arg(long, help_heading = HEADING)]
    pub rgb: bool,
    /// Which values are black and white: auto, type, measured, LOW,HIGH, or percentiles as 0.1%,99.9%
    #[arg(long, help_heading = HEADING, value_name = "RANGE", allow_hyphen_values = true)]
    pub range: Option<RangeChoice>,
    /// What is held out: as the set says, what it leaves open drawn (auto); no more than it says (defined); drawn anew
    /// (drawn); nothing but its test images (complete); as a column of the table says (column)
    #[arg(long, help_heading = HEADING, value_name = "HOW", value_parser = ["auto", "defined", "drawn", "complete", "column"], hide_possible_values = true)]
    pub splits: Option<String>,
    /// A folder of a split, where its name does not say so, such as train=seg_train
    #[arg(long, help_heading = HEADING, value_name = "SPLIT=FOLDER", value_parser = split_folder)]
    pub split_folder: Vec<(String, String)>,
    /// The column of the table that says the split
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    pub split_column: Option<String>,
    /// Seed of splits that are drawn
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub split_seed: Option<i64>,
    /// The column of the table that says which images belong together (patient, plate): no drawn split divides them
    #[arg(long, help_heading = HEADING, value_name = "COLUMN")]
    pub group: Option<String>,
    /// What becomes of given splits that divide groups
    #[arg(long, help_heading = HEADING, value_name = "refuse|tell", value_parser = ["refuse", "tell"], hide_possible_values = true)]
    pub shared_groups: Option<String>,
    /// Read only images that have one of these values in a column of the table, such as plate=Week4_*; the column `class` is
    /// the class
    #[arg(long = "where", help_heading = HEADING, value_name = "COLUMN=VALUE,..", value_parser = column_values)]
    pub values: Vec<(String, Vec<String>)>,
    /// Of each class read only the N highest values of a column, such as concentration=4
    #[arg(long, help_heading = HEADING, value_name = "COLUMN=N", value_parser = column_count)]
    pub highest: Vec<(String, i64)>,
    /// Read as many images of each class as there are of the rarest
    #[arg(long, help_heading = HEADING)]
    pub balance: bool,
}

/// Stands at every flag: a heading of the whole struct would go on over the flags that follow it.
const HEADING: &str = "Reading the data";

const LAYOUTS: [&str; 10] = ["auto", "nhwc", "nchw", "nhw", "hwc", "chw", "hw", "ndhw", "ndhwc", "ncdhw"];

/// `train=FOLDER`, `val=FOLDER` or `test=FOLDER`.
fn split_folder(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((split @ ("train" | "val" | "test"), folder)) if !folder.is_empty() => {
            Ok((split.to_owned(), folder.to_owned()))
        }
        _ => Err("expected train=FOLDER, val=FOLDER or test=FOLDER".to_owned()),
    }
}

/// `COLUMN=VALUE,VALUE`.
fn column_values(text: &str) -> Result<(String, Vec<String>), String> {
    match text.split_once('=') {
        Some((column, values)) if !column.is_empty() && !values.is_empty() => {
            Ok((column.to_owned(), values.split(',').map(str::to_owned).collect()))
        }
        _ => Err("expected COLUMN=VALUE or COLUMN=VALUE,VALUE".to_owned()),
    }
}

/// `COLUMN=N`.
fn column_count(text: &str) -> Result<(String, i64), String> {
    let parsed =
        text.split_once('=').and_then(|(column, count)| Some((column.to_owned(), count.parse().ok()?)));
    let sound = parsed.filter(|(column, count)| !column.is_empty() && *count > 0);
    sound.ok_or_else(|| "expected COLUMN=N, N at least 1".to_owned())
}

/// What the keys of settings of the data begin with.
pub const OF_DATA: &str = "data_options.";

/// `settings` with other values of these keys, or what is wrong with them.
fn with<'a>(
    settings: &DataSettings,
    values: impl IntoIterator<Item = (&'a str, Value)>,
) -> Result<DataSettings, String> {
    let mut table = Table::try_from(settings).map_err(|error| error.to_string())?;
    for (key, value) in values {
        let mut names: Vec<&str> = key.trim_start_matches(OF_DATA).split('.').collect();
        let last = names.pop().unwrap_or_default();
        let inner = names.into_iter().try_fold(&mut table, |table, name| {
            let inner = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            inner.as_table_mut().ok_or_else(|| format!("`{name}` has no settings in it"))
        })?;
        inner.insert(last.to_owned(), value);
    }
    table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// `settings` with what is given as KEY=VALUE: a value is TOML where it can be read as such, else text.
///
/// # Errors
/// A key that there is not, or a value that it cannot have.
pub fn assigned(settings: &DataSettings, pairs: &[(&str, &str)]) -> Outcome<DataSettings> {
    let mut settings = settings.clone();
    for (key, text) in pairs {
        let value = format!("value = {text}").parse::<Table>().ok();
        let value = value.and_then(|mut table| table.remove("value"));
        let changed = |value: Value| with(&settings, [(*key, value)]);
        // Where only text will do, `28` is one.
        let read = value.map_or_else(|| Err(String::new()), &changed);
        let read = read.or_else(|_| changed(Value::String((*text).to_owned())));
        settings =
            read.map_err(|reason| Failure::message(Exit::Usage, format!("`{key}={text}`: {reason}")))?;
    }
    Ok(settings)
}

impl ReadingArgs {
    /// The flags that were given, as settings.
    pub fn flags(&self) -> Vec<Flag> {
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let texts = |values: &[String]| values.iter().cloned().map(Value::String).collect();
        let ignored = || self.ignore_labels.iter().copied().map(Value::Integer).collect();
        let all = [
            ("--on-bad-sample", "data_options.on_bad_sample", text(&self.on_bad_sample)),
            ("--member", "data_options.member", text(&self.member)),
            ("--labels", "data_options.labels", text(&self.labels)),
            ("--labels-column", "data_options.labels_column", text(&self.labels_column)),
            ("--label-by", "data_options.label_by", text(&self.label_by)),
            ("--labels-from", "data_options.labels_from", text(&self.labels_from)),
            ("--path-column", "data_options.path_column", text(&self.path_column)),
            (
                "--ignore-labels",
                "data_options.ignore_labels",
                (!self.ignore_labels.is_empty()).then(|| Value::Array(ignored())),
            ),
            ("--layout", "data_options.layout", text(&self.layout)),
            ("--pages", "data_options.pages", text(&self.pages)),
            ("--orientation", "data_options.orientation", text(&self.orientation)),
            (
                "--window",
                "data_options.window",
                self.window.as_ref().and_then(|window| Value::try_from(window).ok()),
            ),
            ("--patient-key", "data_options.patient_key", text(&self.patient_key)),
            ("--plane", "data_options.plane", text(&self.plane)),
            ("--volume", "data_options.volume", self.volume.map(Value::Integer)),
            ("--tile-size", "data_options.tile_size", self.tile_size.map(Value::Integer)),
            ("--mpp", "data_options.mpp", self.mpp.map(Value::Float)),
            ("--tile-stride", "data_options.tile_stride", self.tile_stride.map(Value::Integer)),
            ("--min-tissue", "data_options.min_tissue", self.min_tissue.map(Value::Float)),
            ("--channels-from", "data_options.channels_from", text(&self.channels_from)),
            (
                "--channels",
                "data_options.channels",
                (!self.channels.is_empty()).then(|| Value::Array(texts(&self.channels))),
            ),
            ("--illumination", "data_options.illumination", text(&self.illumination)),
            ("--stain", "data_options.stain", text(&self.stain)),
            ("--stain-reference", "data_options.stain_reference", text(&self.stain_reference)),
            ("--rgb", "data_options.rgb", self.rgb.then_some(Value::Boolean(true))),
            (
                "--range",
                "data_options.range",
                self.range.as_ref().and_then(|range| Value::try_from(range).ok()),
            ),
            ("--splits", "data_options.splits", text(&self.splits)),
            ("--split-folder", "data_options.split_folders", self.split_folders()),
            ("--split-column", "data_options.split_column", text(&self.split_column)),
            ("--split-seed", "data_options.split_seed", self.split_seed.map(Value::Integer)),
            ("--group", "data_options.group", text(&self.group)),
            ("--shared-groups", "data_options.shared_groups", text(&self.shared_groups)),
            ("--where", "data_options.subset.where", self.where_values()),
            ("--highest", "data_options.subset.highest", self.highest_values()),
            ("--balance", "data_options.subset.balance", self.balance.then_some(Value::Boolean(true))),
        ];
        all.into_iter().filter_map(|(name, key, value)| Some(Flag { name, key, value: value? })).collect()
    }

    fn split_folders(&self) -> Option<Value> {
        let mut folders = Table::new();
        for (split, folder) in &self.split_folder {
            let list = folders.entry(split).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut()?.push(Value::String(folder.clone()));
        }
        (!folders.is_empty()).then_some(Value::Table(folders))
    }

    fn where_values(&self) -> Option<Value> {
        let mut columns = Table::new();
        for (column, values) in &self.values {
            let list = columns.entry(column).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut()?.extend(values.iter().cloned().map(Value::String));
        }
        (!columns.is_empty()).then_some(Value::Table(columns))
    }

    fn highest_values(&self) -> Option<Value> {
        let columns = self.highest.iter().map(|(column, count)| (column.clone(), Value::Integer(*count)));
        let columns: Table = columns.collect();
        (!columns.is_empty()).then_some(Value::Table(columns))
    }

    /// `settings` with the flags that were given.
    ///
    /// # Errors
    /// Never for flags that were parsed.
    pub fn over(&self, settings: &DataSettings) -> Outcome<DataSettings> {
        let values = self.flags().into_iter().map(|Flag { key, value, .. }| (key, value));
        with(settings, values).map_err(|reason| Failure::message(Exit::Usage, reason))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use twinlens_data::stain::StainMethod;
    use twinlens_data::{
        ArrayLayout, Illumination, OnBadSample, Pages, Plane, SharedGroups, Split, SplitPolicy, SubsetChoice,
    };

    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn flags_change_what_they_name_and_nothing_else() {
        let before = DataSettings { split_seed: 3, rgb: true, ..DataSettings::default() };
        let read = |line: &str| parse::<ReadingArgs>(line).unwrap().over(&before).unwrap();
        assert_eq!(read(""), before);
        let line = "--on-bad-sample fail --member imgs --labels l.csv --labels-column dx --label-by plate --labels-from 1percent.txt --path-column id \
                    --ignore-labels 255,-2 --layout nchw --pages max --window -160,240 --patient-key k \
                    --plane coronal --volume 2 --tile-size 224 --mpp 0.5 --tile-stride 112 --min-tissue 0.9 --channels-from {well}_w{channel} --channels DAPI,Actin --illumination median \
                    --stain macenko --stain-reference r.png --range -1024,3071 --splits column \
                    --split-folder train=seg_train --split-folder train=extra --split-column fold --group patient --shared-groups tell \
                    --where plate=Week4_*,Week5_1 --where plate=Week6_1 --where class=DMSO --highest concentration=4 --balance";
        let expected = DataSettings {
            on_bad_sample: OnBadSample::Fail,
            member: "imgs".into(),
            labels: "l.csv".into(),
            labels_column: "dx".into(),
            label_by: "plate".into(),
            labels_from: "1percent.txt".into(),
            path_column: "id".into(),
            ignore_labels: vec![255, -2],
            layout: ArrayLayout::Nchw,
            pages: Pages::Max,
            window: Window::Bounds([-160.0, 240.0]),
            patient_key: "k".into(),
            plane: Plane::Coronal,
            volume: Some(2),
            tile_size: Some(224),
            mpp: Some(0.5),
            tile_stride: Some(112),
            min_tissue: Some(0.9),
            channels_from: "{well}_w{channel}".into(),
            channels: vec!["DAPI".into(), "Actin".into()],
            illumination: Illumination::Median,
            stain: StainMethod::Macenko.into(),
            stain_reference: "r.png".into(),
            range: RangeChoice::Same([-1024.0, 3071.0]),
            splits: SplitPolicy::Column,
            split_folders: BTreeMap::from([(Split::Train, vec!["seg_train".into(), "extra".into()])]),
            split_column: "fold".into(),
            group: "patient".into(),
            shared_groups: SharedGroups::Tell,
            subset: SubsetChoice {
                values: BTreeMap::from([
                    ("plate".into(), vec!["Week4_*".into(), "Week5_1".into(), "Week6_1".into()]),
                    ("class".into(), vec!["DMSO".into()]),
                ]),
                highest: BTreeMap::from([("concentration".into(), 4)]),
                balance: true,
                seed: 0,
            },
            ..before.clone()
        };
        assert_eq!(read(line), expected);
    }

    #[test]
    fn settings_of_the_data_are_assigned_too() {
        let read = |pairs: &[(&str, &str)]| assigned(&DataSettings::default(), pairs);
        let found = read(&[("data_options.member", "28"), ("data_options.subset.seed", "3")]).unwrap();
        assert_eq!((found.member.as_str(), found.subset.seed), ("28", 3));
        for (key, text, told) in
            [("data_options.memmber", "a", "memmber"), ("data_options.rgb", "yes", "yes")]
        {
            let failure = read(&[(key, text)]).unwrap_err();
            assert_eq!(failure.exit(), Exit::Usage);
            assert!(failure.render(false).contains(told), "{}", failure.render(false));
        }
    }

    #[test]
    fn nonsense_is_refused_at_the_door() {
        for line in [
            "--range wide",
            "--layout whcn",
            "--splits maybe",
            "--split-folder seg_train",
            "--pages all",
            "--where plate",
            "--highest dose=0",
        ] {
            assert!(parse::<ReadingArgs>(line).is_err(), "{line}");
        }
    }
}
