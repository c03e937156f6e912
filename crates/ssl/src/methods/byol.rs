//! BYOL: a predictor on top of the projector guesses the target network's projections.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::{Scope, Weights};

use super::heads::{PredictorSettings, ProjectorSettings, TargetSettings};
use super::method::{Batch, Ground, Method, MethodConfig, Output, Registered, two};
use super::network::Network;
use super::queue::Queue;
use super::state::MethodState;
use super::target::Target;
use crate::objectives::byol;
use crate::problems::Problems;

/// Settings of BYOL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ByolSettings {
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// The head after the projector.
    pub predictor: PredictorSettings,
    /// The slow copy of encoder and projector.
    pub target: TargetSettings,
}

impl Registered for ByolSettings {
    const SUMMARY: &'static str =
        "a predictor guesses the other view's embedding by a slow copy of the network";
    const PAPER: &'static str = "Grill et al., NeurIPS 2020, arXiv:2006.07733";
    const LOSS: &'static str =
        "4 where predictions and targets are unrelated, 0 where they agree, which a collapse does too";
}

impl MethodConfig for ByolSettings {
    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.projector.check(problems);
        self.predictor.check(problems);
        self.target.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        let target = Target::new(&self.target, scope);
        let predictor = self.predictor.build(scope, self.projector.output_dim);
        Box::new(Byol { projector, target, predictor, neighbours: None, advice: COLLAPSE_ADVICE })
    }
}

const COLLAPSE_ADVICE: &str = "BYOL collapses when its target follows too fast or its heads have no batch normalisation: raise \
     method.target.base_momentum, set method.projector.batch_norm=true, raise batch, or lower optim.lr";

/// BYOL, and NNBYOL, which has earlier target embeddings of the first view: each target is then replaced by its nearest one.
#[derive(Debug)]
pub(super) struct Byol {
    pub projector: Mlp,
    pub target: Target,
    pub predictor: Mlp,
    pub neighbours: Option<Queue>,
    pub advice: &'static str,
}

impl Method for Byol {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let mut targets = self.target.network(network).project(&self.projector, batch.views.clone());
        let z = network.project(&self.projector, batch.views);
        let p = network.apply(z.clone(), |pass, z| self.predictor.forward(pass, z));
        if let Some(queue) = &mut self.neighbours {
            let nearest = targets.iter().map(|target| queue.nearest(target)).collect();
            queue.push(&targets[0]);
            targets = nearest;
        }
        Output::new(byol(two(&p), two(&targets)), &z[0])
    }

    fn after_step(&mut self, weights: &Weights, step: usize, total: usize) {
        self.target.follow(weights, step, total);
    }

    fn state(&self) -> MethodState {
        let mut state = MethodState::new();
        self.target.save(&mut state);
        self.neighbours.iter().for_each(|queue| queue.save(&mut state));
        state
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), NnError> {
        self.target.load(state)?;
        self.neighbours.iter_mut().try_for_each(|queue| queue.load(state))
    }

    fn collapse_advice(&self) -> &'static str {
        self.advice
    }
}
