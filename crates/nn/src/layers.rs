//! The layers that networks are made of: sizes and places of weights, no values.

use burn::tensor::Tensor;

use crate::ops::{self, Conv2dOptions, DropPathMask};
use crate::weights::{Id, Init, Pass, Scope, WeightOrder};

/// `torch.nn.Conv2d` with a square kernel, on `[N, H, W, C]`.
#[derive(Clone, Copy, Debug)]
pub struct Conv2d {
    pub(crate) weight: Id,
    pub(crate) bias: Option<Id>,
    in_channels: usize,
    out_channels: usize,
    pub(crate) kernel_size: usize,
    options: Conv2dOptions,
    any_size: bool,
}

impl Conv2d {
    /// Without bias, normal with variance `2 / (kh kw out)`: He initialisation by fan-out, as torchvision's ResNet.
    pub fn new(
        scope: &mut Scope<'_>,
        channels: [usize; 2],
        kernel_size: usize,
        stride: usize,
        padding: usize,
    ) -> Conv2d {
        let std = (2.0 / (kernel_size * kernel_size * channels[1]) as f64).sqrt();
        Conv2d::initialised(scope, channels, kernel_size, stride, padding, Init::Normal(std))
    }

    /// Without bias, the weight as `init` says.
    pub fn initialised(
        scope: &mut Scope<'_>,
        [in_channels, out_channels]: [usize; 2],
        kernel_size: usize,
        stride: usize,
        padding: usize,
        init: Init,
    ) -> Conv2d {
        let shape = [out_channels, in_channels, kernel_size, kernel_size];
        Conv2d {
            weight: scope.parameter("weight", &shape, WeightOrder::Convolution, init),
            bias: None,
            in_channels,
            out_channels,
            kernel_size,
            options: Conv2dOptions { stride: [stride; 2], padding: [padding; 2], relu: false },
            any_size: false,
        }
    }

    /// With a learnt bias (from 0), declared in the same scope.
    pub fn with_bias(self, scope: &mut Scope<'_>) -> Conv2d {
        let bias = scope.parameter("bias", &[self.out_channels], WeightOrder::Plain, Init::Constant(0.0));
        Conv2d { bias: Some(bias), ..self }
    }

    /// With `max(y, 0)` of every result, in the same operation.
    pub fn with_relu(self) -> Conv2d {
        Conv2d { options: Conv2dOptions { relu: true, ..self.options }, ..self }
    }

    /// For images of any size: one smaller than the kernel gets as many zeros around it as one window needs, where
    /// `torch.nn.Conv2d` would refuse it.
    pub fn for_any_size(self) -> Conv2d {
        Conv2d { any_size: true, ..self }
    }

    /// `x [N, H, W, in]` to `[N, H', W', out]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let [_, height, width, _] = x.dims();
        let shape = [self.kernel_size, self.kernel_size, self.in_channels, self.out_channels];
        let bias = self.bias.map(|id| pass.tensor(id, [self.out_channels]));
        let options = self.options_for([height, width]);
        ops::conv2d(x, pass.tensor(self.weight, shape), bias, options, pass.precision())
    }

    /// Channels of its results.
    pub(crate) fn out_channels(&self) -> usize {
        self.out_channels
    }

    /// Height and width of its results on maps of height and width `size`.
    pub(crate) fn size_after(&self, size: [usize; 2]) -> [usize; 2] {
        let Conv2dOptions { stride, padding, .. } = self.options_for(size);
        std::array::from_fn(|axis| windows(size[axis], self.kernel_size, stride[axis], padding[axis]))
    }

    /// The options with the padding that images of height and width `size` get.
    pub(crate) fn options_for(&self, size: [usize; 2]) -> Conv2dOptions {
        if !self.any_size {
            return self.options;
        }
        let missing = |size: usize| self.kernel_size.saturating_sub(size).div_ceil(2);
        let at_least = |axis: usize| self.options.padding[axis].max(missing(size[axis]));
        Conv2dOptions { padding: [at_least(0), at_least(1)], ..self.options }
    }
}

