//! Labels, splits and further columns from a table: CSV, TSV, or the `metadata.jsonl` of Hugging Face's image folders.
//!
//! A table is stated ([`DataSettings::labels`]) or found: in the set, or beside it under a usual name. One column names
//! the image (by file name, with or without extension and folders), one holds the label, or several hold 0 and a single
//! 1 (one-hot, as ISIC has it); one may say the split. All others are kept as metadata. Several tables in one set (one
//! in each split's folder) are read as one; paths are seen from a table's own folder first.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::layout::composed;
use crate::names::{Meaning, Role};
use crate::notice::Notice;
use crate::tree::Tree;
use crate::{DataError, DataSettings, SplitPolicy};

/// Bytes of a table, at most.
const MAX_TABLE: u64 = 256 << 20;

/// Tables of a set, at most.
const MAX_TABLES: usize = 64;

/// Columns that name an image, without spaces and in lower case; the first that fits counts.
const PATHS: &[&str] = &[
    "image",
    "imageid",
    "imagename",
    "imagefile",
    "imagefilename",
    "imagepath",
    "imageindex",
    "filename",
    "file",
    "filepath",
    "path",
    "fname",
    "img",
    "imgid",
    "imgname",
    "imgpath",
    "isicid",
    "id",
    "name",
    "picture",
    "photo",
];

/// Columns that hold a label.
const LABELS: &[&str] = &[
    "label",
    "labels",
    "class",
    "classes",
    "classname",
    "classlabel",
    "classid",
    "labelname",
    "target",
    "targets",
    "category",
    "categoryname",
    "categoryid",
    "diagnosis",
    "dx",
    "y",
    "cls",
    "species",
    "breed",
    "variety",
    "celltype",
    "disease",
    "finding",
    "findinglabels",
    "groundtruth",
    "gt",
    "level",
    "grade",
];

/// Columns that say a split.
const SPLITS: &[&str] = &["split", "set", "subset", "partition", "fold", "datasplit", "phase"];

/// Texts that stand for "no label".
const MISSING: &[&str] = &["", "nan", "na", "n/a", "null"];

/// What tables say of the images, by the images' numbers.
#[derive(Default)]
pub(crate) struct Known {
    /// How messages call the tables.
    pub(crate) name: String,
    /// Whether the settings name the table.
    pub(crate) stated: bool,
    /// The label of every image; `None` where tables hold none.
    pub(crate) labels: Option<Vec<Option<String>>>,
    /// The split of every image; `None` where tables say none.
    pub(crate) splits: Option<Vec<Option<Role>>>,
    /// Names of the further columns, and their texts for every image.
    pub(crate) columns: Vec<String>,
    pub(crate) metadata: Vec<Vec<String>>,
    /// What was guessed or did not fit.
    pub(crate) notices: Vec<Notice>,
}

