//! IMAX (Becker and Hinton, "Self-organizing neural network that discovers surfaces in random-dot stereograms", Nature 1992),
//! for embeddings of several dimensions as Zbontar et al. (ICML 2021, section 5.1) write it.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::norms::inverse_cholesky;
use twinlens_nn::ops::{column_products, squared_norm};

use super::formulas::centre;
use super::loss::{Loss, PairLoss};
use crate::problems::Problems;

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Imax {
    /// Share of the mean variance of both views that is added to every variance: it makes up for a batch with fewer images
    /// than dimensions, and for views that agree.
    pub eps: f64,
}

impl Default for Imax {
    fn default() -> Imax {
        Imax { eps: 1e-4 }
    }
}

impl PairLoss for Imax {
    fn check(&self, problems: &mut Problems) {
        problems.positive("eps", self.eps);
    }

    /// The information that views share, if both are one Gaussian signal with noise, with a minus sign:
    ///
    /// ```text
    /// L = log |C_(z_a - z_b) + rho I| - log |C_(z_a + z_b) + rho I|
    /// rho = eps trace(C_(z_a) + C_(z_b)) / D
    /// ```
    ///
    /// `C` the covariance over the batch, with divisor N. Shapes: `z_a`, `z_b` `[N, D]`. Parts: `difference` and `sum`, the
    /// two logarithms. `rho` is ours: without it views that agree would cost minus infinity, and N would have to be above D;
    /// with it the loss is never below `D ln(eps / (2 + eps))`. The same scale of both views changes nothing, nor does their
    /// exchange or a common rotation. Embeddings that are all the same give NaN.
    fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss {
        let (a, b) = (centre(z_a), centre(z_b));
        let [n, d] = a.dims();
        let variance = (squared_norm(a.clone()) + squared_norm(b.clone())).div_scalar((n * d) as f64);
        let eye = Tensor::<2>::eye(d, &a.device().without_autodiff());
        let ridge = eye * variance.mul_scalar(self.eps).reshape([1, 1]);
        let covariance = |z: Tensor<2>| column_products(z.clone(), z).div_scalar(n as f64);
        let difference = log_determinant(covariance(a.clone() - b.clone()) + ridge.clone());
        let sum = log_determinant(covariance(a + b) + ridge);
        Loss::new(difference.clone() - sum.clone(), [("difference", difference), ("sum", sum)])
    }
}

/// `log |S|` of a symmetric positive definite `S = L L^T`: `-2 sum_i log (L^-1)_ii`.
fn log_determinant(s: Tensor<2>) -> Tensor<1> {
    let [d, _] = s.dims();
    let inverse = inverse_cholesky(s);
    let eye = Tensor::<2>::eye(d, &inverse.device().without_autodiff());
    let diagonal: Tensor<1> = (inverse * eye).sum_dim(1).reshape([d]);
    diagonal.log().sum().mul_scalar(-2.0)
}
