//! Labels, splits and further columns from a table: CSV, TSV, or the `metadata.jsonl` of Hugging Face's image folders.
//!
//! A table is stated ([`DataSettings::labels`]) or found: in the set, or beside it under a usual name. One column names
//! the image (by file name, with or without extension and folders), one holds the label, or several hold 0 and a single
//! 1 (one-hot, as ISIC has it); one may say the split. All others are kept as metadata. Several tables in one set (one
//! in each split's folder) are read as one; paths are seen from a table's own folder first.
//!
//! A table of images as CellProfiler writes it ([`load_data`]) also says which files are the channels of one image, if names need
//! not say it. What the names of files say ([`crate::fields`]) is a table too. To both, tables that name no image are joined by
//! the columns that they share ([`join`]): a map of the plate, or BBBC021's mechanisms of action.

mod columns;
mod join;
mod known;
mod load_data;
mod matching;
mod parse;
mod search;

pub(crate) use self::columns::is_missing;
pub(crate) use self::known::Known;
pub(crate) use self::matching::stem;
use self::matching::{Index, Matched, Unmatched, match_table};
use self::parse::Table;
pub(crate) use self::search::beside;
use self::search::{found_tables, no_table, stated_table};
use crate::fields::{self, Fields};
use crate::layout::composed;
use crate::notice::Notice;
use crate::tree::Tree;
use crate::{DataError, DataSettings, SplitPolicy};

/// What tables say of images at `paths` (`None` for those that are left out), if there are tables that name any. `by_names` is what
/// names of files say; what is known of a file of a field is known of its first file.
///
/// # Errors
/// Of a stated table everything that keeps it from being used; of one that was found by itself that it contradicts itself.
pub(crate) fn read(
    tree: &Tree,
    paths: &[Option<&str>],
    by_names: Option<Fields>,
    settings: &DataSettings,
) -> Result<Option<Known>, DataError> {
    let columns = [&settings.labels_column, &settings.path_column];
    let needed = settings.splits == SplitPolicy::Column || columns.iter().any(|column| !column.is_empty());
    let stated = !settings.labels.is_empty();
    let mut known = Known { stated, ..Known::default() };
    let tables =
        if stated { vec![stated_table(tree, settings)?] } else { found_tables(tree, &mut known.notices) };
    if tables.is_empty() && by_names.is_none() {
        return if needed { Err(no_table(tree, settings)) } else { Ok(None) };
    }
    let composed: Vec<Option<String>> = paths.iter().map(|path| path.map(composed)).collect();
    let index = Index::of(&composed);
    let (mut matched, mut others) = (Vec::new(), Vec::new());
    for table in tables {
        match match_table(table, &index, settings) {
            Ok(one) => matched.push(one),
            Err(other) => others.push(other),
        }
    }
    known.fields = merged(&mut matched, by_names, settings)?;
    // Who names a column of what is known of fields means it, whatever folders say.
    known.stated |= known.fields.is_some() && !settings.labels_column.is_empty();
    if let Some(fields) = &mut known.fields {
        known.notices.append(&mut fields.notices);
        matched.extend((!fields.columns.is_empty()).then(|| Matched::of_names(fields, paths)));
    }
    let more = if stated { to_join(tree, &matched, &mut Vec::new()) } else { Vec::new() };
    let of_names_alone = matched.iter().all(|matched| matched.of_names);
    for other in others {
        let Unmatched { table, wrong } = *other;
        match (joined(&mut matched, &table), wrong) {
            (Some(notice), _) => notice.add_to(&mut known.notices),
            (None, wrong) if stated || needed && of_names_alone => return Err(wrong),
            (None, DataError::WrongTable { place, reason, .. }) => {
                let message = format!("{place} is not read as a table of labels: {reason}");
                let hint =
                    "`{labels} FILE` states the table, `{path_column}` the column that names the images";
                Notice::new("table", message).hint(hint).add_to(&mut known.notices);
            }
            (None, other) => return Err(other),
        }
    }
    let notices = more.iter().filter_map(|table| joined(&mut matched, table));
    notices.for_each(|notice| notice.add_to(&mut known.notices));
    known.take(&mut matched, paths, settings)?;
    Ok(Some(known))
}

/// What a table says of images of which each has one row, in their order; `name` is what messages call it.
///
/// # Errors
/// That it has no column which the settings name, or says splits that are none.
pub(crate) fn of_rows(
    name: &str,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    settings: &DataSettings,
) -> Result<Known, DataError> {
    let (images, paths) = ((0..rows.len()).map(Some).collect(), vec![Some(""); rows.len()]);
    let table = Table { name: name.into(), folder: String::new(), header, rows, aliases: Vec::new() };
    let mut known = Known::default();
    known.take(&mut [Matched::of_rows(table, images)], &paths, settings)?;
    Ok(known)
}

/// The fields that count: those that names say, or else those of a table of images.
fn merged(
    matched: &mut [Matched],
    by_names: Option<Fields>,
    settings: &DataSettings,
) -> Result<Option<Fields>, DataError> {
    let of_table = |matched: &Matched| load_data::fields(&matched.table, &matched.channels);
    let table = matched.iter().find(|matched| matched.channels.len() > 1);
    let table = table.filter(|_| fields::left_open(settings)).map(of_table).transpose()?;
    matched
        .iter_mut()
        .filter(|matched| !matched.channels.is_empty())
        .for_each(|matched| load_data::tidy(&mut matched.table));
    let fields = table.filter(|fields| !fields.fields.is_empty()).or(by_names);
    fields.map(|fields| fields.with_channels(&settings.channels)).transpose()
}

/// Tables beside a stated one that may be joined to it.
fn to_join(tree: &Tree, matched: &[Matched], notices: &mut Vec<Notice>) -> Vec<Table> {
    if !matched.iter().any(Matched::takes_more) {
        return Vec::new();
    }
    let stated = |table: &Table| matched.iter().any(|matched| matched.table.name == table.name);
    found_tables(tree, notices).into_iter().filter(|table| !stated(table)).collect()
}

/// Joins a table to those of images and names; what there is to say, if it could be.
fn joined(matched: &mut [Matched], table: &Table) -> Option<Notice> {
    let takers = matched.iter_mut().filter(|matched| matched.takes_more());
    takers.filter_map(|matched| matched.table.join(table)).last()
}
