//! Two-dimensional convolution.

use burn::tensor::module::conv2d as burn_conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, activation};
use twinlens_kernels::{
    ConvShape, Epilogue, Precision, Window, bias_grad, conv2d_forward, conv2d_input_grad, conv2d_weight_grad,
    relu_backward,
};

use super::arrays::{array, give_back};
use super::body::Body;
use super::bridge::{Array, CpuOp, Kind, Point, Values, by_kind, run, shaped};

/// Stride and zero padding, as (rows, columns), and what follows in the same operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dOptions {
    /// Step between two windows.
    pub stride: [usize; 2],
    /// Zeros added on each side.
    pub padding: [usize; 2],
    /// Whether a ReLU follows.
    pub relu: bool,
}

/// `y[n, i, j, o] = bias[o] + sum_{p, q, c} w[p, q, c, o] x[n, i s + p - pad, j s + q - pad, c]`, or 0 where that is negative
/// if a ReLU follows.
///
/// Shapes: `x [N, H, W, C]`, `w [kh, kw, C, O]`, `bias [O]`, result `[N, H', W', O]` with
/// `H' = (H + 2 pad - kh) / s + 1`, rounded down. Cross-correlation, as `torch.nn.Conv2d`. `precision` is of what is
/// multiplied, here and in the gradients; maps in bf16 are multiplied as they are, and give maps in bf16. Devices other than
/// the CPU take single precision whatever it says.
pub fn conv2d(
    x: Tensor<4>,
    w: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: Conv2dOptions,
    precision: Precision,
) -> Tensor<4> {
    match Body::of(&x) {
        Body::Kernels => kernels(x, w, bias, options, precision),
        Body::Composed => composed(x, w, bias, options),
    }
}

/// burn's convolution takes and gives channels first. On its GPU back ends a permutation changes strides, not memory, and
/// both directions of the convolution permute back to channels last before they compute (burn-cubecl 0.22:
/// `ops/base.rs`, `permute`; `kernel/conv/base.rs`): maps that lie channels last here are never moved. Weights are, once for each
/// product, as their input channels do not lie side by side.
pub(crate) fn composed(
    x: Tensor<4>,
    w: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: Conv2dOptions,
) -> Tensor<4> {
    let settings = ConvOptions::new(options.stride, options.padding, [1, 1], 1);
    let y = burn_conv2d(x.permute([0, 3, 1, 2]), w.permute([3, 2, 0, 1]), bias, settings);
    let y = y.permute([0, 2, 3, 1]);
    if options.relu { activation::relu(y) } else { y }
}

pub(crate) fn kernels(
    x: Tensor<4>,
    w: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: Conv2dOptions,
    precision: Precision,
) -> Tensor<4> {
    let [kernel_height, kernel_width, _, out_channels] = w.dims();
    let window =
        Window { kernel: [kernel_height, kernel_width], stride: options.stride, padding: options.padding };
    let shape = shaped(ConvShape::new(x.dims(), out_channels, window)).with_precision(precision);
    let output = [x.dims()[0], shape.out_height(), shape.out_width(), out_channels];
    let op = Conv2d { shape, relu: options.relu };
    match bias {
        Some(bias) => run(op, [x.into(), w.into(), bias.into()], output).0,
        None => run(op, [x.into(), w.into()], output).0,
    }
}

#[derive(Clone, Debug)]
struct Conv2d {
    shape: ConvShape,
    relu: bool,
}

impl Conv2d {
    fn output<E: Kind>(&self, x: &[E], w: &[f32], bias: Option<&[f32]>) -> Array {
        let mut y = array(self.shape.y_len());
        conv2d_forward(&self.shape, x, w, Epilogue { bias, relu: self.relu }, &mut y);
        E::array(y)
    }

    /// Gradients of input, weight and bias.
    fn gradients<E: Kind>(
        &self,
        x: &[E],
        weights: [&[f32]; 2],
        [y, dy]: [Values<'_>; 2],
        wanted: [bool; 3],
    ) -> [Option<Array>; 3] {
        let [y, dy] = [y, dy].map(E::of);
        if !self.relu {
            return self.gradients_of_sums(x, weights, dy, wanted);
        }
        let mut passed = array(dy.len());
        relu_backward(dy, y, &mut passed);
        let gradients = self.gradients_of_sums(x, weights, &passed, wanted);
        give_back(E::array(passed).tensor([dy.len()]));
        gradients
    }

    /// [`Conv2d::gradients`] from the gradient of the sums, before the ReLU.
    fn gradients_of_sums<E: Kind>(
        &self,
        x: &[E],
        [w, bias]: [&[f32]; 2],
        dy: &[E],
        wanted: [bool; 3],
    ) -> [Option<Array>; 3] {
        let input = wanted[0].then(|| {
            let mut dx = array(x.len());
            conv2d_input_grad(&self.shape, dy, w, &mut dx);
            E::array(dx)
        });
        let weight = wanted[1].then(|| {
            let mut dw = array(w.len());
            conv2d_weight_grad(&self.shape, x, dy, &mut dw);
            dw.into()
        });
        let bias = wanted[2].then(|| {
            let mut db = array(bias.len());
            bias_grad(dy, &mut db);
            db.into()
        });
        [input, weight, bias]
    }
}

/// Without bias.
impl CpuOp<2> for Conv2d {
    type Saved = ();

    fn forward(&self, [x, w]: [Values<'_>; 2]) -> (Array, ()) {
        (by_kind!(x, |x| self.output(x, w.singles(), None)), ())
    }

    fn backward(&self, at: Point<'_, 2, ()>) -> [Option<Array>; 2] {
        let ([x, w], [for_x, for_w]) = (at.inputs, at.wanted);
        let (weights, wanted) = ([w.singles(), &[]], [for_x, for_w, false]);
        let [dx, dw, _] = by_kind!(x, |x| self.gradients(x, weights, [at.output, at.gradient], wanted));
        [dx, dw]
    }
}

/// With a bias.
impl CpuOp<3> for Conv2d {
    type Saved = ();

    fn forward(&self, [x, w, bias]: [Values<'_>; 3]) -> (Array, ()) {
        (by_kind!(x, |x| self.output(x, w.singles(), Some(bias.singles()))), ())
    }

    fn backward(&self, at: Point<'_, 3, ()>) -> [Option<Array>; 3] {
        let [x, w, bias] = at.inputs;
        let weights = [w, bias].map(Values::singles);
        by_kind!(x, |x| self.gradients(x, weights, [at.output, at.gradient], at.wanted))
    }
}
