//! Which image each row of a table names.

use std::collections::HashMap;

use super::load_data::{self, Channel};
use super::parse::Table;
use crate::fields::Fields;
use crate::layout::composed;
use crate::{DataError, DataSettings};

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

/// A table whose rows are told apart by the images that they name.
pub(super) struct Matched {
    pub(super) table: Table,
    /// The column of names; a table of images has none left.
    pub(super) path: Option<usize>,
    /// The image of every row.
    pub(super) images: Vec<Option<usize>>,
    /// Rows that could mean several images.
    pub(super) ambiguous: usize,
    /// Of a table of images that CellProfiler reads: its channels.
    pub(super) channels: Vec<Channel>,
    /// Whether it is made of the names of files.
    pub(super) of_names: bool,
}

/// A table that names no image, and why it is no table of labels.
pub(super) struct Unmatched {
    pub(super) table: Table,
    pub(super) wrong: DataError,
}

impl Matched {
    /// What the names of files say of every field, as a table.
    pub(super) fn of_names(fields: &Fields, paths: &[Option<&str>]) -> Matched {
        let first = |files: &Vec<usize>| files.first().copied();
        let rows = fields.fields.iter().map(|field| {
            let path = first(&field.files).and_then(|file| paths[file]).unwrap_or_default();
            std::iter::once(path.to_owned()).chain(field.values.iter().cloned()).collect()
        });
        let header = std::iter::once("file".to_owned()).chain(fields.columns.iter().cloned()).collect();
        let table = Table {
            name: "the names of files".into(),
            folder: String::new(),
            header,
            rows: rows.collect(),
            aliases: Vec::new(),
        };
        let images = fields.fields.iter().map(|field| first(&field.files)).collect();
        Matched { table, path: Some(0), images, ambiguous: 0, channels: Vec::new(), of_names: true }
    }

    /// A table whose rows need no column to name their images.
    pub(super) fn of_rows(table: Table, images: Vec<Option<usize>>) -> Matched {
        Matched { table, path: None, images, ambiguous: 0, channels: Vec::new(), of_names: false }
    }

    /// Whether tables that name no image may be joined to it.
    pub(super) fn takes_more(&self) -> bool {
        self.of_names || !self.channels.is_empty()
    }

    /// How messages call the image of a row.
    pub(super) fn row_name(&self, row: usize) -> String {
        match self.path {
            Some(path) => self.table.rows[row][path].clone(),
            None => format!("row {}", row + 2),
        }
    }
}

/// Finds the column that names images, and the image of each row.
pub(super) fn match_table(
    table: Table,
    index: &Index<'_>,
    settings: &DataSettings,
) -> Result<Matched, Box<Unmatched>> {
    let channels = match settings.path_column.as_str() {
        "" => load_data::channels(&table, index),
        _ => Vec::new(),
    };
    if !channels.is_empty() {
        let images = load_data::first_images(&channels, table.rows.len());
        return Ok(Matched { table, path: None, images, ambiguous: 0, channels, of_names: false });
    }
    let all: Vec<usize> = (0..table.header.len()).collect();
    let candidates: Vec<Vec<usize>> = match settings.path_column.as_str() {
        "" => vec![table.usual(PATHS).collect(), all],
        name => match table.column(name) {
            Some(column) => vec![vec![column]],
            None => {
                let wrong = table.no_column(name, "{path_column}");
                return Err(Box::new(Unmatched { table, wrong }));
            }
        },
    };
    for (turn, columns) in candidates.into_iter().enumerate() {
        // A column whose name says nothing must name images in most rows.
        let least = if turn == 0 { 1 } else { table.rows.len().div_ceil(2) };
        let mut best: Option<(usize, Rows)> = None;
        for column in columns {
            let rows = rows_of(&table, table.values(column), index);
            if rows.found >= least && best.as_ref().is_none_or(|(_, best)| rows.found > best.found) {
                best = Some((column, rows));
            }
        }
        if let Some((path, rows)) = best {
            let (images, ambiguous) = (rows.images, rows.ambiguous);
            return Ok(Matched {
                table,
                path: Some(path),
                images,
                ambiguous,
                channels: Vec::new(),
                of_names: false,
            });
        }
    }
    let names: Vec<&str> = table.rows.iter().take(3).map(|row| row[0].as_str()).collect();
    let reason = format!("it names none of the images (its rows begin with {})", names.join(", "));
    let wrong =
        table.wrong(reason, "a column must hold the file names of the images; say which with {path_column}");
    Err(Box::new(Unmatched { table, wrong }))
}

/// The images that a column names.
pub(super) struct Rows {
    pub(super) images: Vec<Option<usize>>,
    found: usize,
    ambiguous: usize,
}

/// The image of each row by its name. Where these begin in a folder that is not here, the same number of
/// leading folders is passed over in all of them.
pub(super) fn rows_of<'a>(table: &Table, names: impl Iterator<Item = &'a str>, index: &Index<'_>) -> Rows {
    let values: Vec<String> = names.map(as_path).collect();
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

/// Images by every ending of their path, at folders' borders.
pub(super) struct Index<'a> {
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
    pub(super) fn of(paths: &'a [Option<String>]) -> Index<'a> {
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

/// A file's name without the extension, and without both of `.nii.gz`; folders stay.
pub(crate) fn stem(path: &str) -> &str {
    let path = match path.len().checked_sub(3).map(|at| path.split_at_checked(at)) {
        Some(Some((unpacked, gz))) if gz.eq_ignore_ascii_case(".gz") && is_volume(unpacked) => unpacked,
        _ => path,
    };
    match path.rsplit_once('.') {
        Some((stem, ending)) if !ending.contains('/') && !stem.is_empty() && !stem.ends_with('/') => stem,
        _ => path,
    }
}

/// Whether a path ends as those of NIfTI files do.
pub(crate) fn is_volume(path: &str) -> bool {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    ["nii", "hdr", "img"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// A value as a path: no leading `./` or `/`, and `/` between folders.
fn as_path(value: &str) -> String {
    let path = composed(&value.replace('\\', "/"));
    path.trim_start_matches("./").trim_start_matches('/').to_string()
}
