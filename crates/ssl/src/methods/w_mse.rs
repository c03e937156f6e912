//! W-MSE: a projector and the distance of whitened embeddings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::heads::ProjectorSettings;
use super::{Batch, Ground, Method, Network, Output, Setup, two};
use crate::objectives;
use crate::settings::Problems;

/// Settings of W-MSE.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WMseSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: objectives::WMse,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
}

impl Setup for WMseSettings {
    const SUMMARY: &'static str =
        "two views' embeddings agree after whitening the batch";
    const PAPER: &'static str = "Ermolov et al., ICML 2021, arXiv:2007.06346";

    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        self.projector.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        Box::new(WMse { projector, objective: self.objective })
    }
}

#[derive(Debug)]
struct WMse {
    projector: Mlp,
    objective: objectives::WMse,
}

impl Method for WMse {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        Output::new(self.objective.loss(a, b), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "W-MSE whitens every batch, so its embeddings collapse only before that: raise batch to twice \
         method.projector.output_dim and more, lower method.eps, or lower optim.lr"
    }
}
