//! Sinkhorn's iteration as SwAV uses it (Caron et al., "Unsupervised learning of visual features by contrasting
//! cluster assignments", NeurIPS 2020, equations 3 to 5; Cuturi 2013).

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::ops::sum;

use crate::problems::Problems;

/// Constants of the iteration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sinkhorn {
    /// Smoothness: the larger, the more even the codes.
    pub epsilon: f64,
    /// Iterations.
    pub iterations: usize,
}

impl Default for Sinkhorn {
    fn default() -> Sinkhorn {
        Sinkhorn { epsilon: 0.05, iterations: 3 }
    }
}

impl Sinkhorn {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.positive("epsilon", self.epsilon);
        problems.least_one("iterations", self.iterations);
    }

    /// Codes `[N, K]` of scores `[N, K]`: from `Q = exp(scores / epsilon)`, `iterations` times every prototype's column is
    /// scaled to the sum `1/K`, then every sample's row to `1/N`; at the end rows are scaled to 1.
    ///
    /// A constant, computed in f32. The largest score is subtracted first, which cancels.
    pub fn codes(&self, scores: Tensor<2>) -> Tensor<2> {
        let [n, k] = scores.dims();
        let scores = scores.without_autodiff();
        let top = scores.clone().max_dim(1).max_dim(0);
        // Far below any code that matters, far above the smallest f32: a prototype that nobody wants stays finite.
        let q = (scores - top).div_scalar(self.epsilon).exp().clamp_min(1e-30);
        let mut q = q.clone() / sum(q).reshape([1, 1]);
        for _ in 0..self.iterations {
            q = q.clone() / q.sum_dim(0).mul_scalar(k as f64);
            q = q.clone() / q.sum_dim(1).mul_scalar(n as f64);
        }
        q.mul_scalar(n as f64)
    }
}
