//! What tells results apart: short digests of everything that was asked.

use sha2::{Digest, Sha256};
use twinlens_data::{DataSet, Split, SplitOrigin};
use twinlens_nn::weights::EncoderFile;

/// Hexadecimal digits of a key: one collision in a million million results.
const DIGITS: usize = 10;

/// Which images stand in which split, where the files do not say so: two draws of one set are two things to judge on.
pub fn split_key(data: &DataSet) -> Option<String> {
    let names = || {
        let of = |split: Split| data.splits.get(split).map(|source| (split, source));
        Split::ALL.into_iter().filter_map(of).flat_map(|(split, source)| {
            (0..source.len()).map(move |index| format!("{} {}", split.name(), source.name(index)))
        })
    };
    (data.split_origin != SplitOrigin::Defined).then(|| digest(names()))
}

/// A short SHA-256 of texts, in hexadecimal.
pub(crate) fn digest(texts: impl IntoIterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text);
        hash.update([0]);
    }
    hexadecimal(hash)[..DIGITS].to_owned()
}

/// The SHA-256 of an encoder's weights with their names, in hexadecimal.
pub fn weights_sha256(file: &EncoderFile) -> String {
    let mut hash = Sha256::new();
    add_weights(&mut hash, file);
    hexadecimal(hash)
}

/// Adds weights with their names to a hash.
pub(crate) fn add_weights(hash: &mut Sha256, file: &EncoderFile) {
    for (name, tensor) in &file.tensors {
        hash.update(name.as_bytes());
        tensor.values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
}

/// What a hash comes to, in hexadecimal digits.
pub(crate) fn hexadecimal(hash: impl Digest) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
