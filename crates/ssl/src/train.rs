//! The training loop: feeds a learner from a data set and writes a run folder.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Tensor;
use serde_json::{Value, json};
use twinlens_data::{DataSet, ImageSource, channel_statistics, limit};
use twinlens_eval::{Embedding, Features, Knn, Labelled, Vote, health, with_labels};
use twinlens_nn::ops::read;
use twinlens_nn::weights::{EncoderDescription, EncoderFile, write_safetensors};
use twinlens_run::{Direction, Row, RunFolder};
use twinlens_views::{BuildContext, Loader, LoaderSettings, Order, Policy};

use crate::checkpoint::{self, Position};
use crate::learner::{ENCODER, tensors};
use crate::methods::{self, Images};
use crate::{DataShape, KnnSettings, Learner, Problem, Settings, SslError, StepReport};

/// What the outside wants between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: go on.
    Continue,
    /// A checkpoint now, then go on.
    Save,
    /// A checkpoint now, then stop.
    Stop,
}

/// What happens during a run, for bars and logs.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// The run starts, or continues at a step.
    Start {
        /// Steps of the whole run.
        total_steps: usize,
        /// Steps already taken.
        step: usize,
    },
    /// A step was made.
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// Steps taken in all.
        step: usize,
        /// The loss before the step.
        loss: f64,
    },
    /// A row was added to the metrics log.
    Row(&'a Row),
    /// Something the user should know.
    Warning(String),
}

/// The loop's two doors to the outside.
pub struct Hooks<'a> {
    /// Asked after every step.
    pub asked: &'a dyn Fn() -> Asked,
    /// Told of everything.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

impl std::fmt::Debug for Hooks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done.
    Done,
    /// It was asked to stop; a checkpoint is saved.
    Interrupted,
}

/// A data set made ready for a run: checked, measured, its views compiled.
#[derive(Clone)]
pub struct Prepared {
    /// The images to learn from.
    pub train: Arc<dyn ImageSource>,
    /// Size, channels and normalisation of the views.
    pub context: BuildContext,
    /// The compiled views.
    pub policy: Arc<Policy>,
    /// Threads that make views.
    pub workers: usize,
    /// Classes of the labels; 0 without labels.
    pub classes: usize,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("images", &self.train.len()).field("context", &self.context).finish()
    }
}

impl Prepared {
    /// Checks `settings` against `data` and measures the channels of the training images.
    ///
    /// # Errors
    /// Settings that cannot be used, all of them together; a data set without training images, or whose training images
    /// are one single value.
    pub fn new(settings: &Settings, data: &DataSet) -> Result<Prepared, SslError> {
        let mut problems = settings.problems();
        let train = data.splits.train.clone();
        let mut train = train.ok_or_else(|| SslError::NoTrainingImages { name: data.name.clone() })?;
        if settings.limit > 0 {
            train = limit(train, settings.limit);
        }
        if settings.batch > train.len() {
            let expected = format!("at most the {} training images", train.len());
            problems.push(Problem { key: "batch", expected, got: settings.batch.to_string() });
        }
        let labelled = data.classes.len() > 1 && (0..train.len()).all(|index| train.label(index).is_some());
        if methods::find(&settings.method).is_ok_and(|method| method.labels) && !labelled {
            let expected = "a method that needs no labels, as not all training images have one".into();
            problems.push(Problem { key: "method", expected, got: settings.method.clone() });
        }
        if !problems.is_empty() {
            return Err(SslError::Settings { problems });
        }
        let first = train.image(0)?;
        let statistics = channel_statistics(train.as_ref())?;
        if statistics.std.iter().all(|&std| std == 0.0) {
            return Err(SslError::NoVariation { name: data.name.clone() });
        }
        let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect();
        // A channel that never varies, as an unused one of a microscope, is 0 after centring: nothing to divide.
        let std: Vec<f64> = statistics.std.iter().map(|&std| if std == 0.0 { 1.0 } else { std }).collect();
        let context = BuildContext {
            size: if settings.size > 0 { settings.size } else { first.height.min(first.width) },
            channels: first.channels,
            pixel_type: first.pixel_type(),
            mean: narrow(&statistics.mean),
            std: narrow(&std),
        };
        let policy = Arc::new(Policy::build(&settings.views, context.clone())?);
        let workers = workers(settings.workers);
        Ok(Prepared { train, context, policy, workers, classes: data.classes.len() })
    }

    /// What a network must know of these images.
    pub fn shape(&self) -> DataShape {
        DataShape { channels: self.context.channels, classes: self.classes }
    }

