//! The table of a set of cells: a line for each, with what is known of it.

use twinlens_data::{DataSet, Split};

use super::label_of;
use crate::CellsError;

/// The table of all images of a set: first the columns `own` by `place(split, index, number)`, then split and label, then the
/// source's own columns. Where parts of a set have other columns, the first's count.
pub(super) fn table(
    set: &DataSet,
    own: &[&str],
    place: impl Fn(Split, usize, usize) -> Vec<String>,
) -> Result<Vec<u8>, CellsError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut number = 0;
    for (part, (split, source)) in super::parts(set).enumerate() {
        if part == 0 {
            let known = source.columns().iter().map(String::as_str);
            let header = own.iter().copied().chain(["split", "label"]).chain(known);
            writer.write_record(header).map_err(failed)?;
        }
        for index in 0..source.len() {
            let cells = place(split, index, number);
            let known = [split.name().to_owned(), label_of(set, source, index)];
            let all = cells.iter().chain(&known).chain(source.metadata(index));
            writer.write_record(all).map_err(failed)?;
            number += 1;
        }
    }
    writer.into_inner().map_err(|error| CellsError::NotKept { reason: error.to_string(), hint: COLUMNS })
}

const COLUMNS: &str = "write each split by itself";

/// Rows of several lengths: parts that know different things of their images.
fn failed(error: csv::Error) -> CellsError {
    CellsError::NotKept { reason: format!("the table of cells cannot be written: {error}"), hint: COLUMNS }
}
