//! The loop that pre-training and fine-tuning share: batches in, steps, rows of the log, checkpoints, stops.

use std::time::Instant;

use serde_json::json;
use twinlens_eval::{Features, health};
use twinlens_nn::ops::{Scalar, read};
use twinlens_run::{Direction, Row, RunFolder};

use crate::checkpoint;
use crate::hooks::{Asked, Hooks, TrainingEnd, TrainingEvent};
use crate::metrics_log::{MetricsLog, row};
use crate::task::{CollapseCheck, Judged, Plan, Position, Task};
use crate::{Best, CheckpointSettings, SslError, StepReport};

/// A task on its way.
pub(crate) struct TrainingLoop<'f, 'h, T> {
    pub task: T,
    pub metrics_log: MetricsLog<'f, 'h>,
    plan: Plan,
    clock: Clock,
    /// Steps whose numbers are still on the device.
    unread: Vec<Unread>,
    /// The newest loss and gradient norm that were read.
    newest: Option<[f64; 2]>,
    /// Whether it was told that embeddings hardly vary.
    poor: bool,
}

/// A step as nobody has looked at it yet.
struct Unread {
    /// Its number in the run, from 1.
    step: usize,
    loss: Scalar,
    norm: Scalar,
}

impl<'f, 'h, T: Task> TrainingLoop<'f, 'h, T> {
    pub(crate) fn new(task: T, folder: &'f mut RunFolder, hooks: Hooks<'h>) -> TrainingLoop<'f, 'h, T> {
        TrainingLoop {
            plan: task.plan(),
            task,
            metrics_log: MetricsLog { folder, hooks, newest: Row::new() },
            clock: Clock::start(),
            unread: Vec::new(),
            newest: None,
            poor: false,
        }
    }

    /// Goes through all epochs: from the first, or from the newest whole checkpoint if `resume`.
    pub(crate) fn run(&mut self, resume: bool) -> Result<TrainingEnd, SslError> {
        let beginning = Position { epoch: 0, step_in_epoch: 0 };
        let position = if resume { self.resume()? } else { beginning };
        let total_steps = self.plan.epochs * self.plan.steps_per_epoch;
        self.metrics_log.tell(&TrainingEvent::Started { total_steps, step: self.task.steps() });
        if position == beginning {
            if !resume {
                // Whatever happens from now on, the run can go on.
                self.save(position)?;
            }
            self.task.judge(0, &mut self.metrics_log)?;
        }
        self.go(position)
    }

    fn resume(&mut self) -> Result<Position, SslError> {
        let loaded = self.metrics_log.folder.newest_checkpoint()?;
        for warning in &loaded.warnings {
            self.metrics_log.warn(warning);
        }
        let position = checkpoint::restore(&mut self.task, &loaded)?;
        if let Some(warning) = self.metrics_log.folder.rewind(&loaded.sidecar)? {
            self.metrics_log.warn(&warning);
        }
        Ok(position)
    }

    fn go(&mut self, from: Position) -> Result<TrainingEnd, SslError> {
        if from.epoch >= self.plan.epochs || self.task.is_over() {
            return Ok(TrainingEnd::Done);
        }
        let mut loader = self.task.batches(from)?;
        self.clock = Clock::start();
        while let Some(batch) = loader.next() {
            let batch = batch?;
            self.clock.waited += loader.waited().as_secs_f64();
            if batch.step == 0 {
                self.task.start_of_epoch(batch.epoch as usize)?;
            }
            let step = self.task.steps() + 1;
            let report = self.task.step(&batch);
            self.unread.push(Unread { step, loss: report.loss.clone(), norm: report.gradient_norm.clone() });
            let mut position = Position { epoch: batch.epoch as usize, step_in_epoch: batch.step + 1 };
            self.after_step(&report, position)?;
            if position.step_in_epoch == self.plan.steps_per_epoch {
                position = Position { epoch: position.epoch + 1, step_in_epoch: 0 };
                self.after_epoch(position)?;
            }
            match (self.metrics_log.hooks.asked)() {
                _ if self.task.is_over() => break,
                Asked::Continue => {}
                Asked::Save => self.save(position)?,
                Asked::Stop => {
                    self.save(position)?;
                    return Ok(TrainingEnd::Interrupted);
                }
            }
        }
        Ok(TrainingEnd::Done)
    }

    /// Saves what is known to be sound.
    fn save(&mut self, position: Position) -> Result<(), SslError> {
        self.read(position.epoch + 1, &[])?;
        checkpoint::save(self.metrics_log.folder, &self.task, position)
    }

    fn after_step(&mut self, report: &StepReport, position: Position) -> Result<(), SslError> {
        let (epoch, step) = (position.epoch + 1, self.task.steps());
        let last = position.step_in_epoch == self.plan.steps_per_epoch;
        let due = last || position.step_in_epoch.is_multiple_of(self.plan.log_every);
        self.clock.steps += 1;
        let parts: Vec<&Scalar> = report.parts.iter().filter(|_| due).map(|(_, part)| part).collect();
        let look = due || report.loss.known().is_some();
        let parts = if look { self.read(epoch, &parts)? } else { Vec::new() };
        self.metrics_log.tell(&TrainingEvent::Step { epoch, step, loss: self.newest.map(|[loss, _]| loss) });
        if last {
            self.look_for_empty_outputs(epoch);
        }
        if due { self.log(report, &parts, epoch) } else { Ok(()) }
    }

