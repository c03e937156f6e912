//! Barlow Twins: a projector and the cross-correlation loss.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::heads::{PredictorSettings, ProjectorSettings};
use super::method::{Batch, Ground, Method, MethodConfig, Output, Registered, two};
use super::network::Network;
use crate::objectives::{self, Loss};
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
    /// Let no gradient through the second view (table 6 of the paper).
    pub stop_gradient: bool,
    /// Average both directions of a predictor or a stopped gradient, each view in the place of the other; the paper has one.
    pub both_directions: bool,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// A head after the first view (table 6 of the paper), where there is such a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictor: Option<PredictorSettings>,
}

impl Default for BarlowTwinsSettings {
    fn default() -> BarlowTwinsSettings {
        BarlowTwinsSettings {
            objective: objectives::BarlowTwins::default(),
            scale: 1.0,
            stop_gradient: false,
            both_directions: false,
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
        let asymmetric = self.stop_gradient || self.predictor.is_some();
        let expected = "false without stop_gradient and without a predictor: there is one direction then";
        problems.require(
            "both_directions",
            asymmetric || !self.both_directions,
            expected,
            &self.both_directions,
        );
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        let dim = self.projector.output_dim;
        let predictor = self.predictor.as_ref().map(|predictor| predictor.build(scope, dim));
        let BarlowTwinsSettings { objective, scale, stop_gradient, both_directions, .. } = *self;
        Box::new(BarlowTwins { projector, predictor, stop_gradient, both_directions, objective, scale })
    }
}

#[derive(Debug)]
struct BarlowTwins {
    projector: Mlp,
    predictor: Option<Mlp>,
    stop_gradient: bool,
    both_directions: bool,
    objective: objectives::BarlowTwins,
    scale: f64,
}

impl BarlowTwins {
    /// The views behind the predictor, where there is one.
    fn predicted(&self, network: &mut Network<'_>, z: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        match &self.predictor {
            Some(predictor) => network.apply(z, |pass, z| predictor.forward(pass, z)),
            None => z,
        }
    }

    /// The loss of what is behind the predictor and the other view.
    fn direction(&self, predicted: Tensor<2>, other: Tensor<2>) -> Loss {
        let other = if self.stop_gradient { other.without_autodiff() } else { other };
        self.objective.loss(predicted, other)
    }
}

impl Method for BarlowTwins {
    /// `L(pred z_a, sg z_b)`, predictor and `sg` where asked for; in both directions the mean with `L(pred z_b, sg z_a)`.
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let [a, b] = two(&z);
        let loss = if self.both_directions {
            let [p_a, p_b] = two(&self.predicted(network, z.clone()));
            self.direction(p_a, b).mean_with(self.direction(p_b, a))
        } else {
            let p_a = self.predicted(network, vec![a]).swap_remove(0);
            self.direction(p_a, b)
        };
        Output::new(loss.scaled(self.scale), &z[0])
    }

    fn collapse_advice(&self) -> &'static str {
        "Barlow Twins collapses when the step is too large or the batch too small: lower optim.lr, lengthen \
         schedule.warmup_epochs, or raise batch (64 and more)"
    }
}
