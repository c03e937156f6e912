//! SimCLR: a projector and NT-Xent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::heads::ProjectorSettings;
use super::{Batch, Ground, Method, Network, Output, Setup, two};
use crate::objectives::NtXent;
use crate::settings::Problems;

/// Settings of SimCLR.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimclrSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: NtXent,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
}

impl Setup for SimclrSettings {
    const SUMMARY: &'static str =
        "each view must find its partner among all other views of the batch (NT-Xent)";
    const PAPER: &'static str = "Chen et al., ICML 2020, arXiv:2002.05709";

    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        self.projector.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        Box::new(Simclr { projector, objective: self.objective })
    }
}

#[derive(Debug)]
struct Simclr {
    projector: Mlp,
    objective: NtXent,
}

impl Method for Simclr {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        Output::new(self.objective.loss(a, b), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "SimCLR collapses when negatives are too few or all alike: raise batch, lower method.temperature \
         or optim.lr, and look at the views (`twinlens views`): they may have become indistinguishable"
    }
}
