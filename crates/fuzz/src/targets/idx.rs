//! MNIST's idx files, as one file and as a folder.

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files::{pack, unpack, zipped};

pub(super) const TARGET: Target = Target {
    name: "idx",
    about: "idx files of images and labels, as a list of names and files",
    run,
    memory,
    seeds,
};

fn run(bytes: &[u8]) -> Result<(), String> {
    let files = unpack(bytes);
    if let [(_, content)] = &files[..] {
        opened("images-idx3-ubyte", content, settings())?;
    }
    let folder = zipped(&files).map_err(|error| error.to_string())?;
    opened("folder.zip", &folder, settings())
}

/// An idx file of numbers of `bytes` bytes and the type `kind`.
fn idx(kind: u8, bytes: usize, shape: &[u32]) -> Vec<u8> {
    let mut file = vec![0, 0, kind, shape.len() as u8];
    file.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
    let count = shape.iter().product::<u32>() as usize * bytes;
    file.extend((0..count).map(|i| (i % 3) as u8));
    file
}

fn seeds() -> std::io::Result<Vec<Vec<u8>>> {
    let images = || idx(8, 1, &[6, 5, 4]);
    let labels = || idx(8, 1, &[6]);
    Ok(vec![
        pack(&[("images-idx3-ubyte", images())]),
        pack(&[("train-images-idx3-ubyte", images()), ("train-labels-idx1-ubyte", labels())]),
        pack(&[
            ("train-images-idx3-ubyte", images()),
            ("train-labels-idx1-ubyte", labels()),
            ("t10k-images-idx3-ubyte", images()),
            ("t10k-labels-idx1-ubyte", labels()),
        ]),
        pack(&[("images", idx(0x0d, 4, &[3, 4, 4, 3]))]),
        pack(&[("images", idx(0x0b, 2, &[3, 4, 4])), ("labels", idx(0x0c, 4, &[3]))]),
        pack(&[("images", idx(0x0e, 8, &[2, 3, 3]))]),
    ])
}
