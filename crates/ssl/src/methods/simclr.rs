//! SimCLR: a projector and NT-Xent.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::{Method, Network, Output, projector};
use crate::Settings;
use crate::objectives::NtXent;

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

#[derive(Debug)]
pub(super) struct Simclr {
    projector: Mlp,
    objective: NtXent,
}

impl Simclr {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, features: usize) -> Simclr {
        let temperature = settings.methods.simclr.temperature;
        Simclr {
            projector: projector(&settings.projector, scope, features),
            objective: NtXent { temperature },
        }
    }
}

impl Method for Simclr {
    fn forward(&mut self, network: &mut Network<'_>, views: Vec<Tensor<4>>) -> Output {
        let z = network.project(&self.projector, views);
        let embeddings = z[0].clone().detach();
        Output { loss: self.objective.loss(z[0].clone(), z[1].clone()), embeddings }
    }

    fn collapse_advice(&self) -> &'static str {
        "SimCLR collapses when negatives are too few or all alike: raise batch, lower methods.simclr.temperature \
         or optim.lr, and look at the views (`twinlens views`): they may have become indistinguishable"
    }
}
