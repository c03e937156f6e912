//! From burn's tensors to slices and back, with gradients: written once for all operations.

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};

use super::arrays::give_back;

type Tracked = <Autodiff<Flex> as burn::backend::BackendTypes>::FloatTensorPrimitive;

/// An operation on the CPU, as pure functions of slices.
pub(crate) trait CpuOp<const N: usize>: Clone + Debug + Send + Sync + 'static {
    /// What the backward pass needs beside inputs and output.
    type Saved: Debug + Send + Sync + 'static;

    /// The output and what to save.
    fn forward(&self, inputs: [&[f32]; N]) -> (Vec<f32>, Self::Saved);

    /// The gradients of the inputs; those not `wanted` may be `None`.
    fn backward(&self, at: Point<'_, N, Self::Saved>) -> [Option<Vec<f32>>; N];
}

/// Where a backward pass is taken.
pub(crate) struct Point<'a, const N: usize, S> {
    pub inputs: [&'a [f32]; N],
    pub output: &'a [f32],
    pub saved: &'a S,
    /// The gradient of the loss with respect to the output.
    pub gradient: &'a [f32],
    pub wanted: [bool; N],
}

/// An input of a [`CpuOp`], of any rank.
pub(crate) enum Input {
    Constant(FlexTensor),
    Tracked(Tracked),
}

impl<const D: usize> From<Tensor<D>> for Input {
    fn from(tensor: Tensor<D>) -> Input {
        if tensor.is_autodiff() {
            Input::Tracked(tensor.try_into_primitive::<Autodiff<Flex>>().unwrap_or_else(|e| wrong_device(&e)))
        } else {
            Input::Constant(tensor.try_into_primitive::<Flex>().unwrap_or_else(|e| wrong_device(&e)))
        }
    }
}

#[expect(
    clippy::panic,
    reason = "callers check the device first; this is a fault of the program, not of its input"
)]
fn wrong_device<T>(error: &dyn Debug) -> T {
    panic!("a CPU operation met a tensor from another device: {error:?}")
}

/// A shape that the network's own construction makes valid.
#[expect(clippy::panic, reason = "layers are built so that their windows fit images of any size")]
pub(crate) fn shaped<T>(shape: Result<T, twinlens_kernels::ShapeError>) -> T {
    shape.unwrap_or_else(|e| panic!("{e}"))
}

/// Runs `op`; the output has shape `shape`. Gradients are recorded if any input carries autodiff.
pub(crate) fn run<const N: usize, const D: usize, Op: CpuOp<N>>(
    op: Op,
    inputs: [Input; N],
    shape: [usize; D],
) -> (Tensor<D>, Arc<Op::Saved>) {
    let recorded = inputs.iter().any(|input| matches!(input, Input::Tracked(_)));
    let nodes = inputs.map(|input| match input {
        Input::Constant(tensor) => Tracked::new(tensor),
        Input::Tracked(tensor) => tensor,
    });
    let mut guards = Vec::with_capacity(N);
    let tensors = nodes.map(|node| {
        let (primitive, guard) = node.into_parts();
        guards.push(guard);
        primitive.to_contiguous()
    });
    let (values, saved) = op.forward(slices(&tensors));
    let saved = Arc::new(saved);
    let output = FlexTensor::from_data(TensorData::new(values, shape));
    if !recorded {
        tensors.into_iter().for_each(give_back);
        return (Tensor::from_primitive::<Flex>(output), saved);
    }
    let Ok(guards) = guards.try_into() else { unreachable!("one guard was pushed for each of the N inputs") };
    let step = Step { op };
    let output =
        match Backward::<Flex, N>::prepare::<NoCheckpointing>(step, guards).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = State { inputs: Arc::new(tensors), output: output.clone(), saved: saved.clone() };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
    (Tensor::from_primitive::<Autodiff<Flex>>(output), saved)
}

/// The values of a tensor of any rank, on any device, row by row.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_to_vec().unwrap_or_else(|e| wrong_device(&e))
}

/// Calls `visit` with the values of a tensor in this program's memory, without copying where possible.
pub(crate) fn with_values<T>(tensor: &Tensor<1>, visit: impl FnOnce(&[f32]) -> T) -> T {
    let plain = tensor.clone().without_autodiff();
    let primitive = plain.try_into_primitive::<Flex>().unwrap_or_else(|e| wrong_device(&e)).to_contiguous();
    visit(slice(&primitive))
}

/// [`with_values`] of a tensor that is not needed any more.
pub(crate) fn with_last_values<T>(tensor: Tensor<1>, visit: impl FnOnce(&[f32]) -> T) -> T {
    let result = with_values(&tensor, visit);
    let plain = tensor.without_autodiff();
    give_back(plain.try_into_primitive::<Flex>().unwrap_or_else(|e| wrong_device(&e)));
    result
}

/// Tensors after `change` was made to their values, in place where nothing else holds them.
pub(crate) fn changed<const N: usize>(
    tensors: [Tensor<1>; N],
    change: impl FnOnce([&mut [f32]; N]),
) -> [Tensor<1>; N] {
    let mut tensors = tensors.map(|tensor| {
        let plain = tensor.without_autodiff();
        plain.try_into_primitive::<Flex>().unwrap_or_else(|e| wrong_device(&e)).to_contiguous()
    });
    change(tensors.each_mut().map(|tensor| {
        let values = tensor.layout().num_elements();
        &mut tensor.storage_mut()[..values]
    }));
    tensors.map(Tensor::from_primitive::<Flex>)
}

fn slices<const N: usize>(tensors: &[FlexTensor; N]) -> [&[f32]; N] {
    tensors.each_ref().map(slice)
}

fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().unwrap_or_else(|| wrong_device(&"a strided tensor"))
}

#[derive(Debug)]
struct Step<Op> {
    op: Op,
}

#[derive(Debug)]
struct State<const N: usize, S> {
    inputs: Arc<[FlexTensor; N]>,
    output: FlexTensor,
    saved: Arc<S>,
}

impl<const N: usize, S> Clone for State<N, S> {
    fn clone(&self) -> Self {
        State { inputs: self.inputs.clone(), output: self.output.clone(), saved: self.saved.clone() }
    }
}

impl<const N: usize, Op: CpuOp<N>> Backward<Flex, N> for Step<Op> {
    type State = State<N, Op::Saved>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Ops { parents, state, .. } = ops;
        let point = Point {
            inputs: slices(&state.inputs),
            output: slice(&state.output),
            saved: state.saved.as_ref(),
            gradient: slice(&gradient),
            wanted: parents.each_ref().map(Option::is_some),
        };
        let results = self.op.backward(point);
        for ((parent, result), input) in parents.iter().zip(results).zip(state.inputs.iter()) {
            if let (Some(node), Some(values)) = (parent, result) {
                let shape = input.layout().shape().clone();
                grads.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(values, shape)));
            }
        }
        give_back(gradient);
        give_back(state.output);
        if let Ok(inputs) = Arc::try_unwrap(state.inputs) {
            inputs.into_iter().for_each(give_back);
        }
    }
}
