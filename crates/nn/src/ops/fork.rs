//! Ways that part and meet, as around a residual block.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use twinlens_kernels::{add_to, layer_scale_backward, layer_scale_forward};

use super::Body;
use super::arrays::{array, give_back};
use super::bridge::{Array, CpuOp, Input, Kind, Point, Tracked, Values, by_kind, run, slice_mut, values};

/// `x`, twice, for two ways that meet again; the results must both reach the loss.
///
/// Like two clones, but that their gradients are added by all threads: burn adds them by one.
pub fn fork<const D: usize>(x: Tensor<D>) -> [Tensor<D>; 2] {
    if Body::of(&x) == Body::Composed {
        return [x.clone(), x];
    }
    let meeting = Meeting::default();
    [x.clone(), x].map(|x| match Input::from(x) {
        Input::Constant(tensor) => Tensor::from_primitive::<Flex>(tensor),
        Input::Tracked(tensor) => Tensor::from_primitive::<Autodiff<Flex>>(way(tensor, meeting.clone())),
    })
}

fn way(x: Tracked, meeting: Meeting) -> Tracked {
    let (tensor, guard) = x.into_parts();
    match Backward::<Flex, 1>::prepare::<NoCheckpointing>(Way, [guard]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(meeting, tensor),
        OpsKind::UnTracked(prep) => prep.finish(tensor),
    }
}

/// The gradient that came first.
type Meeting = Arc<Mutex<Option<FlexTensor>>>;

#[derive(Debug)]
struct Way;

impl Backward<Flex, 1> for Way {
    type State = Meeting;

    fn backward(self, ops: Ops<Meeting, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let mut meeting = ops.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(first), [Some(parent)]) = (meeting.take(), ops.parents) else {
            *meeting = Some(gradient);
            return;
        };
        let mut sum = first;
        by_kind!(values(&gradient), |gradient| add_to(slice_mut(&mut sum), gradient));
        give_back(gradient);
        grads.register::<Flex>(parent.id, sum);
    }
}

/// The end of a residual block with layer scale, `shortcut + gamma branch` (Touvron et al. 2021, equation 3): shapes `shortcut`
/// and `branch` the same, `gamma` their last dimension.
pub fn join<const D: usize>(shortcut: Tensor<D>, branch: Tensor<D>, gamma: Tensor<1>) -> Tensor<D> {
    match Body::of(&shortcut) {
        Body::Kernels => {
            let shape = shortcut.dims();
            run(Join, [shortcut.into(), branch.into(), gamma.into()], shape).0
        }
        Body::Composed => join_composed(shortcut, branch, gamma),
    }
}

pub(crate) fn join_composed<const D: usize>(
    shortcut: Tensor<D>,
    branch: Tensor<D>,
    gamma: Tensor<1>,
) -> Tensor<D> {
    shortcut + branch * gamma.unsqueeze()
}

#[derive(Clone, Debug)]
struct Join;

impl CpuOp<3> for Join {
    type Saved = ();
    const PASSES: [bool; 3] = [true, false, false];

    fn forward(&self, [shortcut, branch, gamma]: [Values<'_>; 3]) -> (Array, ()) {
        (by_kind!(shortcut, |shortcut| joined(shortcut, Kind::of(branch), gamma.singles())), ())
    }

    fn backward(&self, at: Point<'_, 3, ()>) -> [Option<Array>; 3] {
        let [_, branch, gamma] = at.inputs;
        let [dbranch, dgamma] =
            by_kind!(branch, |branch| gradients(Kind::of(at.gradient), branch, gamma.singles()));
        [None, Some(dbranch), Some(dgamma)]
    }
}

fn joined<E: Kind>(shortcut: &[E], branch: &[E], gamma: &[f32]) -> Array {
    let mut y = array(shortcut.len());
    layer_scale_forward(shortcut, branch, gamma, &mut y);
    E::array(y)
}

fn gradients<E: Kind>(dy: &[E], branch: &[E], gamma: &[f32]) -> [Array; 2] {
    let (mut dbranch, mut dgamma) = (array(branch.len()), array(gamma.len()));
    layer_scale_backward(dy, branch, gamma, &mut dbranch, &mut dgamma);
    [E::array(dbranch), dgamma.into()]
}
