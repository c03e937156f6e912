//! SimCLR: a projector and NT-Xent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::{Batch, Method, Network, Output, Widths, projector, two};
use crate::Settings;
use crate::objectives::NtXent;
use crate::settings::Problems;

/// `[methods.simclr]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimclrSettings {
    /// Divides the cosine similarities.
    pub temperature: f64,
}

impl Default for SimclrSettings {
    fn default() -> Self {
        SimclrSettings { temperature: 0.2 }
    }
}

impl SimclrSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.positive("methods.simclr.temperature", self.temperature);
    }
}

#[derive(Debug)]
pub(super) struct Simclr {
    projector: Mlp,
    objective: NtXent,
}

impl Simclr {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Simclr {
        let temperature = settings.methods.simclr.temperature;
        let projector = projector(&settings.projector, scope, widths.features);
        Simclr { projector, objective: NtXent { temperature } }
    }
}

impl Method for Simclr {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        Output::new(self.objective.loss(a, b), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "SimCLR collapses when negatives are too few or all alike: raise batch, lower methods.simclr.temperature \
         or optim.lr, and look at the views (`twinlens views`): they may have become indistinguishable"
    }
}