/// A table as it was read.
struct Table {
    name: String,
    /// The folder of the set that it lies in.
    folder: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A table whose rows are told apart by the images that they name.
struct Matched {
    table: Table,
    /// The column of names.
    path: usize,
    /// The image of every row.
    images: Vec<Option<usize>>,
    /// Rows that could mean several images.
    ambiguous: usize,
}

/// What tables say of images at `paths` (`None` for those that are left out), if there are tables that name any.
///
/// # Errors
/// Of a stated table everything that keeps it from being used; of one that was found by itself that it contradicts itself.
pub(crate) fn read(
    tree: &Tree,
    paths: &[Option<&str>],
    settings: &DataSettings,
) -> Result<Option<Known>, DataError> {
    let columns = [&settings.labels_column, &settings.path_column];
    let needed = settings.splits == SplitPolicy::Column || columns.iter().any(|column| !column.is_empty());
    let stated = !settings.labels.is_empty();
    let mut known = Known { stated, ..Known::default() };
    let tables =
        if stated { vec![stated_table(tree, settings)?] } else { found_tables(tree, &mut known.notices) };
    if tables.is_empty() {
        return if needed { Err(no_table(tree, settings)) } else { Ok(None) };
    }
    let composed: Vec<Option<String>> = paths.iter().map(|path| path.map(composed)).collect();
    let index = Index::of(&composed);
    let mut matched = Vec::new();
    for table in tables {
        match match_table(table, &index, settings) {
            Ok(one) => matched.push(one),
            Err(wrong) if stated || needed => return Err(wrong),
            Err(DataError::WrongTable { place, reason, .. }) => {
                let message = format!("{place} is not read as a table of labels: {reason}");
                let hint =
                    "`--labels FILE` states the table, `--path-column` the column that names the images";
                Notice::new("table", message).hint(hint).add_to(&mut known.notices);
            }
            Err(other) => return Err(other),
        }
    }
    known.take(&matched, paths, settings)?;
    Ok(Some(known))
}

fn no_table(tree: &Tree, settings: &DataSettings) -> DataError {
    let what = match settings.splits {
        SplitPolicy::Column => "splits are to be read from a column",
        _ => "labels are to be read from a column",
    };
    DataError::WrongTable {
        place: tree.place().into(),
        reason: format!("{what}, but there is no table in it or beside it"),
        hint: "name the table with --labels FILE (data_options.labels)".into(),
    }
}

/// The table that the settings name: a file of the set, on disk, or beside the set.
fn stated_table(tree: &Tree, settings: &DataSettings) -> Result<Table, DataError> {
    let stated = &settings.labels;
    let ends = format!("/{}", stated.trim_start_matches("./"));
    let inside = tree.entries.iter().position(|entry| format!("/{}", entry.path).ends_with(&ends));
    if let Some(path) = tree.beside.first() {
        let bytes =
            fs::read(path).map_err(|source| DataError::Read { place: path.display().to_string(), source })?;
        return Table::parse(path.display().to_string(), String::new(), &bytes);
    }
    match inside {
        Some(entry) => Table::of_entry(tree, entry),
        None => Err(DataError::WrongTable {
            place: tree.place().into(),
            reason: format!("there is no table {stated:?}, neither as a file nor in the set or beside it"),
            hint: "give the path of a CSV or TSV file".into(),
        }),
    }
}

/// The tables on disk that are read with the set at `path`: the stated one, or those beside the set with usual names.
pub(crate) fn beside(path: &Path, settings: &DataSettings) -> Vec<PathBuf> {
    let parent = path.parent().unwrap_or(Path::new(""));
    if !settings.labels.is_empty() {
        let stated = [PathBuf::from(&settings.labels), parent.join(&settings.labels)];
        return stated.into_iter().filter(|path| path.is_file()).take(1).collect();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let usual = ["labels", "metadata", "annotations", "train_labels", "groundtruth"].map(String::from);
    let named =
        [stem.clone(), format!("{stem}_labels"), format!("{stem}_metadata"), format!("{stem}_GroundTruth")];
    let names = usual.into_iter().chain(named);
    let files = names.flat_map(|name| [format!("{name}.csv"), format!("{name}.tsv")]);
    files.map(|file| parent.join(file)).filter(|file| file != path && file.is_file()).collect()
}

/// Tables of the set; where it holds none, those beside it.
fn found_tables(tree: &Tree, notices: &mut Vec<Notice>) -> Vec<Table> {
    let is_table = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        // What is to be handed in holds no labels but their places.
        let to_hand_in = Meaning::of(stem(&name)).role == Some(Role::Predict);
        !to_hand_in && (name.ends_with(".csv") || name.ends_with(".tsv") || name == "metadata.jsonl")
    };
    let mut tell = |table: Result<Table, DataError>| match table {
        Ok(table) => Some(table),
        Err(error) => {
            let text = error.to_string();
            let message = format!("a table is not read: {}", text.lines().next().unwrap_or_default());
            Notice::new("table", message).add_to(notices);
            None
        }
    };
    let inside = (0..tree.entries.len()).filter(|&entry| is_table(&tree.entries[entry].path));
    let inside: Vec<Table> =
        inside.take(MAX_TABLES).filter_map(|entry| tell(Table::of_entry(tree, entry))).collect();
    if !inside.is_empty() {
        return inside;
    }
    let outside = tree.beside.iter().filter_map(|path| {
        let place = path.display().to_string();
        let bytes = fs::read(path).map_err(|source| DataError::Read { place: place.clone(), source });
        tell(bytes.and_then(|bytes| Table::parse(place, String::new(), &bytes)))
    });
    outside.collect()
}

impl Table {
    fn of_entry(tree: &Tree, entry: usize) -> Result<Table, DataError> {
        let path = &tree.entries[entry].path;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Table::parse(path.clone(), composed(folder), &tree.bytes(entry, MAX_TABLE)?)
    }

