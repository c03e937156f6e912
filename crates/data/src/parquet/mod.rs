//! Parquet files as Hugging Face's `datasets` writes sets of images: a column of encoded images, labels and more beside it.
//!
//! A file ends in a footer ([`footer`]) that says where the pages of each column lie ([`pages`]). Encoded images are found once
//! ([`images`]) and then read in any order; columns of plain numbers and texts are read as texts ([`cells`]). Lists are not read.
//!
//! Nothing is believed: what a file claims takes memory only within the limit, and what it says must fit together.

mod cells;
mod fault;
mod footer;
mod images;
mod levels;
mod pages;
mod thrift;

use serde_json::Value as Json;

use self::fault::Fault;
use self::footer::{Content, Footer, Leaf};
pub(crate) use self::images::Place;
use crate::blob::Blob;
use crate::shards;
use crate::text::{NAME, escaped, shown};
use crate::{DataError, DataSettings};

/// Bytes that a page may take, and a list of rows, whatever the limit says, which is one of images.
const ALWAYS_HELD: u64 = 16 << 20;

/// Bytes that are needed for a row whatever it holds.
const ROW: u64 = 512;

/// Usual names of columns of images, in lower case.
const IMAGES: &[&str] = &["image", "images", "img", "picture", "photo", "jpg", "jpeg", "png", "pixels"];

/// One file before it is opened.
pub(crate) struct Candidate {
    /// Its path in the set.
    pub(crate) path: String,
    /// What errors call it.
    pub(crate) place: String,
    pub(crate) blob: Blob,
}

/// Parquet files that are one set.
pub(crate) struct Set {
    place: String,
    /// The column of images.
    pub(crate) image: String,
    files: Vec<File>,
}

struct File {
    /// Its path in the set, without the ending.
    name: String,
    place: String,
    blob: Blob,
    footer: Footer,
    /// The leaf of encoded images, and that of their names if there is one.
    bytes: usize,
    path: Option<usize>,
}

impl Set {
    /// Opens the files, which must have the column of images in common.
    pub(crate) fn open(
        place: &str,
        candidates: Vec<Candidate>,
        settings: &DataSettings,
        limit: u64,
    ) -> Result<Set, DataError> {
        let mut set = Set { place: place.into(), image: settings.member.clone(), files: Vec::new() };
        let mut rows = 0u64;
        for Candidate { path, place, blob } in candidates {
            let footer = Footer::read(&blob).map_err(|fault| fault.at(&place, limit))?;
            rows = rows.saturating_add(footer.rows);
            if rows.saturating_mul(ROW) > limit.max(ALWAYS_HELD) {
                return Err(Fault::TooLarge(rows.saturating_mul(ROW)).at(&place, limit));
            }
            let wrong = |(reason, hint): (String, &str)| DataError::WrongTable {
                place: place.clone(),
                reason,
                hint: hint.into(),
            };
            if set.image.is_empty() {
                set.image = image_column(&footer).map_err(wrong)?;
            }
            let bytes = image_leaf(&footer, &set.image).map_err(wrong)?;
            let path_leaf = footer.leaves.iter().position(|leaf| leaf.is_path_of(&set.image));
            let name = shards::name(&path);
            set.files.push(File { name, place, blob, footer, bytes, path: path_leaf });
        }
        Ok(set)
    }

    pub(crate) fn rows(&self) -> usize {
        self.files.iter().map(|file| file.footer.rows as usize).sum()
    }

    /// Names of the files, without their ending, each with its number of rows.
    pub(crate) fn files(&self) -> impl ExactSizeIterator<Item = (&str, usize)> {
        self.files.iter().map(|file| (file.name.as_str(), file.footer.rows as usize))
    }

    /// What each row is called: by its file, its number there, and the path that it gives its image.
    pub(crate) fn names(&self, limit: u64) -> Result<Vec<String>, DataError> {
        let mut names = Vec::with_capacity(self.rows());
        for file in &self.files {
            let first = names.len();
            names.extend((0..file.footer.rows).map(|row| format!("{}/{row}", file.name)));
            let Some(leaf) = file.path else { continue };
            let mut of_file = names[first..].iter_mut();
            file.texts(leaf, limit, &mut |path| {
                let path = shown(path.trim_matches('/'), NAME);
                if let Some(name) = of_file.next().filter(|_| !path.is_empty()) {
                    name.push('/');
                    name.push_str(&path);
                }
                Ok(())
            })?;
        }
        Ok(names)
    }

    /// Columns that are neither images nor plain numbers or texts, with what they are.
    pub(crate) fn left_out(&self) -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        for file in &self.files {
            for (name, what) in file.footer.columns() {
                let is_plain = file.footer.leaves.iter().any(|leaf| *leaf.column == *name && leaf.is_plain());
                let shown = format!("{} ({what})", escaped(name));
                if name != self.image && !is_plain && !columns.contains(&shown) {
                    columns.push(shown);
                }
            }
        }
        columns
    }

    /// The names of classes of every column that Hugging Face calls one of classes, in the order of the columns.
    pub(crate) fn class_names(&self) -> Result<Vec<(String, Vec<String>)>, DataError> {
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        for file in &self.files {
            for (column, names) in file.footer.class_names() {
                match all.iter().find(|(known, _)| *known == column) {
                    None => all.push((column, names)),
                    Some((_, known)) if *known == names => {}
                    Some(_) => {
                        return Err(DataError::WrongTable {
                            place: file.place.clone(),
                            reason: format!(
                                "the column {column:?} has other names of classes than in the files before"
                            ),
                            hint: ONE_SET.into(),
                        });
                    }
                }
            }
        }
        Ok(all)
    }
}

