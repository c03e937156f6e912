//! W-MSE: a projector and the distance of whitened embeddings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::{Batch, Method, Network, Output, Widths, projector, two};
use crate::Settings;
use crate::objectives;
use crate::settings::Problems;

/// `[methods.w-mse]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WMseSettings {
    /// Share of the identity in the covariance: it makes up for a batch with fewer images than dimensions.
    pub eps: f64,
}

impl Default for WMseSettings {
    fn default() -> Self {
        WMseSettings { eps: 1e-3 }
    }
}

impl WMseSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.positive("methods.w-mse.eps", self.eps);
        problems.share("methods.w-mse.eps", self.eps);
    }
}

#[derive(Debug)]
pub(super) struct WMse {
    projector: Mlp,
    objective: objectives::WMse,
}

impl WMse {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> WMse {
        let objective = objectives::WMse { eps: settings.methods.w_mse.eps };
        WMse { projector: projector(&settings.projector, scope, widths.features), objective }
    }
}

impl Method for WMse {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        Output::new(self.objective.loss(a, b), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "W-MSE whitens every batch, so its embeddings collapse only before that: raise batch to twice \
         projector.output_dim and more, lower methods.w-mse.eps, or lower optim.lr"
    }
}
