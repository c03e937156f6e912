//! Numbers that may still be on their way from a device.

use burn::tensor::Tensor;

use super::body::Body;
use super::read;

/// One number that was computed from tensors: known on the CPU, in the making on any other device.
///
/// To read it there is to wait for all work given to the device before it. So training reads as seldom as it can, many
/// at once.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a step has a few, each for a moment")]
pub enum Scalar {
    /// The number.
    Known(f64),
    /// A tensor of one element, on another device than the CPU.
    Pending(Tensor<1>),
}

impl Scalar {
    /// The one element of `x`.
    pub fn of(x: Tensor<1>) -> Scalar {
        match Body::of(&x) {
            Body::Kernels => Scalar::Known(first(&read(x))),
            Body::Composed => Scalar::Pending(x.without_autodiff()),
        }
    }

    /// The number, unless it is still in the making.
    pub fn known(&self) -> Option<f64> {
        match self {
            Scalar::Known(number) => Some(*number),
            Scalar::Pending(_) => None,
        }
    }

    /// The number, waiting for it.
    pub fn read(&self) -> f64 {
        match self {
            Scalar::Known(number) => *number,
            Scalar::Pending(x) => first(&read(x.clone())),
        }
    }

    /// The numbers of all `scalars` of one device, which is waited for once at most.
    pub fn read_all(scalars: &[&Scalar]) -> Vec<f64> {
        let pending = scalars.iter().filter_map(|scalar| match scalar {
            Scalar::Known(_) => None,
            Scalar::Pending(x) => Some(x.clone()),
        });
        let pending: Vec<Tensor<1>> = pending.collect();
        let read = if pending.is_empty() { Vec::new() } else { read(Tensor::cat(pending, 0)) };
        let mut read = read.into_iter().map(f64::from);
        scalars.iter().map(|scalar| scalar.known().or_else(|| read.next()).unwrap_or(f64::NAN)).collect()
    }

    /// `x` times this number.
    pub fn times(&self, x: Tensor<1>) -> Tensor<1> {
        match self {
            Scalar::Known(1.0) => x,
            Scalar::Known(number) => x.mul_scalar(*number),
            Scalar::Pending(number) => x * number.clone(),
        }
    }
}

fn first(values: &[f32]) -> f64 {
    values.first().copied().map_or(f64::NAN, f64::from)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn pending(number: f32) -> Scalar {
        Scalar::Pending(Tensor::from_floats([number], &Device::flex()))
    }

    #[test]
    fn numbers_are_read_in_their_order_wherever_they_are() {
        let scalars =
            [Scalar::Known(0.1), pending(2.0), Scalar::Known(-3.0), pending(f32::INFINITY), pending(5.0)];
        let all = Scalar::read_all(&scalars.each_ref());
        assert_eq!(all, [0.1, 2.0, -3.0, f64::INFINITY, 5.0]);
        assert_eq!(scalars.each_ref().map(Scalar::read).to_vec(), all);
        assert_eq!(Scalar::read_all(&[]), Vec::<f64>::new());
    }

    #[test]
    fn on_the_cpu_a_number_is_known_at_once() {
        let x = Tensor::from_floats([0.25], &Device::flex());
        assert_eq!(Scalar::of(x).known(), Some(0.25));
        assert_eq!(pending(0.25).known(), None);
    }

    #[test]
    fn a_factor_is_the_same_known_or_not() {
        let x = || Tensor::from_floats([1.0, -2.0], &Device::flex());
        for factor in [1.0, 0.5] {
            let products =
                [Scalar::Known(factor), pending(factor as f32)].map(|factor| read(factor.times(x())));
            assert_eq!(products, [[factor as f32, -2.0 * factor as f32]; 2]);
        }
    }
}
