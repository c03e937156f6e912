//! NNBYOL: BYOL with the nearest earlier embedding in place of the target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::{Scope, Weights};

use super::queue::Queue;
use super::target::Target;
use super::{Batch, Method, Network, Output, State, Widths, predictor, projector, two};
use crate::Settings;
use crate::objectives::{byol, nearest};
use crate::settings::Problems;

/// `[methods.nnbyol]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NnbyolSettings {
    /// Earlier target embeddings of the first view among which neighbours are looked for.
    pub queue: usize,
}

impl Default for NnbyolSettings {
    fn default() -> Self {
        NnbyolSettings { queue: 4096 }
    }
}

impl NnbyolSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.least_one("methods.nnbyol.queue", self.queue);
    }
}

#[derive(Debug)]
pub(super) struct Nnbyol {
    projector: Mlp,
    target: Target,
    predictor: Mlp,
    queue: Queue,
}

impl Nnbyol {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Nnbyol {
        let dim = settings.projector.output_dim;
        let projector = projector(&settings.projector, scope, widths.features);
        let target = Target::new(&settings.target, scope);
        let predictor = predictor(&settings.predictor, scope, dim);
        let queue = Queue::new(scope, settings.seed, 0, [settings.methods.nnbyol.queue, dim]);
        Nnbyol { projector, target, predictor, queue }
    }
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
         methods.nnbyol.queue, raise target.base_momentum, or lower optim.lr"
    }
}
