//! The loss of SimSiam (Chen and He, "Exploring simple Siamese representation learning", CVPR 2021).

use burn::tensor::Tensor;

use super::formulas::cosines;
use super::loss::Loss;

/// Equation 4:
///
/// ```text
/// L = -1/2 mean_b cos(p_a, sg z_b) - 1/2 mean_b cos(p_b, sg z_a)
/// ```
///
/// `p` are predictions, `z` projections, each for view a and view b, `[N, D]`. From -1 (all alike) to 1. Parts: `a`
/// (prediction a) and `b`, the two means with their sign, not halved.
pub fn simsiam(p: [Tensor<2>; 2], z: [Tensor<2>; 2]) -> Loss {
    let ([p_a, p_b], [z_a, z_b]) = (p, z);
    let term = |p, z: Tensor<2>| cosines(p, z.without_autodiff()).mean().neg();
    let (a, b): (Tensor<1>, Tensor<1>) = (term(p_a, z_b), term(p_b, z_a));
    Loss::new((a.clone() + b.clone()).mul_scalar(0.5), [("a", a), ("b", b)])
}
