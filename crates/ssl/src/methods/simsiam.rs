//! SimSiam: BYOL's predictor without a target network; the other view gets no gradient.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::Scope;

use super::heads::{PredictorSettings, ProjectorSettings};
use super::method::{Batch, Ground, Method, MethodConfig, Output, Rate, Registered, two};
use super::network::Network;
use crate::objectives::simsiam;
use crate::problems::Problems;

/// Settings of SimSiam.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimsiamSettings {
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// The head after the projector.
    pub predictor: PredictorSettings,
}

impl Registered for SimsiamSettings {
    const SUMMARY: &'static str = "a predictor guesses the other view's embedding, which gets no gradient";
    const PAPER: &'static str = "Chen and He, CVPR 2021, arXiv:2011.10566";
    const LOSS: &'static str = "0 where predictions and projections are unrelated, -1 where they agree, which a collapse does \
         too";
}

impl MethodConfig for SimsiamSettings {
    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.projector.check(problems);
        self.predictor.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        let predictor = self.predictor.build(scope, self.projector.output_dim);
        Box::new(Simsiam { projector, predictor })
    }
}

/// The predictor's learning rate stays constant (section 4 of the paper): it should keep up with the latest embeddings.
#[derive(Debug)]
struct Simsiam {
    projector: Mlp,
    predictor: Mlp,
}

impl Method for Simsiam {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let p = network.apply(z.clone(), |pass, z| self.predictor.forward(pass, z));
        Output::new(simsiam(two(&p), two(&z)), &z[0])
    }

    fn rate(&self, name: &str, _epoch: usize) -> Rate {
        if name.starts_with("predictor.") { Rate::Constant } else { Rate::Scheduled }
    }

    fn collapse_advice(&self) -> &'static str {
        "SimSiam collapses when its predictor falls behind or its projector does not end in batch normalisation: set \
         method.projector.last_norm=\"batch_norm_without_affine\", narrow method.predictor.hidden_dim, or change optim.lr"
    }
}
