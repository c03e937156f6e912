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
        Err(error) => return refused(&error.to_string()),
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

/// A refusal has a reason, in which no control character of the file is left.
fn refused(reason: &str) -> Result<(), String> {
    match reason.is_empty() || reason.chars().any(char::is_control) {
        true => Err(format!("a refusal without a reason, or with control characters: {reason:?}")),
        false => Ok(()),
    }
}
