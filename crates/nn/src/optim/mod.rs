//! Optimisers, learning-rate schedules, clipping and averages of weights.

mod average;
mod gradients;
mod optimiser;
mod schedule;

pub use average::{momentum_schedule, momentum_update};
pub use gradients::Gradients;
pub use optimiser::{Lars, Moments, Optimiser, OptimiserRule, OptimiserSettings, Sgd};
pub use schedule::{Constant, Cosine, MultiStep, Schedule, ScheduleSettings, ScheduleShape};
