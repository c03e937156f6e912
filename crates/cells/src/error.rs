//! What can go wrong between a field and its cells.

use std::path::{Path, PathBuf};

use twinlens_data::{DataError, in_a_line};

/// What failed, where, what was expected and what was found; [`CellsError::hint`] says how to mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CellsError {
    /// The fields, or the masks, cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting has a value that makes no sense.
    #[error("{name}: expected {}, got {}", in_a_line(.expected), in_a_line(.got))]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// What was given.
        got: String,
    },
    /// The fields have no such channel.
    #[error("channel: expected {}, got \"{}\"", in_a_line(.expected), in_a_line(.got))]
    NoChannel {
        /// The channels that there are.
        expected: String,
        /// What was asked for.
        got: String,
    },
    /// A field has NaN or infinity where nuclei are to be found.
    #[error("expected finite numbers in channel {channel}, got {value} at row {row}, column {column}")]
    NotFinite {
        /// The channel, from 0.
        channel: usize,
        /// Row of the first such pixel.
        row: usize,
        /// Its column.
        column: usize,
        /// What it holds.
        value: f64,
    },
    /// Something is wrong with one field.
    #[error("{}: {source}", in_a_line(.field))]
    Field {
        /// Its name.
        field: String,
        /// What is wrong.
        source: Box<CellsError>,
    },
    /// A table of objects that cannot be read, or does not fit the fields.
    #[error("{}: {}", in_a_line(.place), in_a_line(.reason))]
    Table {
        /// The table.
        place: String,
        /// What is wrong.
        reason: String,
        /// How to mend it.
        hint: String,
    },
    /// Masks that do not fit the fields.
    #[error("{}: {}", in_a_line(.place), in_a_line(.reason))]
    Masks {
        /// The set of masks, or one of them.
        place: String,
        /// What is wrong.
        reason: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// No cell is left to be cut out.
    #[error("no cell is left of {found} objects in {fields} fields: {reason}")]
    NoCells {
        /// Objects found.
        found: usize,
        /// Fields looked at.
        fields: usize,
        /// What became of them.
        reason: String,
    },
    /// There is something at the place of the output.
    #[error("{path} is there already")]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// What stands at the place of the output was not written by this program, so it is not replaced.
    #[error("{path} holds \"{}\", which is no part of a set of cells: it is not replaced", in_a_line(.found))]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Something in it.
        found: String,
    },
    /// The images cannot be kept in this form.
    #[error("{}", in_a_line(.reason))]
    NotKept {
        /// What does not go.
        reason: String,
        /// What does.
        hint: &'static str,
    },
    /// The output cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl CellsError {
    /// How to mend it. `{name}` stands for the argument of that name, which every front end spells its own way.
    pub fn hint(&self) -> &str {
        match self {
            CellsError::Data(error) => error.hint(),
            CellsError::Field { source, .. } => source.hint(),
            CellsError::Setting { .. } => "give this setting another value",
            CellsError::NoChannel { .. } => {
                "name a channel with {channel}, or give its number, counted from 0; `{inspect}` tells how many there are"
            }
            CellsError::NotFinite { .. } => "mask or replace such pixels, or find nuclei on another channel",
            CellsError::Table { hint, .. } => hint,
            CellsError::Masks { hint, .. } | CellsError::NotKept { hint, .. } => hint,
            CellsError::NoCells { .. } => {
                "look at a {sheet}: the {channel}, the least area (min_area=N) or {border} may be wrong for these fields"
            }
            CellsError::Exists { .. } => "choose another place with {out}, or replace it with {overwrite}",
            CellsError::NotOurs { .. } => "choose another folder with {out}, or remove it yourself",
            CellsError::Write { .. } => "choose a place with {out} that may be written and has room",
        }
    }

    pub(crate) fn setting(name: &'static str, expected: &str, got: impl ToString) -> CellsError {
        CellsError::Setting { name, expected: expected.to_owned(), got: got.to_string() }
    }

    pub(crate) fn write(path: &Path) -> impl Fn(std::io::Error) -> CellsError + '_ {
        |source| CellsError::Write { path: path.to_path_buf(), source }
    }

    pub(crate) fn in_field(self, field: &str) -> CellsError {
        CellsError::Field { field: field.to_owned(), source: Box::new(self) }
    }
}
