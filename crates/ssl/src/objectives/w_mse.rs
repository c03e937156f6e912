//! W-MSE (Ermolov et al., "Whitening for self-supervised representation learning", ICML 2021).

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::norms::inverse_cholesky;
use twinlens_nn::ops::column_products;

use super::formulas::{centre, cosines};
use super::loss::{Loss, PairLoss};
use crate::problems::Problems;

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WMse {
    /// Share of the identity in the covariance: it makes up for a batch with fewer images than dimensions.
    pub eps: f64,
}

impl Default for WMse {
    fn default() -> WMse {
        WMse { eps: 1e-3 }
    }
}

impl PairLoss for WMse {
    fn check(&self, problems: &mut Problems) {
        problems.positive("eps", self.eps);
        problems.share("eps", self.eps);
    }

    /// Equation 5 with cosines: `L = 2 - 2 mean_b cos(w_a, w_b)` of the [whitened](WMse::whitened) rows of `z_a`, `z_b`
    /// `[N, D]`, with gradients through the whitening.
    ///
    /// The whole batch is whitened at once; the authors' code also knows parts of the batch and several draws of them.
    fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss {
        let cosine = cosines(self.whitened(z_a), self.whitened(z_b)).mean();
        Loss::new(cosine.clone().mul_scalar(-2.0).add_scalar(2.0), [("positive", cosine)])
    }
}

impl WMse {
    /// Rows with uncorrelated columns of variance 1: with `zc` centred, `w = zc L^-T`, where
    ///
    /// ```text
    /// S = (1 - eps) zc^T zc / (N - 1) + eps I = L L^T
    /// ```
    ///
    /// NaN where S is singular: with `eps = 0`, N must be above D.
    pub fn whitened(&self, z: Tensor<2>) -> Tensor<2> {
        let [n, d] = z.dims();
        let z = centre(z);
        let scale = (1.0 - self.eps) / (n as f64 - 1.0);
        let eye = Tensor::<2>::eye(d, &z.device().without_autodiff());
        let covariance = column_products(z.clone(), z.clone()).mul_scalar(scale) + eye.mul_scalar(self.eps);
        z.matmul(inverse_cholesky(covariance).transpose())
    }
}
