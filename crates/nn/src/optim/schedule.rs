//! Learning rates over the steps of a run, as factors of each group's base rate.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of a schedule after its warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum ScheduleShape {
    /// Half a cosine from 1 to a final factor (Loshchilov and Hutter 2017, without restarts).
    Cosine(Cosine),
    /// Multiplied by a constant at each milestone.
    MultiStep(MultiStep),
    /// 1 throughout.
    Constant(Constant),
}

/// Constants of `cosine`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {
    /// The factor that is approached at the end.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub final_factor: f64,
}

/// Constants of `multi_step`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MultiStep {
    /// Epochs at which the factor is multiplied by `gamma`.
    pub milestones: Vec<f64>,
    /// The multiplier.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub gamma: f64,
}

impl Default for MultiStep {
    fn default() -> MultiStep {
        MultiStep { milestones: vec![], gamma: 0.1 }
    }
}

/// `constant` has no constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constant {}

/// `[schedule]` of a configuration. Epochs may be fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleSettings {
    /// What follows the warm-up.
    #[serde(flatten)]
    pub shape: ScheduleShape,
    /// Epochs of linear rise at the start.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub warmup_epochs: f64,
    /// The factor at the first step of the warm-up.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup_start_factor: f64,
}

impl ScheduleSettings {
    /// A shape after so many epochs of warm-up from 0.
    pub fn new(shape: ScheduleShape, warmup_epochs: f64) -> ScheduleSettings {
        ScheduleSettings { shape, warmup_epochs, warmup_start_factor: 0.0 }
    }

    /// Half a cosine to 0 after so many epochs of warm-up from 0.
    pub fn cosine(warmup_epochs: f64) -> ScheduleSettings {
        ScheduleSettings::new(ScheduleShape::Cosine(Cosine::default()), warmup_epochs)
    }

    /// The full rate throughout.
    pub fn constant() -> ScheduleSettings {
        ScheduleSettings::new(ScheduleShape::Constant(Constant {}), 0.0)
    }
}

/// A schedule in steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Steps of linear rise at the start.
    pub warmup_steps: usize,
    /// The factor at step 0 of the warm-up.
    pub warmup_start_factor: f64,
    /// What follows the warm-up, milestones in steps.
    pub shape: ScheduleShape,
}

impl Schedule {
    /// The settings at `steps_per_epoch` steps an epoch.
    pub fn new(settings: &ScheduleSettings, epochs: usize, steps_per_epoch: usize) -> Schedule {
        let steps = |epochs: f64| (epochs * steps_per_epoch as f64).round();
        let mut shape = settings.shape.clone();
        if let ScheduleShape::MultiStep(MultiStep { milestones, .. }) = &mut shape {
            milestones.iter_mut().for_each(|epoch| *epoch = steps(*epoch));
        }
        Schedule {
            total_steps: epochs * steps_per_epoch,
            warmup_steps: steps(settings.warmup_epochs) as usize,
            warmup_start_factor: settings.warmup_start_factor,
            shape,
        }
    }

    /// The factor at `step`, counted from 0. With `W` warm-up steps of `T`, start `a` and final `z`:
    ///
    /// ```text
    /// s < W:  a + (1 - a) s / W
    /// cosine: z + (1 - z) (1 + cos(pi (s - W) / (T - W))) / 2
    /// ```
    pub fn factor(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            let progress = step as f64 / self.warmup_steps as f64;
            return self.warmup_start_factor + (1.0 - self.warmup_start_factor) * progress;
        }
        match &self.shape {
            ScheduleShape::Constant(_) => 1.0,
            ScheduleShape::MultiStep(MultiStep { milestones, gamma }) => {
                gamma.powi(milestones.iter().filter(|&&milestone| milestone <= step as f64).count() as i32)
            }
            ScheduleShape::Cosine(Cosine { final_factor }) => {
                let length = self.total_steps.saturating_sub(self.warmup_steps).max(1);
                let progress = (step - self.warmup_steps) as f64 / length as f64;
                final_factor + (1.0 - final_factor) * (1.0 + (PI * progress.min(1.0)).cos()) / 2.0
            }
        }
    }
}
