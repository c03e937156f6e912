//! Sums whose value does not depend on the number of threads.

use burn::tensor::Tensor;
use twinlens_kernels as kernels;

use super::Body;
use super::arrays::array;
use super::bridge::{Array, CpuOp, Point, Values, run, with_values};

/// The sum of a matrix as a tensor of one element, row sums first.
///
/// burn adds up tensors of four million values and more in an order that depends on how threads happened to
/// share the work; a sum along one dimension is always taken in the same order.
pub fn sum(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).sum_dim(0).reshape([1])
}

/// `sum x_i^2`, accumulated in f64 on the CPU.
pub fn sum_of_squares(x: &Tensor<1>) -> f64 {
    match Body::of(x) {
        Body::Kernels => with_values(x, kernels::sum_of_squares),
        Body::Composed => f64::from(x.clone().without_autodiff().square().sum().into_scalar::<f32>()),
    }
}

/// `sum x_i^2` of a matrix with its gradient, as a tensor of one element.
pub fn squared_norm(x: Tensor<2>) -> Tensor<1> {
    match Body::of(&x) {
        Body::Kernels => run(SquaredNorm, [x.into()], [1]).0,
        Body::Composed => squared_norm_composed(x),
    }
}

pub(crate) fn squared_norm_composed(x: Tensor<2>) -> Tensor<1> {
    sum(x.square())
}

#[derive(Clone, Debug)]
struct SquaredNorm;

impl CpuOp<1> for SquaredNorm {
    type Saved = ();

    fn forward(&self, [x]: [Values<'_>; 1]) -> (Array, ()) {
        (vec![kernels::sum_of_squares(x.singles()) as f32].into(), ())
    }

    fn backward(&self, at: Point<'_, 1, ()>) -> [Option<Array>; 1] {
        let [x] = at.inputs.map(Values::singles);
        let mut dx = array(x.len());
        kernels::sum_of_squares_grad(x, at.gradient.singles().iter().sum(), &mut dx);
        [Some(dx.into())]
    }
}
