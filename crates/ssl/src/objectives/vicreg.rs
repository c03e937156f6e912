//! VICReg (Bardes et al., "VICReg: variance-invariance-covariance regularization", ICLR 2022).

use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::ops::sum;

use super::formulas::{centre, off_diagonal_squares};
use super::loss::{Loss, PairLoss};
use crate::problems::Problems;

/// What the squared distances of the invariance term are averaged over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvarianceReduction {
    /// Over images and features, as the authors' code and everyone after it: `1/D` of equation 5.
    #[default]
    MeanElements,
    /// Over images, as equation 5 says.
    MeanSamples,
}

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Vicreg {
    /// Weight of the distance between views.
    pub invariance_weight: f64,
    /// Weight of the hinge on standard deviations.
    pub variance_weight: f64,
    /// Weight of the covariances.
    pub covariance_weight: f64,
    /// The standard deviation asked for.
    pub gamma: f64,
    /// Added to variances before the root.
    pub eps: f64,
    /// What distances are averaged over: `mean_elements` (all code) or `mean_samples` (the paper's equation 5).
    pub invariance_reduction: InvarianceReduction,
    /// Multiplies the variance term: 1 sums the views' hinges (the paper, solo-learn), 0.5 averages them (the authors'
    /// code, lightly).
    pub variance_view_scale: f64,
}

impl Default for Vicreg {
    fn default() -> Vicreg {
        Vicreg {
            invariance_weight: 25.0,
            variance_weight: 25.0,
            covariance_weight: 1.0,
            gamma: 1.0,
            eps: 1e-4,
            invariance_reduction: InvarianceReduction::default(),
            variance_view_scale: 0.5,
        }
    }
}

impl PairLoss for Vicreg {
    fn check(&self, problems: &mut Problems) {
        problems.not_negative("invariance_weight", self.invariance_weight);
        problems.not_negative("variance_weight", self.variance_weight);
        problems.not_negative("covariance_weight", self.covariance_weight);
        problems.positive("gamma", self.gamma);
        problems.positive("eps", self.eps);
        problems.positive("variance_view_scale", self.variance_view_scale);
    }

    /// Equation 6 (`w_s`, `w_v`, `w_c` the weights, `f` the view scale; variances and covariances with `1/(N - 1)`):
    ///
    /// ```text
    /// s = mean |z_a - z_b|^2
    /// v = f [h(z_a) + h(z_b)],  h(z) = 1/D sum_j max(0, gamma - sqrt(var_j + eps))
    /// c = c(z_a) + c(z_b),      c(z) = 1/D sum_i sum_{j != i} cov_ij^2
    /// L = w_s s + w_v v + w_c c
    /// ```
    ///
    /// Shapes: `z_a`, `z_b` `[N, D]`. Parts: `invariance`, `variance`, `covariance`, without weights.
    fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss {
        let [n, d] = z_a.dims();
        let invariance = match self.invariance_reduction {
            InvarianceReduction::MeanElements => distance(z_a.clone(), z_b.clone()),
            InvarianceReduction::MeanSamples => distance(z_a.clone(), z_b.clone()).mul_scalar(d as f64),
        };
        let (a, b) = (centre(z_a), centre(z_b));
        let hinges = hinge(a.clone(), self.gamma, self.eps) + hinge(b.clone(), self.gamma, self.eps);
        let variance = hinges.mul_scalar(self.variance_view_scale);
        let squares = |z| off_diagonal_squares(z, n as f64 - 1.0).div_scalar(d as f64);
        let covariance: Tensor<1> = squares(a) + squares(b);
        let total = invariance.clone().mul_scalar(self.invariance_weight)
            + variance.clone().mul_scalar(self.variance_weight)
            + covariance.clone().mul_scalar(self.covariance_weight);
        Loss::new(total, [("invariance", invariance), ("variance", variance), ("covariance", covariance)])
    }
}

/// The mean over all elements of the squared difference.
pub(super) fn distance(z_a: Tensor<2>, z_b: Tensor<2>) -> Tensor<1> {
    let [n, d] = z_a.dims();
    sum((z_a - z_b).square()).div_scalar((n * d) as f64)
}

/// `mean_j max(0, gamma - sqrt(var_j + eps))` of centred columns, the variance unbiased.
pub(super) fn hinge(centred: Tensor<2>, gamma: f64, eps: f64) -> Tensor<1> {
    let [n, d] = centred.dims();
    let variance: Tensor<1> = centred.square().sum_dim(0).div_scalar(n as f64 - 1.0).reshape([d]);
    activation::relu(variance.add_scalar(eps).sqrt().neg().add_scalar(gamma)).mean()
}
