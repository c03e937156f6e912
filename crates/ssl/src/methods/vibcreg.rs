//! VIbCReg: a projector that ends in whitening, and VICReg's loss with correlations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::heads::ProjectorSettings;
use super::{Batch, Ground, Method, Network, Output, Setup, two};
use crate::objectives;
use crate::settings::Problems;

/// Settings of VIbCReg.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VibcregSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: objectives::Vibcreg,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
}

impl Setup for VibcregSettings {
    const SUMMARY: &'static str =
        "VICReg with correlations for covariances and a whitening last layer";
    const PAPER: &'static str = "Lee and Aune 2021, arXiv:2109.00783";

    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        self.projector.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        Box::new(Vibcreg { projector, objective: self.objective })
    }
}

#[derive(Debug)]
struct Vibcreg {
    projector: Mlp,
    objective: objectives::Vibcreg,
}

impl Method for Vibcreg {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        Output::new(self.objective.loss(a, b), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "VIbCReg collapses when the hinge on standard deviations is too weak: raise method.variance_weight, \
         set method.projector.last_norm=\"iter_norm\", or lower optim.lr"
    }
}
