//! Which body an operation has on a back end.

use burn::tensor::Tensor;

use crate::device::is_cpu;

/// Which body of an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// The hand-written kernels, on tensors in this program's memory.
    Kernels,
    /// burn's own operations, on any back end.
    Composed,
}

impl Body {
    pub(crate) fn of<const D: usize>(x: &Tensor<D>) -> Body {
        if is_cpu(&x.device()) { Body::Kernels } else { Body::Composed }
    }
}
