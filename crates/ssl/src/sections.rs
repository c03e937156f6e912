//! The tensors of a checkpoint by sections.

use std::collections::BTreeMap;

use twinlens_nn::weights::NamedTensor;

/// What the names of the encoder's weights start with.
pub(crate) const ENCODER: &str = "encoder.";

/// The tensors of several sections as one list, each name under its section's.
pub(crate) fn joined<const N: usize>(
    sections: [(&str, BTreeMap<String, NamedTensor>); N],
) -> BTreeMap<String, NamedTensor> {
    let named = |(section, tensors): (&str, BTreeMap<String, NamedTensor>)| {
        let section = section.to_owned();
        tensors.into_iter().map(move |(name, tensor)| (format!("{section}/{name}"), tensor))
    };
    sections.into_iter().flat_map(named).collect()
}

/// One section of what [`joined`] gave.
pub(crate) fn section(tensors: &BTreeMap<String, NamedTensor>, name: &str) -> BTreeMap<String, NamedTensor> {
    let inside = |(full, tensor): (&String, &NamedTensor)| {
        Some((full.strip_prefix(name)?.strip_prefix('/')?.to_owned(), tensor.clone()))
    };
    tensors.iter().filter_map(inside).collect()
}
