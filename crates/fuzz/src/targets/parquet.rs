//! A Parquet file of encoded images.

use std::io;

use twinlens_data::{DataSettings, SplitPolicy};

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files;

pub(super) const TARGET: Target =
    Target { name: "parquet", about: "a Parquet file of images", run, memory, seeds };

fn run(bytes: &[u8]) -> Result<(), String> {
    let by_column = DataSettings {
        member: "image".into(),
        splits: SplitPolicy::Column,
        split_column: "patient".into(),
        ..DataSettings::default()
    };
    opened("train.parquet", bytes, settings().into_iter().chain([by_column]).collect())
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    files::folder("../data/tests/files/parquet")
}
