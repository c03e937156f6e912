//! NNBYOL: BYOL with the nearest earlier embedding in place of the target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::weights::Scope;

use super::byol::Byol;
use super::heads::{PredictorSettings, ProjectorSettings, TargetSettings};
use super::method::{Ground, Method, MethodConfig, Registered};
use super::queue::Queue;
use super::target::Target;
use crate::problems::Problems;

/// Settings of NNBYOL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NnbyolSettings {
    /// Earlier target embeddings of the first view among which neighbours are looked for.
    pub queue: usize,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// The head after the projector.
    pub predictor: PredictorSettings,
    /// The slow copy of encoder and projector.
    pub target: TargetSettings,
}

impl Default for NnbyolSettings {
    fn default() -> NnbyolSettings {
        NnbyolSettings {
            queue: 4096,
            projector: ProjectorSettings::default(),
            predictor: PredictorSettings::default(),
            target: TargetSettings::default(),
        }
    }
}

impl Registered for NnbyolSettings {
    const SUMMARY: &'static str = "BYOL with the nearest earlier embedding in place of the target";
    const PAPER: &'static str = "Dwibedi et al., ICCV 2021, arXiv:2104.14548";
    const LOSS: &'static str =
        "4 where predictions and neighbours are unrelated, 0 where they agree, which a collapse does too";
}

impl MethodConfig for NnbyolSettings {
    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        problems.least_one("queue", self.queue);
        self.projector.check(problems);
        self.predictor.check(problems);
        self.target.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let dim = self.projector.output_dim;
        let projector = self.projector.build(scope, ground.features);
        let target = Target::new(&self.target, scope);
        let predictor = self.predictor.build(scope, dim);
        let queue = Queue::new(scope, ground.seed, 0, [self.queue, dim]);
        Box::new(Byol { projector, target, predictor, neighbours: Some(queue), advice: COLLAPSE_ADVICE })
    }
}

const COLLAPSE_ADVICE: &str = "NNBYOL collapses when all images have the same few neighbours or the target follows too fast: raise \
     method.queue, raise method.target.base_momentum, or lower optim.lr";
