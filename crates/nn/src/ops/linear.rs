//! Matrix products of a network: linear layers, and products of two batches.

use burn::tensor::Tensor;
use twinlens_kernels::{
    ConvShape, Epilogue, Precision, Window, conv2d_forward, conv2d_input_grad, conv2d_weight_grad,
};

use super::arrays::array;
use super::body::Body;
use super::bridge::{Array, CpuOp, Point, Values, run, shaped};
use super::conv2d::{self, Conv2dOptions};

/// `y = x w + bias`: shapes `x [N, in]`, `w [in, out]`, `bias [out]`, result `[N, out]`. `precision` as in
/// [`conv2d`](super::conv2d()).
pub fn linear(x: Tensor<2>, w: Tensor<2>, bias: Option<Tensor<1>>, precision: Precision) -> Tensor<2> {
    match Body::of(&x) {
        Body::Kernels => kernels(x, w, bias, precision),
        Body::Composed => composed(x, w, bias),
    }
}

pub(crate) fn composed(x: Tensor<2>, w: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let y = x.matmul(w);
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

/// A convolution of images of one pixel.
pub(crate) fn kernels(
    x: Tensor<2>,
    w: Tensor<2>,
    bias: Option<Tensor<1>>,
    precision: Precision,
) -> Tensor<2> {
    let ([rows, inputs], [_, outputs]) = (x.dims(), w.dims());
    let options = Conv2dOptions { stride: [1, 1], padding: [0, 0], relu: false };
    let (x, w) = (x.reshape([rows, 1, 1, inputs]), w.reshape([1, 1, inputs, outputs]));
    conv2d::kernels(x, w, bias, options, precision).reshape([rows, outputs])
}

/// `c = a^T b`, the products of all columns: shapes `a [N, A]`, `b [N, B]`, result `[A, B]`.
pub fn column_products(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    match Body::of(&a) {
        Body::Kernels => column_products_kernels(a, b),
        Body::Composed => column_products_composed(a, b),
    }
}

pub(crate) fn column_products_composed(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    a.transpose().matmul(b)
}

pub(crate) fn column_products_kernels(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let ([rows, left], [_, right]) = (a.dims(), b.dims());
    let pixel = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0] };
    let shape = shaped(ConvShape::new([rows, 1, 1, left], right, pixel));
    run(ColumnProducts { shape }, [a.into(), b.into()], [left, right]).0
}

/// With `b = a w` for a weight `w [A, B]`, `a^T b` has the form of the gradient of `w`.
#[derive(Clone, Debug)]
struct ColumnProducts {
    shape: ConvShape,
}

impl CpuOp<2> for ColumnProducts {
    type Saved = ();

    fn forward(&self, inputs: [Values<'_>; 2]) -> (Array, ()) {
        let [a, b] = inputs.map(Values::singles);
        let mut c = array(self.shape.w_len());
        conv2d_weight_grad(&self.shape, a, b, &mut c);
        (c.into(), ())
    }

    /// `da = b dc^T`, `db = a dc`.
    fn backward(&self, at: Point<'_, 2, ()>) -> [Option<Array>; 2] {
        let ([a, b], dc) = (at.inputs.map(Values::singles), at.gradient.singles());
        let left = at.wanted[0].then(|| {
            let mut da = array(a.len());
            conv2d_input_grad(&self.shape, b, dc, &mut da);
            da.into()
        });
        let right = at.wanted[1].then(|| {
            let mut db = array(b.len());
            conv2d_forward(&self.shape, a, dc, Epilogue::default(), &mut db);
            db.into()
        });
        [left, right]
    }
}
