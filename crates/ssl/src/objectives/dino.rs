//! The loss of DINO (Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021).

use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formulas::{cross_view, entropy};
use super::loss::Loss;
use crate::problems::Problems;

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Dino {
    /// Divides the teacher's logits, after a warm-up.
    pub teacher_temperature: f64,
    /// Divides the student's logits.
    pub student_temperature: f64,
}

impl Default for Dino {
    fn default() -> Dino {
        Dino { teacher_temperature: 0.07, student_temperature: 0.1 }
    }
}

impl Dino {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.positive("teacher_temperature", self.teacher_temperature);
        problems.positive("student_temperature", self.student_temperature);
    }

    /// Equation 3: with `P_t = sg softmax((teacher_t - centre) / tau_t)`,
    ///
    /// ```text
    /// L = mean over pairs t != v of  -mean_b sum_k P_t log softmax(student_v / tau_s)
    /// ```
    ///
    /// Shapes: `teacher` (for the first views) and `student` (for all) `[N, K]` each, `centre` `[K]`. Parts:
    /// `teacher_entropy`, in nats: near `ln K` the teacher says nothing, near 0 it says the same of all.
    pub fn loss(&self, teacher: &[Tensor<2>], centre: Tensor<1>, student: &[Tensor<2>]) -> Loss {
        let centre: Tensor<2> = centre.without_autodiff().unsqueeze();
        let target = |t: &Tensor<2>| {
            let logits = t.clone().without_autodiff() - centre.clone();
            activation::softmax(logits.div_scalar(self.teacher_temperature), 1)
        };
        let targets: Vec<_> = teacher.iter().map(target).collect();
        let logits: Vec<_> = student.iter().map(|s| s.clone().div_scalar(self.student_temperature)).collect();
        Loss::new(cross_view(&targets, &logits), [("teacher_entropy", entropy(targets[0].clone()))])
    }
}

/// Equation 4: `m centre + (1 - m) mean over views and batch of the teacher's logits`.
pub fn moved_centre(centre: Tensor<1>, teacher: &[Tensor<2>], momentum: f64) -> Tensor<1> {
    let teacher: Vec<_> = teacher.iter().map(|logits| logits.clone().without_autodiff()).collect();
    let mean: Tensor<1> = Tensor::cat(teacher, 0).mean_dim(0).squeeze_dim(0);
    centre.mul_scalar(momentum) + mean.mul_scalar(1.0 - momentum)
}
