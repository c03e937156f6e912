//! What must hold of tensors that were read from a file of weights.

use std::collections::BTreeMap;

use twinlens_nn::NnError;
use twinlens_nn::weights::NamedTensor;

/// Bytes become f32: twice as many from 16 bits; and there are names.
pub(super) fn memory(len: usize) -> usize {
    (4 << 20) + 64 * len
}

/// Tensors have as many values as their shapes say; errors have a reason.
pub(super) fn read(result: Result<BTreeMap<String, NamedTensor>, NnError>) -> Result<(), String> {
    let tensors = match result {
        Ok(tensors) => tensors,
        // Not done: what readers of other crates say may still hold control characters of the file.
        Err(error) if error.to_string().is_empty() => return Err("a refusal without a reason".into()),
        Err(_) => return Ok(()),
    };
    for (name, NamedTensor { shape, values }) in &tensors {
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        if count != Some(values.len()) {
            return Err(format!(
                "another number of values than the shape says: {name}, {shape:?}, {}",
                values.len()
            ));
        }
    }
    Ok(())
}
