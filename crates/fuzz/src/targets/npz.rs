//! An .npz: a zip of arrays, made here from a list of them, so that checksums are sound.

use super::arrays::{labels, layouts, npy};
use crate::Target;
use crate::check::{memory, opened};
use crate::files::{pack, unpack, zipped};

pub(super) const TARGET: Target = Target {
    name: "npz",
    about: "the arrays of an .npz, as a list of names and .npy files",
    run,
    memory,
    seeds,
};

fn run(bytes: &[u8]) -> Result<(), String> {
    let npz = zipped(&unpack(bytes)).map_err(|error| error.to_string())?;
    opened("arrays.npz", &npz, layouts())
}

fn seeds() -> std::io::Result<Vec<Vec<u8>>> {
    let grey = || npy("|u1", false, &[6, 4, 5], 1);
    let rgb = || npy("|u1", false, &[6, 4, 4, 3], 1);
    Ok(vec![
        pack(&[("images.npy", rgb()), ("labels.npy", labels(6))]),
        pack(&[("x_train.npy", grey()), ("y_train.npy", labels(6)), ("x_test.npy", grey())]),
        pack(&[
            ("train_images.npy", grey()),
            ("train_labels.npy", npy("|u1", false, &[6, 1], 1)),
            ("val_images.npy", grey()),
            ("val_labels.npy", npy("|u1", false, &[6, 3], 1)),
            ("test_images.npy", grey()),
        ]),
        pack(&[("images.npy", npy("<f4", true, &[3, 4, 4, 2], 4)), ("lbls.npy", labels(3))]),
        pack(&[
            ("images.npy", npy("<i2", false, &[3, 3, 8, 8], 2)),
            ("labels.npy", npy("<f8", false, &[3], 8)),
        ]),
        pack(&[("volumes.npy", npy("|u1", false, &[2, 6, 6, 6], 1))]),
    ])
}
