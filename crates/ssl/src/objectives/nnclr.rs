//! The loss of NNCLR (Dwibedi et al., "With a little help from my friends: nearest-neighbor contrastive learning of
//! visual representations", ICCV 2021).

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::norms::unit_rows;

use super::formulas::log_sum_exp;
use super::loss::Loss;
use crate::problems::Problems;

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Nnclr {
    /// Divides the cosine similarities.
    pub temperature: f64,
}

impl Default for Nnclr {
    fn default() -> Nnclr {
        Nnclr { temperature: 0.2 }
    }
}

impl Nnclr {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.positive("temperature", self.temperature);
    }

    /// Equation 3 in both directions, averaged. With `s_ij = u(nn_i) . u(p_j) / tau`, `u` of length 1,
    ///
    /// ```text
    /// L(nn, p) = mean_i [ log sum_j exp(s_ij) - s_ii ]
    /// L = [ L(sg nn_a, p_b) + L(sg nn_b, p_a) ] / 2
    /// ```
    ///
    /// `nn` are the [nearest](super::nearest) neighbours of the projections in the queue, `p` predictions, each for
    /// view a and view b, `[N, D]`. Parts: `a` (neighbours of a) and `b`, the two terms.
    ///
    /// Differences: lightly puts neighbours and predictions into NT-Xent, which adds negatives of the same side.
    pub fn loss(&self, neighbours: [Tensor<2>; 2], p: [Tensor<2>; 2]) -> Loss {
        let ([nn_a, nn_b], [p_a, p_b]) = (neighbours, p);
        let a = self.direction(nn_a, p_b);
        let b = self.direction(nn_b, p_a);
        Loss::new((a.clone() + b.clone()).mul_scalar(0.5), [("a", a), ("b", b)])
    }

    fn direction(&self, neighbours: Tensor<2>, p: Tensor<2>) -> Tensor<1> {
        let [n, _] = p.dims();
        let (nn, p) = (unit_rows(neighbours.without_autodiff()), unit_rows(p));
        let positive: Tensor<1> = (p.clone() * nn.clone()).sum_dim(1).reshape([n]);
        let logits = nn.matmul(p.transpose()).div_scalar(self.temperature);
        (log_sum_exp(logits) - positive.div_scalar(self.temperature)).mean()
    }
}
