//! From burn's tensors to slices and back, with gradients: written once for all operations.

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor, TensorData};
use twinlens_kernels::Bf16;

use super::arrays::{Stored, give_back};

pub(crate) type Tracked = <Autodiff<Flex> as burn::backend::BackendTypes>::FloatTensorPrimitive;

/// An operation on the CPU, as pure functions of slices.
pub(crate) trait CpuOp<const N: usize>: Clone + Debug + Send + Sync + 'static {
    /// What the backward pass needs beside inputs and output.
    type Saved: Debug + Send + Sync + 'static;

    /// Inputs whose gradient is that of the output.
    const PASSES: [bool; N] = [false; N];

    /// The output and what to save.
    fn forward(&self, inputs: [Values<'_>; N]) -> (Array, Self::Saved);

    /// The gradients of the inputs, of the same kinds; those not `wanted`, or that pass, may be `None`.
    fn backward(&self, at: Point<'_, N, Self::Saved>) -> [Option<Array>; N];
}

/// The numbers of a tensor: a network's maps may be in bf16, all else is in single precision.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    F32(&'a [f32]),
    Bf16(&'a [Bf16]),
}

/// Numbers that become a tensor.
#[derive(Debug)]
pub(crate) enum Array {
    F32(Vec<f32>),
    Bf16(Vec<Bf16>),
}

/// What an operation does with numbers of either kind: `by_kind!(values, |x| f(x))`.
macro_rules! by_kind {
    ($values:expr, |$x:ident| $work:expr) => {
        match $values {
            Values::F32($x) => $work,
            Values::Bf16($x) => $work,
        }
    };
}
pub(crate) use by_kind;

/// A kind of [`Values`].
pub(crate) trait Kind: Stored {
    /// The numbers, which must be of this kind.
    fn of(values: Values<'_>) -> &[Self];

    fn array(numbers: Vec<Self>) -> Array;
}

impl Kind for f32 {
    fn of(values: Values<'_>) -> &[f32] {
        if let Values::F32(numbers) = values { numbers } else { wrong_tensor(&"numbers in bf16") }
    }

    fn array(numbers: Vec<f32>) -> Array {
        Array::F32(numbers)
    }
}

impl Kind for Bf16 {
    fn of(values: Values<'_>) -> &[Bf16] {
        if let Values::Bf16(numbers) = values {
            numbers
        } else {
            wrong_tensor(&"numbers in single precision")
        }
    }

    fn array(numbers: Vec<Bf16>) -> Array {
        Array::Bf16(numbers)
    }
}

impl<'a> Values<'a> {
    pub fn singles(self) -> &'a [f32] {
        f32::of(self)
    }
}

impl From<Vec<f32>> for Array {
    fn from(numbers: Vec<f32>) -> Array {
        Array::F32(numbers)
    }
}

impl Array {
    pub fn tensor(self, shape: impl Into<burn::tensor::Shape>) -> FlexTensor {
        FlexTensor::from_data(match self {
            Array::F32(numbers) => TensorData::new(numbers, shape),
            Array::Bf16(numbers) => TensorData::new(numbers, shape),
        })
    }
}

/// Where a backward pass is taken.
pub(crate) struct Point<'a, const N: usize, S> {
    pub inputs: [Values<'a>; N],
    pub output: Values<'a>,
    pub saved: &'a S,
    /// The gradient of the loss with respect to the output.
    pub gradient: Values<'a>,
    pub wanted: [bool; N],
}

/// An input of a [`CpuOp`], of any rank.
pub(crate) enum Input {
    Constant(FlexTensor),
    Tracked(Tracked),
}

impl Input {
    /// As a node of the graph, a constant as one that needs no gradient.
    pub fn tracked(self) -> Tracked {
        match self {
            Input::Constant(tensor) => Tracked::new(tensor),
            Input::Tracked(tensor) => tensor,
        }
    }
}

impl<const D: usize> From<Tensor<D>> for Input {
    fn from(tensor: Tensor<D>) -> Input {
        if tensor.is_autodiff() {
            Input::Tracked(tensor.try_into_primitive::<Autodiff<Flex>>().unwrap_or_else(|e| wrong_tensor(&e)))
        } else {
            Input::Constant(tensor.try_into_primitive::<Flex>().unwrap_or_else(|e| wrong_tensor(&e)))
        }
    }
}

#[expect(
    clippy::panic,
    reason = "callers check the device and kind first; this is a fault of the program, not of its input"
)]
fn wrong_tensor<T>(error: &dyn Debug) -> T {
    panic!("a CPU operation met a tensor from another device or of another kind: {error:?}")
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
    let nodes = inputs.map(Input::tracked);
    let mut guards = Vec::with_capacity(N);
    let tensors = nodes.map(|node| {
        let (primitive, guard) = node.into_parts();
        guards.push(guard);
        primitive.to_contiguous()
    });
    let (output, saved) = op.forward(tensors.each_ref().map(values));
    let saved = Arc::new(saved);
    let output = output.tensor(shape);
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
    data.try_to_vec().unwrap_or_else(|e| wrong_tensor(&e))
}

