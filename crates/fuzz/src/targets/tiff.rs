//! One TIFF.

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files;

pub(super) const TARGET: Target = Target { name: "tiff", about: "a TIFF", run, memory, seeds };

fn run(bytes: &[u8]) -> Result<(), String> {
    opened("image.tif", bytes, settings())
}

fn seeds() -> std::io::Result<Vec<Vec<u8>>> {
    files::examples(&[".tif"])
}
