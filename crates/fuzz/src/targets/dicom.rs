//! One DICOM file.

use std::io;

use twinlens_data::{DataSettings, Window, WindowRule};

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files;

pub(super) const TARGET: Target = Target { name: "dicom", about: "a DICOM file", run, memory, seeds };

fn run(bytes: &[u8]) -> Result<(), String> {
    let stored = DataSettings { window: Window::Rule(WindowRule::None), ..DataSettings::default() };
    let lung = DataSettings { window: Window::Rule(WindowRule::Lung), ..DataSettings::default() };
    opened("image.dcm", bytes, settings().into_iter().chain([stored, lung]).collect())
}

/// Small files of each packing, and small real ones.
fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let made = files::folder("../data/tests/files/dicom")?;
    let mut real = files::folder("../../tests/data/dicom")?;
    real.retain(|file| file.len() < SMALL && file.get(128..132) == Some(b"DICM"));
    Ok(made.into_iter().chain(real).collect())
}

/// Bytes of a seed, at most: changes of larger ones mostly change pixels.
const SMALL: usize = 10_000;
