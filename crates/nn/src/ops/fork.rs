//! Branches that part and meet, as around a residual block.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use twinlens_kernels::add_to;

use super::arrays::give_back;
use super::body::Body;
use super::bridge::{Input, Tracked, Values, by_kind, slice_mut, values};

/// `x`, twice, for two branches that meet again; the results must both reach the loss.
///
/// Like two clones, but that their gradients are added by all threads: burn adds them by one.
pub fn fork<const D: usize>(x: Tensor<D>) -> [Tensor<D>; 2] {
    if Body::of(&x) == Body::Composed {
        return [x.clone(), x];
    }
    let meeting = Meeting::default();
    [x.clone(), x].map(|x| match Input::from(x) {
        Input::Constant(tensor) => Tensor::from_primitive::<Flex>(tensor),
        Input::Tracked(tensor) => Tensor::from_primitive::<Autodiff<Flex>>(branch(tensor, meeting.clone())),
    })
}

fn branch(x: Tracked, meeting: Meeting) -> Tracked {
    let (tensor, guard) = x.into_parts();
    match Backward::<Flex, 1>::prepare::<NoCheckpointing>(ForkBackward, [guard]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(meeting, tensor),
        OpsKind::UnTracked(prep) => prep.finish(tensor),
    }
}

/// The gradient that came first.
type Meeting = Arc<Mutex<Option<FlexTensor>>>;

#[derive(Debug)]
struct ForkBackward;

impl Backward<Flex, 1> for ForkBackward {
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
