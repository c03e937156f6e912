//! An .npy, as a set of its own and as the one file of a class.

use super::arrays::{layouts, npy};
use crate::check::{memory, opened};
use crate::files::zipped;
use crate::{Target, check};

pub(super) const TARGET: Target =
    Target { name: "npy", about: "an .npy: a set of images, and one image in a folder", run, memory, seeds };

fn run(bytes: &[u8]) -> Result<(), String> {
    opened("array.npy", bytes, layouts())?;
    let folder = zipped(&[("class/one.npy".into(), bytes.to_vec())]).map_err(|error| error.to_string())?;
    opened("folder.zip", &folder, check::settings())
}

fn seeds() -> std::io::Result<Vec<Vec<u8>>> {
    Ok(vec![
        npy("|u1", false, &[5, 4, 3], 1),
        npy("|u1", true, &[4, 5, 4, 3], 1),
        npy(">u2", false, &[3, 4, 4, 2], 2),
        npy("<i2", false, &[6, 5], 2),
        npy("<f2", false, &[4, 3, 5], 2),
        npy("<f4", true, &[2, 3, 4, 1], 4),
        npy("<f8", false, &[2, 3, 4], 8),
        npy("|b1", false, &[2, 6, 6], 1),
        npy("<u8", false, &[2, 3, 2, 4], 8),
        npy("<i4", false, &[2, 3, 4, 5, 1], 4),
    ])
}
