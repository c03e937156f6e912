//! VICReg: a projector and the variance-invariance-covariance loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::heads::ProjectorSettings;
use super::{Batch, Ground, Method, Network, Output, Setup, two};
use crate::objectives;
use crate::settings::Problems;

/// Settings of VICReg.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VicregSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: objectives::Vicreg,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
}

impl Setup for VicregSettings {
    const SUMMARY: &'static str =
        "two views' embeddings agree, every column keeps its variance, columns do not covary";
    const PAPER: &'static str = "Bardes et al., ICLR 2022, arXiv:2105.04906";

    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        self.projector.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        Box::new(Vicreg { projector, objective: self.objective })
    }
}

#[derive(Debug)]
struct Vicreg {
    projector: Mlp,
    objective: objectives::Vicreg,
}

impl Method for Vicreg {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        Output::new(self.objective.loss(a, b), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "VICReg collapses when the hinge on standard deviations is too weak: raise method.variance_weight, \
         lower method.invariance_weight, or lower optim.lr"
    }
}