    fn parse(name: String, folder: String, bytes: &[u8]) -> Result<Table, DataError> {
        let text = decoded(bytes);
        let read = if name.ends_with(".jsonl") { json_lines(&text) } else { separated(&text) };
        let wrong = |reason: String| DataError::WrongTable {
            place: name.clone(),
            reason,
            hint: "the first line names the columns, and every line has as many".into(),
        };
        let (header, rows) = read.map_err(wrong)?;
        if rows.is_empty() {
            return Err(wrong("it has no rows".into()));
        }
        Ok(Table { name, folder, header, rows })
    }

    fn wrong(&self, reason: String, hint: &str) -> DataError {
        DataError::WrongTable { place: self.name.clone(), reason, hint: hint.into() }
    }

    fn no_column(&self, wanted: &str, option: &str) -> DataError {
        let reason = format!("it has no column {wanted:?}; its columns are {}", self.header.join(", "));
        self.wrong(reason, &format!("choose one of these with {option}"))
    }

    /// The column of that name: written alike, or else but for case.
    fn column(&self, name: &str) -> Option<usize> {
        let same = self.header.iter().position(|column| column == name);
        same.or_else(|| self.header.iter().position(|column| column.to_lowercase() == name.to_lowercase()))
    }

    /// Columns with usual names, in the order of these.
    fn usual<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = usize> + 'a {
        let plain: Vec<String> = self
            .header
            .iter()
            .map(|column| {
                column
                    .chars()
                    .filter(|letter| letter.is_alphanumeric())
                    .flat_map(char::to_lowercase)
                    .collect()
            })
            .collect();
        names.iter().filter_map(move |name| plain.iter().position(|column| column == name))
    }

    fn values(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row[column].as_str())
    }
}

/// The text of a table: UTF-8, with a mark at the start or without, UTF-16 with a mark, or else Latin-1.
fn decoded(bytes: &[u8]) -> String {
    let wide = |pair: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|two| pair([two[0], two[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_start_matches('\u{feff}').into(),
            Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
        },
    }
}

type Cells = (Vec<String>, Vec<Vec<String>>);

fn separated(text: &str) -> Result<Cells, String> {
    let head = text.lines().next().unwrap_or_default();
    let count = |mark: u8| head.bytes().filter(|&byte| byte == mark).count();
    let delimiter = [b',', b'\t', b';'].into_iter().rev().max_by_key(|&mark| count(mark)).unwrap_or(b',');
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(text.as_bytes());
    let cells = |record: &csv::StringRecord| record.iter().map(String::from).collect::<Vec<String>>();
    let header = cells(reader.headers().map_err(|error| error.to_string())?);
    let rows = reader.records().map(|record| record.map(|record| cells(&record)));
    let rows: Result<Vec<Vec<String>>, csv::Error> = rows.collect();
    Ok((header, rows.map_err(|error| error.to_string())?))
}

fn json_lines(text: &str) -> Result<Cells, String> {
    let mut header: Vec<String> = Vec::new();
    let mut objects = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let object: serde_json::Map<String, Value> =
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))?;
        header.extend(object.keys().filter(|key| !header.contains(key)).cloned().collect::<Vec<String>>());
        objects.push(object);
    }
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows =
        objects.iter().map(|object| header.iter().map(|key| text(object.get(key))).collect()).collect();
    Ok((header, rows))
}

/// Images by every ending of their path, at folders' borders.
struct Index<'a> {
    whole: HashMap<&'a str, usize>,
    /// `None` where several images end so.
    endings: HashMap<&'a str, Option<usize>>,
    /// The same without extension.
    stems: HashMap<&'a str, Option<usize>>,
}

enum Hit {
    One(usize),
    Several,
}

