//! Sums whose value does not depend on the number of threads.

use burn::tensor::Tensor;

use super::Body;
use super::bridge::with_values;

/// Values added up at a time; the partial sums are then added in order.
const CHUNK: usize = 4096;

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
        Body::Kernels => with_values(x, |values| {
            values
                .chunks(CHUNK)
                .map(|part| part.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>())
                .sum()
        }),
        Body::Composed => f64::from(x.clone().without_autodiff().square().sum().into_scalar::<f32>()),
    }
}
