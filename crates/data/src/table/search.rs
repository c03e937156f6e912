//! Which tables belong to a set: the stated one, those in it, or those beside it.

use std::fs;
use std::path::{Path, PathBuf};

use super::matching::stem;
use super::parse::Table;
use crate::names::{Meaning, Role};
use crate::notice::Notice;
use crate::tree::Tree;
use crate::{DataError, DataSettings, SplitPolicy};

/// Tables of a set, at most.
const MAX_TABLES: usize = 64;

/// The table that the settings name: a file of the set, on disk, or beside the set.
pub(super) fn stated_table(tree: &Tree, settings: &DataSettings) -> Result<Table, DataError> {
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
        let stated = stated.into_iter().find(|path| path.is_file());
        // BBBC021 has its mechanisms of action in a table of their own.
        let more = stated.as_deref().and_then(mechanisms_beside);
        return stated.into_iter().chain(more).collect();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let usual = [
        "labels",
        "metadata",
        "annotations",
        "train_labels",
        "groundtruth",
        "load_data",
        "BBBC021_v1_image",
        "BBBC021_v1_moa",
    ];
    let usual = usual.map(String::from);
    let named =
        [stem.clone(), format!("{stem}_labels"), format!("{stem}_metadata"), format!("{stem}_GroundTruth")];
    let names = usual.into_iter().chain(named);
    let files = names.flat_map(|name| [format!("{name}.csv"), format!("{name}.tsv")]);
    files.map(|file| parent.join(file)).filter(|file| file != path && file.is_file()).collect()
}

/// `BBBC021_v1_moa.csv` beside `BBBC021_v1_image.csv`.
fn mechanisms_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?.strip_suffix("_image.csv")?;
    Some(images.with_file_name(format!("{name}_moa.csv"))).filter(|path| path.is_file())
}

/// Tables of the set; where it holds none, those beside it.
pub(super) fn found_tables(tree: &Tree, notices: &mut Vec<Notice>) -> Vec<Table> {
    let is_table = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        // What is to be handed in holds no labels but their places.
        let to_hand_in = Meaning::of(stem(&name)).role == Some(Role::Predict);
        !to_hand_in && (name.ends_with(".csv") || name.ends_with(".tsv") || name == "metadata.jsonl")
    };
    let mut tell = |table: Result<Table, DataError>| match table {
        Ok(table) => Some(table),
        Err(error) => {
            let notice = Notice::new("table", format!("a table is not read: {error}"));
            notice.hint(error.hint()).add_to(notices);
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

pub(super) fn no_table(tree: &Tree, settings: &DataSettings) -> DataError {
    let what = match settings.splits {
        SplitPolicy::Column => "splits are to be read from a column",
        _ => "labels are to be read from a column",
    };
    DataError::WrongTable {
        place: tree.place().into(),
        reason: format!("{what}, but there is no table in it or beside it"),
        hint: "name the table with {labels} FILE (data_options.labels)".into(),
    }
}
