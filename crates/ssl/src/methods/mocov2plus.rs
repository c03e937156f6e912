//! MoCo v2+: MoCo v2 with a two-way loss and one queue for each view.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::{Scope, Weights};

use super::queue::Queue;
use super::target::Target;
use super::{Batch, Method, Network, Output, State, Widths, projector, two};
use crate::Settings;
use crate::objectives::InfoNce;
use crate::settings::Problems;

/// `[methods.mocov2plus]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MocoV2PlusSettings {
    /// Divides the cosine similarities.
    pub temperature: f64,
    /// Earlier embeddings kept as negatives, for each view.
    pub queue: usize,
}

impl Default for MocoV2PlusSettings {
    fn default() -> Self {
        MocoV2PlusSettings { temperature: 0.2, queue: 4096 }
    }
}

impl MocoV2PlusSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.positive("methods.mocov2plus.temperature", self.temperature);
        problems.least_one("methods.mocov2plus.queue", self.queue);
    }
}

/// Differences from the authors' code: the loss goes both ways, and batches are not shuffled among devices, which
/// matters only where a batch is split.
#[derive(Debug)]
pub(super) struct MocoV2Plus {
    projector: Mlp,
    target: Target,
    queues: [Queue; 2],
    objective: InfoNce,
}

impl MocoV2Plus {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> MocoV2Plus {
        let MocoV2PlusSettings { temperature, queue } = settings.methods.mocov2plus;
        let projector = projector(&settings.projector, scope, widths.features);
        let shape = [queue, settings.projector.output_dim];
        MocoV2Plus {
            projector,
            target: Target::new(&settings.target, scope),
            queues: [0, 1].map(|view| Queue::new(scope, settings.seed, view, shape)),
            objective: InfoNce { temperature, normalise: true },
        }
    }
}

impl Method for MocoV2Plus {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let keys = self.target.network(network).project(&self.projector, batch.views.clone());
        let queries = network.project(&self.projector, batch.views);
        let queues = self.queues.each_ref().map(Queue::rows);
        let loss = self.objective.symmetric(two(&queries), two(&keys), queues);
        self.queues.iter_mut().zip(&keys).for_each(|(queue, keys)| queue.push(keys));
        Output::new(loss, &queries[0])
    }

    fn after_step(&mut self, weights: &Weights, step: usize, total: usize) {
        self.target.follow(weights, step, total);
    }

    fn state(&self) -> State {
        let mut state = State::new();
        self.target.save(&mut state);
        self.queues.iter().for_each(|queue| queue.save(&mut state));
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), NnError> {
        self.target.load(state)?;
        self.queues.iter_mut().try_for_each(|queue| queue.load(state))
    }

    fn collapse_advice(&self) -> &'static str {
        "MoCo collapses when its keys move too fast or its queue is stale: raise target.base_momentum, keep \
         methods.mocov2plus.queue well below the number of images, or lower optim.lr"
    }
}
