//! The loss of BYOL (Grill et al., "Bootstrap your own latent", NeurIPS 2020).

use burn::tensor::Tensor;

use super::formulas::cosines;
use super::loss::Loss;

/// Equation 2 and its mirror image, summed:
///
/// ```text
/// L = mean_b [2 - 2 cos(p_a, sg z_b)] + mean_b [2 - 2 cos(p_b, sg z_a)]
/// ```
///
/// `p` are predictions from the online network, `z` the target's projections, each for view a and view b, `[N, D]`.
/// Parts: `a` (prediction a) and `b`, the two terms.
///
/// Differences: lightly takes half the mean of the negative cosines, whose gradient is a quarter of this one's.
pub fn byol(p: [Tensor<2>; 2], z: [Tensor<2>; 2]) -> Loss {
    let ([p_a, p_b], [z_a, z_b]) = (p, z);
    let term = |p, z: Tensor<2>| cosines(p, z.without_autodiff()).mean().mul_scalar(-2.0).add_scalar(2.0);
    let (a, b): (Tensor<1>, Tensor<1>) = (term(p_a, z_b), term(p_b, z_a));
    Loss::new(a.clone() + b.clone(), [("a", a), ("b", b)])
}
