//! MoCo v2+: MoCo v2 with a two-way loss and one queue for each view.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::{Scope, Weights};

use super::heads::{ProjectorSettings, TargetSettings};
use super::method::{Batch, Ground, Method, MethodConfig, Output, Registered, two};
use super::network::Network;
use super::queue::Queue;
use super::state::MethodState;
use super::target::Target;
use crate::objectives::InfoNce;
use crate::problems::Problems;

/// Settings of MoCo v2+.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MocoV2PlusSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: InfoNce,
    /// Earlier embeddings kept as negatives, for each view.
    pub queue: usize,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// The slow copy of encoder and projector.
    pub target: TargetSettings,
}

impl Default for MocoV2PlusSettings {
    fn default() -> MocoV2PlusSettings {
        MocoV2PlusSettings {
            objective: InfoNce::default(),
            queue: 4096,
            projector: ProjectorSettings::default(),
            target: TargetSettings::default(),
        }
    }
}

impl Registered for MocoV2PlusSettings {
    const SUMMARY: &'static str =
        "each view must find its partner's slow embedding among a queue of earlier ones, both ways";
    const PAPER: &'static str = "He et al., CVPR 2020, arXiv:1911.05722; Chen et al. 2020, arXiv:2003.04297";
    const LOSS: &'static str = "ln(queue + 1) where all images look alike; it often rises while the queue fills with better \
         keys, then falls";
}

impl MethodConfig for MocoV2PlusSettings {
    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        problems.least_one("queue", self.queue);
        self.projector.check(problems);
        self.target.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        let shape = [self.queue, self.projector.output_dim];
        Box::new(MocoV2Plus {
            projector,
            target: Target::new(&self.target, scope),
            queues: [0, 1].map(|view| Queue::new(scope, ground.seed, view, shape)),
            objective: self.objective,
        })
    }
}

/// Differences from the authors' code: the loss goes both ways, and batches are not shuffled among devices, which
/// matters only where a batch is split.
#[derive(Debug)]
struct MocoV2Plus {
    projector: Mlp,
    target: Target,
    queues: [Queue; 2],
    objective: InfoNce,
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

    fn state(&self) -> MethodState {
        let mut state = MethodState::new();
        self.target.save(&mut state);
        self.queues.iter().for_each(|queue| queue.save(&mut state));
        state
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), NnError> {
        self.target.load(state)?;
        self.queues.iter_mut().try_for_each(|queue| queue.load(state))
    }

    fn collapse_advice(&self) -> &'static str {
        "MoCo collapses when its keys move too fast or its queue is stale: raise method.target.base_momentum, keep \
         method.queue well below the number of images, or lower optim.lr"
    }
}
