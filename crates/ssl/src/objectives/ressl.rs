//! The loss of ReSSL (Zheng et al., "ReSSL: relational self-supervised learning with weak augmentation", NeurIPS 2021).

use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::norms::unit_rows;

use super::formulas::{cross_entropy, entropy};
use super::loss::Loss;
use crate::problems::Problems;

/// Constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Ressl {
    /// Divides the teacher's cosines; below the student's, so that targets are sharper than predictions.
    pub teacher_temperature: f64,
    /// Divides the student's cosines.
    pub student_temperature: f64,
}

impl Default for Ressl {
    fn default() -> Ressl {
        Ressl { teacher_temperature: 0.04, student_temperature: 0.1 }
    }
}

impl Ressl {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.positive("teacher_temperature", self.teacher_temperature);
        problems.positive("student_temperature", self.student_temperature);
    }

    /// Equations 2 to 4: the student's similarities to the queue follow the teacher's,
    ///
    /// ```text
    /// L = -mean_b sum_q target log softmax(u(student) . u(queue) / tau_s)
    /// ```
    ///
    /// Shapes: `student`, `teacher` `[N, D]`, `queue` `[K, D]`; teacher and queue are constants. Parts:
    /// `target_entropy`, in nats.
    pub fn loss(&self, student: Tensor<2>, teacher: Tensor<2>, queue: Tensor<2>) -> Loss {
        let target = self.target(teacher, queue.clone());
        let queue = unit_rows(queue.without_autodiff());
        let logits = unit_rows(student).matmul(queue.transpose()).div_scalar(self.student_temperature);
        Loss::new(cross_entropy(target.clone(), logits), [("target_entropy", entropy(target))])
    }

    /// `sg softmax(u(teacher) . u(queue) / tau_t)`, `[N, K]`.
    pub fn target(&self, teacher: Tensor<2>, queue: Tensor<2>) -> Tensor<2> {
        let (teacher, queue) = (unit_rows(teacher.without_autodiff()), unit_rows(queue.without_autodiff()));
        activation::softmax(teacher.matmul(queue.transpose()).div_scalar(self.teacher_temperature), 1)
    }
}
