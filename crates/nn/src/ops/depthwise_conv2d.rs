//! Depthwise convolution.

use burn::tensor::Tensor;
use burn::tensor::module::conv2d as burn_conv2d;
use burn::tensor::ops::ConvOptions;
use twinlens_kernels::{
    DepthwiseShape, bias_grad, depthwise_forward, depthwise_input_grad, depthwise_weight_grad,
};

use super::arrays::array;
use super::body::Body;
use super::bridge::{Array, CpuOp, Point, Values, run, shaped};

/// `y[n, i, j, c] = bias[c] + sum_{p, q} w[p, q, c] x[n, i + p - r, j + q - r, c]`, zeros outside of the image: every
/// channel is convolved with its own kernel of `2 r + 1` pixels, and keeps its size.
///
/// Shapes: `x [N, H, W, C]`, `w [k, k, C]` with odd `k`, `bias [C]`, result `[N, H, W, C]`. As `torch.nn.Conv2d` with
/// `groups = C` and `padding = r`.
pub fn depthwise_conv2d(x: Tensor<4>, w: Tensor<3>, bias: Tensor<1>) -> Tensor<4> {
    match Body::of(&x) {
        Body::Kernels => kernels(x, w, bias),
        Body::Composed => composed(x, w, bias),
    }
}

/// The permutations of `x` move nothing, as in `conv2d::composed`. The bias is added outside: burn's depthwise kernel takes none
/// (burn-cubecl 0.22, `kernel/conv/forward/depthwise.rs`), and with one only the direct convolution would be left.
pub(crate) fn composed(x: Tensor<4>, w: Tensor<3>, bias: Tensor<1>) -> Tensor<4> {
    let [kernel, _, channels] = w.dims();
    let settings = ConvOptions::new([1, 1], [kernel / 2; 2], [1, 1], channels);
    let w = w.permute([2, 0, 1]).reshape([channels, 1, kernel, kernel]);
    let y = burn_conv2d(x.permute([0, 3, 1, 2]), w, None, settings).permute([0, 2, 3, 1]);
    y + bias.reshape([1, 1, 1, channels])
}

pub(crate) fn kernels(x: Tensor<4>, w: Tensor<3>, bias: Tensor<1>) -> Tensor<4> {
    let output = x.dims();
    let shape = shaped(DepthwiseShape::new(output, w.dims()[0] / 2));
    run(DepthwiseConv2d { shape }, [x.into(), w.into(), bias.into()], output).0
}

#[derive(Clone, Debug)]
struct DepthwiseConv2d {
    shape: DepthwiseShape,
}

impl CpuOp<3> for DepthwiseConv2d {
    type Saved = ();

    fn forward(&self, inputs: [Values<'_>; 3]) -> (Array, ()) {
        let [x, w, bias] = inputs.map(Values::singles);
        let mut y = array(x.len());
        depthwise_forward(&self.shape, x, w, bias, &mut y);
        (y.into(), ())
    }

    fn backward(&self, at: Point<'_, 3, ()>) -> [Option<Array>; 3] {
        let ([x, w, bias], dy) = (at.inputs.map(Values::singles), at.gradient.singles());
        let input = at.wanted[0].then(|| {
            let mut dx = array(x.len());
            depthwise_input_grad(&self.shape, dy, w, &mut dx);
            dx.into()
        });
        let weight = at.wanted[1].then(|| {
            let mut dw = array(w.len());
            depthwise_weight_grad(&self.shape, x, dy, &mut dw);
            dw.into()
        });
        let shift = at.wanted[2].then(|| {
            let mut db = array(bias.len());
            bias_grad(dy, &mut db);
            db.into()
        });
        [input, weight, shift]
    }
}
