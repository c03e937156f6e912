//! NT-Xent, the loss of SimCLR (Chen et al., "A simple framework for contrastive learning of visual
//! representations", ICML 2020), and InfoNCE as the authors of Barlow Twins write it.

use burn::tensor::{Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::norms::unit_rows;

use super::formulas::log_sum_exp;
use super::loss::{Loss, PairLoss};
use crate::problems::Problems;

/// Which pairs are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NtXentForm {
    /// Every view with all others of the batch, its partner among them.
    #[default]
    NtXent,
    /// Views of the first kind with those of the second alone, the partner not in the sum; the mean over images.
    Decoupled,
    /// As `decoupled`, summed over images: batch times as large, and its gradient too.
    DecoupledSum,
}

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
// The schema of SimCLR's settings has its name from here.
#[schemars(rename = "Simclr")]
pub struct NtXent {
    /// Divides the cosine similarities.
    pub temperature: f64,
    /// Which pairs are compared.
    pub form: NtXentForm,
}

impl Default for NtXent {
    fn default() -> NtXent {
        NtXent { temperature: 0.2, form: NtXentForm::default() }
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
    /// The [decoupled](NtXentForm) form is another loss, written below.
    ///
    /// Differences: solo-learn exponentiates without subtracting the maximum; lightly's default temperature is 0.5.
    fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss {
        let [n, _] = z_a.dims();
        match self.form {
            NtXentForm::NtXent => {}
            NtXentForm::Decoupled => return self.decoupled(z_a, z_b, 1.0),
            NtXentForm::DecoupledSum => return self.decoupled(z_a, z_b, n as f64),
        }
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

impl NtXent {
    /// InfoNCE as Zbontar et al. (ICML 2021, section 5.1) write it. With `a`, `b` the unit rows of `z_a`, `z_b` `[N, D]`,
    ///
    /// ```text
    /// s_bb' = a_b . b_b' / tau
    /// L = 1/N sum_b [ log sum_{b' != b} exp(s_bb') - s_bb ]
    /// ```
    ///
    /// times `factor`; theirs is the sum over the batch, N times as large. Pairs within a view and the positive pair are in
    /// no sum, and the views are not swapped. The loss may be negative; for random unit vectors of many dimensions the mean
    /// is near `ln(N - 1)`. Decoupled contrastive learning (Yeh et al., ECCV 2022) has negatives of both views instead.
    fn decoupled(&self, z_a: Tensor<2>, z_b: Tensor<2>, factor: f64) -> Loss {
        let [n, _] = z_a.dims();
        let (a, b) = (unit_rows(z_a), unit_rows(z_b));
        let positive: Tensor<1> = (a.clone() * b.clone()).sum_dim(1).reshape([n]);
        let own = Tensor::<2, Int>::eye(n, &a.device()).bool();
        let cosine = a.matmul(b.transpose());
        let others = cosine.div_scalar(self.temperature).mask_fill(own, f32::NEG_INFINITY);
        let total = (log_sum_exp(others) - positive.clone().div_scalar(self.temperature)).mean();
        Loss::new(total, [("positive", positive.mean())]).scaled(factor)
    }
}