/// How many windows lie on a line of `size` pixels with `padding` around it.
fn windows(size: usize, kernel_size: usize, stride: usize, padding: usize) -> usize {
    (size + 2 * padding).checked_sub(kernel_size).map_or(0, |room| room / stride + 1)
}

/// `torch.nn.Conv2d` with one kernel of odd size for each channel (`groups = channels`), keeping the image's size.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseConv2d {
    pub(crate) weight: Id,
    pub(crate) bias: Id,
    pub(crate) channels: usize,
    pub(crate) kernel_size: usize,
}

impl DepthwiseConv2d {
    /// With a bias from 0, the weight as `init` says.
    pub fn new(scope: &mut Scope<'_>, channels: usize, kernel_size: usize, init: Init) -> DepthwiseConv2d {
        let shape = [channels, 1, kernel_size, kernel_size];
        DepthwiseConv2d {
            weight: scope.parameter("weight", &shape, WeightOrder::Convolution, init),
            bias: scope.parameter("bias", &[channels], WeightOrder::Plain, Init::Constant(0.0)),
            channels,
            kernel_size,
        }
    }

    /// `x [N, H, W, C]` to the same shape.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let weight = pass.tensor(self.weight, [self.kernel_size, self.kernel_size, self.channels]);
        ops::depthwise_conv2d(x, weight, pass.tensor(self.bias, [self.channels]))
    }
}

/// Layer normalisation over the last dimension (Ba, Kiros and Hinton 2016), as `torch.nn.LayerNorm` and
/// torchvision's `LayerNorm2d`, with a learnt scale (from 1) and shift (from 0).
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    pub(crate) affine: [Id; 2],
    channels: usize,
    pub(crate) eps: f64,
}

impl LayerNorm {
    /// With `eps` added to the variance before the root.
    pub fn new(scope: &mut Scope<'_>, channels: usize, eps: f64) -> LayerNorm {
        let scale = scope.parameter("weight", &[channels], WeightOrder::Plain, Init::Constant(1.0));
        let shift = scope.parameter("bias", &[channels], WeightOrder::Plain, Init::Constant(0.0));
        LayerNorm { affine: [scale, shift], channels, eps }
    }

    /// `x [..., C]` to the same shape.
    pub fn forward<const D: usize>(&self, pass: &Pass<'_>, x: Tensor<D>) -> Tensor<D> {
        ops::layer_norm(x, self.affine.map(|id| pass.tensor(id, [self.channels])), self.eps)
    }
}

/// `torch.nn.MaxPool2d` with a square window, on `[N, H, W, C]`. Maps smaller than the window stay as they are.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    /// Side of the window.
    pub kernel_size: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Lines and columns around the map, which never win.
    pub padding: usize,
}

impl MaxPool2d {
    /// `x [N, H, W, C]` to `[N, H', W', C]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, height, width, _] = x.dims();
        if !self.fits([height, width]) {
            return x;
        }
        ops::max_pool2d(x, self.kernel_size, self.stride, self.padding)
    }

    /// Whether one window at least lies within maps of height and width `size`.
    pub(crate) fn fits(&self, size: [usize; 2]) -> bool {
        size.into_iter().all(|side| side + 2 * self.padding >= self.kernel_size)
    }

    /// Height and width of its results on maps of height and width `size`.
    pub(crate) fn size_after(&self, size: [usize; 2]) -> [usize; 2] {
        if !self.fits(size) {
            return size;
        }
        size.map(|side| windows(side, self.kernel_size, self.stride, self.padding))
    }
}

/// Stochastic depth (Huang et al., "Deep networks with stochastic depth", ECCV 2016), a sample at a time, as
/// torchvision's `StochasticDepth` in its mode `row`.
#[derive(Clone, Copy, Debug)]
pub struct StochasticDepth {
    layer: u32,
    drop: f64,
}

