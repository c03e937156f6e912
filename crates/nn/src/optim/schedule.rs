//! Learning rates over the steps of a run, as factors of each group's base rate.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of a schedule after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    /// Half a cosine from 1 to `final_factor` (Loshchilov and Hutter 2017, without restarts).
    Cosine,
    /// Multiplied by `gamma` at each milestone.
    MultiStep,
    /// 1 throughout.
    Constant,
}

/// `[schedule]` of a configuration. Epochs may be fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSettings {
    /// The shape after the warm-up.
    pub name: ScheduleName,
    /// Epochs of linear rise at the start.
    pub warmup_epochs: f64,
    /// The factor at the first step of the warm-up.
    pub warmup_start_factor: f64,
    /// The factor that a cosine approaches at the end.
    pub final_factor: f64,
    /// Epochs at which `multi_step` multiplies by `gamma`.
    pub milestones: Vec<f64>,
    /// The multiplier of `multi_step`.
    pub gamma: f64,
}

/// A schedule in steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The shape after the warm-up.
    pub name: ScheduleName,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Steps of linear rise at the start.
    pub warmup_steps: usize,
    /// The factor at step 0 of the warm-up.
    pub warmup_start_factor: f64,
    /// The factor that a cosine approaches.
    pub final_factor: f64,
    /// Steps at which `multi_step` multiplies by `gamma`.
    pub milestones: Vec<usize>,
    /// The multiplier of `multi_step`.
    pub gamma: f64,
}

impl Schedule {
    /// The settings at `steps_per_epoch` steps an epoch.
    pub fn new(settings: &ScheduleSettings, epochs: usize, steps_per_epoch: usize) -> Schedule {
        let steps = |epochs: f64| (epochs * steps_per_epoch as f64).round() as usize;
        Schedule {
            name: settings.name,
            total_steps: epochs * steps_per_epoch,
            warmup_steps: steps(settings.warmup_epochs),
            warmup_start_factor: settings.warmup_start_factor,
            final_factor: settings.final_factor,
            milestones: settings.milestones.iter().map(|&epoch| steps(epoch)).collect(),
            gamma: settings.gamma,
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
        match self.name {
            ScheduleName::Constant => 1.0,
            ScheduleName::MultiStep => {
                self.gamma.powi(self.milestones.iter().filter(|&&milestone| milestone <= step).count() as i32)
            }
            ScheduleName::Cosine => {
                let length = self.total_steps.saturating_sub(self.warmup_steps).max(1);
                let progress = (step - self.warmup_steps) as f64 / length as f64;
                self.final_factor + (1.0 - self.final_factor) * (1.0 + (PI * progress.min(1.0)).cos()) / 2.0
            }
        }
    }
}
