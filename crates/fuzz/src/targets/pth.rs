//! A file that `torch.save` wrote, or any other that is given as weights.

use std::io::{self, Write};

use tempfile::NamedTempFile;
use twinlens_nn::weights::read_weights;

use super::weights::read;
use crate::{Target, files};

pub(super) const TARGET: Target =
    Target { name: "pth", about: "a file of weights by torch.save, as zip or before it", run, memory, seeds };

/// Tensors that repeat their values may need up to 512 MiB, and one of them twice while it is converted.
fn memory(len: usize) -> usize {
    (1 << 30) + super::weights::memory(len)
}

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
