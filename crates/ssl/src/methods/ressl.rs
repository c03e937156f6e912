//! ReSSL: a strong view learns the similarities that a weak one has to earlier embeddings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::{Scope, Weights};

use super::queue::Queue;
use super::target::Target;
use super::{Batch, Method, Network, Output, State, Widths, projector, two};
use crate::Settings;
use crate::objectives;
use crate::settings::Problems;

/// `[methods.ressl]`. The first view is the student's, strongly changed; the second the teacher's, weakly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResslSettings {
    /// Divides the student's cosines.
    pub student_temperature: f64,
    /// Divides the teacher's cosines; below the student's, so that targets are sharper than predictions.
    pub teacher_temperature: f64,
    /// Earlier teacher embeddings.
    pub queue: usize,
}

impl Default for ResslSettings {
    fn default() -> Self {
        ResslSettings { student_temperature: 0.1, teacher_temperature: 0.04, queue: 4096 }
    }
}

impl ResslSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.positive("methods.ressl.student_temperature", self.student_temperature);
        problems.positive("methods.ressl.teacher_temperature", self.teacher_temperature);
        problems.least_two("methods.ressl.queue", self.queue);
    }
}

#[derive(Debug)]
pub(super) struct Ressl {
    projector: Mlp,
    target: Target,
    queue: Queue,
    objective: objectives::Ressl,
}

impl Ressl {
    pub(super) fn new(settings: &Settings, scope: &mut Scope<'_>, widths: Widths) -> Ressl {
        let ResslSettings { student_temperature, teacher_temperature, queue } = settings.methods.ressl;
        let projector = projector(&settings.projector, scope, widths.features);
        Ressl {
            projector,
            target: Target::new(&settings.target, scope),
            queue: Queue::new(scope, settings.seed, 0, [queue, settings.projector.output_dim]),
            objective: objectives::Ressl { teacher_temperature, student_temperature },
        }
    }
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

    fn state(&self) -> State {
        let mut state = State::new();
        self.target.save(&mut state);
        self.queue.save(&mut state);
        state
    }

    fn restore(&mut self, state: &State) -> Result<(), NnError> {
        self.target.load(state)?;
        self.queue.load(state)
    }

    fn collapse_advice(&self) -> &'static str {
        "ReSSL collapses when the teacher is no sharper than the student: lower methods.ressl.teacher_temperature to \
         half of student_temperature and less, keep the second view weak, or raise target.base_momentum"
    }
}
