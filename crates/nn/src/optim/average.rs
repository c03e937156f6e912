//! Exponential moving averages of weights, for target networks.

use crate::ops::average;
use crate::weights::{Role, Weights};

/// `target = tau target + (1 - tau) online` for every parameter (buffers are left as they are).
///
/// `online` may go on after the entries of `target`: a predictor has no target.
///
/// Source: He et al. 2020 (MoCo), equation 2; Grill et al. 2020 (BYOL), equation 1.
///
/// # Panics
/// When the two lists do not belong to the same network.
pub fn momentum_update(target: &mut Weights, online: &Weights, tau: f64) {
    assert!(target.entries().len() <= online.entries().len(), "the target has more entries than its network");
    for (target, online) in target.entries_mut().iter_mut().zip(online.entries()) {
        if target.role() == Role::Parameter {
            target.change(|value| average(value, online.value().clone().without_autodiff(), tau));
        }
    }
}

/// `tau(t) = final - (final - base) (cos(pi t / T) + 1) / 2`, the cosine from `base` to `final` of BYOL.
pub fn momentum_schedule(base: f64, last: f64, step: usize, total_steps: usize) -> f64 {
    let progress = step as f64 / total_steps.max(1) as f64;
    last - (last - base) * ((std::f64::consts::PI * progress).cos() + 1.0) / 2.0
}
