//! The Gaussian error linear unit.

use burn::tensor::Tensor;
use twinlens_kernels::{gelu_backward, gelu_forward};

use super::Body;
use super::arrays::array;
use super::bridge::{CpuOp, Point, run};

/// `x (1 + erf(x / sqrt 2)) / 2`, exactly (Hendrycks and Gimpel 2016), as `torch.nn.GELU`.
///
/// burn's own has the gradient of another function on some back ends: that of the approximation by tanh.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match Body::of(&x) {
        Body::Kernels => kernels(x),
        Body::Composed => composed(x),
    }
}

pub(crate) fn composed<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let twice = x.clone().div_scalar(std::f64::consts::SQRT_2).erf().add_scalar(1.0);
    x * twice.div_scalar(2.0)
}

pub(crate) fn kernels<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let shape = x.dims();
    run(Gelu, [x.into()], shape).0
}

#[derive(Clone, Debug)]
struct Gelu;

impl CpuOp<1> for Gelu {
    type Saved = ();

    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, ()) {
        let mut y = array(x.len());
        gelu_forward(x, &mut y);
        (y, ())
    }

    fn backward(&self, at: Point<'_, 1, ()>) -> [Option<Vec<f32>>; 1] {
        let mut dx = array(at.inputs[0].len());
        gelu_backward(at.gradient, at.inputs[0], &mut dx);
        [Some(dx)]
    }
}
