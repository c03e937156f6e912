//! Pooling over pixels.

use burn::tensor::Tensor;
use burn::tensor::module::max_pool2d as burn_max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use twinlens_kernels::{self as kernels, PoolShape, Window};

use super::arrays::array;
use super::body::Body;
use super::bridge::{Array, CpuOp, Kind, Point, Values, by_kind, run, shaped};

/// The largest value of each window; padding never wins. `x [N, H, W, C]`, as `torch.nn.MaxPool2d`.
pub fn max_pool2d(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    match Body::of(&x) {
        Body::Kernels => max_kernels(x, kernel, stride, padding),
        Body::Composed => max_composed(x, kernel, stride, padding),
    }
}

/// The mean over all pixels of each channel: `[N, H, W, C]` to `[N, C]`, in single precision.
pub fn global_average_pool(x: Tensor<4>) -> Tensor<2> {
    match Body::of(&x) {
        Body::Kernels => average_kernels(x),
        Body::Composed => average_composed(x),
    }
}

/// The permutations move nothing, as in `conv2d::composed`: burn's pooling, too, permutes back and computes channels last.
pub(crate) fn max_composed(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    burn_max_pool2d(x.permute([0, 3, 1, 2]), options).permute([0, 2, 3, 1])
}

pub(crate) fn average_composed(x: Tensor<4>) -> Tensor<2> {
    let [images, height, width, channels] = x.dims();
    x.reshape([images, height * width, channels]).mean_dim(1).reshape([images, channels])
}

pub(crate) fn max_kernels(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    let [images, _, _, channels] = x.dims();
    let shape = shaped(PoolShape::new(x.dims(), Window::square(kernel, stride, padding)));
    let output = [images, shape.out_height(), shape.out_width(), channels];
    run(MaxPool { shape }, [x.into()], output).0
}

pub(crate) fn average_kernels(x: Tensor<4>) -> Tensor<2> {
    let [images, _, _, channels] = x.dims();
    run(AveragePool { images, channels }, [x.into()], [images, channels]).0
}

#[derive(Clone, Debug)]
struct MaxPool {
    shape: PoolShape,
}

impl MaxPool {
    fn largest<E: Kind>(&self, x: &[E]) -> (Array, Vec<u32>) {
        let mut y = array(self.shape.y_len());
        let mut argmax = vec![0; y.len()];
        kernels::max_pool_forward(&self.shape, x, &mut y, &mut argmax);
        (E::array(y), argmax)
    }

    fn gradient<E: Kind>(&self, dy: &[E], argmax: &[u32]) -> Array {
        let mut dx = array(self.shape.x_len());
        kernels::max_pool_backward(&self.shape, dy, argmax, &mut dx);
        E::array(dx)
    }
}

impl CpuOp<1> for MaxPool {
    /// Where each output came from.
    type Saved = Vec<u32>;

    fn forward(&self, [x]: [Values<'_>; 1]) -> (Array, Vec<u32>) {
        by_kind!(x, |x| self.largest(x))
    }

    fn backward(&self, at: Point<'_, 1, Vec<u32>>) -> [Option<Array>; 1] {
        [Some(by_kind!(at.gradient, |dy| self.gradient(dy, at.saved)))]
    }
}

#[derive(Clone, Debug)]
struct AveragePool {
    images: usize,
    channels: usize,
}

impl AveragePool {
    /// Of the kind of `x`.
    fn gradient<E: Kind>(&self, dy: &[f32], x: &[E]) -> Array {
        let mut dx = array::<E>(x.len());
        kernels::global_average_pool_backward(dy, self.channels, &mut dx);
        E::array(dx)
    }
}

impl CpuOp<1> for AveragePool {
    type Saved = ();

    fn forward(&self, [x]: [Values<'_>; 1]) -> (Array, ()) {
        let mut y = array(self.images * self.channels);
        by_kind!(x, |x| kernels::global_average_pool_forward(x, self.channels, &mut y));
        (y.into(), ())
    }

    fn backward(&self, at: Point<'_, 1, ()>) -> [Option<Array>; 1] {
        [Some(by_kind!(at.inputs[0], |x| self.gradient(at.gradient.singles(), x)))]
    }
}
