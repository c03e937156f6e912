//! VICReg: a projector and the variance-invariance-covariance loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::{Batch, Method, Network, Output, Widths, projector, two};
use crate::Settings;
use crate::objectives::{self, InvarianceReduction};
use crate::settings::Problems;

/// `[methods.vicreg]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VicregSettings {
    /// Weight of the distance between views.
    pub invariance_weight: f64,
    /// Weight of the hinge on standard deviations.
    pub variance_weight: f64,
    /// Weight of the covariances.
    pub covariance_weight: f64,
    /// What distances are averaged over: `mean_elements` (all code) or `mean_samples` (the paper's equation 5).
    pub invariance_reduction: InvarianceReduction,
    /// 0.5 averages the views' hinges (the authors' code), 1 sums them (the paper's equation 6, solo-learn).
    pub variance_view_scale: f64,
}

impl Default for VicregSettings {
    fn default() -> Self {
        VicregSettings {
            invariance_weight: 25.0,
            variance_weight: 25.0,
            covariance_weight: 1.0,
            invariance_reduction: InvarianceReduction::MeanElements,
            variance_view_scale: 0.5,
        }
    }
}

impl VicregSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.not_negative("methods.vicreg.invariance_weight", self.invariance_weight);
        problems.not_negative("methods.vicreg.variance_weight", self.variance_weight);
        problems.not_negative("methods.vicreg.covariance_weight", self.covariance_weight);
        problems.positive("methods.vicreg.variance_view_scale", self.variance_view_scale);
    }
}

#[derive(Debug)]
pub(super) struct Vicreg {
    projector: Mlp,
    objective: objectives::Vicreg,
}

impl Vicreg {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Vicreg {
        let own = &settings.methods.vicreg;
        let objective = objectives::Vicreg {
            invariance_weight: own.invariance_weight,
            variance_weight: own.variance_weight,
            covariance_weight: own.covariance_weight,
            gamma: 1.0,
            eps: 1e-4,
            invariance_reduction: own.invariance_reduction,
            variance_view_scale: own.variance_view_scale,
        };
        Vicreg { projector: projector(&settings.projector, scope, widths.features), objective }
    }
}

impl Method for Vicreg {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        Output::new(self.objective.loss(a, b), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "VICReg collapses when the hinge on standard deviations is too weak: raise methods.vicreg.variance_weight, \
         lower methods.vicreg.invariance_weight, or lower optim.lr"
    }
}
