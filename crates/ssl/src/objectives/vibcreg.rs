//! VIbCReg (Lee and Aune, "VIbCReg: variance-invariance-better-covariance regularization for self-supervised learning
//! on time series", arXiv:2109.00783).

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formulas::{centre, off_diagonal_squares};
use super::loss::{Loss, PairLoss};
use super::vicreg::{distance, hinge};
use crate::problems::Problems;

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Vibcreg {
    /// Weight of the distance between views.
    pub invariance_weight: f64,
    /// Weight of the hinge on standard deviations.
    pub variance_weight: f64,
    /// Weight of the correlations.
    pub covariance_weight: f64,
    /// The standard deviation asked for.
    pub gamma: f64,
    /// Added to variances before the root.
    pub eps: f64,
}

impl Default for Vibcreg {
    fn default() -> Vibcreg {
        Vibcreg {
            invariance_weight: 25.0,
            variance_weight: 25.0,
            covariance_weight: 200.0,
            gamma: 1.0,
            eps: 1e-4,
        }
    }
}

impl PairLoss for Vibcreg {
    fn check(&self, problems: &mut Problems) {
        problems.not_negative("invariance_weight", self.invariance_weight);
        problems.not_negative("variance_weight", self.variance_weight);
        problems.not_negative("covariance_weight", self.covariance_weight);
        problems.positive("gamma", self.gamma);
        problems.positive("eps", self.eps);
    }

    /// [VICReg](super::Vicreg) with correlations `R` in place of covariances, averaged over all entries:
    ///
    /// ```text
    /// s = mean over images and features of (z_a - z_b)^2
    /// v = h(z_a) + h(z_b),   h(z) = 1/D sum_j max(0, gamma - sqrt(var_j + eps))
    /// c = c(z_a) + c(z_b),   c(z) = 1/D^2 sum_i sum_{j != i} R_ij^2
    /// L = w_s s + w_v v + w_c c
    /// ```
    ///
    /// Shapes: `z_a`, `z_b` `[N, D]`. Parts: `invariance`, `variance`, `covariance`, without weights. The method's last
    /// layer is [`IterNorm`](twinlens_nn::norms::IterNorm).
    fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss {
        let [_, d] = z_a.dims();
        let invariance = distance(z_a.clone(), z_b.clone());
        let (a, b) = (centre(z_a), centre(z_b));
        let variance = hinge(a.clone(), self.gamma, self.eps) + hinge(b.clone(), self.gamma, self.eps);
        let squares = |z| off_diagonal_squares(unit_columns(z), 1.0).div_scalar((d * d) as f64);
        let covariance: Tensor<1> = squares(a) + squares(b);
        let total = invariance.clone().mul_scalar(self.invariance_weight)
            + variance.clone().mul_scalar(self.variance_weight)
            + covariance.clone().mul_scalar(self.covariance_weight);
        Loss::new(total, [("invariance", invariance), ("variance", variance), ("covariance", covariance)])
    }
}

/// Columns scaled to length 1; a column of zeros stays so.
fn unit_columns(z: Tensor<2>) -> Tensor<2> {
    let length = z.clone().square().sum_dim(0).clamp_min(1e-24).sqrt();
    z / length
}
