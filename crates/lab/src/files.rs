//! Whole files: hashed, or written as JSON.

use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use sha2::Digest;
use twinlens_run::write_atomically;

use crate::LabError;
use crate::identity::hexadecimal;
use crate::jobs::JobError;

/// The hash of everything that `reader` still gives, in hexadecimal digits.
pub(crate) fn hash_of<D: Digest>(reader: &mut impl Read) -> io::Result<String> {
    let mut hash = D::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(hexadecimal(hash)),
            count => hash.update(&block[..count]),
        }
    }
}

/// Writes `document` as indented JSON to a file of its own.
///
/// # Errors
/// A document that JSON cannot hold, a file that cannot be written.
pub fn write_json(path: &Path, document: &impl Serialize) -> Result<(), LabError> {
    let text = serde_json::to_vec_pretty(document)
        .map_err(|error| JobError::Unwritable { reason: error.to_string() })?;
    Ok(write_atomically(path, &text)?)
}
