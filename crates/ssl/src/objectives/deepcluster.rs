//! The loss of DeepCluster v2 (Caron et al., "Unsupervised learning of visual features by contrasting cluster
//! assignments", NeurIPS 2020, appendix).

use burn::tensor::{Int, Tensor, TensorData, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::norms::unit_rows;

use super::loss::Loss;
use crate::problems::Problems;

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DeepCluster {
    /// Divides the cosine similarities.
    pub temperature: f64,
}

impl Default for DeepCluster {
    fn default() -> DeepCluster {
        DeepCluster { temperature: 0.1 }
    }
}

impl DeepCluster {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.positive("temperature", self.temperature);
    }

    /// Every view of an image must find the image's cluster, for each of H clusterings:
    ///
    /// ```text
    /// L = 1/H sum_h mean over views and images of  CE(assignment_h, u(z) . u(C_h) / tau)
    /// ```
    ///
    /// Shapes: `z` `[N, D]` for each view, `prototypes` `[K, D]` and `assignments` (N cluster numbers) for each
    /// clustering. Images without a cluster (`None`) do not count; the loss of none at all is 0. No parts.
    pub fn loss(
        &self,
        z: &[Tensor<2>],
        prototypes: &[Tensor<2>],
        assignments: &[Vec<Option<usize>>],
    ) -> Loss {
        let views = z.len();
        let z = unit_rows(Tensor::cat(z.to_vec(), 0));
        let terms = prototypes.iter().zip(assignments).map(|(prototypes, assigned)| {
            let logits = z.clone().matmul(unit_rows(prototypes.clone()).transpose());
            assigned_cross_entropy(logits.div_scalar(self.temperature), &assigned.repeat(views))
        });
        let total = Tensor::cat(terms.collect(), 0).mean();
        Loss::new(total, [])
    }
}

/// The mean of `-log softmax(logits)` at each row's class, over the rows that have one; 0 if none has.
pub(crate) fn assigned_cross_entropy(logits: Tensor<2>, classes: &[Option<usize>]) -> Tensor<1> {
    let rows = classes.len();
    let device = logits.device();
    let known = classes.iter().flatten().count().max(1) as f32;
    let weights = classes.iter().map(|class| if class.is_some() { -1.0 / known } else { 0.0 });
    let weights = TensorData::new(weights.collect::<Vec<f32>>(), [rows, 1]);
    let places: Vec<i64> = classes.iter().map(|class| class.unwrap_or(0) as i64).collect();
    let places = Tensor::<2, Int>::from_data(TensorData::new(places, [rows, 1]), &device);
    let chosen = activation::log_softmax(logits, 1).gather(1, places);
    (chosen * Tensor::<2>::from_data(weights, &device)).sum()
}
