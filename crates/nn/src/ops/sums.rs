//! Sums whose value does not depend on the number of threads.

use burn::tensor::Tensor;
use twinlens_kernels as kernels;

use super::Scalar;
use super::arrays::array;
use super::body::Body;
use super::bridge::{Array, CpuOp, Point, Values, run, with_values};

/// The sum of a matrix as a tensor of one element, row sums first.
///
/// burn adds up tensors of four million values and more in an order that depends on how threads happened to
/// share the work; a sum along one dimension is always taken in the same order.
pub fn sum(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).sum_dim(0).reshape([1])
}

/// The Euclidean norm of all numbers of `tensors` together. On the CPU, squares are added up in f64.
pub fn norm(tensors: &[&Tensor<1>]) -> Scalar {
    match tensors.first().map(|first| Body::of(*first)) {
        Some(Body::Composed) => Scalar::Pending(norm_composed(tensors)),
        _ => Scalar::Known(tensors.iter().map(|x| sum_of_squares(x)).sum::<f64>().sqrt()),
    }
}

pub(crate) fn norm_composed(tensors: &[&Tensor<1>]) -> Tensor<1> {
    Tensor::cat(tensors.iter().map(|x| sum_of_squares_composed((*x).clone())).collect(), 0).sum().sqrt()
}

/// `sum x_i^2` on the CPU.
fn sum_of_squares(x: &Tensor<1>) -> f64 {
    with_values(x, kernels::sum_of_squares)
}

/// `sum x_i^2`, left on its device.
pub(crate) fn sum_of_squares_composed(x: Tensor<1>) -> Tensor<1> {
    x.without_autodiff().square().sum()
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
