//! SwAV: a projector, prototypes, and codes from Sinkhorn's iteration.

use std::ops::RangeInclusive;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::{Mlp, Prototypes};
use twinlens_nn::weights::Scope;

use super::heads::ProjectorSettings;
use super::method::{Batch, Ground, MANY, Method, MethodConfig, Output, Rate, Registered};
use super::network::Network;
use super::queue::Queue;
use super::state::MethodState;
use crate::objectives::{self, Sinkhorn};
use crate::problems::Problems;

/// Views that codes are made of: the first ones, of full size.
const CODED: usize = 2;

/// Settings of SwAV.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SwavSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: objectives::Swav,
    /// How codes are made.
    #[serde(flatten)]
    pub codes: Sinkhorn,
    /// Prototypes.
    pub prototypes: usize,
    /// Earlier embeddings added to the batch when codes are made, for each of the first two views; 0 for none.
    pub queue: usize,
    /// The epoch, from 0, in which the queue starts to fill; it is used once full.
    pub queue_from_epoch: usize,
    /// Epochs at the start in which prototypes stay as they are.
    pub frozen_epochs: usize,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
}

impl Default for SwavSettings {
    fn default() -> SwavSettings {
        SwavSettings {
            objective: objectives::Swav::default(),
            codes: Sinkhorn::default(),
            prototypes: 3000,
            queue: 0,
            queue_from_epoch: 15,
            frozen_epochs: 1,
            projector: ProjectorSettings::default(),
        }
    }
}

impl Registered for SwavSettings {
    const SUMMARY: &'static str =
        "each view predicts to which prototypes the other was assigned, evenly over the batch";
    const PAPER: &'static str = "Caron et al., NeurIPS 2020, arXiv:2006.09882";
    const LOSS: &'static str = "ln(prototypes) where all images look alike; it falls, and stays above 0";
}

impl MethodConfig for SwavSettings {
    fn views(&self) -> RangeInclusive<usize> {
        2..=MANY
    }

    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        self.codes.check(problems);
        problems.least_two("prototypes", self.prototypes);
        self.projector.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        let dim = self.projector.output_dim;
        let prototypes = Prototypes::new(&mut scope.at("prototypes"), dim, self.prototypes);
        let views = if self.queue > 0 { CODED } else { 0 };
        let queue = |view| Queue::new(scope, ground.seed, view, [self.queue, dim]);
        let queues = (0..views).map(queue).collect();
        Box::new(Swav { projector, prototypes, queues, settings: self.clone() })
    }
}

#[derive(Debug)]
struct Swav {
    projector: Mlp,
    prototypes: Prototypes,
    queues: Vec<Queue>,
    settings: SwavSettings,
}

impl Swav {
    /// The codes of a view's scores, made together with those of its queue if that is full.
    fn codes(&self, network: &mut Network<'_>, view: usize, scores: &Tensor<2>) -> Tensor<2> {
        let scores = scores.clone().without_autodiff();
        let Some(queue) = self.queues.get(view).filter(|queue| queue.is_full()) else {
            return self.settings.codes.codes(scores);
        };
        let rows = scores.dims()[0];
        let mut all = vec![scores];
        all.extend(network.apply(vec![queue.rows()], |pass, z| self.prototypes.forward(pass, z)));
        let all = all.into_iter().map(|scores| scores.without_autodiff()).collect();
        self.settings.codes.codes(Tensor::cat(all, 0)).narrow(0, 0, rows)
    }
}

impl Method for Swav {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let scores = network.apply(z.clone(), |pass, z| self.prototypes.forward(pass, z));
        let codes: Vec<_> =
            scores.iter().take(CODED).enumerate().map(|(v, s)| self.codes(network, v, s)).collect();
        let loss = self.settings.objective.loss(&codes, &scores);
        if epoch >= self.settings.queue_from_epoch {
            self.queues.iter_mut().zip(&z).for_each(|(queue, z)| queue.push(z));
        }
        Output::new(loss, &z[0])
    }

    fn rate(&self, name: &str, epoch: usize) -> Rate {
        let frozen = name.starts_with("prototypes.") && epoch < self.settings.frozen_epochs;
        if frozen { Rate::Frozen } else { Rate::Scheduled }
    }

    fn state(&self) -> MethodState {
        let mut state = MethodState::new();
        self.queues.iter().for_each(|queue| queue.save(&mut state));
        state
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), NnError> {
        self.queues.iter_mut().try_for_each(|queue| queue.load(state))
    }

    fn uninformative_loss(&self) -> Option<f64> {
        Some((self.settings.prototypes as f64).ln())
    }

    fn collapse_advice(&self) -> &'static str {
        "SwAV collapses when codes are too even or prototypes too many for the batch: lower method.epsilon, \
         lower method.prototypes, set a method.queue of a few thousand, or lower optim.lr"
    }
}
