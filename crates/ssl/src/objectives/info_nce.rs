//! InfoNCE with a queue of negatives, the loss of MoCo (He et al., "Momentum contrast for unsupervised visual
//! representation learning", CVPR 2020).

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
pub struct InfoNce {
    /// Divides the cosine similarities.
    pub temperature: f64,
    /// Scale all rows to length 1; otherwise they are taken as they are.
    pub normalise: bool,
}

impl Default for InfoNce {
    fn default() -> InfoNce {
        InfoNce { temperature: 0.2, normalise: true }
    }
}

impl InfoNce {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.positive("temperature", self.temperature);
    }

    /// Equation 1, averaged over the batch: the key of the same image among the keys of the queue,
    ///
    /// ```text
    /// L = mean_b [ log( exp(q.k / tau) + sum_n exp(q.n / tau) ) - q.k / tau ]
    /// ```
    ///
    /// Shapes: `query`, `key` `[N, D]`, `queue` `[K, D]`. `key` and `queue` are constants. Parts: `positive`, the mean
    /// of `q.k`.
    pub fn loss(&self, query: Tensor<2>, key: Tensor<2>, queue: Tensor<2>) -> Loss {
        let rows = |z: Tensor<2>| if self.normalise { unit_rows(z) } else { z };
        let [n, _] = query.dims();
        let (q, k, queue) = (rows(query), rows(key.without_autodiff()), rows(queue.without_autodiff()));
        let positive = (q.clone() * k).sum_dim(1);
        let negatives = q.matmul(queue.transpose());
        let logits = Tensor::cat(vec![positive.clone(), negatives], 1).div_scalar(self.temperature);
        let positive: Tensor<1> = positive.reshape([n]);
        let total = (log_sum_exp(logits) - positive.clone().div_scalar(self.temperature)).mean();
        Loss::new(total, [("positive", positive.mean())])
    }

    /// Both directions, averaged: queries of one view against keys of the other and *that* view's queue, so that
    /// negatives come from the same kind of view as the positive.
    ///
    /// Each argument holds view a and view b. Parts: `a` (query a) and `b`, the two terms.
    ///
    /// Source: the symmetrised MoCo of Chen and He, "Exploring simple Siamese representation learning", CVPR 2021.
    pub fn symmetric(&self, queries: [Tensor<2>; 2], keys: [Tensor<2>; 2], queues: [Tensor<2>; 2]) -> Loss {
        let ([q_a, q_b], [k_a, k_b], [queue_a, queue_b]) = (queries, keys, queues);
        let a = self.loss(q_a, k_b, queue_b).total;
        let b = self.loss(q_b, k_a, queue_a).total;
        Loss::new((a.clone() + b.clone()).mul_scalar(0.5), [("a", a), ("b", b)])
    }
}
