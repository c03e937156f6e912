//! The precision of a network's maps.

use burn::tensor::Tensor;
use twinlens_kernels::{Bf16, Precision, convert};

use super::arrays::array;
use super::body::Body;
use super::bridge::{Array, CpuOp, Kind, Point, Values, run};

/// `x`, in single precision, as maps of the given precision: rounded to bf16, or as they are. Operations on maps in bf16 give
/// maps in bf16, and move half of the bytes. Devices other than the CPU take single precision whatever it says.
pub fn in_precision<const D: usize>(x: Tensor<D>, precision: Precision) -> Tensor<D> {
    match (Body::of(&x), precision) {
        (Body::Kernels, Precision::Bf16) => {
            let shape = x.dims();
            run(Round, [x.into()], shape).0
        }
        _ => x,
    }
}

#[derive(Clone, Debug)]
struct Round;

impl CpuOp<1> for Round {
    type Saved = ();

    fn forward(&self, [x]: [Values<'_>; 1]) -> (Array, ()) {
        let x = x.singles();
        let mut y = array::<Bf16>(x.len());
        convert(x, &mut y);
        (Kind::array(y), ())
    }

    /// The gradient as it is: rounding is taken for the identity.
    fn backward(&self, at: Point<'_, 1, ()>) -> [Option<Array>; 1] {
        let dy = Bf16::of(at.gradient);
        let mut dx = array::<f32>(dy.len());
        convert(dy, &mut dx);
        [Some(dx.into())]
    }
}
