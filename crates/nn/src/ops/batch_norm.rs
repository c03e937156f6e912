//! Batch normalisation fused with a residual addition and ReLU.

use burn::tensor::{Tensor, activation};
use twinlens_kernels::{
    Affine, BatchNormGrads, BatchStatistics, Fused, Relu, batch_norm_backward, batch_norm_eval_backward,
    batch_norm_eval_forward, batch_norm_forward,
};

use super::arrays::array;
use super::body::Body;
use super::bridge::{Array, CpuOp, Kind, Point, Values, by_kind, read, run};

/// A normalised batch and the statistics it was normalised with.
#[derive(Clone, Debug)]
pub struct BatchNormalised<const D: usize> {
    /// Shaped as the input.
    pub output: Tensor<D>,
    /// The mean of each channel, a constant.
    pub mean: Tensor<1>,
    /// The *biased* variance of each channel, a constant.
    pub var: Tensor<1>,
}

/// `relu(gamma (x - mean) / sqrt(var + eps) + beta + residual)` with the mean and biased variance of all but the
/// last dimension of `x`; affine, residual and ReLU where given (Ioffe and Szegedy 2015, algorithm 1).
pub fn batch_norm_train<const D: usize>(
    x: Tensor<D>,
    affine: Option<[Tensor<1>; 2]>,
    eps: f64,
    residual: Option<Tensor<D>>,
    relu: bool,
) -> BatchNormalised<D> {
    let [gamma, beta] = affine.unwrap_or_else(|| identity(&x));
    match Body::of(&x) {
        Body::Kernels => {
            let device = x.device().without_autodiff();
            let op = BatchNorm { eps: eps as f32, relu, running: None };
            let (output, statistics) = kernels(op, x, gamma, beta, residual);
            let tensor = |values: &[f32]| Tensor::from_floats(values, &device);
            BatchNormalised { output, mean: tensor(&statistics.mean), var: tensor(&statistics.variance) }
        }
        Body::Composed => train_composed(x, [gamma, beta], eps, residual, relu),
    }
}

/// As [`batch_norm_train`] with given `[mean, variance]` instead of the batch's own.
pub fn batch_norm_evaluate<const D: usize>(
    x: Tensor<D>,
    affine: Option<[Tensor<1>; 2]>,
    running: [Tensor<1>; 2],
    eps: f64,
    residual: Option<Tensor<D>>,
    relu: bool,
) -> Tensor<D> {
    let [gamma, beta] = affine.unwrap_or_else(|| identity(&x));
    match Body::of(&x) {
        Body::Kernels => {
            let running = Some(running.map(read));
            kernels(BatchNorm { eps: eps as f32, relu, running }, x, gamma, beta, residual).0
        }
        Body::Composed => evaluate_composed(x, [gamma, beta], running, eps, residual, relu),
    }
}

/// Scale 1 and shift 0 for the channels of `x`.
fn identity<const D: usize>(x: &Tensor<D>) -> [Tensor<1>; 2] {
    let channels = x.dims()[D - 1];
    let device = x.device().without_autodiff();
    [Tensor::ones([channels], &device), Tensor::zeros([channels], &device)]
}

pub(crate) fn train_composed<const D: usize>(
    x: Tensor<D>,
    affine: [Tensor<1>; 2],
    eps: f64,
    residual: Option<Tensor<D>>,
    relu: bool,
) -> BatchNormalised<D> {
    let channels = x.dims()[D - 1];
    let rows = x.shape().num_elements() / channels;
    let flat: Tensor<2> = x.clone().reshape([rows, channels]);
    let mean = flat.clone().mean_dim(0);
    let var = (flat - mean.clone()).square().mean_dim(0);
    let (mean, var) = (mean.reshape([channels]), var.reshape([channels]));
    let statistics = [mean.clone(), var.clone()];
    let output = evaluate_composed(x, affine, statistics, eps, residual, relu);
    BatchNormalised { output, mean: mean.detach().without_autodiff(), var: var.detach().without_autodiff() }
}

