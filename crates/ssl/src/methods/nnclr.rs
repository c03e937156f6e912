//! NNCLR: the nearest earlier embedding of one view against a prediction from the other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::queue::Queue;
use super::{Batch, Method, Network, Output, State, Widths, predictor, projector, two};
use crate::Settings;
use crate::objectives::{self, nearest};
use crate::settings::Problems;

/// `[methods.nnclr]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NnclrSettings {
    /// Divides the cosine similarities.
    pub temperature: f64,
    /// Earlier embeddings of the first view among which neighbours are looked for.
    pub queue: usize,
}

impl Default for NnclrSettings {
    fn default() -> Self {
        NnclrSettings { temperature: 0.2, queue: 4096 }
    }
}

impl NnclrSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.positive("methods.nnclr.temperature", self.temperature);
        problems.least_one("methods.nnclr.queue", self.queue);
    }
}

#[derive(Debug)]
pub(super) struct Nnclr {
    projector: Mlp,
    predictor: Mlp,
    queue: Queue,
    objective: objectives::Nnclr,
}

impl Nnclr {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Nnclr {
        let NnclrSettings { temperature, queue } = settings.methods.nnclr;
        let dim = settings.projector.output_dim;
        Nnclr {
            projector: projector(&settings.projector, scope, widths.features),
            predictor: predictor(&settings.predictor, scope, dim),
            queue: Queue::new(scope, settings.seed, 0, [queue, dim]),
            objective: objectives::Nnclr { temperature },
        }
    }
}

impl Method for Nnclr {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let p = network.apply(z.clone(), |pass, z| self.predictor.forward(pass, z));
        let support = self.queue.rows();
        let neighbours = two(&z).map(|z| support.clone().select(0, nearest(z, support.clone())));
        let loss = self.objective.loss(neighbours, two(&p));
        self.queue.push(&z[0]);
        Output::new(loss, &z[0])
    }

    fn state(&self) -> State {
        let mut state = State::new();
        self.queue.save(&mut state);
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), NnError> {
        self.queue.load(state)
    }

    fn collapse_advice(&self) -> &'static str {
        "NNCLR collapses when all images have the same few neighbours: raise methods.nnclr.queue, raise batch, or lower \
         optim.lr"
    }
}
