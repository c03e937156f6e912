//! Steps of optimisers and averages: one pass over a parameter on the CPU.

use burn::tensor::Tensor;
use twinlens_kernels::{self as kernels, Adam, HeavyBall};

use super::Scalar;
use super::body::Body;
use super::bridge::{changed, with_last_values, with_values};

/// Gradient descent with momentum, `trust` that of LARS or 1: the new `[p, b]`. See [`kernels::heavy_ball_step`] for the
/// formula.
pub fn heavy_ball([p, b]: [Tensor<1>; 2], g: Tensor<1>, trust: &Scalar, step: HeavyBall) -> [Tensor<1>; 2] {
    match Body::of(&p) {
        Body::Kernels => {
            let trust = trust.read() as f32;
            with_last_values(g, |g| changed([p, b], |[p, b]| kernels::heavy_ball_step(p, b, g, trust, step)))
        }
        Body::Composed => heavy_ball_composed([p, b], g, trust, step),
    }
}

pub(crate) fn heavy_ball_composed(
    [p, b]: [Tensor<1>; 2],
    g: Tensor<1>,
    trust: &Scalar,
    step: HeavyBall,
) -> [Tensor<1>; 2] {
    let HeavyBall { lr, momentum, weight_decay, nesterov } = step;
    let g = trust.times(g + p.clone().mul_scalar(weight_decay));
    let b = b.mul_scalar(momentum) + g.clone();
    let direction = if nesterov { g + b.clone().mul_scalar(momentum) } else { b.clone() };
    [p - direction.mul_scalar(lr), b]
}

/// Adam and AdamW: the new `[p, m, v]`. See [`kernels::adam_step`] for the formula.
pub fn adam([p, m, v]: [Tensor<1>; 3], g: Tensor<1>, step: Adam) -> [Tensor<1>; 3] {
    match Body::of(&p) {
        Body::Kernels => {
            with_last_values(g, |g| changed([p, m, v], |[p, m, v]| kernels::adam_step(p, m, v, g, step)))
        }
        Body::Composed => adam_composed([p, m, v], g, step),
    }
}

pub(crate) fn adam_composed([p, m, v]: [Tensor<1>; 3], g: Tensor<1>, step: Adam) -> [Tensor<1>; 3] {
    let Adam { lr, betas: [b1, b2], eps, weight_decay, kept, step } = step;
    let g = g + p.clone().mul_scalar(weight_decay);
    let m = m.mul_scalar(b1) + g.clone().mul_scalar(1.0 - b1);
    let v = v.mul_scalar(b2) + g.square().mul_scalar(1.0 - b2);
    let correction = |beta: f64| 1.0 - beta.powf(step as f64);
    let root = v.clone().div_scalar(correction(b2)).sqrt().add_scalar(eps);
    [p.mul_scalar(kept) - m.clone().div_scalar(correction(b1)).mul_scalar(lr) / root, m, v]
}

/// A step of an exponential moving average: `keep p + (1 - keep) q`.
pub fn average(p: Tensor<1>, q: Tensor<1>, keep: f64) -> Tensor<1> {
    match Body::of(&p) {
        Body::Kernels => {
            let [p] = with_values(&q, |q| changed([p], |[p]| kernels::average_step(p, q, keep)));
            p
        }
        Body::Composed => p.mul_scalar(keep) + q.mul_scalar(1.0 - keep),
    }
}
