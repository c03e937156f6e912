//! A zip as such: its directory, its members, what is packed in them.

use std::io;

use image::ImageFormat;

use super::arrays::npy;
use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files::{self, picture, zipped};

pub(super) const TARGET: Target = Target { name: "zip", about: "a zip", run, memory, seeds };

fn run(bytes: &[u8]) -> Result<(), String> {
    opened("archive.zip", bytes, settings())
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let png = |seed| picture(4, seed, ImageFormat::Png);
    let inner = zipped(&[("a.png".into(), png(1)?)])?;
    let mut seeds = files::examples(&[".zip"])?;
    seeds.push(zipped(&[("train/a/1.png".into(), png(2)?), ("test/b/2.png".into(), png(3)?)])?);
    seeds.push(zipped(&[("inner.zip".into(), inner)])?);
    let arrays = [("a/1.npy", [6, 5]), ("a/2.npy", [6, 5]), ("b/3.npy", [5, 6])];
    seeds.push(zipped(&arrays.map(|(path, shape)| (path.into(), npy("|u1", false, &shape, 1))))?);
    Ok(seeds)
}