/// Calls `visit` with the values of a tensor in this program's memory, without copying where possible.
pub(crate) fn with_values<T>(tensor: &Tensor<1>, visit: impl FnOnce(&[f32]) -> T) -> T {
    let plain = tensor.clone().without_autodiff();
    let primitive = plain.try_into_primitive::<Flex>().unwrap_or_else(|e| wrong_tensor(&e)).to_contiguous();
    visit(values(&primitive).singles())
}

/// [`with_values`] of a tensor that is not needed any more.
pub(crate) fn with_last_values<T>(tensor: Tensor<1>, visit: impl FnOnce(&[f32]) -> T) -> T {
    let result = with_values(&tensor, visit);
    let plain = tensor.without_autodiff();
    give_back(plain.try_into_primitive::<Flex>().unwrap_or_else(|e| wrong_tensor(&e)));
    result
}

/// Tensors after `change` was made to their values, in place where nothing else holds them.
pub(crate) fn changed<const N: usize>(
    tensors: [Tensor<1>; N],
    change: impl FnOnce([&mut [f32]; N]),
) -> [Tensor<1>; N] {
    let mut tensors = tensors.map(|tensor| {
        let plain = tensor.without_autodiff();
        plain.try_into_primitive::<Flex>().unwrap_or_else(|e| wrong_tensor(&e)).to_contiguous()
    });
    change(tensors.each_mut().map(slice_mut));
    tensors.map(Tensor::from_primitive::<Flex>)
}

/// A tensor's numbers, copied if something else holds them.
pub(crate) fn slice_mut<E: Stored>(tensor: &mut FlexTensor) -> &mut [E] {
    let values = tensor.layout().num_elements();
    &mut tensor.storage_mut()[..values]
}

pub(crate) fn values(tensor: &FlexTensor) -> Values<'_> {
    match tensor.dtype() {
        DType::BF16 => Values::Bf16(slice(tensor)),
        _ => Values::F32(slice(tensor)),
    }
}

fn slice<E: Stored>(tensor: &FlexTensor) -> &[E] {
    tensor.as_slice().unwrap_or_else(|| wrong_tensor(&"a strided tensor"))
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
            inputs: state.inputs.each_ref().map(values),
            output: values(&state.output),
            saved: state.saved.as_ref(),
            gradient: values(&gradient),
            wanted: parents.each_ref().map(Option::is_some),
        };
        let results = self.op.backward(point);
        for (((parent, result), input), passes) in
            parents.iter().zip(results).zip(state.inputs.iter()).zip(Op::PASSES)
        {
            match (parent, result) {
                (Some(node), _) if passes => grads.register::<Flex>(node.id, gradient.clone()),
                (Some(node), Some(result)) => {
                    grads.register::<Flex>(node.id, result.tensor(input.layout().shape().clone()));
                }
                _ => {}
            }
        }
        give_back(gradient);
        give_back(state.output);
        if let Ok(inputs) = Arc::try_unwrap(state.inputs) {
            inputs.into_iter().for_each(give_back);
        }
    }
}