    /// Seconds that a step of `learner` takes with the views of its batch: two steps are made, and the second is timed, as
    /// the first makes buffers.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub fn seconds_per_step(&self, settings: &Settings, learner: &mut Learner) -> Result<f64, SslError> {
        let mut seconds = 0.0;
        let mut batches = self.batches(settings, Position { epoch: 0, step_in_epoch: 0 })?;
        for _ in 0..2 {
            let start = Instant::now();
            let Some(batch) = batches.next() else { break };
            let batch = batch?;
            learner.step(&batch.views, &batch.indices, self.labels(&batch.indices));
            seconds = start.elapsed().as_secs_f64();
        }
        Ok(seconds)
    }

    /// The batches of a run from a position on.
    fn batches(&self, settings: &Settings, from: Position) -> Result<Loader, SslError> {
        let how = LoaderSettings {
            seed: settings.seed,
            epochs: settings.epochs as u32,
            batch: settings.batch,
            order: Order::Shuffled,
            drop_last: true,
            workers: self.workers,
            prefetch: 2,
        };
        let start = (from.epoch as u32, from.step_in_epoch);
        Ok(Loader::new(self.train.clone(), self.policy.clone(), how, start)?)
    }

    /// The classes of training images, where they have one.
    fn labels(&self, indices: &[usize]) -> Vec<Option<usize>> {
        indices.iter().map(|&index| self.train.label(index)).collect()
    }

    /// Full batches in an epoch.
    pub fn steps_per_epoch(&self, batch: usize) -> usize {
        self.train.len() / batch
    }
}

/// The number of threads meant by `workers`: itself, or one for each core (at most 8) if it is 0.
pub fn workers(workers: usize) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8));
    if workers > 0 { workers } else { cores() }
}

/// What `encoder.json` says about an encoder trained with `settings`.
pub fn encoder_description(
    settings: &Settings,
    context: &BuildContext,
    features: usize,
    origin: String,
) -> EncoderDescription {
    EncoderDescription {
        version: 1,
        encoder: settings.encoder.clone(),
        stem: settings.stem.name().into(),
        channels: context.channels,
        features,
        size: context.size,
        mean: context.mean.clone(),
        std: context.std.clone(),
        origin,
    }
}

/// Trains on `data`, made ready as `prepared`, into `folder`: from the start, or from the newest whole checkpoint if `resume`.
///
/// After every step `hooks.asked` may ask for a checkpoint or a stop. A run that was stopped and resumed writes the
/// same weights, bit for bit, as one that was not (on a CPU, whatever the number of threads).
///
/// # Errors
/// Unreadable images, a checkpoint that does not fit, a loss that is not a number, a collapse, or
/// a folder that cannot be written.
pub fn train<'a>(
    settings: &'a Settings,
    data: &'a DataSet,
    prepared: &Prepared,
    folder: &'a mut RunFolder,
    start: StartFrom<'_>,
    hooks: Hooks<'a>,
) -> Result<Outcome, SslError> {
    let steps_per_epoch = prepared.steps_per_epoch(settings.batch);
    let device = settings.open_device()?;
    let learner = Learner::new(settings, prepared.shape(), steps_per_epoch, &device)?;
    let prepared = prepared.clone();
    let mut run =
        Run { settings, data, prepared, steps_per_epoch, learner, folder, hooks, clock: Clock::start() };
    let position = run.begin(start)?;
    let outcome = run.go(position)?;
    run.finish()?;
    Ok(outcome)
}

/// Where a run takes its first weights from.
#[derive(Clone, Copy, Debug)]
pub enum StartFrom<'a> {
    /// Random weights.
    Scratch,
    /// An encoder's weights; the rest is random.
    Encoder(&'a EncoderFile),
    /// The folder's newest whole checkpoint.
    Checkpoint,
}

struct Run<'a> {
    settings: &'a Settings,
    data: &'a DataSet,
    prepared: Prepared,
    steps_per_epoch: usize,
    learner: Learner,
    folder: &'a mut RunFolder,
    hooks: Hooks<'a>,
    clock: Clock,
}

