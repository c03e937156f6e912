//! Barlow Twins: a projector and the cross-correlation loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::heads::{PredictorSettings, ProjectorSettings};
use super::method::{Batch, Ground, Method, MethodConfig, Output, Registered, two};
use super::network::Network;
use crate::objectives;
use crate::problems::Problems;

/// Settings of Barlow Twins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BarlowTwinsSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: objectives::BarlowTwins,
    /// Multiplies the whole loss, which matters only where the optimiser is not scale-free.
    pub scale: f64,
    /// Let no gradient through the other view (table 6 of the paper); both ways are averaged.
    pub stop_gradient: bool,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// A head after one of the views (table 6 of the paper), where there is such a table; both ways are averaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictor: Option<PredictorSettings>,
}

impl Default for BarlowTwinsSettings {
    fn default() -> BarlowTwinsSettings {
        BarlowTwinsSettings {
            objective: objectives::BarlowTwins::default(),
            scale: 1.0,
            stop_gradient: false,
            projector: ProjectorSettings::default(),
            predictor: None,
        }
    }
}

impl Registered for BarlowTwinsSettings {
    const SUMMARY: &'static str =
        "the cross-correlation of two views' embeddings is driven towards the identity";
    const PAPER: &'static str = "Zbontar et al., ICML 2021, arXiv:2103.03230";
    const LOSS: &'static str = "about the width of the embeddings times `scale` where two views are unrelated, so thousands are \
         no mistake; 0 where views agree and no two outputs repeat each other";
}

impl MethodConfig for BarlowTwinsSettings {
    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    /// The cross-correlation is that of the batch.
    fn least_batch(&self) -> usize {
        32
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        problems.positive("scale", self.scale);
        self.projector.check(problems);
        self.predictor.iter().for_each(|predictor| predictor.check(problems));
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        let dim = self.projector.output_dim;
        let predictor = self.predictor.as_ref().map(|predictor| predictor.build(scope, dim));
        let BarlowTwinsSettings { objective, scale, stop_gradient, .. } = *self;
        Box::new(BarlowTwins { projector, predictor, stop_gradient, objective, scale })
    }
}

#[derive(Debug)]
struct BarlowTwins {
    projector: Mlp,
    predictor: Option<Mlp>,
    stop_gradient: bool,
    objective: objectives::BarlowTwins,
    scale: f64,
}

impl Method for BarlowTwins {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        let loss = if self.predictor.is_none() && !self.stop_gradient {
            self.objective.loss(a, b)
        } else {
            let [p_a, p_b] = match &self.predictor {
                Some(predictor) => two(&network.apply(z.clone(), |pass, z| predictor.forward(pass, z))),
                None => [a.clone(), b.clone()],
            };
            let [a, b] = if self.stop_gradient { [a, b].map(|z| z.without_autodiff()) } else { [a, b] };
            self.objective.loss(p_a, b).mean_with(self.objective.loss(a, p_b))
        };
        Output::new(loss.scaled(self.scale), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "Barlow Twins collapses when the step is too large or the batch too small: lower optim.lr, lengthen \
         schedule.warmup_epochs, or raise batch (64 and more)"
    }
}
