//! What LARS makes of a parameter's size.

use burn::tensor::Tensor;
use twinlens_kernels as kernels;

use super::Scalar;
use super::body::Body;
use super::bridge::with_values;
use super::sums::sum_of_squares_composed;

/// A parameter `p` with its gradient, before LARS adapts its step.
#[derive(Clone, Copy, Debug)]
pub struct Adapted<'a> {
    /// The parameter.
    pub p: &'a Tensor<1>,
    /// Its gradient.
    pub g: &'a Tensor<1>,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f32,
    /// Learning rate.
    pub lr: f64,
}

/// How LARS (You et al. 2017) adapts.
#[derive(Clone, Copy, Debug)]
pub struct Trust {
    /// Trust coefficient.
    pub eta: f64,
    /// Whether the adaptation may only slow a parameter down.
    pub clip: bool,
}

/// The factor of each gradient `g` (with its decay) of a parameter `p`: `eta |p| / |g|` where both norms are positive, else 1;
/// with `clip`, `min(eta |p| / (lr |g|), 1)`, and 1 at a learning rate of 0, where nothing moves whatever the factor.
pub fn trust_ratios(trust: Trust, adapted: &[Adapted<'_>]) -> Vec<Scalar> {
    match adapted.first().map(|one| Body::of(one.g)) {
        None => Vec::new(),
        Some(Body::Kernels) => adapted.iter().map(|one| Scalar::Known(ratio(trust, one))).collect(),
        Some(Body::Composed) => {
            let ratios = composed(trust, adapted);
            (0..adapted.len()).map(|place| Scalar::Pending(ratios.clone().narrow(0, place, 1))).collect()
        }
    }
}

/// One factor on the CPU.
fn ratio(Trust { eta, clip }: Trust, &Adapted { p, g, weight_decay, lr }: &Adapted<'_>) -> f64 {
    let decayed = |g: &[f32]| with_values(p, |p| kernels::decayed_sum_of_squares(g, p, weight_decay));
    let g = with_values(g, decayed).sqrt();
    let p = with_values(p, kernels::sum_of_squares).sqrt();
    if p == 0.0 || g == 0.0 {
        return 1.0;
    }
    let ratio = eta * p / g;
    match clip {
        false => ratio,
        true if lr > 0.0 => (ratio / lr).min(1.0),
        true => 1.0,
    }
}

/// All factors as one tensor: the norms are joined before anything is made of them, so that a step needs a few operations
/// for all parameters together, beside the sums, and none waits.
pub(crate) fn composed(Trust { eta, clip }: Trust, adapted: &[Adapted<'_>]) -> Tensor<1> {
    let norms = |squares: &dyn Fn(&Adapted<'_>) -> Tensor<1>| {
        Tensor::cat(adapted.iter().map(|one| sum_of_squares_composed(squares(one))).collect(), 0).sqrt()
    };
    let plain = |x: &Tensor<1>| x.clone().without_autodiff();
    let p = norms(&|one| plain(one.p));
    let g = norms(&|one| plain(one.g) + plain(one.p).mul_scalar(one.weight_decay));
    let none = p.clone().equal_elem(0.0).bool_or(g.clone().equal_elem(0.0));
    let ratios = (p / g).mul_scalar(eta);
    let ratios = if clip { clipped(ratios, adapted) } else { ratios };
    ratios.mask_fill(none, 1.0)
}

fn clipped(ratios: Tensor<1>, adapted: &[Adapted<'_>]) -> Tensor<1> {
    let rates: Vec<f32> = adapted.iter().map(|one| one.lr as f32).collect();
    let rates = Tensor::from_floats(rates.as_slice(), &ratios.device());
    (ratios / rates).clamp_max(1.0)
}
