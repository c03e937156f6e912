//! Sums whose value does not depend on the number of threads.

use burn::tensor::Tensor;
use twinlens_kernels as kernels;

use super::Body;
use super::arrays::array;
use super::bridge::{CpuOp, Point, run, with_values};

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

    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, ()) {
        (vec![kernels::sum_of_squares(x) as f32], ())
    }

    fn backward(&self, at: Point<'_, 1, ()>) -> [Option<Vec<f32>>; 1] {
        let [x] = at.inputs;
        let mut dx = array(x.len());
        kernels::sum_of_squares_grad(x, at.gradient.iter().sum(), &mut dx);
        [Some(dx)]
    }
}
