//! ReSSL: a strong view learns the similarities that a weak one has to earlier embeddings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::{Scope, Weights};

use super::heads::{ProjectorSettings, TargetSettings};
use super::method::{Batch, Ground, Method, MethodConfig, Output, Registered, two};
use super::network::Network;
use super::queue::Queue;
use super::state::MethodState;
use super::target::Target;
use crate::objectives;
use crate::problems::Problems;

/// Settings of ReSSL. The first view is the student's, strongly changed; the second the teacher's, weakly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResslSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: objectives::Ressl,
    /// Earlier teacher embeddings.
    pub queue: usize,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// The slow copy of encoder and projector.
    pub target: TargetSettings,
}

impl Default for ResslSettings {
    fn default() -> ResslSettings {
        ResslSettings {
            objective: objectives::Ressl::default(),
            queue: 4096,
            projector: ProjectorSettings::default(),
            target: TargetSettings::default(),
        }
    }
}

impl Registered for ResslSettings {
    const SUMMARY: &'static str =
        "a strong view has the same similarities to earlier embeddings as a weak one";
    const PAPER: &'static str = "Zheng et al., NeurIPS 2021, arXiv:2107.09282";
    const LOSS: &'static str = "at most ln(queue) where all images look alike; it falls towards the entropy of the teacher, \
         which is above 0";
}

impl MethodConfig for ResslSettings {
    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        problems.least_two("queue", self.queue);
        self.projector.check(problems);
        self.target.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        Box::new(Ressl {
            projector,
            target: Target::new(&self.target, scope),
            queue: Queue::new(scope, ground.seed, 0, [self.queue, self.projector.output_dim]),
            objective: self.objective,
        })
    }
}

#[derive(Debug)]
struct Ressl {
    projector: Mlp,
    target: Target,
    queue: Queue,
    objective: objectives::Ressl,
}

impl Method for Ressl {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let [strong, weak] = two(&batch.views);
        let teacher = self.target.network(network).project(&self.projector, vec![weak]);
        let student = network.project(&self.projector, vec![strong]);
        let loss = self.objective.loss(student[0].clone(), teacher[0].clone(), self.queue.rows());
        self.queue.push(&teacher[0]);
        Output::new(loss, &student[0])
    }

    fn after_step(&mut self, weights: &Weights, step: usize, total: usize) {
        self.target.follow(weights, step, total);
    }

    fn state(&self) -> MethodState {
        let mut state = MethodState::new();
        self.target.save(&mut state);
        self.queue.save(&mut state);
        state
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), NnError> {
        self.target.load(state)?;
        self.queue.load(state)
    }

    fn collapse_advice(&self) -> &'static str {
        "ReSSL collapses when the teacher is no sharper than the student: lower method.teacher_temperature to \
         half of student_temperature and less, keep the second view weak, or raise method.target.base_momentum"
    }
}
