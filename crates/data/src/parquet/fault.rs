//! What can be wrong with a Parquet file, before it is known which file it is.

use std::io;

use crate::DataError;
use crate::error::read_error;

#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    /// What contradicts what.
    Damaged(String),
    /// Something of the format that is not read here.
    NotRead(String),
    /// So many bytes would be needed at once.
    TooLarge(u64),
    /// Of something else than the file.
    Other(DataError),
}

const NOT_READ: &str = "write it again without encryption, packed by snappy, zstd, gzip or not at all, with plain values or \
                        dictionaries (Python: pyarrow.parquet.write_table with its defaults)";

impl Fault {
    pub(super) fn damaged(reason: impl Into<String>) -> Fault {
        Fault::Damaged(reason.into())
    }

    /// The error of the file, or of the part of it, that is called `place`. `limit` is that of memory.
    pub(super) fn at(self, place: &str, limit: u64) -> DataError {
        let place = place.to_owned();
        match self {
            Fault::Io(source) => read_error(&place, source),
            Fault::Damaged(reason) => DataError::Damaged { place, reason },
            Fault::NotRead(what) => {
                DataError::NotRead { place, what: format!("Parquet with {what}"), hint: NOT_READ.into() }
            }
            Fault::Other(error) => error,
            Fault::TooLarge(needed) => DataError::TooLarge {
                place,
                needed,
                limit,
                hint: "raise the memory limit, or write the file again in smaller pages and files".into(),
            },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Fault {
        Fault::Io(source)
    }
}