impl<'a> Index<'a> {
    fn of(paths: &'a [Option<String>]) -> Index<'a> {
        let mut index = Index { whole: HashMap::new(), endings: HashMap::new(), stems: HashMap::new() };
        let all = paths.iter().enumerate().filter_map(|(number, path)| Some((number, path.as_deref()?)));
        for (number, path) in all {
            index.whole.insert(path, number);
            let starts = path.match_indices('/').map(|(at, _)| at + 1);
            for ending in [0].into_iter().chain(starts).map(|at| &path[at..]) {
                for (map, key) in [(&mut index.endings, ending), (&mut index.stems, stem(ending))] {
                    map.entry(key)
                        .and_modify(|hit| *hit = hit.filter(|other| *other == number))
                        .or_insert(Some(number));
                }
            }
        }
        index
    }

    /// The image that `value` names in a table of `folder`.
    fn find(&self, folder: &str, value: &str) -> Option<Hit> {
        let here = if folder.is_empty() { value.to_string() } else { format!("{folder}/{value}") };
        if let Some(&number) = self.whole.get(here.as_str()).or_else(|| self.whole.get(value)) {
            return Some(Hit::One(number));
        }
        let ended = |map: &HashMap<&str, Option<usize>>, key: &str| map.get(key).copied();
        let hit = ended(&self.endings, &here)
            .or_else(|| ended(&self.stems, &here))
            .or_else(|| ended(&self.endings, value))
            .or_else(|| ended(&self.stems, value))
            .or_else(|| ended(&self.stems, stem(value)))?;
        Some(hit.map_or(Hit::Several, Hit::One))
    }
}

/// A file's name without the extension; folders stay.
fn stem(path: &str) -> &str {
    match path.rsplit_once('.') {
        Some((stem, ending)) if !ending.contains('/') && !stem.is_empty() && !stem.ends_with('/') => stem,
        _ => path,
    }
}

/// A value as a path: no leading `./` or `/`, and `/` between folders.
fn as_path(value: &str) -> String {
    let path = composed(&value.replace('\\', "/"));
    path.trim_start_matches("./").trim_start_matches('/').to_string()
}

/// Finds the column that names images, and the image of each row.
fn match_table(table: Table, index: &Index<'_>, settings: &DataSettings) -> Result<Matched, DataError> {
    let all: Vec<usize> = (0..table.header.len()).collect();
    let candidates: Vec<Vec<usize>> = match settings.path_column.as_str() {
        "" => vec![table.usual(PATHS).collect(), all],
        name => vec![vec![table.column(name).ok_or_else(|| table.no_column(name, "--path-column"))?]],
    };
    for (turn, columns) in candidates.into_iter().enumerate() {
        // A column whose name says nothing must name images in most rows.
        let least = if turn == 0 { 1 } else { table.rows.len().div_ceil(2) };
        let mut best: Option<(usize, Rows)> = None;
        for column in columns {
            let rows = rows_of(&table, column, index);
            if rows.found >= least && best.as_ref().is_none_or(|(_, best)| rows.found > best.found) {
                best = Some((column, rows));
            }
        }
        if let Some((path, rows)) = best {
            return Ok(Matched { table, path, images: rows.images, ambiguous: rows.ambiguous });
        }
    }
    let names: Vec<&str> = table.rows.iter().take(3).map(|row| row[0].as_str()).collect();
    let reason = format!("it names none of the images (its rows begin with {})", names.join(", "));
    Err(table.wrong(reason, "a column must hold the file names of the images; say which with --path-column"))
}

/// The images that a column names.
struct Rows {
    images: Vec<Option<usize>>,
    found: usize,
    ambiguous: usize,
}

/// The image of each row by the names in `column`. Where these begin in a folder that is not here, the same number of
/// leading folders is passed over in all of them.
fn rows_of(table: &Table, column: usize, index: &Index<'_>) -> Rows {
    let values: Vec<String> = table.values(column).map(as_path).collect();
    let depth = values.iter().map(|value| value.matches('/').count()).max().unwrap_or(0);
    let mut rows = Rows { images: Vec::new(), found: 0, ambiguous: 0 };
    for skip in 0..=depth {
        let cut = |value: &'_ str| value.splitn(skip + 1, '/').nth(skip).map(String::from);
        let hits: Vec<Option<Hit>> = values
            .iter()
            .map(|value| {
                cut(value)
                    .filter(|value| !value.is_empty())
                    .and_then(|value| index.find(&table.folder, &value))
            })
            .collect();
        rows.ambiguous = hits.iter().filter(|hit| matches!(hit, Some(Hit::Several))).count();
        rows.images = hits
            .into_iter()
            .map(|hit| match hit {
                Some(Hit::One(number)) => Some(number),
                _ => None,
            })
            .collect();
        rows.found = rows.images.iter().flatten().count();
        if rows.found + rows.ambiguous > 0 {
            break;
        }
    }
    rows
}

/// Where the label of a row stands.
enum LabelColumns {
    None,
    One(usize),
    /// Several columns, of which one holds 1 and the others 0.
    OneHot(Vec<usize>),
}

impl LabelColumns {
    fn of(matched: &Matched, settings: &DataSettings) -> Result<LabelColumns, DataError> {
        let Matched { table, path, .. } = matched;
        if !settings.labels_column.is_empty() {
            let column = table.column(&settings.labels_column);
            let missing = || table.no_column(&settings.labels_column, "--labels-column");
            return column.map(LabelColumns::One).ok_or_else(missing);
        }
        let usual = table.usual(LABELS).find(|column| column != path);
        let one_hot = || Some(one_hot(table, *path)).filter(|columns| columns.len() > 1);
        let found = usual.map(LabelColumns::One).or_else(|| one_hot().map(LabelColumns::OneHot));
        match found {
            None if !settings.labels.is_empty() => Err(table.no_column("label", "--labels-column")),
            found => Ok(found.unwrap_or(LabelColumns::None)),
        }
    }

