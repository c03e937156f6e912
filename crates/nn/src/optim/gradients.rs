//! The gradients of one step.

use burn::tensor::Tensor;

use crate::ops::{self, Scalar};
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
    pub fn global_norm(&self) -> Scalar {
        ops::norm(&self.entries.iter().flatten().collect::<Vec<_>>())
    }

    /// Scales all gradients by one factor so that their global norm is at most `max_norm`
    /// (`torch.nn.utils.clip_grad_norm_`, with its `1e-6` beside the norm). Returns the norm before.
    pub fn clip(&mut self, max_norm: f64) -> Scalar {
        let norm = self.global_norm();
        let factor = clip_factor(&norm, max_norm);
        for entry in &mut self.entries {
            *entry = entry.take().map(|gradient| factor.times(gradient));
        }
        norm
    }
}

/// `min(max_norm / (norm + 1e-6), 1)`.
fn clip_factor(norm: &Scalar, max_norm: f64) -> Scalar {
    match norm {
        Scalar::Known(norm) => Scalar::Known((max_norm / (norm + 1e-6)).min(1.0)),
        Scalar::Pending(norm) => {
            let factor = norm.clone().add_scalar(1e-6).recip().mul_scalar(max_norm);
            Scalar::Pending(factor.clamp_max(1.0))
        }
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
            let before = gradients.clip(max).read();
            let expected = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            prop_assert!((before - expected).abs() < 1e-4 * (1.0 + expected));
            let after = gradients.global_norm().read();
            prop_assert!(after <= max * 1.0001 && (after - before.min(max)).abs() < 1e-3 * (1.0 + before));
            let scale = if before > 0.0 { after / before } else { 1.0 };
            let first = crate::ops::read(gradients.entry(0).cloned().unwrap());
            for (got, was) in first.iter().zip(&values) {
                prop_assert!((f64::from(*got) - f64::from(*was) * scale).abs() < 1e-3);
            }
        }
    }
    #[test]
    fn the_factor_is_the_same_known_or_not() {
        for (norm, factor) in [(0.0, 1.0), (0.5, 1.0), (2.0, 1.0), (8.0, 0.25), (f32::INFINITY, 0.0)] {
            let pending = Scalar::Pending(Tensor::from_floats([norm], &Device::flex()));
            for norm in [Scalar::Known(norm.into()), pending] {
                let got = clip_factor(&norm, 2.0).read();
                assert!((got - factor).abs() < 1e-6, "{norm:?}: {got}, not {factor}");
            }
        }
    }
}
