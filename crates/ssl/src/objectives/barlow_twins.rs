//! Barlow Twins (Zbontar et al., "Barlow Twins: self-supervised learning via redundancy reduction", ICML 2021).

use burn::tensor::Tensor;
use twinlens_nn::ops::sum;

use super::{Loss, standardise};

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BarlowTwins {
    /// Weight of the redundancy term.
    pub lambda: f64,
    /// Added to each column's variance.
    pub eps: f64,
}

impl BarlowTwins {
    /// Equations 1 and 2. With `a`, `b` the columns of `z_a`, `z_b` standardised over the batch,
    ///
    /// ```text
    /// C = a^T b / N
    /// L = sum_i (1 - C_ii)^2 + lambda sum_i sum_{j != i} C_ij^2
    /// ```
    ///
    /// Shapes: `z_a`, `z_b` `[N, D]`. Parts: `invariance` (the first sum) and `redundancy` (the second, without
    /// lambda).
    ///
    /// Differences: the standard deviation is the biased one, as in the authors' code, so that `C_ii` reaches 1; a
    /// common rewriting divides by the unbiased one and by N, which caps it at (N - 1) / N. solo-learn multiplies
    /// the loss by 0.1 (or 0.024); here there is no factor. lightly once pooled the statistics of both views.
    pub fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss {
        let [n, d] = z_a.dims();
        let a = standardise(z_a, self.eps);
        let b = standardise(z_b, self.eps);
        let c = a.clone().transpose().matmul(b.clone()).div_scalar(n as f64);
        // The diagonal from its own sums: cheaper than a mask, and its gradient is exact.
        let diagonal: Tensor<1> = (a * b).sum_dim(0).div_scalar(n as f64).reshape([d]);
        let invariance = (diagonal.clone().neg().add_scalar(1.0)).square().sum();
        let redundancy = sum(c.square()) - diagonal.square().sum();
        let total = invariance.clone() + redundancy.clone().mul_scalar(self.lambda);
        Loss::new(total, [("invariance", invariance), ("redundancy", redundancy)])
    }
}