    fn hold(&self, column: usize) -> bool {
        match self {
            LabelColumns::None => false,
            LabelColumns::One(one) => *one == column,
            LabelColumns::OneHot(columns) => columns.contains(&column),
        }
    }

    fn label(&self, table: &Table, row: &[String], settings: &DataSettings) -> Option<String> {
        match self {
            LabelColumns::None => None,
            LabelColumns::One(column) => as_label(&row[*column], settings),
            LabelColumns::OneHot(columns) => {
                let column = columns.iter().find(|column| number(&row[**column]) == Some(1.0))?;
                Some(composed(&table.header[*column]))
            }
        }
    }

    fn describe(&self, table: &Table) -> String {
        match self {
            LabelColumns::None => "no column".into(),
            LabelColumns::One(column) => format!("the column {:?}", table.header[*column]),
            LabelColumns::OneHot(columns) => {
                let names: Vec<&str> = columns.iter().map(|column| table.header[*column].as_str()).collect();
                format!("the one-hot columns {}", names.join(", "))
            }
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The columns of 0 and 1, if every row has a single 1 in them.
fn one_hot(table: &Table, path: usize) -> Vec<usize> {
    let binary = |column: &usize| table.values(*column).all(|text| matches!(number(text), Some(0.0 | 1.0)));
    let columns: Vec<usize> =
        (0..table.header.len()).filter(|column| *column != path).filter(binary).collect();
    let ones =
        |row: &Vec<String>| columns.iter().filter(|column| number(&row[**column]) == Some(1.0)).count();
    if table.rows.iter().all(|row| ones(row) == 1) { columns } else { Vec::new() }
}

/// A label: whole numbers without a fraction (`1.0` is `1`), nothing where the text stands for none.
fn as_label(text: &str, settings: &DataSettings) -> Option<String> {
    let whole =
        number(text).filter(|value| value.fract() == 0.0 && value.abs() < 1e15).map(|value| value as i64);
    match whole {
        Some(value) if value == -1 || settings.ignore_labels.contains(&value) => None,
        Some(value) if text.contains('.') => Some(value.to_string()),
        _ if MISSING.contains(&text.to_lowercase().as_str()) => None,
        _ => Some(composed(text)),
    }
}

impl Known {
    /// Takes what the tables say, row by row.
    fn take(
        &mut self,
        tables: &[Matched],
        paths: &[Option<&str>],
        settings: &DataSettings,
    ) -> Result<(), DataError> {
        self.metadata = vec![Vec::new(); paths.len()];
        let mut named = vec![false; paths.len()];
        for matched in tables {
            self.take_table(matched, &mut named, settings)?;
        }
        self.metadata.iter_mut().for_each(|cells| cells.resize(self.columns.len(), String::new()));
        self.tell_unnamed(tables, paths, &named);
        Ok(())
    }

    /// Takes the rows of one table and notes in `named` whose they are.
    fn take_table(
        &mut self,
        matched: &Matched,
        named: &mut [bool],
        settings: &DataSettings,
    ) -> Result<(), DataError> {
        let Matched { table, path, .. } = matched;
        let labels = LabelColumns::of(matched, settings)?;
        let split = split_column(table, settings)?;
        self.tell(matched, &labels);
        let kept = |column: &usize| column != path && Some(*column) != split && !labels.hold(*column);
        let columns: Vec<usize> = (0..table.header.len()).filter(kept).collect();
        let places = self.places_of(table, &columns);
        for (row, image) in table.rows.iter().zip(&matched.images) {
            let Some(image) = *image else { continue };
            named[image] = true;
            if !matches!(labels, LabelColumns::None) {
                let known = self.labels.get_or_insert_with(|| vec![None; named.len()]);
                settle(&mut known[image], labels.label(table, row, settings), matched, row)?;
            }
            if let Some(column) = split {
                let known = self.splits.get_or_insert_with(|| vec![None; named.len()]);
                settle(&mut known[image], Meaning::of(&row[column]).role, matched, row)?;
            }
            let cells = &mut self.metadata[image];
            cells.resize(self.columns.len(), String::new());
            for (&place, &column) in places.iter().zip(&columns) {
                if cells[place].is_empty() {
                    cells[place].clone_from(&row[column]);
                }
            }
        }
        Ok(())
    }

    /// The places of a table's columns among all that are kept.
    fn places_of(&mut self, table: &Table, columns: &[usize]) -> Vec<usize> {
        let place = |column: &usize| {
            let name = &table.header[*column];
            self.columns.iter().position(|known| known == name).unwrap_or_else(|| {
                self.columns.push(name.clone());
                self.columns.len() - 1
            })
        };
        columns.iter().map(place).collect()
    }

    /// Says what the table is read as.
    fn tell(&mut self, matched: &Matched, labels: &LabelColumns) {
        let name = &matched.table.name;
        let names = &matched.table.header[matched.path];
        self.name = if self.name.is_empty() { name.clone() } else { format!("{}, {name}", self.name) };
        let message = format!(
            "{name}: images are named by the column {names:?}, labels are in {}",
            labels.describe(&matched.table)
        );
        let hint = "`--labels-column` and `--path-column` choose others";
        Notice::new("labels-table", message).hint(hint).add_to(&mut self.notices);
    }

    /// Counts images that no table names, and rows that name no image.
    fn tell_unnamed(&mut self, tables: &[Matched], paths: &[Option<&str>], named: &[bool]) {
        if tables.is_empty() {
            return;
        }
        let images = paths.iter().zip(named).filter(|(_, named)| !**named).filter_map(|(path, _)| *path);
        let message = format!("images are not named by {} and have no label of it", self.name);
        let notice = images.fold(Notice::new("images-without-row", message), Notice::about);
        if notice.count > 0 {
            notice.add_to(&mut self.notices);
        }
        for Matched { table, path, images, ambiguous } in tables {
            let rows = table.values(*path).zip(images).filter(|(_, image)| image.is_none());
            let message = match ambiguous {
                0 => format!("rows of {} name no image of the set", table.name),
                _ => format!(
                    "rows of {} name no image of the set, or ({ambiguous} of them) several",
                    table.name
                ),
            };
            let notice = rows
                .fold(Notice::new("rows-without-image", message), |notice, (value, _)| notice.about(value));
            if notice.count > 0 {
                notice.add_to(&mut self.notices);
            }
        }
    }
}

/// Takes what a row says of an image; what is known already must be the same.
fn settle<T: PartialEq + Debug>(
    known: &mut Option<T>,
    new: Option<T>,
    matched: &Matched,
    row: &[String],
) -> Result<(), DataError> {
    match (known.as_ref(), new) {
        (Some(first), Some(new)) if *first != new => {
            let image = &row[matched.path];
            let reason = format!("rows contradict each other: image {image} is {first:?} and {new:?}");
            let hint = "leave one row for every image; --path-column says which column names it";
            Err(matched.table.wrong(reason, hint))
        }
        (_, None) => Ok(()),
        (_, new) => {
            *known = new;
            Ok(())
        }
    }
}

/// The column that says the split, if one is to be heeded.
fn split_column(table: &Table, settings: &DataSettings) -> Result<Option<usize>, DataError> {
    let values =
        |column: usize| table.values(column).filter(|text| !text.is_empty()).collect::<BTreeSet<&str>>();
    let known = |value: &str| {
        let meaning = Meaning::of(value);
        let role = meaning.role.filter(|_| meaning.clean() && meaning.numbers.is_empty());
        matches!(role, Some(Role::Split(_) | Role::Unlabelled | Role::Predict))
    };
    match settings.splits {
        SplitPolicy::Column => {
            let name = if settings.split_column.is_empty() { "split" } else { &settings.split_column };
            let column =
                table.column(name).ok_or_else(|| table.no_column(name, "data_options.split_column"))?;
            match values(column).into_iter().find(|value| !known(value)) {
                None => Ok(Some(column)),
                Some(other) => {
                    let reason = format!("the column {name:?} says {other:?}, which is no split");
                    Err(table.wrong(reason, "its values must be train, val or test"))
                }
            }
        }
        SplitPolicy::Drawn => Ok(None),
        _ => Ok(table.usual(SPLITS).find(|column| {
            let values = values(*column);
            !values.is_empty() && values.into_iter().all(known)
        })),
    }
}