impl StochasticDepth {
    /// Of the network's layer number `layer`, which drops a sample with probability `drop`.
    pub fn new(layer: u32, drop: f64) -> StochasticDepth {
        StochasticDepth { layer, drop }
    }

    /// The images of a batch that are kept. In training with noise (see [`Pass::with_noise`]), each is with probability
    /// `1 - drop`, and their results are divided by it; otherwise all are.
    pub fn kept(&self, pass: &Pass<'_>, batch: usize) -> DropPathMask {
        let noise = pass.noise(self.layer).filter(|_| self.drop > 0.0);
        noise.map_or_else(
            || DropPathMask::all(batch),
            |mut noise| {
                DropPathMask::drawn(batch, (1.0 / (1.0 - self.drop)) as f32, || !noise.chance(self.drop))
            },
        )
    }
}

/// Batch normalisation over all but the last dimension (Ioffe and Szegedy 2015), as `torch.nn.BatchNorm2d` and
/// `BatchNorm1d`: batch statistics in training, running ones in evaluation and where they are fixed.
///
/// The running variance is the *unbiased* one, as in PyTorch; the batch is normalised by the biased one.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    pub(crate) affine: Option<[Id; 2]>,
    pub(crate) running_mean: Id,
    pub(crate) running_var: Id,
    pub(crate) channels: usize,
}

impl BatchNorm {
    /// Added to the variance before the root.
    pub const EPS: f64 = 1e-5;
    /// Weight of a new batch in the running statistics.
    pub const MOMENTUM: f64 = 0.1;

