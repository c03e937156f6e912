//! What the tables say of each image, row by row.

use std::fmt::Debug;

use super::columns::{LabelColumns, split_column};
use super::matching::Matched;
use super::parse::Table;
use crate::fields::Fields;
use crate::names::{Meaning, Role};
use crate::notice::Notice;
use crate::{DataError, DataSettings};

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
    /// Which files are one image, where several are.
    pub(crate) fields: Option<Fields>,
    /// What was guessed or did not fit.
    pub(crate) notices: Vec<Notice>,
}

impl Known {
    /// Takes what the tables say, row by row.
    pub(super) fn take(
        &mut self,
        tables: &mut [Matched],
        paths: &[Option<&str>],
        settings: &DataSettings,
    ) -> Result<(), DataError> {
        let paths = &self.of_fields(tables, paths)[..];
        self.metadata = vec![Vec::new(); paths.len()];
        let mut named = vec![false; paths.len()];
        for matched in tables.iter() {
            self.take_table(matched, &mut named, settings)?;
        }
        self.metadata.iter_mut().for_each(|cells| cells.resize(self.columns.len(), String::new()));
        self.tell_unnamed(tables, paths, &named);
        Ok(())
    }

    /// Adds a column of which every one of `images` images has a text, by its number. Gives the place of the column; where there is one of
    /// that name, marks stand behind it.
    pub(crate) fn add_column(
        &mut self,
        column: &str,
        images: usize,
        value: impl Fn(usize) -> String,
    ) -> usize {
        let taken = |name: &String| self.columns.contains(name);
        let free = (0..).map(|marks| format!("{column}{}", "_".repeat(marks))).find(|name| !taken(name));
        let place = self.columns.len();
        self.columns.extend(free);
        self.metadata.resize(images, Vec::new());
        for (image, cells) in self.metadata.iter_mut().enumerate() {
            cells.resize(place, String::new());
            cells.push(value(image));
        }
        place
    }

    /// Where several files are one image: what rows say of any of its files, they say of its first. Gives the paths of these.
    fn of_fields<'a>(&self, tables: &mut [Matched], paths: &[Option<&'a str>]) -> Vec<Option<&'a str>> {
        let Some(fields) = &self.fields else { return paths.to_vec() };
        let of_files = fields.of_files(paths.len());
        let first = |file: usize| of_files[file].map(|field| fields.fields[field].files[0]);
        for image in tables.iter_mut().flat_map(|matched| &mut matched.images) {
            *image = image.and_then(first);
        }
        let path = |(file, path): (usize, &Option<&'a str>)| path.filter(|_| first(file) == Some(file));
        paths.iter().enumerate().map(path).collect()
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
        let kept = |column: &usize| Some(*column) != *path && Some(*column) != split && !labels.hold(*column);
        let columns: Vec<usize> = (0..table.header.len()).filter(kept).collect();
        let places = self.places_of(table, &columns);
        for (number, (row, image)) in table.rows.iter().zip(&matched.images).enumerate() {
            let Some(image) = *image else { continue };
            named[image] = true;
            if !matches!(labels, LabelColumns::None) {
                let known = self.labels.get_or_insert_with(|| vec![None; named.len()]);
                settle(&mut known[image], labels.label(table, row, settings), matched, number)?;
            }
            if let Some(column) = split {
                let known = self.splits.get_or_insert_with(|| vec![None; named.len()]);
                settle(&mut known[image], Meaning::of(&row[column]).role, matched, number)?;
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
        if matched.of_names && matches!(labels, LabelColumns::None) {
            return;
        }
        self.name = if self.name.is_empty() { name.clone() } else { format!("{}, {name}", self.name) };
        let named = match matched.path {
            Some(path) => format!("images are named by the column {:?}, ", matched.table.header[path]),
            None if matched.channels.is_empty() => String::new(),
            None => "images are named by columns called FileName, ".into(),
        };
        let message = format!("{name}: {named}labels are in {}", labels.describe(&matched.table));
        let hint = match named.as_str() {
            "" => "`{labels_column}` chooses another",
            _ => "`{labels_column}` and `{path_column}` choose others",
        };
        Notice::new("labels-table", message).hint(hint).add_to(&mut self.notices);
    }

    /// Counts images that no table names, and rows that name no image.
    fn tell_unnamed(&mut self, tables: &[Matched], paths: &[Option<&str>], named: &[bool]) {
        if tables.iter().all(|matched| matched.of_names) {
            return;
        }
        let images = paths.iter().zip(named).filter(|(_, named)| !**named).filter_map(|(path, _)| *path);
        let message = format!("images are not named by {} and have no label of it", self.name);
        let notice = images.fold(Notice::new("images-without-row", message), Notice::about);
        if notice.count > 0 {
            notice.add_to(&mut self.notices);
        }
        for matched in tables {
            let Matched { table, images, ambiguous, .. } = matched;
            let rows = images.iter().enumerate().filter(|(_, image)| image.is_none());
            let message = match ambiguous {
                0 => format!("rows of {} name no image of the set", table.name),
                _ => format!(
                    "rows of {} name no image of the set, or ({ambiguous} of them) several",
                    table.name
                ),
            };
            let notice = rows.fold(Notice::new("rows-without-image", message), |notice, (row, _)| {
                notice.about(matched.row_name(row))
            });
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
    row: usize,
) -> Result<(), DataError> {
    match (known.as_ref(), new) {
        (Some(first), Some(new)) if *first != new => {
            let image = matched.row_name(row);
            let reason = format!("rows contradict each other: image {image} is {first:?} and {new:?}");
            let hint = "leave one row for every image; {path_column} says which column names it";
            Err(matched.table.wrong(reason, hint))
        }
        (_, None) => Ok(()),
        (_, new) => {
            *known = new;
            Ok(())
        }
    }
}
