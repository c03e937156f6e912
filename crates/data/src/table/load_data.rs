//! Tables of images as CellProfiler reads (`LoadData`) and writes them: one row a field, its channels in columns.
//!
//! `FileName_DAPI` and `PathName_DAPI`, or with `Image_` before them, name the file of channel DAPI and its folder. Columns called
//! `Metadata_Plate`, or `Image_Metadata_Plate_DAPI` as BBBC021 has it, are given as `plate`.

use super::matching::{Index, rows_of};
use super::parse::Table;
use crate::DataError;
use crate::fields::{Field, Fields};
use crate::notice::Notice;

/// A channel of a table: its name, and the image of every row.
pub(super) struct Channel {
    name: String,
    images: Vec<Option<usize>>,
}

/// Columns of one channel.
struct Columns {
    name: String,
    file: usize,
    folder: Option<usize>,
}

/// What stands behind `Image_` and one of `starts`.
fn behind<'a>(column: &'a str, start: &str) -> Option<&'a str> {
    column.strip_prefix("Image_").unwrap_or(column).strip_prefix(start).filter(|rest| !rest.is_empty())
}

fn columns(table: &Table) -> Vec<Columns> {
    let of = |(file, column): (usize, &String)| {
        let name = behind(column, "FileName_")?.to_owned();
        let is_folder = |column: &String| behind(column, "PathName_") == Some(name.as_str());
        let folder = table.header.iter().position(is_folder);
        Some(Columns { name, file, folder })
    };
    table.header.iter().enumerate().filter_map(of).collect()
}

/// The channels of a table that is one of images, of which files are there.
pub(super) fn channels(table: &Table, index: &Index<'_>) -> Vec<Channel> {
    let of = |Columns { name, file, folder }: Columns| {
        let path = |row: &Vec<String>| match folder {
            Some(folder) if !row[folder].is_empty() => format!("{}/{}", row[folder], row[file]),
            _ => row[file].clone(),
        };
        let paths: Vec<String> = table.rows.iter().map(path).collect();
        let images = rows_of(table, paths.iter().map(String::as_str), index).images;
        Channel { name, images }
    };
    let there = |channel: &Channel| channel.images.iter().any(Option::is_some);
    columns(table).into_iter().map(of).filter(there).collect()
}

/// The first image of every row.
pub(super) fn first_images(channels: &[Channel], rows: usize) -> Vec<Option<usize>> {
    (0..rows).map(|row| channels.first().and_then(|channel| channel.images[row])).collect()
}

/// The fields of a table of several channels. Rows that name the same files are of one field.
///
/// # Errors
/// Rows that name one file for several channels, and files that are in several fields.
pub(super) fn fields(table: &Table, channels: &[Channel]) -> Result<Fields, DataError> {
    let mut missing = Notice::new(
        "missing-channels",
        format!("rows of {} of which a channel has no file in the set are left out", table.name),
    );
    let mut fields: Vec<Field> = Vec::with_capacity(table.rows.len());
    for row in 0..table.rows.len() {
        let files: Option<Vec<usize>> = channels.iter().map(|channel| channel.images[row]).collect();
        match files {
            Some(files) => fields.push(Field { files, values: Vec::new() }),
            None if channels.iter().all(|channel| channel.images[row].is_none()) => {}
            None => {
                let lacks = channels.iter().filter(|channel| channel.images[row].is_none());
                let lacks: Vec<&str> = lacks.map(|channel| channel.name.as_str()).collect();
                missing = missing.about(format!("row {}: no {}", row + 2, lacks.join(", ")));
            }
        }
    }
    fields.sort_by(|one, other| one.files.cmp(&other.files));
    fields.dedup();
    let mut files: Vec<usize> = fields.iter().flat_map(|field| field.files.iter().copied()).collect();
    files.sort_unstable();
    if files.windows(2).any(|two| two[0] == two[1]) {
        let reason = "it names one file for several channels or fields, as for files with several frames";
        let hint = "`{channels_from} none` reads every file as an image of its own";
        return Err(table.wrong(reason.into(), hint));
    }
    Ok(Fields {
        origin: format!("the table {}", table.name),
        by_folders: true,
        channels: channels.iter().map(|channel| channel.name.clone()).collect(),
        fields,
        notices: Some(missing).filter(|notice| notice.count > 0).into_iter().collect(),
        ..Fields::default()
    })
}

/// Takes out the columns that say where files are, and gives metadata their short names.
pub(super) fn tidy(table: &mut Table) {
    let names: Vec<String> = columns(table).into_iter().map(|columns| columns.name).collect();
    let is_place = |column: &String| {
        ["FileName_", "PathName_", "URL_"].iter().any(|start| behind(column, start).is_some())
    };
    let kept: Vec<usize> =
        (0..table.header.len()).filter(|&column| !is_place(&table.header[column])).collect();
    table.keep(&kept);
    for at in 0..table.header.len() {
        let short = short(&table.header[at], &names);
        if !table.header.iter().any(|column| column.eq_ignore_ascii_case(&short)) {
            table.aliases.push((table.header[at].clone(), at));
            table.header[at] = short;
        }
    }
}

/// The name of a column of metadata without what surrounds it.
fn short(column: &str, channels: &[String]) -> String {
    let Some(name) = behind(column, "Metadata_") else { return column.into() };
    let of_channel = |channel: &String| name.strip_suffix(channel.as_str())?.strip_suffix('_');
    channels.iter().find_map(of_channel).filter(|short| !short.is_empty()).unwrap_or(name).to_lowercase()
}
