//! A file that `torch.save` wrote, or any other that is given as weights.

use std::io::{self, Write};

use tempfile::NamedTempFile;
use twinlens_nn::weights::read_weights;

use super::weights::{memory, read};
use crate::{Target, files};

pub(super) const TARGET: Target =
    Target { name: "pth", about: "a file of weights by torch.save, as zip or before it", run, memory, seeds };

/// The reader of pickles takes a path.
fn run(bytes: &[u8]) -> Result<(), String> {
    let file = written(bytes).map_err(|error| error.to_string())?;
    read(read_weights(file.path()))
}

fn written(bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::with_suffix(".pth")?;
    file.write_all(bytes)?;
    Ok(file)
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    files::folder("seeds/pth")
}
