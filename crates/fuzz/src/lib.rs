//! Throws bytes at everything here that reads files, and checks what must hold whatever the bytes are.
//!
//! A [`Target`] is one reader: seeds to start from, and what must hold of any input. [`Target::execute`] runs it once and
//! catches panics and too much memory. Who makes the inputs is another matter: [`mutate`] makes some from the seeds for the
//! tests, libFuzzer (folder `fuzz`) many more.

pub mod check;
mod execute;
pub mod files;
pub mod mutate;
mod targets;

use std::io;

pub use execute::{Cost, Finding, fuzz};
pub use targets::TARGETS;

/// One reader, and what must hold of it.
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What its inputs are, for lists.
    pub about: &'static str,
    /// Reads the bytes, and says what does not hold; panics are caught by [`Target::execute`].
    pub run: fn(&[u8]) -> Result<(), String>,
    /// The most memory, in bytes, that an input of so many bytes may need.
    pub memory: fn(usize) -> usize,
    /// Sound inputs to start from.
    pub seeds: fn() -> io::Result<Vec<Vec<u8>>>,
}

impl Target {
    /// What to start from: seeds, and inputs that did not hold once (folder `found`).
    ///
    /// # Errors
    /// When a file of them cannot be read.
    pub fn inputs(&self) -> io::Result<Vec<Vec<u8>>> {
        let found = files::folder(&format!("found/{}", self.name))?;
        Ok((self.seeds)()?.into_iter().chain(found).collect())
    }
}

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