const ONE_SET: &str = "give the files of one set: one file, or the folder of one configuration";
const WHICH: &str = "{member} NAME says which column is learned from";
const NONE: &str = "give each row an encoded image: a column of binary (PNG, JPEG), or of structs with `bytes`, as Hugging Face's \
                    datasets writes the feature Image";

impl File {
    /// The error of a column in a group of rows.
    fn wrong(&self, fault: Fault, leaf: usize, group: usize, limit: u64) -> DataError {
        let column = &self.footer.leaves[leaf].column;
        fault.at(&format!("{}: column {column}, row group {group}", self.place), limit)
    }
}

impl Leaf {
    /// Whether it is a column of plain numbers or texts.
    fn is_plain(&self) -> bool {
        self.depth == 0 && !self.repeated && !matches!(self.content, Content::Binary | Content::Other(_))
    }

    /// Whether it may hold encoded images: a column of binary, or the `bytes` of a struct.
    fn may_be_images(&self) -> bool {
        let place = match self.depth {
            0 => true,
            1 => self.name.as_deref() == Some("bytes"),
            _ => false,
        };
        place && !self.repeated && self.content == Content::Binary
    }

    fn is_path_of(&self, image: &str) -> bool {
        let place = self.depth == 1 && *self.column == *image && self.name.as_deref() == Some("path");
        place && !self.repeated && self.content == Content::Text
    }
}

impl Footer {
    /// The columns of the table, with what they are.
    fn columns(&self) -> Vec<(&str, &str)> {
        let mut columns: Vec<(&str, &str)> = Vec::new();
        for leaf in &self.leaves {
            let what = match (leaf.repeated, leaf.depth) {
                (true, _) => "list",
                (false, 0) => leaf.content.name(),
                (false, _) => "struct",
            };
            if columns.last().is_none_or(|(name, _)| *name != &*leaf.column) {
                columns.push((&leaf.column, what));
            }
        }
        columns
    }

    fn class_names(&self) -> impl Iterator<Item = (String, Vec<String>)> {
        let columns = self.columns().into_iter();
        columns.filter_map(move |(column, _)| {
            let feature = self.features.get(column).filter(|feature| is(feature, "ClassLabel"))?;
            let names = feature.get("names")?.as_array()?.iter();
            Some((column.to_owned(), names.map(|name| name.as_str().map(escaped)).collect::<Option<_>>()?))
        })
    }
}

fn is(feature: &Json, kind: &str) -> bool {
    feature.get("_type").and_then(Json::as_str) == Some(kind)
}

/// The column of images: the one that Hugging Face calls so, or else the only one that can be.
fn image_column(footer: &Footer) -> Result<String, (String, &'static str)> {
    let images = || footer.leaves.iter().filter(|leaf| leaf.may_be_images());
    let called =
        |leaf: &&Leaf| footer.features.get(&*leaf.column).is_some_and(|feature| is(feature, "Image"));
    let usual = |leaf: &&Leaf| leaf.depth == 0 && IMAGES.contains(&leaf.column.to_lowercase().as_str());
    let ways: [Vec<&Leaf>; 4] = [
        images().filter(called).collect(),
        images().filter(|leaf| leaf.depth > 0).collect(),
        images().filter(usual).collect(),
        images().collect(),
    ];
    match ways.iter().find(|leaves| !leaves.is_empty()).map(Vec::as_slice) {
        Some([only]) => Ok(only.column.to_string()),
        Some(several) => {
            let names: Vec<&str> = several.iter().map(|leaf| &*leaf.column).collect();
            Err((format!("{} columns hold images: {}", names.len(), names.join(", ")), WHICH))
        }
        None => Err((format!("no column holds images; its columns are {}", listed(footer)), NONE)),
    }
}

/// The leaf of the column of images, which is called `name`.
fn image_leaf(footer: &Footer, name: &str) -> Result<usize, (String, &'static str)> {
    let found = footer.leaves.iter().position(|leaf| *leaf.column == *name && leaf.may_be_images());
    found.ok_or_else(|| {
        let reason = format!("it has no column {name:?} of images; its columns are {}", listed(footer));
        (reason, WHICH)
    })
}

fn listed(footer: &Footer) -> String {
    let columns = footer.columns();
    let columns: Vec<String> = columns.iter().map(|(name, what)| format!("{name} ({what})")).collect();
    if columns.is_empty() { "none".into() } else { columns.join(", ") }
}

/// Bytes that a page may take.
fn page_limit(limit: u64) -> u64 {
    limit.max(ALWAYS_HELD)
}
