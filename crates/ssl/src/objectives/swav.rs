//! The loss of SwAV (Caron et al., "Unsupervised learning of visual features by contrasting cluster assignments",
//! NeurIPS 2020).

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formulas::{cross_view, entropy};
use super::loss::Loss;
use crate::problems::Problems;

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Swav {
    /// Divides the scores of the predictions.
    pub temperature: f64,
}

impl Default for Swav {
    fn default() -> Swav {
        Swav { temperature: 0.1 }
    }
}

impl Swav {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.positive("temperature", self.temperature);
    }

    /// Equations 1 and 2 for any number of views: every view `v` predicts the codes `q` of the others,
    ///
    /// ```text
    /// L = mean over pairs t != v of  -mean_b sum_k q_t log softmax(scores_v / tau)
    /// ```
    ///
    /// Shapes: `codes` (constants, for the first views) and `scores` (for all), `[N, K]` each. Parts: `code_entropy`, in
    /// nats: `ln K` where the codes say nothing.
    pub fn loss(&self, codes: &[Tensor<2>], scores: &[Tensor<2>]) -> Loss {
        let logits: Vec<_> = scores.iter().map(|s| s.clone().div_scalar(self.temperature)).collect();
        let codes: Vec<_> = codes.iter().map(|q| q.clone().without_autodiff()).collect();
        Loss::new(cross_view(&codes, &logits), [("code_entropy", entropy(codes[0].clone()))])
    }
}
