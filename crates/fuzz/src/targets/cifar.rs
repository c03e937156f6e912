//! CIFAR's binary batches and the file of class names.

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files::{pack, unpack, zipped};

pub(super) const TARGET: Target = Target {
    name: "cifar",
    about: "CIFAR's batches and class names, as a list of names and files",
    run,
    memory,
    seeds,
};

fn run(bytes: &[u8]) -> Result<(), String> {
    let folder = zipped(&unpack(bytes)).map_err(|error| error.to_string())?;
    opened("cifar.zip", &folder, settings())
}

/// One record: labels, then 32 x 32 pixels in three planes.
fn record(labels: &[u8]) -> Vec<u8> {
    labels.iter().copied().chain((0..3072).map(|i| (i % 251) as u8)).collect()
}

fn names(count: usize) -> Vec<u8> {
    (0..count).map(|class| format!("c{class}\n")).collect::<String>().into_bytes()
}

fn seeds() -> std::io::Result<Vec<Vec<u8>>> {
    Ok(vec![
        pack(&[
            ("batches.meta.txt", names(10)),
            ("data_batch_1.bin", record(&[9])),
            ("test_batch.bin", record(&[0])),
        ]),
        pack(&[("batches.meta.txt", names(10)), ("c/data_batch_2.bin", record(&[1]))]),
        pack(&[
            ("fine_label_names.txt", names(100)),
            ("train.bin", record(&[3, 99])),
            ("test.bin", record(&[0, 0])),
        ]),
    ])
}
