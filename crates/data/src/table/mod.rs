//! Labels, splits and further columns from a table: CSV, TSV, or the `metadata.jsonl` of Hugging Face's image folders.
//!
//! A table is stated ([`DataSettings::labels`]) or found: in the set, or beside it under a usual name. One column names
//! the image (by file name, with or without extension and folders), one holds the label, or several hold 0 and a single
//! 1 (one-hot, as ISIC has it); one may say the split. All others are kept as metadata. Several tables in one set (one
//! in each split's folder) are read as one; paths are seen from a table's own folder first.

mod columns;
mod known;
mod matching;
mod parse;
mod search;

pub(crate) use self::columns::is_missing;
pub(crate) use self::known::Known;
pub(crate) use self::matching::stem;
use self::matching::{Index, match_table};
pub(crate) use self::search::beside;
use self::search::{found_tables, no_table, stated_table};
use crate::layout::composed;
use crate::notice::Notice;
use crate::tree::Tree;
use crate::{DataError, DataSettings, SplitPolicy};

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
                    "`{labels} FILE` states the table, `{path_column}` the column that names the images";
                Notice::new("table", message).hint(hint).add_to(&mut known.notices);
            }
            Err(other) => return Err(other),
        }
    }
    known.take(&matched, paths, settings)?;
    Ok(Some(known))
}
