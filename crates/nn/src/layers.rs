//! The layers that networks are made of: sizes and places of weights, no values.

use burn::tensor::Tensor;

use crate::ops::{self, Conv2dOptions};
use crate::weights::{Id, Init, Order, Pass, Scope};

/// `torch.nn.Conv2d` with a square kernel, on `[N, H, W, C]`.
#[derive(Clone, Copy, Debug)]
pub struct Conv2d {
    weight: Id,
    bias: Option<Id>,
    in_channels: usize,
    out_channels: usize,
    kernel_size: usize,
    options: Conv2dOptions,
}

impl Conv2d {
    /// Without bias, normal with variance `2 / (kh kw out)`: He initialisation by fan-out, as torchvision's ResNet.
    pub fn new(
        scope: &mut Scope<'_>,
        [in_channels, out_channels]: [usize; 2],
        kernel_size: usize,
        stride: usize,
        padding: usize,
    ) -> Conv2d {
        let shape = [out_channels, in_channels, kernel_size, kernel_size];
        let std = (2.0 / (kernel_size * kernel_size * out_channels) as f64).sqrt();
        Conv2d {
            weight: scope.parameter("weight", &shape, Order::Convolution, Init::Normal(std)),
            bias: None,
            in_channels,
            out_channels,
            kernel_size,
            options: Conv2dOptions { stride: [stride; 2], padding: [padding; 2] },
        }
    }

    /// `x [N, H, W, in]` to `[N, H', W', out]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let shape = [self.kernel_size, self.kernel_size, self.in_channels, self.out_channels];
        let bias = self.bias.map(|id| pass.tensor(id, [self.out_channels]));
        ops::conv2d(x, pass.tensor(self.weight, shape), bias, self.options)
    }
}

/// Batch normalisation over all but the last dimension (Ioffe and Szegedy 2015), as `torch.nn.BatchNorm2d` and
/// `BatchNorm1d`: batch statistics in training, running ones in evaluation.
///
/// The running variance is the *unbiased* one, as in PyTorch; the batch is normalised by the biased one.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    affine: Option<[Id; 2]>,
    running_mean: Id,
    running_var: Id,
    channels: usize,
}

impl BatchNorm {
    /// Added to the variance before the root.
    pub const EPS: f64 = 1e-5;
    /// Weight of a new batch in the running statistics.
    pub const MOMENTUM: f64 = 0.1;

    /// With a learnt scale (from 1) and shift (from 0).
    pub fn new(scope: &mut Scope<'_>, channels: usize) -> BatchNorm {
        let scale = scope.parameter("weight", &[channels], Order::Plain, Init::Constant(1.0));
        let shift = scope.parameter("bias", &[channels], Order::Plain, Init::Constant(0.0));
        BatchNorm::with(scope, channels, Some([scale, shift]))
    }

    /// Without scale and shift.
    pub fn without_affine(scope: &mut Scope<'_>, channels: usize) -> BatchNorm {
        BatchNorm::with(scope, channels, None)
    }

    fn with(scope: &mut Scope<'_>, channels: usize, affine: Option<[Id; 2]>) -> BatchNorm {
        BatchNorm {
            affine,
            running_mean: scope.buffer("running_mean", &[channels], Init::Constant(0.0)),
            running_var: scope.buffer("running_var", &[channels], Init::Constant(1.0)),
            channels,
        }
    }

    /// `norm(x)`, then the residual added if there is one, then ReLU if asked for, in one operation.
    pub fn forward<const D: usize>(
        &self,
        pass: &mut Pass<'_>,
        x: Tensor<D>,
        residual: Option<Tensor<D>>,
        relu: bool,
    ) -> Tensor<D> {
        let affine = self.affine.map(|ids| ids.map(|id| pass.tensor(id, [self.channels])));
        let running_mean = pass.tensor::<1>(self.running_mean, [self.channels]).without_autodiff();
        let running_var = pass.tensor::<1>(self.running_var, [self.channels]).without_autodiff();
        if !pass.is_training() {
            return ops::batch_norm_evaluate(
                x,
                affine,
                [running_mean, running_var],
                Self::EPS,
                residual,
                relu,
            );
        }
        let rows = x.shape().num_elements() / self.channels;
        let normalised = ops::batch_norm_train(x, affine, Self::EPS, residual, relu);
        let unbiased = rows as f64 / (rows as f64 - 1.0);
        let blend = |running: Tensor<1>, batch: Tensor<1>| {
            running.mul_scalar(1.0 - Self::MOMENTUM) + batch.mul_scalar(Self::MOMENTUM)
        };
        pass.set_buffer(self.running_mean, blend(running_mean, normalised.mean));
        pass.set_buffer(self.running_var, blend(running_var, normalised.var.mul_scalar(unbiased)));
        normalised.output
    }
}

/// `torch.nn.Linear`: `y = x W^T + b`.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    weight: Id,
    bias: Option<Id>,
    in_features: usize,
    out_features: usize,
}

impl Linear {
    /// Uniform in `+-1/sqrt(in)` for weight and bias, PyTorch's default.
    pub fn new(scope: &mut Scope<'_>, in_features: usize, out_features: usize, bias: bool) -> Linear {
        let init = Init::Uniform(1.0 / (in_features as f64).sqrt());
        Linear::with(scope, [in_features, out_features], init, bias.then_some(init))
    }

    /// With given starts of weight and bias, without bias if there is none.
    pub fn with(
        scope: &mut Scope<'_>,
        [in_features, out_features]: [usize; 2],
        weight: Init,
        bias: Option<Init>,
    ) -> Linear {
        let shape = [out_features, in_features];
        let weight = scope.parameter("weight", &shape, Order::Linear, weight);
        let bias = bias.map(|init| scope.parameter("bias", &[out_features], Order::Plain, init));
        Linear { weight, bias, in_features, out_features }
    }

    /// `x [N, in]` to `[N, out]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<2>) -> Tensor<2> {
        let y = x.matmul(pass.tensor(self.weight, [self.in_features, self.out_features]));
        match self.bias {
            Some(id) => y + pass.tensor::<1>(id, [self.out_features]).unsqueeze(),
            None => y,
        }
    }
}
