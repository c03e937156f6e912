//! NNCLR: the nearest earlier embedding of one view against a prediction from the other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::heads::{PredictorSettings, ProjectorSettings};
use super::method::{Batch, Ground, Method, MethodConfig, Output, Registered, two};
use super::network::Network;
use super::queue::Queue;
use super::state::MethodState;
use crate::objectives;
use crate::problems::Problems;

/// Settings of NNCLR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NnclrSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: objectives::Nnclr,
    /// Earlier embeddings of the first view among which neighbours are looked for.
    pub queue: usize,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// The head after the projector.
    pub predictor: PredictorSettings,
}

impl Default for NnclrSettings {
    fn default() -> NnclrSettings {
        NnclrSettings {
            objective: objectives::Nnclr::default(),
            queue: 4096,
            projector: ProjectorSettings::default(),
            predictor: PredictorSettings::default(),
        }
    }
}

impl Registered for NnclrSettings {
    const SUMMARY: &'static str = "SimCLR with the nearest earlier embedding in place of one view";
    const PAPER: &'static str = "Dwibedi et al., ICCV 2021, arXiv:2104.14548";
    const LOSS: &'static str = "ln(batch) where all images look alike; it falls towards 0";
}

impl MethodConfig for NnclrSettings {
    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        problems.least_one("queue", self.queue);
        self.projector.check(problems);
        self.predictor.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let dim = self.projector.output_dim;
        Box::new(Nnclr {
            projector: self.projector.build(scope, ground.features),
            predictor: self.predictor.build(scope, dim),
            queue: Queue::new(scope, ground.seed, 0, [self.queue, dim]),
            objective: self.objective,
        })
    }
}

#[derive(Debug)]
struct Nnclr {
    projector: Mlp,
    predictor: Mlp,
    queue: Queue,
    objective: objectives::Nnclr,
}

impl Method for Nnclr {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let p = network.apply(z.clone(), |pass, z| self.predictor.forward(pass, z));
        let neighbours = two(&z).map(|z| self.queue.nearest(&z));
        let loss = self.objective.loss(neighbours, two(&p));
        self.queue.push(&z[0]);
        Output::new(loss, &z[0])
    }

    fn state(&self) -> MethodState {
        let mut state = MethodState::new();
        self.queue.save(&mut state);
        state
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), NnError> {
        self.queue.load(state)
    }

    fn collapse_advice(&self) -> &'static str {
        "NNCLR collapses when all images have the same few neighbours: raise method.queue, raise batch, or lower \
         optim.lr"
    }
}
