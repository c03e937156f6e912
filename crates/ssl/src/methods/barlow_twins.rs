//! Barlow Twins: a projector and the cross-correlation loss.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::{Method, Network, Output, projector};
use crate::Settings;
use crate::objectives;

/// `[methods.barlow-twins]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BarlowTwinsSettings {
    /// Weight of the redundancy term.
    pub lambda: f64,
    /// Added to each column's variance.
    pub eps: f64,
    /// Multiplies the whole loss, which matters only where the optimiser is not scale-free.
    pub scale: f64,
}

impl Default for BarlowTwinsSettings {
    fn default() -> Self {
        BarlowTwinsSettings { lambda: 0.005, eps: 1e-5, scale: 1.0 }
    }
}

#[derive(Debug)]
pub(super) struct BarlowTwins {
    projector: Mlp,
    objective: objectives::BarlowTwins,
    scale: f64,
}

impl BarlowTwins {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, features: usize) -> BarlowTwins {
        let BarlowTwinsSettings { lambda, eps, scale } = settings.methods.barlow_twins;
        let projector = projector(&settings.projector, scope, features);
        BarlowTwins { projector, objective: objectives::BarlowTwins { lambda, eps }, scale }
    }
}

impl Method for BarlowTwins {
    fn forward(&mut self, network: &mut Network<'_>, views: Vec<Tensor<4>>) -> Output {
        let z = network.project(&self.projector, views);
        let embeddings = z[0].clone().detach();
        let mut loss = self.objective.loss(z[0].clone(), z[1].clone());
        loss.total = loss.total.mul_scalar(self.scale);
        Output { loss, embeddings }
    }

    fn collapse_advice(&self) -> &'static str {
        "Barlow Twins collapses when the step is too large or the batch too small: lower optim.lr, lengthen \
         schedule.warmup_epochs, or raise batch (64 and more)"
    }
}
