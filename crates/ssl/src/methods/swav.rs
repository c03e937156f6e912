//! SwAV: a projector, prototypes, and codes from Sinkhorn's iteration.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::{Mlp, Prototypes};
use twinlens_nn::weights::Scope;

use super::queue::Queue;
use super::{Batch, Method, Network, Output, Rate, State, Widths, projector};
use crate::Settings;
use crate::objectives::{self, Sinkhorn};
use crate::settings::Problems;

/// Views that codes are made of: the first ones, of full size.
const CODED: usize = 2;

/// `[methods.swav]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SwavSettings {
    /// Prototypes.
    pub prototypes: usize,
    /// Divides the cosines of the predictions.
    pub temperature: f64,
    /// Smoothness of the codes: the larger, the more even.
    pub epsilon: f64,
    /// Sinkhorn's iterations.
    pub iterations: usize,
    /// Earlier embeddings added to the batch when codes are made, for each of the first two views; 0 for none.
    pub queue: usize,
    /// The epoch, from 0, in which the queue starts to fill; it is used once full.
    pub queue_from_epoch: usize,
    /// Epochs at the start in which prototypes stay as they are.
    pub frozen_epochs: usize,
}

impl Default for SwavSettings {
    fn default() -> Self {
        SwavSettings {
            prototypes: 3000,
            temperature: 0.1,
            epsilon: 0.05,
            iterations: 3,
            queue: 0,
            queue_from_epoch: 15,
            frozen_epochs: 1,
        }
    }
}

impl SwavSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.least_two("methods.swav.prototypes", self.prototypes);
        problems.positive("methods.swav.temperature", self.temperature);
        problems.positive("methods.swav.epsilon", self.epsilon);
        problems.least_one("methods.swav.iterations", self.iterations);
    }
}

#[derive(Debug)]
pub(super) struct Swav {
    projector: Mlp,
    prototypes: Prototypes,
    queues: Vec<Queue>,
    objective: objectives::Swav,
    sinkhorn: Sinkhorn,
    settings: SwavSettings,
}

impl Swav {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Swav {
        let own = settings.methods.swav.clone();
        let projector = projector(&settings.projector, scope, widths.features);
        let dim = settings.projector.output_dim;
        let prototypes = Prototypes::new(&mut scope.at("prototypes"), dim, own.prototypes);
        let queues = if own.queue > 0 { CODED } else { 0 };
        Swav {
            projector,
            prototypes,
            queues: (0..queues)
                .map(|view| Queue::new(scope, settings.seed, view, [own.queue, dim]))
                .collect(),
            objective: objectives::Swav { temperature: own.temperature },
            sinkhorn: Sinkhorn { epsilon: own.epsilon, iterations: own.iterations },
            settings: own,
        }
    }

    /// The codes of a view's scores, made together with those of its queue if that is full.
    fn codes(&self, network: &mut Network<'_>, view: usize, scores: &Tensor<2>) -> Tensor<2> {
        let scores = scores.clone().without_autodiff();
        let Some(queue) = self.queues.get(view).filter(|queue| queue.is_full()) else {
            return self.sinkhorn.codes(scores);
        };
        let rows = scores.dims()[0];
        let mut all = vec![scores];
        all.extend(network.apply(vec![queue.rows()], |pass, z| self.prototypes.forward(pass, z)));
        let all = all.into_iter().map(|scores| scores.without_autodiff()).collect();
        self.sinkhorn.codes(Tensor::cat(all, 0)).narrow(0, 0, rows)
    }
}

impl Method for Swav {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let scores = network.apply(z.clone(), |pass, z| self.prototypes.forward(pass, z));
        let codes: Vec<_> =
            scores.iter().take(CODED).enumerate().map(|(v, s)| self.codes(network, v, s)).collect();
        let loss = self.objective.loss(&codes, &scores);
        if epoch >= self.settings.queue_from_epoch {
            self.queues.iter_mut().zip(&z).for_each(|(queue, z)| queue.push(z));
        }
        Output::new(loss, &z[0])
    }

    fn rate(&self, name: &str, epoch: usize) -> Rate {
        let frozen = name.starts_with("prototypes.") && epoch < self.settings.frozen_epochs;
        if frozen { Rate::Frozen } else { Rate::Scheduled }
    }

    fn state(&self) -> State {
        let mut state = State::new();
        self.queues.iter().for_each(|queue| queue.save(&mut state));
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), NnError> {
        self.queues.iter_mut().try_for_each(|queue| queue.load(state))
    }

    fn uninformative_loss(&self) -> Option<f64> {
        Some((self.settings.prototypes as f64).ln())
    }

    fn collapse_advice(&self) -> &'static str {
        "SwAV collapses when codes are too even or prototypes too many for the batch: lower methods.swav.epsilon, \
         lower methods.swav.prototypes, set a methods.swav.queue of a few thousand, or lower optim.lr"
    }
}