    /// Reads the numbers of all steps since the last time, and `more`, in one go: all of it is waited for once. Returns those of
    /// `more`.
    ///
    /// # Errors
    /// [`SslError::NotFinite`] of the first step whose loss or gradient is not.
    fn read(&mut self, epoch: usize, more: &[&Scalar]) -> Result<Vec<f64>, SslError> {
        let unread = std::mem::take(&mut self.unread);
        let numbers: Vec<&Scalar> = unread.iter().flat_map(|step| [&step.loss, &step.norm]).collect();
        let mut numbers = Scalar::read_all(&[&numbers, more].concat());
        let more = numbers.split_off(2 * unread.len());
        for (Unread { step, .. }, numbers) in unread.iter().zip(numbers.chunks_exact(2)) {
            let (loss, norm) = (numbers[0], numbers[1]);
            if !(loss.is_finite() && norm.is_finite()) {
                let norm = self.newest.map_or(f64::NAN, |[_, norm]| norm);
                return Err(SslError::NotFinite { loss, epoch, step: *step, norm });
            }
            self.newest = Some([loss, norm]);
        }
        Ok(more)
    }

    /// Adds a row of what the step did, the loss's parts being these numbers, and looks for collapse.
    fn log(&mut self, report: &StepReport, parts: &[f64], epoch: usize) -> Result<(), SslError> {
        let [rows, dim] = report.embeddings.dims();
        let embeddings = Features::new(rows, dim, read(report.embeddings.clone()))?;
        let std = health::embedding_std(&embeddings);
        let rank = health::rankme(&health::singular_values(&embeddings, false)?);
        let full = 1.0 / (dim as f64).sqrt();
        let mut row = row(epoch, self.task.steps());
        let [loss, norm] = self.newest.unwrap_or([f64::NAN; 2]);
        row.insert("loss".into(), json!(loss));
        for ((name, _), value) in report.parts.iter().zip(parts) {
            row.insert(format!("loss_{name}"), json!(value));
        }
        row.insert("lr".into(), json!(self.task.learning_rate(report.factor)));
        row.insert("gradient_norm".into(), json!(norm));
        row.insert("embedding_std".into(), json!(std));
        row.insert("embedding_std_full".into(), json!(full));
        row.insert("effective_rank".into(), json!(rank));
        let (images_per_s, wait) = self.clock.take(self.plan.batch);
        row.insert("images_per_second".into(), json!(images_per_s));
        row.insert("data_wait_share".into(), json!(wait));
        self.metrics_log.append(&row)?;
        let CollapseCheck { threshold, advice, .. } = self.task.collapse_check();
        // A fresh network's embeddings may be nearly alike: give training an epoch before it is judged.
        if epoch > 1 && std < threshold * full {
            return Err(SslError::Collapsed { epoch, step: self.task.steps(), std, full, advice });
        }
        if epoch > 1 && !self.poor && is_poor(rank, rows, std / full) {
            self.poor = true;
            self.metrics_log.warn(&format!(
                "in epoch {epoch} embeddings hardly vary: effective rank {rank:.1} of {dim}, {:.0} % of the full deviation. \
                 {advice}",
                100.0 * std / full
            ));
        }
        Ok(())
    }

    /// Warns where the loss is that of outputs that say nothing, a collapse that embeddings need not show.
    fn look_for_empty_outputs(&mut self, epoch: usize) {
        let CollapseCheck { uninformative_loss: Some(empty), advice, .. } = self.task.collapse_check() else {
            return;
        };
        let Some([loss, _]) = self.newest else { return };
        if epoch > 1 && (loss - empty).abs() < EMPTY * empty {
            self.metrics_log.warn(&format!(
                "after epoch {epoch} the loss is {loss:.3}, and {empty:.3} is that of outputs that are the same for \
                 every image. {advice}"
            ));
        }
    }

    fn after_epoch(&mut self, position: Position) -> Result<(), SslError> {
        let judged = self.task.judge(position.epoch, &mut self.metrics_log)?;
        let CheckpointSettings { every, keep, best, epochs, .. } = self.plan.checkpoint.clone();
        let judged = match best {
            Best::Accuracy => judged,
            Best::Loss => self.metrics_log.newest("loss", Direction::Lower),
            Best::EffectiveRank => self.metrics_log.newest("effective_rank", Direction::Higher),
        };
        let last = position.epoch == self.plan.epochs || self.task.is_over();
        if position.epoch.is_multiple_of(every) || epochs.contains(&(position.epoch as u64)) || last {
            self.save(position)?;
            self.metrics_log.folder.keep_epoch(keep, &epochs)?;
            if let Some(Judged { metric, direction, value }) = judged {
                self.metrics_log.folder.keep_best(metric, direction, value)?;
            }
        }
        self.clock = Clock::start();
        Ok(())
    }
}

/// Whether embeddings of so many images vary in few directions, or by little beside the full deviation.
fn is_poor(rank: f64, images: usize, share: f64) -> bool {
    // Of few images no rank is high.
    rank < LOW_RANK.min(images as f64 / 4.0) || share < LOW_SHARE
}

/// An effective rank below this is hardly more than a collapse.
pub const LOW_RANK: f64 = 5.0;
/// The share of the full deviation below which embeddings are nearly alike.
const LOW_SHARE: f64 = 0.2;

/// How near to the loss of empty outputs, relative to it, gives a warning.
const EMPTY: f64 = 0.005;

/// Time since the last row of the log.
struct Clock {
    since: Instant,
    waited: f64,
    steps: usize,
}

impl Clock {
    fn start() -> Clock {
        Clock { since: Instant::now(), waited: 0.0, steps: 0 }
    }

    /// Images per second and share of time spent waiting for data, since the last call.
    fn take(&mut self, batch: usize) -> (f64, f64) {
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        let result = ((self.steps * batch) as f64 / seconds, self.waited / seconds);
        *self = Clock::start();
        result
    }
}

#[cfg(test)]
mod tests;