    /// With a learnt scale (from 1) and shift (from 0).
    pub fn new(scope: &mut Scope<'_>, channels: usize) -> BatchNorm {
        let scale = scope.parameter("weight", &[channels], WeightOrder::Plain, Init::Constant(1.0));
        let shift = scope.parameter("bias", &[channels], WeightOrder::Plain, Init::Constant(0.0));
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

    /// Where the learnt scale is, if there is one.
    pub fn scale(&self) -> Option<Id> {
        self.affine.map(|[scale, _]| scale)
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
        if !pass.is_training() || pass.is_fixed(self.running_mean) {
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
    pub(crate) weight: Id,
    pub(crate) bias: Option<Id>,
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
        let weight = scope.parameter("weight", &shape, WeightOrder::Linear, weight);
        let bias = bias.map(|init| scope.parameter("bias", &[out_features], WeightOrder::Plain, init));
        Linear { weight, bias, in_features, out_features }
    }

    /// Features that it gives.
    pub fn outputs(&self) -> usize {
        self.out_features
    }

    /// `x [N, in]` to `[N, out]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<2>) -> Tensor<2> {
        let weight = pass.tensor(self.weight, [self.in_features, self.out_features]);
        let bias = self.bias.map(|id| pass.tensor(id, [self.out_features]));
        ops::linear(x, weight, bias, pass.precision())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::read;
    use crate::weights::Weights;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn a_convolution_of_any_size_pads_images_smaller_than_its_kernel() {
        let mut weights = Weights::zeroed(&Device::flex());
        let mut root = weights.root();
        let conv = Conv2d::new(&mut root, [1, 1], 2, 2, 0).with_bias(&mut root).for_any_size();
        weights.entries_mut()[0].set_value(Tensor::from_floats([1.0, 10.0, 100.0, 1000.0], &Device::flex()));
        let pass = Pass::evaluate(&mut weights);
        let output = |values: &[f32], shape: [usize; 4]| {
            let x = Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex());
            read(conv.forward(&pass, x))
        };
        // The one pixel meets the last tap, after a zero above and to the left.
        assert_eq!(output(&[2.0], [1, 1, 1, 1]), [2000.0]);
        assert_eq!(output(&[2.0, 3.0], [1, 1, 2, 1]), [3200.0]);
        assert_eq!(output(&[1.0, 2.0, 3.0, 4.0], [1, 2, 2, 1]), [4321.0]);
    }

    #[test]
    fn fixed_statistics_are_used_and_kept_in_training_with_gradients_of_the_scale() {
        let device = Device::flex();
        let mut weights = Weights::new(1, &device);
        let norms = ["a", "b"].map(|name| BatchNorm::new(&mut weights.root().at(name), 2));
        for name in ["a", "b"] {
            for (statistic, values) in [("running_mean", [1.0, -2.0]), ("running_var", [4.0, 0.25])] {
                let name = format!("{name}.{statistic}");
                let entry = weights.entries_mut().iter_mut().find(|entry| entry.name() == name).unwrap();
                entry.set_value(Tensor::from_floats(values, &device));
            }
        }
        weights.fix_buffers(|name| name.starts_with("a."));
        let before = weights.export("");
        let x = Tensor::<2>::from_floats([[3.0, -1.0], [5.0, -2.0], [-1.0, 4.0]], &device);
        let [fixed, moved] =
            norms.map(|norm| norm.forward(&mut Pass::train(&mut weights), x.clone(), None, false));
        // (x - mean) / sqrt(var): 2 and 0.5 are the roots.
        let expected = [1.0, 2.0, 2.0, 0.0, -1.0, 12.0];
        for (got, expected) in read(fixed.clone()).iter().zip(expected) {
            assert!((got - expected).abs() < 1e-3, "{got} {expected}");
        }
        let after = weights.export("");
        assert_eq!(after["a.running_mean"], before["a.running_mean"]);
        assert_eq!(after["a.running_var"], before["a.running_var"]);
        assert_ne!(after["b.running_mean"], before["b.running_mean"]);
        let gradients = crate::optim::Gradients::of(&(fixed + moved).sum(), &weights);
        // The sum of the normalised column; the batch norm's own sums to zero whatever the scale.
        let scale = read(gradients.entry(0).cloned().unwrap());
        assert!((scale[0] - 2.0).abs() < 1e-3 && (scale[1] - 14.0).abs() < 1e-2, "{scale:?}");
        weights.fix_buffers(|_| false);
        norms[0].forward(&mut Pass::train(&mut weights), x, None, false);
        assert_ne!(weights.export("")["a.running_mean"], before["a.running_mean"]);
    }

    #[test]
    fn stochastic_depth_drops_whole_samples_and_keeps_the_mean() {
        let mut weights = Weights::new(3, &Device::flex());
        let layer = StochasticDepth::new(2, 0.25);
        let through = |pass: &Pass<'_>, images: usize| {
            let x = Tensor::<4>::ones([images, 1, 1, 2], &Device::flex());
            let kept = layer.kept(pass, images);
            let branch = ops::keep(x.clone(), &kept) * 2.0;
            read(ops::join(x * 0.0, branch, Tensor::from_floats([1.0, 0.5], &Device::flex()), &kept))
        };
        let y = through(&Pass::train(&mut weights).with_noise(1, 0), 4000);
        let kept = y.chunks_exact(2).filter(|pixel| pixel[0] > 0.0).count();
        assert!(y.chunks_exact(2).all(|pixel| pixel == [0.0; 2] || pixel == [2.0 / 0.75, 1.0 / 0.75]));
        // Five standard deviations of a share of 4000 draws.
        assert!((kept as f64 / 4000.0 - 0.75).abs() < 5.0 * (0.25f64 * 0.75 / 4000.0).sqrt(), "{kept}");
        assert_eq!(through(&Pass::train(&mut weights), 2), [2.0, 1.0, 2.0, 1.0]);
        // Batches of which nothing is kept.
        let drops: Vec<f32> =
            (0..40).flat_map(|step| through(&Pass::train(&mut weights).with_noise(step, 0), 1)).collect();
        assert!(drops.contains(&0.0) && drops.contains(&(2.0 / 0.75)), "{drops:?}");
    }
}
