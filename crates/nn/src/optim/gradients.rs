//! The gradients of one step.

use burn::tensor::Tensor;

use crate::ops::sum_of_squares;
use crate::weights::Weights;

/// One gradient for each entry of the weights; `None` for buffers, frozen and unused parameters.
#[derive(Debug)]
pub struct Gradients {
    pub(super) entries: Vec<Option<Tensor<1>>>,
}

impl Gradients {
    /// Runs the backward pass from `loss`.
    pub fn of(loss: &Tensor<1>, weights: &Weights) -> Gradients {
        let mut found = loss.backward();
        let entries = weights.entries().iter().map(|entry| entry.value().grad_remove(&mut found)).collect();
        Gradients { entries }
    }

    /// Gradients given one by one, in the order of the weights' entries.
    pub fn from_entries(entries: Vec<Option<Tensor<1>>>) -> Gradients {
        Gradients { entries }
    }

    /// The gradient of the entry at `index`.
    pub fn entry(&self, index: usize) -> Option<&Tensor<1>> {
        self.entries.get(index)?.as_ref()
    }

    /// Removes the gradients of the entries for which `frozen` is true of their name: they stay as they are, without
    /// decay or momentum.
    pub fn freeze(&mut self, weights: &Weights, frozen: impl Fn(&str) -> bool) {
        for (gradient, entry) in self.entries.iter_mut().zip(weights.entries()) {
            *gradient = gradient.take().filter(|_| !frozen(entry.name()));
        }
    }

    /// The Euclidean norm over all gradients taken together.
    pub fn global_norm(&self) -> f64 {
        self.entries.iter().flatten().map(sum_of_squares).sum::<f64>().sqrt()
    }

    /// Scales all gradients by one factor so that their global norm is at most `max_norm`
    /// (`torch.nn.utils.clip_grad_norm_`, with its `1e-6` beside the norm). Returns the norm before.
    pub fn clip(&mut self, max_norm: f64) -> f64 {
        let norm = self.global_norm();
        let factor = max_norm / (norm + 1e-6);
        if factor < 1.0 {
            for entry in &mut self.entries {
                *entry = entry.take().map(|gradient| gradient.mul_scalar(factor));
            }
        }
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn clipping_keeps_the_direction_and_bounds_the_norm(values in prop::collection::vec(-9f32..9.0, 2..40), max in 0.1f64..50.0) {
            let device = Device::flex();
            let half = values.len() / 2;
            let tensor = |part: &[f32]| Some(Tensor::<1>::from_floats(part, &device));
            let mut gradients = Gradients::from_entries(vec![tensor(&values[..half]), None, tensor(&values[half..])]);
            let before = gradients.clip(max);
            let expected = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            prop_assert!((before - expected).abs() < 1e-4 * (1.0 + expected));
            let after = gradients.global_norm();
            prop_assert!(after <= max * 1.0001 && (after - before.min(max)).abs() < 1e-3 * (1.0 + before));
            let scale = if before > 0.0 { after / before } else { 1.0 };
            let first = crate::ops::read(gradients.entry(0).cloned().unwrap());
            for (got, was) in first.iter().zip(&values) {
                prop_assert!((f64::from(*got) - f64::from(*was) * scale).abs() < 1e-3);
            }
        }
    }
}
