//! Two-dimensional convolution.

use burn::tensor::Tensor;
use burn::tensor::module::conv2d as burn_conv2d;
use burn::tensor::ops::ConvOptions;
use twinlens_kernels::{ConvShape, Window, conv2d_forward, conv2d_input_grad, conv2d_weight_grad};

use super::Body;
use super::bridge::{CpuOp, Point, run, shaped};

/// Stride and zero padding, as (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dOptions {
    /// Step between two windows.
    pub stride: [usize; 2],
    /// Zeros added on each side.
    pub padding: [usize; 2],
}

/// `y[n, i, j, o] = bias[o] + sum_{p, q, c} w[p, q, c, o] x[n, i s + p - pad, j s + q - pad, c]`.
///
/// Shapes: `x [N, H, W, C]`, `w [kh, kw, C, O]`, `bias [O]`, result `[N, H', W', O]` with
/// `H' = (H + 2 pad - kh) / s + 1`, rounded down. Cross-correlation, as `torch.nn.Conv2d`.
pub fn conv2d(x: Tensor<4>, w: Tensor<4>, bias: Option<Tensor<1>>, options: Conv2dOptions) -> Tensor<4> {
    let y = match Body::of(&x) {
        Body::Kernels => kernels(x, w, options),
        Body::Composed => composed(x, w, options),
    };
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

pub(crate) fn composed(x: Tensor<4>, w: Tensor<4>, options: Conv2dOptions) -> Tensor<4> {
    let settings = ConvOptions::new(options.stride, options.padding, [1, 1], 1);
    burn_conv2d(x.permute([0, 3, 1, 2]), w.permute([3, 2, 0, 1]), None, settings).permute([0, 2, 3, 1])
}

pub(crate) fn kernels(x: Tensor<4>, w: Tensor<4>, options: Conv2dOptions) -> Tensor<4> {
    let [kernel_height, kernel_width, _, out_channels] = w.dims();
    let window =
        Window { kernel: [kernel_height, kernel_width], stride: options.stride, padding: options.padding };
    let shape = shaped(ConvShape::new(x.dims(), out_channels, window));
    let output = [x.dims()[0], shape.out_height(), shape.out_width(), out_channels];
    run(Conv2d { shape }, [x.into(), w.into()], output).0
}

#[derive(Clone, Debug)]
struct Conv2d {
    shape: ConvShape,
}

impl CpuOp<2> for Conv2d {
    type Saved = ();

    fn forward(&self, [x, w]: [&[f32]; 2]) -> (Vec<f32>, ()) {
        let mut y = vec![0.0; self.shape.y_len()];
        conv2d_forward(&self.shape, x, w, None, &mut y);
        (y, ())
    }

    fn backward(&self, at: Point<'_, 2, ()>) -> [Option<Vec<f32>>; 2] {
        let [x, w] = at.inputs;
        let input = at.wanted[0].then(|| {
            let mut dx = vec![0.0; x.len()];
            conv2d_input_grad(&self.shape, at.gradient, w, &mut dx);
            dx
        });
        let weight = at.wanted[1].then(|| {
            let mut dw = vec![0.0; w.len()];
            conv2d_weight_grad(&self.shape, x, at.gradient, &mut dw);
            dw
        });
        [input, weight]
    }
}
