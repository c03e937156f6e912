//! Heads of methods: the settings, and the networks that they describe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::{Activation, LastNorm, Mlp, MlpPlan};
use twinlens_nn::norms::IterNorm;
use twinlens_nn::weights::Scope;

use crate::problems::Problems;

/// `[method.projector]`: linear layers with activations between them, from features to embeddings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectorSettings {
    /// Linear layers.
    pub layers: usize,
    /// Width between them.
    pub hidden_dim: usize,
    /// Width of the embeddings.
    pub output_dim: usize,
    /// Batch normalisation before each activation.
    pub batch_norm: bool,
    /// Bias in all layers but the last.
    pub bias: bool,
    /// Bias in the last layer.
    pub last_bias: bool,
    /// The activation: `relu` or `gelu`.
    pub activation: Activation,
    /// The activation on the features too, before the first layer.
    pub activate_input: bool,
    /// What follows the last layer: `none`, `batch_norm`, `batch_norm_without_affine` or `iter_norm`.
    pub last_norm: LastNorm,
}

impl Default for ProjectorSettings {
    fn default() -> ProjectorSettings {
        ProjectorSettings {
            layers: 3,
            hidden_dim: 2048,
            output_dim: 2048,
            batch_norm: true,
            bias: false,
            last_bias: false,
            activation: Activation::Relu,
            activate_input: false,
            last_norm: LastNorm::None,
        }
    }
}

impl ProjectorSettings {
    /// Reports what cannot be used.
    pub fn check(&self, problems: &mut Problems) {
        problems.within("projector", |problems| {
            problems.least_one("layers", self.layers);
            problems.least_one("hidden_dim", self.hidden_dim);
            let dim = self.output_dim;
            problems.least_two("output_dim", dim);
            let whole = dim <= IterNorm::GROUP || dim.is_multiple_of(IterNorm::GROUP);
            let expected = format!("a multiple of {} (or below) with last_norm iter_norm", IterNorm::GROUP);
            let sound = self.last_norm != LastNorm::IterNorm || whole;
            problems.require("output_dim", sound, &expected, &dim);
        });
    }

    /// The plan of the layers on `features` features.
    pub(super) fn plan(&self, features: usize) -> MlpPlan {
        let mut widths = vec![features];
        widths.extend(std::iter::repeat_n(self.hidden_dim, self.layers - 1));
        widths.push(self.output_dim);
        let ProjectorSettings { bias, last_bias, batch_norm, activation, activate_input, last_norm, .. } =
            *self;
        MlpPlan {
            widths,
            bias,
            last_bias,
            batch_norm,
            activation,
            activate_input,
            last_norm,
            weight_std: None,
        }
    }

    /// Declares the layers in `scope`.
    pub fn build(&self, scope: &mut Scope<'_>, features: usize) -> Mlp {
        Mlp::new(&mut scope.at("projector"), &self.plan(features))
    }
}

/// `[method.predictor]`: two linear layers, batch normalisation and ReLU between them, from embeddings to embeddings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PredictorSettings {
    /// Width between the layers.
    pub hidden_dim: usize,
    /// Bias in the first layer.
    pub bias: bool,
}

impl Default for PredictorSettings {
    fn default() -> PredictorSettings {
        PredictorSettings { hidden_dim: 512, bias: false }
    }
}

impl PredictorSettings {
    /// Reports what cannot be used.
    pub fn check(&self, problems: &mut Problems) {
        problems.within("predictor", |problems| problems.least_one("hidden_dim", self.hidden_dim));
    }

    /// Declares the layers in `scope`, from `dim` to `dim` values.
    pub fn build(&self, scope: &mut Scope<'_>, dim: usize) -> Mlp {
        let plan = MlpPlan {
            activate_input: false,
            widths: vec![dim, self.hidden_dim, dim],
            bias: self.bias,
            last_bias: true,
            batch_norm: true,
            activation: Activation::Relu,
            last_norm: LastNorm::None,
            weight_std: None,
        };
        Mlp::new(&mut scope.at("predictor"), &plan)
    }
}

/// `[method.target]`: an exponential moving average of the weights, updated after every step: the share of the old
/// average goes from one number to the other along half a cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetSettings {
    /// Share of the old average at the first step.
    pub base_momentum: f64,
    /// Share of the old average at the end of the run.
    pub final_momentum: f64,
}

impl Default for TargetSettings {
    fn default() -> TargetSettings {
        TargetSettings { base_momentum: 0.99, final_momentum: 1.0 }
    }
}

impl TargetSettings {
    /// Reports what cannot be used.
    pub fn check(&self, problems: &mut Problems) {
        problems.within("target", |problems| {
            problems.share("base_momentum", self.base_momentum);
            problems.share("final_momentum", self.final_momentum);
        });
    }
}
