//! The Gaussian error linear unit.

use burn::tensor::Tensor;
use twinlens_kernels::{gelu_backward, gelu_forward};

use super::arrays::array;
use super::body::Body;
use super::bridge::{Array, CpuOp, Point, Values, run};

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

    fn forward(&self, [x]: [Values<'_>; 1]) -> (Array, ()) {
        let x = x.singles();
        let mut y = array(x.len());
        gelu_forward(x, &mut y);
        (y.into(), ())
    }

    fn backward(&self, at: Point<'_, 1, ()>) -> [Option<Array>; 1] {
        let x = at.inputs[0].singles();
        let mut dx = array(x.len());
        gelu_backward(at.gradient.singles(), x, &mut dx);
        [Some(dx.into())]
    }
}
