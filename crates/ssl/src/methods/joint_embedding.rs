//! Methods of one shape: a projector, and an objective of two views' embeddings.

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::heads::ProjectorSettings;
use super::method::{Batch, Ground, Method, MethodConfig, Output, two};
use super::network::Network;
use crate::objectives::PairLoss;
use crate::problems::Problems;

/// What makes a method of an objective of two views' embeddings.
pub trait JointEmbedding: PairLoss + Clone + Debug + Send + 'static {
    /// The method's name, for people.
    const TITLE: &'static str;
    /// The usual causes when embeddings collapse, and the settings to change.
    const COLLAPSE_ADVICE: &'static str;
}

/// Settings of a method that consists of an objective and a projector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(
    rename = "{O}Settings",
    description = format!("Settings of {}.", O::TITLE),
    bound = "O: JointEmbedding + Default + Serialize + JsonSchema"
)]
pub struct JointEmbeddingSettings<O> {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: O,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
}

impl<O: JointEmbedding> MethodConfig for JointEmbeddingSettings<O> {
    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        self.projector.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        Box::new(Projected { projector, objective: self.objective.clone() })
    }
}

#[derive(Debug)]
struct Projected<O> {
    projector: Mlp,
    objective: O,
}

impl<O: JointEmbedding> Method for Projected<O> {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        Output::new(self.objective.loss(a, b), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        O::COLLAPSE_ADVICE
    }
}
