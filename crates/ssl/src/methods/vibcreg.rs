//! VIbCReg: a projector that ends in whitening, and VICReg's loss with correlations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::{Batch, Method, Network, Output, Widths, projector, two};
use crate::Settings;
use crate::objectives;
use crate::settings::Problems;

/// `[methods.vibcreg]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VibcregSettings {
    /// Weight of the distance between views.
    pub invariance_weight: f64,
    /// Weight of the hinge on standard deviations.
    pub variance_weight: f64,
    /// Weight of the correlations.
    pub covariance_weight: f64,
}

impl Default for VibcregSettings {
    fn default() -> Self {
        VibcregSettings { invariance_weight: 25.0, variance_weight: 25.0, covariance_weight: 200.0 }
    }
}

impl VibcregSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.not_negative("methods.vibcreg.invariance_weight", self.invariance_weight);
        problems.not_negative("methods.vibcreg.variance_weight", self.variance_weight);
        problems.not_negative("methods.vibcreg.covariance_weight", self.covariance_weight);
    }
}

#[derive(Debug)]
pub(super) struct Vibcreg {
    projector: Mlp,
    objective: objectives::Vibcreg,
}

impl Vibcreg {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Vibcreg {
        let VibcregSettings { invariance_weight, variance_weight, covariance_weight } =
            settings.methods.vibcreg;
        let objective = objectives::Vibcreg {
            invariance_weight,
            variance_weight,
            covariance_weight,
            gamma: 1.0,
            eps: 1e-4,
        };
        Vibcreg { projector: projector(&settings.projector, scope, widths.features), objective }
    }
}

impl Method for Vibcreg {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        Output::new(self.objective.loss(a, b), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "VIbCReg collapses when the hinge on standard deviations is too weak: raise methods.vibcreg.variance_weight, \
         set projector.last_norm=\"iter_norm\", or lower optim.lr"
    }
}
