//! Layer normalisation.

use burn::tensor::Tensor;
use twinlens_kernels::{LayerNormGrads, RowStatistics, layer_norm_backward, layer_norm_forward};

use super::arrays::array;
use super::body::Body;
use super::bridge::{Array, CpuOp, Point, Values, run};

/// `gamma (x - mean) / sqrt(var + eps) + beta` with the mean and biased variance over the last dimension of `x` (Ba,
/// Kiros and Hinton 2016), as `torch.nn.LayerNorm`; `gamma` and `beta` as long as that dimension.
pub fn layer_norm<const D: usize>(x: Tensor<D>, [gamma, beta]: [Tensor<1>; 2], eps: f64) -> Tensor<D> {
    match Body::of(&x) {
        Body::Kernels => kernels(x, [gamma, beta], eps),
        Body::Composed => composed(x, [gamma, beta], eps),
    }
}

pub(crate) fn composed<const D: usize>(x: Tensor<D>, [gamma, beta]: [Tensor<1>; 2], eps: f64) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let var = centred.clone().square().mean_dim(D - 1);
    centred / var.add_scalar(eps).sqrt() * gamma.unsqueeze() + beta.unsqueeze()
}

pub(crate) fn kernels<const D: usize>(x: Tensor<D>, [gamma, beta]: [Tensor<1>; 2], eps: f64) -> Tensor<D> {
    let shape = x.dims();
    run(LayerNorm { eps: eps as f32 }, [x.into(), gamma.into(), beta.into()], shape).0
}

#[derive(Clone, Debug)]
struct LayerNorm {
    eps: f32,
}

impl CpuOp<3> for LayerNorm {
    type Saved = Vec<RowStatistics>;

    fn forward(&self, inputs: [Values<'_>; 3]) -> (Array, Vec<RowStatistics>) {
        let [x, gamma, beta] = inputs.map(Values::singles);
        let mut y = array(x.len());
        let statistics = layer_norm_forward(x, gamma, beta, self.eps, &mut y);
        (y.into(), statistics)
    }

    fn backward(&self, at: Point<'_, 3, Vec<RowStatistics>>) -> [Option<Array>; 3] {
        let inputs = at.inputs.map(Values::singles);
        let [x, gamma, _] = inputs;
        let mut all = inputs.map(|input| array(input.len()));
        let [dx, dgamma, dbeta] = &mut all;
        layer_norm_backward(at.gradient.singles(), x, at.saved, gamma, LayerNormGrads { dx, dgamma, dbeta });
        all.map(|gradient| Some(gradient.into()))
    }
}