pub(crate) fn evaluate_composed<const D: usize>(
    x: Tensor<D>,
    [gamma, beta]: [Tensor<1>; 2],
    [mean, var]: [Tensor<1>; 2],
    eps: f64,
    residual: Option<Tensor<D>>,
    relu: bool,
) -> Tensor<D> {
    let scale = gamma / var.add_scalar(eps).sqrt();
    let mut y = (x - mean.unsqueeze()) * scale.unsqueeze() + beta.unsqueeze();
    if let Some(residual) = residual {
        y = y + residual;
    }
    if relu { activation::relu(y) } else { y }
}

fn kernels<const D: usize>(
    op: BatchNorm,
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<D>>,
) -> (Tensor<D>, std::sync::Arc<BatchStatistics>) {
    let shape = x.dims();
    match residual {
        Some(residual) => run(op, [x.into(), gamma.into(), beta.into(), residual.into()], shape),
        None => run(op, [x.into(), gamma.into(), beta.into()], shape),
    }
}

#[derive(Clone, Debug)]
struct BatchNorm {
    eps: f32,
    relu: bool,
    /// Running mean and variance to use instead of the batch's.
    running: Option<[Vec<f32>; 2]>,
}

fn affine<'a>([gamma, beta]: [Values<'a>; 2]) -> Affine<'a> {
    Affine { gamma: gamma.singles(), beta: beta.singles() }
}

impl BatchNorm {
    fn output<E: Kind>(&self, x: &[E], affine: Affine, residual: Option<&[E]>) -> (Array, BatchStatistics) {
        let mut y = array(x.len());
        let fused = Fused { residual, relu: self.relu };
        let statistics = match &self.running {
            None => batch_norm_forward(x, affine, self.eps, fused, &mut y),
            Some([mean, variance]) => {
                let statistics = BatchStatistics::new(mean.clone(), variance.clone(), self.eps);
                batch_norm_eval_forward(x, &statistics, affine, fused, &mut y);
                statistics
            }
        };
        (E::array(y), statistics)
    }

    /// Gradients of x, gamma, beta and, if there is one, the residual.
    fn gradients<E: Kind, const N: usize>(
        &self,
        x: &[E],
        at: &Point<'_, N, BatchStatistics>,
    ) -> ([Array; 3], Option<Array>) {
        let affine = affine([at.inputs[1], at.inputs[2]]);
        let has_residual = N == 4;
        let (mut dx, mut dresidual) = (array::<E>(x.len()), has_residual.then(|| array::<E>(x.len())));
        let [mut dgamma, mut dbeta] = [0, 1].map(|_| array::<f32>(affine.gamma.len()));
        let grads = BatchNormGrads {
            dx: &mut dx,
            dgamma: &mut dgamma,
            dbeta: &mut dbeta,
            dresidual: dresidual.as_deref_mut(),
        };
        let relu = match (self.relu, has_residual) {
            (false, _) => Relu::Absent,
            (true, true) => Relu::Output(E::of(at.output)),
            (true, false) => Relu::Direct,
        };
        let backward = if self.running.is_some() { batch_norm_eval_backward } else { batch_norm_backward };
        backward(E::of(at.gradient), x, affine, relu, at.saved, grads);
        ([E::array(dx), dgamma.into(), dbeta.into()], dresidual.map(E::array))
    }
}

impl CpuOp<3> for BatchNorm {
    type Saved = BatchStatistics;

    fn forward(&self, [x, gamma, beta]: [Values<'_>; 3]) -> (Array, BatchStatistics) {
        by_kind!(x, |x| self.output(x, affine([gamma, beta]), None))
    }

    fn backward(&self, at: Point<'_, 3, BatchStatistics>) -> [Option<Array>; 3] {
        let (gradients, _) = by_kind!(at.inputs[0], |x| self.gradients(x, &at));
        gradients.map(Some)
    }
}

impl CpuOp<4> for BatchNorm {
    type Saved = BatchStatistics;

    fn forward(&self, [x, gamma, beta, residual]: [Values<'_>; 4]) -> (Array, BatchStatistics) {
        by_kind!(x, |x| self.output(x, affine([gamma, beta]), Some(Kind::of(residual))))
    }

    fn backward(&self, at: Point<'_, 4, BatchStatistics>) -> [Option<Array>; 4] {
        let ([dx, dgamma, dbeta], dresidual) = by_kind!(at.inputs[0], |x| self.gradients(x, &at));
        [Some(dx), Some(dgamma), Some(dbeta), dresidual]
    }
}
