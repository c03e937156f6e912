//! NT-Xent, the loss of SimCLR (Chen et al., "A simple framework for contrastive learning of visual
//! representations", ICML 2020).

use burn::tensor::{Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::norms::unit_rows;

use super::formulas::log_sum_exp;
use super::loss::{Loss, PairLoss};
use crate::problems::Problems;

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
// The schema of SimCLR's settings has its name from here.
#[schemars(rename = "Simclr")]
pub struct NtXent {
    /// Divides the cosine similarities.
    pub temperature: f64,
}

impl Default for NtXent {
    fn default() -> NtXent {
        NtXent { temperature: 0.2 }
    }
}

impl PairLoss for NtXent {
    fn check(&self, problems: &mut Problems) {
        problems.positive("temperature", self.temperature);
    }

    /// Equation 1, averaged over all 2N anchors. With `u` the 2N unit rows of both views,
    ///
    /// ```text
    /// s_ij = u_i . u_j / tau
    /// L = 1/(2N) sum_i [ log sum_{k != i} exp(s_ik) - s_i,pos(i) ]
    /// ```
    ///
    /// where `pos(i)` is the other view of the same image. Shapes: `z_a`, `z_b` `[N, D]`. Parts: `positive`, the
    /// mean cosine of positive pairs. For random unit vectors of many dimensions the loss is near `ln(2N - 1)`.
    ///
    /// Differences: solo-learn exponentiates without subtracting the maximum; lightly's default temperature is 0.5.
    fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss {
        let [n, _] = z_a.dims();
        let u = unit_rows(Tensor::cat(vec![z_a, z_b], 0));
        let cosine = u.clone().matmul(u.clone().transpose());
        let own = Tensor::<2, Int>::eye(2 * n, &u.device()).bool();
        let others = cosine.div_scalar(self.temperature).mask_fill(own, f32::NEG_INFINITY);
        let partners = Tensor::cat(vec![u.clone().narrow(0, n, n), u.clone().narrow(0, 0, n)], 0);
        let positive: Tensor<1> = (u * partners).sum_dim(1).reshape([2 * n]);
        let total = (log_sum_exp(others) - positive.clone().div_scalar(self.temperature)).mean();
        Loss::new(total, [("positive", positive.mean())])
    }
}
