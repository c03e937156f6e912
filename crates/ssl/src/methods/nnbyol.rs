//! NNBYOL: BYOL with the nearest earlier embedding in place of the target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::{Scope, Weights};

use super::heads::{PredictorSettings, ProjectorSettings, TargetSettings};
use super::queue::Queue;
use super::target::Target;
use super::{Batch, Ground, Method, Network, Output, Setup, State, two};
use crate::objectives::{byol, nearest};
use crate::settings::Problems;

/// Settings of NNBYOL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NnbyolSettings {
    /// Earlier target embeddings of the first view among which neighbours are looked for.
    pub queue: usize,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// The head after the projector.
    pub predictor: PredictorSettings,
    /// The slow copy of encoder and projector.
    pub target: TargetSettings,
}

impl Default for NnbyolSettings {
    fn default() -> NnbyolSettings {
        NnbyolSettings {
            queue: 4096,
            projector: ProjectorSettings::default(),
            predictor: PredictorSettings::default(),
            target: TargetSettings::default(),
        }
    }
}

impl Setup for NnbyolSettings {
    const SUMMARY: &'static str =
        "BYOL with the nearest earlier embedding in place of the target";
    const PAPER: &'static str = "Dwibedi et al., ICCV 2021, arXiv:2104.14548";

    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        problems.least_one("queue", self.queue);
        self.projector.check(problems);
        self.predictor.check(problems);
        self.target.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let dim = self.projector.output_dim;
        let projector = self.projector.build(scope, ground.features);
        let target = Target::new(&self.target, scope);
        let predictor = self.predictor.build(scope, dim);
        let queue = Queue::new(scope, ground.seed, 0, [self.queue, dim]);
        Box::new(Nnbyol { projector, target, predictor, queue })
    }
}

#[derive(Debug)]
struct Nnbyol {
    projector: Mlp,
    target: Target,
    predictor: Mlp,
    queue: Queue,
}

impl Method for Nnbyol {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let targets = self.target.network(network).project(&self.projector, batch.views.clone());
        let z = network.project(&self.projector, batch.views);
        let p = network.apply(z.clone(), |pass, z| self.predictor.forward(pass, z));
        let support = self.queue.rows();
        let neighbours = two(&targets).map(|z| support.clone().select(0, nearest(z, support.clone())));
        self.queue.push(&targets[0]);
        Output::new(byol(two(&p), neighbours), &z[0])
    }

    fn after_step(&mut self, weights: &Weights, step: usize, total: usize) {
        self.target.follow(weights, step, total);
    }

    fn state(&self) -> State {
        let mut state = State::new();
        self.target.save(&mut state);
        self.queue.save(&mut state);
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), NnError> {
        self.target.load(state)?;
        self.queue.load(state)
    }

    fn collapse_advice(&self) -> &'static str {
        "NNBYOL collapses when all images have the same few neighbours or the target follows too fast: raise \
         method.queue, raise method.target.base_momentum, or lower optim.lr"
    }
}