impl Run<'_> {
    fn begin(&mut self, start: StartFrom<'_>) -> Result<Position, SslError> {
        let beginning = Position { epoch: 0, step_in_epoch: 0 };
        let position = match start {
            StartFrom::Checkpoint => self.resume()?,
            StartFrom::Scratch => beginning,
            StartFrom::Encoder(file) => {
                let unused = self.learner.import(ENCODER, &file.tensors)?;
                if !unused.is_empty() {
                    self.warn(format!(
                        "weights without a place in {}: {}",
                        self.settings.encoder,
                        unused.join(", ")
                    ));
                }
                beginning
            }
        };
        let total_steps = self.settings.epochs * self.steps_per_epoch;
        (self.hooks.progress)(Progress::Start { total_steps, step: self.learner.steps() });
        if position == beginning {
            self.judge(0)?;
        }
        Ok(position)
    }

    fn resume(&mut self) -> Result<Position, SslError> {
        let loaded = self.folder.newest_checkpoint()?;
        for warning in &loaded.warnings {
            (self.hooks.progress)(Progress::Warning(warning.clone()));
        }
        let position = checkpoint::restore(&mut self.learner, &loaded)?;
        if let Some(warning) = self.folder.rewind(&loaded.sidecar)? {
            self.warn(warning);
        }
        Ok(position)
    }

    fn go(&mut self, from: Position) -> Result<Outcome, SslError> {
        if from.epoch >= self.settings.epochs {
            return Ok(Outcome::Done);
        }
        let mut loader = self.prepared.batches(self.settings, from)?;
        let mut norm = f64::NAN;
        self.clock = Clock::start();
        while let Some(batch) = loader.next() {
            let batch = batch?;
            self.clock.waited += loader.waited().as_secs_f64();
            if batch.step == 0 {
                self.learner
                    .start_of_epoch(&TrainingImages { prepared: &self.prepared, run: self.settings })?;
            }
            let labels = self.prepared.labels(&batch.indices);
            let report = self.learner.step(&batch.views, &batch.indices, labels);
            let mut position = Position { epoch: batch.epoch as usize, step_in_epoch: batch.step + 1 };
            self.after_step(&report, position, norm)?;
            norm = report.gradient_norm;
            if position.step_in_epoch == self.steps_per_epoch {
                position = Position { epoch: position.epoch + 1, step_in_epoch: 0 };
                self.after_epoch(position)?;
            }
            match (self.hooks.asked)() {
                Asked::Continue => {}
                Asked::Save => checkpoint::save(self.folder, &self.learner, position)?,
                Asked::Stop => {
                    checkpoint::save(self.folder, &self.learner, position)?;
                    return Ok(Outcome::Interrupted);
                }
            }
        }
        Ok(Outcome::Done)
    }

    fn after_step(
        &mut self,
        report: &StepReport,
        position: Position,
        last_norm: f64,
    ) -> Result<(), SslError> {
        let (epoch, step) = (position.epoch + 1, self.learner.steps());
        if !(report.loss.is_finite() && report.gradient_norm.is_finite()) {
            return Err(SslError::NotFinite { loss: report.loss, epoch, step: step + 1, norm: last_norm });
        }
        self.clock.steps += 1;
        (self.hooks.progress)(Progress::Step { epoch, step, loss: report.loss });
        if position.step_in_epoch == self.steps_per_epoch {
            self.look_for_empty_outputs(report.loss, epoch);
        }
        let due = position.step_in_epoch.is_multiple_of(self.settings.log_every);
        if due || position.step_in_epoch == self.steps_per_epoch { self.log(report, epoch) } else { Ok(()) }
    }

    /// Adds a row of what the step did and looks for collapse.
    fn log(&mut self, report: &StepReport, epoch: usize) -> Result<(), SslError> {
        let [rows, dim] = report.embeddings.dims();
        let embeddings = Features::new(rows, dim, read(report.embeddings.clone()))?;
        let std = health::embedding_std(&embeddings);
        let rank = health::rankme(&health::singular_values(&embeddings, false)?);
        let mut row = self.row(epoch);
        row.insert("loss".into(), json!(report.loss));
        for (name, value) in &report.parts {
            row.insert(format!("loss_{name}"), json!(value));
        }
        row.insert("lr".into(), json!(self.learner.learning_rate(report.factor)));
        row.insert("gradient_norm".into(), json!(report.gradient_norm));
        row.insert("embedding_std".into(), json!(std));
        row.insert("embedding_std_full".into(), json!(1.0 / (dim as f64).sqrt()));
        row.insert("effective_rank".into(), json!(rank));
        let (images_per_s, wait) = self.clock.take(self.settings.batch);
        row.insert("images_per_second".into(), json!(images_per_s));
        row.insert("data_wait_share".into(), json!(wait));
        self.append(row)?;
        let full = 1.0 / (dim as f64).sqrt();
        // A fresh network's embeddings may be nearly alike: give training an epoch before it is judged.
        if epoch > 1 && std < self.settings.collapse_threshold * full {
            let advice = self.learner.collapse_advice();
            return Err(SslError::Collapsed { epoch, step: self.learner.steps(), std, full, advice });
        }
        Ok(())
    }

    /// Warns where the loss is that of outputs that say nothing, a collapse that embeddings need not show.
    fn look_for_empty_outputs(&mut self, loss: f64, epoch: usize) {
        let Some(empty) = self.learner.uninformative_loss() else { return };
        if epoch > 1 && (loss - empty).abs() < EMPTY * empty {
            let advice = self.learner.collapse_advice();
            self.warn(format!(
                "after epoch {epoch} the loss is {loss:.3}, and {empty:.3} is that of outputs that are the same for \
                 every image. {advice}"
            ));
        }
    }

    fn after_epoch(&mut self, position: Position) -> Result<(), SslError> {
        let every = self.settings.knn.every;
        let last = position.epoch == self.settings.epochs;
        let accuracy = if every > 0 && (position.epoch.is_multiple_of(every) || last) {
            self.judge(position.epoch)?
        } else {
            None
        };
        if position.epoch.is_multiple_of(self.settings.checkpoint.every) || last {
            checkpoint::save(self.folder, &self.learner, position)?;
            self.folder.keep_epoch(self.settings.checkpoint.keep)?;
            if let Some(accuracy) = accuracy {
                self.folder.keep_best("knn_accuracy", Direction::Higher, accuracy)?;
            }
        }
        self.clock = Clock::start();
        Ok(())
    }

    /// kNN accuracy of the present encoder on validation images, if there are labels.
    fn judge(&mut self, epoch: usize) -> Result<Option<f64>, SslError> {
        let (Some(val), false) = (self.data.splits.val.clone(), self.settings.knn.every == 0) else {
            return Ok(None);
        };
        let KnnSettings { k, temperature, limit: most, .. } = self.settings.knn;
        let train = self.prepared.train.clone();
        let train = if most > 0 { limit(train, most) } else { train };
        let (Some(train), Some(val)) = (self.labelled(train)?, self.labelled(val)?) else { return Ok(None) };
        let knn = Knn {
            k: vec![k.min(train.labels().len())],
            votes: vec![Vote::Weighted],
            temperatures: vec![temperature],
            ..Knn::default()
        };
        let verdicts = knn.run(&train, &[("val", &val)])?;
        let accuracy =
            verdicts.first().and_then(|verdict| verdict.split("val")).map(|split| split.scores.accuracy);
        if let Some(accuracy) = accuracy {
            let mut row = self.row(epoch);
            row.insert("knn_accuracy".into(), json!(accuracy));
            self.append(row)?;
        }
        Ok(accuracy)
    }

    fn labelled(&mut self, source: Arc<dyn ImageSource>) -> Result<Option<Labelled>, SslError> {
        if self.data.classes.len() < 2 || (0..source.len()).any(|index| source.label(index).is_none()) {
            return Ok(None);
        }
        let embedding =
            Embedding { context: self.prepared.context.clone(), batch: 256, workers: self.prepared.workers };
        let (encoder, weights) = self.learner.network();
        let features = embedding.run(encoder, weights, source.clone(), &mut |_, _| {})?;
        Ok(with_labels(features, source.as_ref(), &self.data.classes)?)
    }

    fn finish(&mut self) -> Result<(), SslError> {
        let Settings { method, epochs, .. } = self.settings;
        let step = self.learner.steps();
        let origin = format!("{method} on {}, {epochs} epochs planned, {step} steps taken", self.data.name);
        let features = self.learner.network().0.features();
        let description = encoder_description(self.settings, &self.prepared.context, features, origin);
        // "pt" tells readers in Python that rows and names are PyTorch's.
        let weights = write_safetensors(&self.learner.encoder_weights(), &[("format", "pt".into())])?;
        self.folder.write_encoder(&weights, &description)?;
        self.folder.write_metrics_csv()?;
        Ok(())
    }

    fn row(&self, epoch: usize) -> Row {
        let mut row = Row::new();
        row.insert("epoch".into(), Value::from(epoch));
        row.insert("step".into(), Value::from(self.learner.steps()));
        row
    }

    fn append(&mut self, row: Row) -> Result<(), SslError> {
        self.folder.append_metrics(&row)?;
        (self.hooks.progress)(Progress::Row(&row));
        Ok(())
    }

    fn warn(&mut self, warning: String) {
        (self.hooks.progress)(Progress::Warning(warning));
    }
}

/// How near to the loss of empty outputs, relative to it, gives a warning.
const EMPTY: f64 = 0.005;

/// The images of a run, in views as they are drawn for the first epoch.
struct TrainingImages<'a> {
    prepared: &'a Prepared,
    run: &'a Settings,
}

impl Images for TrainingImages<'_> {
    fn count(&self) -> usize {
        self.prepared.train.len()
    }

    fn visit(&self, visit: &mut dyn FnMut(&[usize], Vec<Tensor<4>>)) -> Result<(), SslError> {
        let Prepared { train, policy, workers, .. } = self.prepared.clone();
        // Batches of nearly one size: batch statistics of a small rest would be poor.
        let batches = train.len().div_ceil(self.run.batch);
        let settings = LoaderSettings {
            seed: self.run.seed,
            epochs: 1,
            batch: train.len().div_ceil(batches),
            order: Order::Sequential,
            drop_last: false,
            workers,
            prefetch: 2,
        };
        let device = self.run.open_device()?;
        for batch in Loader::new(train, policy, settings, (0, 0))? {
            let batch = batch?;
            visit(&batch.indices, tensors(&batch.views, &device));
        }
        Ok(())
    }
}

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
