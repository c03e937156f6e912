//! DINO: a student and its slow copy, the teacher, on different views.

use std::ops::RangeInclusive;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::{Mlp, MlpPlan, Prototypes};
use twinlens_nn::weights::{Scope, Weights};

use super::heads::{ProjectorSettings, TargetSettings};
use super::method::{Batch, Ground, MANY, Method, MethodConfig, Output, Rate, Registered};
use super::network::Network;
use super::state::MethodState;
use super::state::{load, save};
use super::target::Target;
use crate::objectives::{self, moved_centre};
use crate::problems::Problems;

/// Views that the teacher sees: the first ones, of full size.
const TAUGHT: usize = 2;
/// Standard deviation of the head's first weights.
const WEIGHT_STD: f64 = 0.02;

/// Settings of DINO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DinoSettings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: objectives::Dino,
    /// Outputs of the head.
    pub prototypes: usize,
    /// Divides the teacher's outputs in the first epoch of the warm-up.
    pub warmup_teacher_temperature: f64,
    /// Epochs over which the teacher's temperature goes from one to the other, in equal steps.
    pub warmup_teacher_temperature_epochs: usize,
    /// Share of the old centre at every step.
    pub centre_momentum: f64,
    /// Epochs at the start in which the head's last layer stays as it is.
    pub frozen_epochs: usize,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// The slow copy of encoder and head.
    pub target: TargetSettings,
}

impl Default for DinoSettings {
    fn default() -> DinoSettings {
        DinoSettings {
            objective: objectives::Dino::default(),
            prototypes: 4096,
            warmup_teacher_temperature: 0.04,
            warmup_teacher_temperature_epochs: 0,
            centre_momentum: 0.9,
            frozen_epochs: 1,
            projector: ProjectorSettings::default(),
            target: TargetSettings::default(),
        }
    }
}

impl Registered for DinoSettings {
    const SUMMARY: &'static str =
        "a student matches the centred, sharpened outputs of its slow copy on other views";
    const PAPER: &'static str = "Caron et al., ICCV 2021, arXiv:2104.14294";
    const LOSS: &'static str = "ln(prototypes) where outputs are even; it falls towards the entropy of the teacher, which is \
         above 0";
}

impl MethodConfig for DinoSettings {
    fn views(&self) -> RangeInclusive<usize> {
        2..=MANY
    }

    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        problems.least_two("prototypes", self.prototypes);
        problems.positive("warmup_teacher_temperature", self.warmup_teacher_temperature);
        problems.share("centre_momentum", self.centre_momentum);
        self.projector.check(problems);
        self.target.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let plan = MlpPlan { weight_std: Some(WEIGHT_STD), ..self.projector.plan(ground.features) };
        let projector = Mlp::new(&mut scope.at("projector"), &plan);
        let dim = self.projector.output_dim;
        Box::new(Dino {
            projector,
            prototypes: Prototypes::new(&mut scope.at("prototypes"), dim, self.prototypes),
            target: Target::new(&self.target, scope),
            centre: Tensor::zeros([self.prototypes], scope.weights().device()),
            settings: self.clone(),
        })
    }
}

impl DinoSettings {
    /// The teacher's temperature in `epoch`, from 0: `numpy.linspace` over the warm-up, then constant.
    fn teacher_temperature(&self, epoch: usize) -> f64 {
        let (from, to) = (self.warmup_teacher_temperature, self.objective.teacher_temperature);
        let epochs = self.warmup_teacher_temperature_epochs;
        if epoch >= epochs {
            return to;
        }
        from + (to - from) * epoch as f64 / epochs.saturating_sub(1).max(1) as f64
    }
}

#[derive(Debug)]
struct Dino {
    projector: Mlp,
    prototypes: Prototypes,
    target: Target,
    centre: Tensor<1>,
    settings: DinoSettings,
}

impl Method for Dino {
    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, epoch: usize) -> Output {
        let taught = batch.views.iter().take(TAUGHT).cloned().collect();
        let mut teacher = self.target.network(network);
        let z = teacher.project(&self.projector, taught);
        let targets = teacher.apply(z, |pass, z| self.prototypes.forward(pass, z));
        let z = network.project(&self.projector, batch.views);
        let outputs = network.apply(z.clone(), |pass, z| self.prototypes.forward(pass, z));
        let objective = objectives::Dino {
            teacher_temperature: self.settings.teacher_temperature(epoch),
            ..self.settings.objective
        };
        let loss = objective.loss(&targets, self.centre.clone(), &outputs);
        self.centre = moved_centre(self.centre.clone(), &targets, self.settings.centre_momentum);
        Output::new(loss, &z[0])
    }

    fn rate(&self, name: &str, epoch: usize) -> Rate {
        let frozen = name.starts_with("prototypes.") && epoch < self.settings.frozen_epochs;
        if frozen { Rate::Frozen } else { Rate::Scheduled }
    }

    fn after_step(&mut self, weights: &Weights, step: usize, total: usize) {
        self.target.follow(weights, step, total);
    }

    fn state(&self) -> MethodState {
        let mut state = MethodState::new();
        self.target.save(&mut state);
        save(&mut state, "centre", &self.centre);
        state
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), NnError> {
        self.target.load(state)?;
        self.centre = load(state, "centre", self.centre.dims(), &self.centre.device())?;
        Ok(())
    }

    fn uninformative_loss(&self) -> Option<f64> {
        Some((self.settings.prototypes as f64).ln())
    }

    fn collapse_advice(&self) -> &'static str {
        "DINO collapses to even outputs when the teacher is not sharp enough, and to one output when it is not \
         centred: lower method.teacher_temperature, set method.centre_momentum=0.9, raise \
         method.target.base_momentum, or set optim.clip_norm=3"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_teachers_temperature_rises_in_equal_steps_and_stays() {
        let settings = DinoSettings { warmup_teacher_temperature_epochs: 4, ..DinoSettings::default() };
        let temperatures = [0, 1, 2, 3, 4, 9].map(|epoch| settings.teacher_temperature(epoch));
        for (got, want) in temperatures.iter().zip([0.04, 0.05, 0.06, 0.07, 0.07, 0.07]) {
            assert!((got - want).abs() < 1e-12, "{temperatures:?}");
        }
        assert_eq!(DinoSettings::default().teacher_temperature(0), 0.07);
    }
}
