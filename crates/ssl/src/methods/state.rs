//! Named tensors of a method's state, into a checkpoint and back.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_nn::NnError;
use twinlens_nn::ops::read;
use twinlens_nn::weights::NamedTensor;

/// What a method keeps beside the weights, by name.
pub type MethodState = BTreeMap<String, NamedTensor>;

pub(super) fn save<const D: usize>(state: &mut MethodState, name: &str, tensor: &Tensor<D>) {
    save_values(state, name, &tensor.dims(), read(tensor.clone()));
}

pub(super) fn save_values(state: &mut MethodState, name: &str, shape: &[usize], values: Vec<f32>) {
    state.insert(name.to_owned(), NamedTensor { shape: shape.to_vec(), values });
}

/// The entry `name`, which must have the shape `shape`.
pub(super) fn load<const D: usize>(
    state: &MethodState,
    name: &str,
    shape: [usize; D],
    device: &Device,
) -> Result<Tensor<D>, NnError> {
    let values = load_values(state, name, &shape.map(Some))?.values.clone();
    Ok(Tensor::from_data(TensorData::new(values, shape), device))
}

/// The entry `name`, whose sides must be those given, where one is.
pub(super) fn load_values<'a>(
    state: &'a MethodState,
    name: &str,
    shape: &[Option<usize>],
) -> Result<&'a NamedTensor, NnError> {
    let missing = || NnError::MissingWeight {
        name: name.into(),
        found: state.len(),
        example: state.keys().take(3).cloned().collect::<Vec<_>>().join(", "),
    };
    let tensor = state.get(name).ok_or_else(missing)?;
    let fits = |(side, wanted): (&usize, &Option<usize>)| wanted.is_none_or(|wanted| wanted == *side);
    if tensor.shape.len() == shape.len() && tensor.shape.iter().zip(shape).all(fits) {
        return Ok(tensor);
    }
    let expected = shape.iter().map(|side| side.unwrap_or(0)).collect();
    Err(NnError::WeightShape { name: name.into(), expected, got: tensor.shape.clone() })
}
