//! Barlow Twins: a projector and the cross-correlation loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::{Batch, Method, Network, Output, Widths, predictor, projector, two};
use crate::Settings;
use crate::objectives::{self, BarlowTwinsForm};
use crate::settings::Problems;

/// `[methods.barlow-twins]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BarlowTwinsSettings {
    /// Weight of the redundancy term.
    pub lambda: f64,
    /// Added to each column's variance.
    pub eps: f64,
    /// Multiplies the whole loss, which matters only where the optimiser is not scale-free.
    pub scale: f64,
    /// Which loss: the method's own or one of those it was compared with.
    pub form: BarlowTwinsForm,
    /// Divides the correlations of `form = "cross_entropy"`.
    pub temperature: f64,
    /// Put the predictor of `[predictor]` after one of the views (table 6 of the paper); both ways are averaged.
    pub predictor: bool,
    /// Let no gradient through the other view (table 6 of the paper); both ways are averaged.
    pub stop_gradient: bool,
}

impl Default for BarlowTwinsSettings {
    fn default() -> Self {
        BarlowTwinsSettings {
            lambda: 0.005,
            eps: 1e-5,
            scale: 1.0,
            form: BarlowTwinsForm::CrossCorrelation,
            temperature: 0.1,
            predictor: false,
            stop_gradient: false,
        }
    }
}

impl BarlowTwinsSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.not_negative("methods.barlow-twins.lambda", self.lambda);
        problems.positive("methods.barlow-twins.eps", self.eps);
        problems.positive("methods.barlow-twins.scale", self.scale);
        problems.positive("methods.barlow-twins.temperature", self.temperature);
    }
}

#[derive(Debug)]
pub(super) struct BarlowTwins {
    projector: Mlp,
    predictor: Option<Mlp>,
    stop_gradient: bool,
    objective: objectives::BarlowTwins,
    scale: f64,
}

impl BarlowTwins {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> BarlowTwins {
        let own = &settings.methods.barlow_twins;
        let BarlowTwinsSettings { lambda, eps, scale, form, temperature, stop_gradient, .. } = *own;
        let projector = projector(&settings.projector, scope, widths.features);
        let dim = settings.projector.output_dim;
        let predictor = own.predictor.then(|| predictor(&settings.predictor, scope, dim));
        let objective = objectives::BarlowTwins { lambda, eps, form, temperature };
        BarlowTwins { projector, predictor, stop_gradient, objective, scale }
    }
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
