//! Pre-training: feeds a learner from a data set and writes a run folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Tensor;
use serde_json::json;
use twinlens_data::{
    ChannelBag, DataSet, ImageSource, Splits, channel_statistics, image_share, limit, median_shorter_side,
};
use twinlens_eval::{Knn, Labelled, Vote};
use twinlens_nn::encoders::Stem;
use twinlens_nn::weights::{EncoderDescription, EncoderFile, NamedTensor, write_safetensors};
use twinlens_run::{Direction, RunFolder};
use twinlens_views::{BuildContext, LoadedBatch, Loader, LoaderSettings, Policy, SampleOrder};

use crate::checkpoint::ENCODER_NOTE;
use crate::embed::{Embedding, with_labels};
use crate::hooks::{Hooks, StartFrom, TrainingEnd, TrainingEvent};
use crate::learner::{form, tensors};
use crate::methods::{Images, NamedMethod};
use crate::metrics_log::{MetricsLog, row};
use crate::recipes;
use crate::sections::ENCODER;
use crate::task::{CollapseCheck, Judged, Plan, Position, Task, TaskState};
use crate::training_loop::TrainingLoop;
use crate::{
    Common, DataShape, ImageShare, KnnSettings, Learner, SettingProblem, Settings, SslError, StepReport,
    ViewSize,
};

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
    /// Whether these images are the channels of others.
    pub bag_of_channels: bool,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("images", &self.train.len()).field("context", &self.context).finish()
    }
}

impl<M> Settings<M> {
    /// Brings settings that nobody wrote by hand into accord with the images: a size and a stem that are left open are decided,
    /// and operations of a ready-made policy that their channels forbid are left out. What was done, in words.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub fn fit(&mut self, data: &DataSet) -> Result<Vec<String>, SslError> {
        let mut told = Vec::new();
        let Some(train) = data.splits.train.as_deref() else { return Ok(told) };
        told.extend(self.common.fit_size(train)?);
        if recipes::is_ready_made(&self.views) {
            let first = train.image(0)?;
            let channels = if self.bag_of_channels { 1 } else { first.channels };
            let mean = vec![0.5; channels];
            let context =
                BuildContext { size: 1, channels, pixel_type: first.pixel_type(), std: mean.clone(), mean };
            let (views, left_out) = Policy::fitting(&self.views, &context);
            if !left_out.is_empty() {
                let names = left_out.into_iter().collect::<Vec<_>>().join(", ");
                told.push(format!("images of {channels} channels: {names} left out of the views"));
                self.views = views;
            }
        }
        Ok(told)
    }
}

impl Common {
    /// Decides a size and a stem that are left open. What was decided, where that was not plain.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub(crate) fn fit_size(&mut self, images: &dyn ImageSource) -> Result<Option<String>, SslError> {
        let mut told = Vec::new();
        let size = match self.size.known() {
            Some(size) => size,
            None => {
                let (median, [least, most]) = median_shorter_side(images)?;
                let size = self.size.of(median);
                if least != most || size != median {
                    let sides = if least == most { least.to_string() } else { format!("{least} to {most}") };
                    told.push(format!(
                        "the images' shorter sides are {sides} pixels: views have {size}; size=N decides otherwise"
                    ));
                }
                size
            }
        };
        self.size = size.into();
        if let Some(Stem::Imagenet) = self.encoder.fit(size) {
            told.push("the stem is that of large images; encoder.stem=cifar decides otherwise".to_owned());
        }
        Ok((!told.is_empty()).then(|| told.join("; ")))
    }
}

impl Prepared {
    /// Checks `settings` against `data` and measures the channels of the training images.
    ///
    /// # Errors
    /// As [`Prepared::check`]; training images that are one single value.
    pub fn new<M: NamedMethod>(settings: &Settings<M>, data: &DataSet) -> Result<Prepared, SslError> {
        let train = Prepared::images(settings, data)?;
        let context = measured(train.as_ref(), settings.size, &data.name)?;
        let policy = Arc::new(Policy::build(&settings.views, context.clone())?);
        let workers = workers(settings.workers);
        let (classes, bag_of_channels) = (data.classes.len(), settings.bag_of_channels);
        Ok(Prepared { train, context, policy, workers, classes, bag_of_channels })
    }

    /// Checks `settings` against `data` without measuring anything: quickly, for whoever has many to check.
    ///
    /// # Errors
    /// Settings that cannot be used, all of them together; a data set without training images; views that do not fit.
    pub fn check<M: NamedMethod>(settings: &Settings<M>, data: &DataSet) -> Result<(), SslError> {
        let train = Prepared::images(settings, data)?;
        let first = train.image(0)?;
        let (channels, mean) = (first.channels, vec![0.5; first.channels]);
        let size = settings.size.on(train.as_ref())?;
        let pixel_type = first.pixel_type();
        Policy::build(&settings.views, BuildContext { size, channels, pixel_type, std: mean.clone(), mean })?;
        Ok(())
    }

    /// The images that a training with these settings learns from.
    fn images<M: NamedMethod>(
        settings: &Settings<M>,
        data: &DataSet,
    ) -> Result<Arc<dyn ImageSource>, SslError> {
        let mut problems = settings.problems();
        let train = data.splits.train.clone();
        let mut train = train.ok_or_else(|| SslError::NoTrainingImages { name: data.name.clone() })?;
        if settings.limit > 0 {
            train = limit(train, settings.limit);
        }
        if problems.is_empty() {
            let ImageShare { share, choice, seed } = settings.images;
            train = image_share(train, share, choice, seed)?;
        }
        if settings.bag_of_channels {
            train = Arc::new(ChannelBag::new(train)?);
        }
        if settings.batch > train.len() {
            let expected = format!("at most the {} training images", train.len());
            problems.push(SettingProblem { key: "batch".into(), expected, got: settings.batch.to_string() });
        }
        let labelled = data.classes.len() > 1 && (0..train.len()).all(|index| train.label(index).is_some());
        if settings.method.labels() && !labelled {
            let expected = "a method that needs no labels, as not all training images have one".into();
            problems.push(SettingProblem {
                key: "method.name".into(),
                expected,
                got: settings.method.name().into(),
            });
        }
        if !problems.is_empty() {
            return Err(SslError::Settings { problems });
        }
        Ok(train)
    }

    /// The same with views of `size` pixels, as `settings` make them; the images are not measured again.
    ///
    /// # Errors
    /// Views that cannot be made.
    pub fn resized<M>(self, settings: &Settings<M>, size: usize) -> Result<Prepared, SslError> {
        let context = BuildContext { size, ..self.context };
        let policy = Arc::new(Policy::build(&settings.views, context.clone())?);
        Ok(Prepared { context, policy, ..self })
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
        let mut batches = self.batches(settings)?;
        for _ in 0..2 {
            let start = Instant::now();
            let Some(batch) = batches.next() else { break };
            let batch = batch?;
            learner.step(&batch.views, &batch.indices, self.labels(&batch.indices)).loss.read();
            seconds = start.elapsed().as_secs_f64();
        }
        Ok(seconds)
    }

    /// Makes one epoch with `learner` as training does: views from the loader's threads, a step for every full batch.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub fn time_epoch(&self, settings: &Settings, learner: &mut Learner) -> Result<EpochTime, SslError> {
        let start = Instant::now();
        let (mut images, mut waited) = (0, 0.0);
        let mut last = None;
        let one = Settings { epochs: 1, ..settings.clone() };
        let mut batches = self.batches(&one)?;
        while let Some(batch) = batches.next() {
            let batch = batch?;
            waited += batches.waited().as_secs_f64();
            last = Some(learner.step(&batch.views, &batch.indices, self.labels(&batch.indices)));
            images += batch.indices.len();
        }
        // A device that works on by itself is waited for.
        if let Some(report) = last {
            report.loss.read();
        }
        Ok(EpochTime { images, seconds: start.elapsed().as_secs_f64(), waited })
    }

    /// The batches of a whole run: shuffled images, views as the policy draws them.
    ///
    /// # Errors
    /// Views that do not fit the images.
    pub fn batches<M>(&self, settings: &Settings<M>) -> Result<Loader, SslError> {
        self.batches_from(settings, Position { epoch: 0, step_in_epoch: 0 })
    }

    /// The same from a position on.
    fn batches_from<M>(&self, settings: &Settings<M>, from: Position) -> Result<Loader, SslError> {
        let how = LoaderSettings {
            seed: settings.seed,
            epochs: settings.epochs as u32,
            batch: settings.batch,
            order: SampleOrder::Shuffled,
            drop_last: true,
            workers: self.workers,
            prefetch: 2,
            form: form(&settings.open_device()?),
        };
        let start = (from.epoch as u32, from.step_in_epoch);
        Ok(Loader::new(self.train.clone(), self.policy.clone(), how, start)?)
    }

    /// The classes of training images, where they have one.
    fn labels(&self, indices: &[usize]) -> Vec<Option<usize>> {
        indices.iter().map(|&index| self.train.label(index)).collect()
    }

    /// The encoder that `learner` has learned so far from `data`, as a file holds it; `origin` says what trained it.
    pub fn encoder(
        &self,
        settings: &Common,
        data: &DataSet,
        learner: &mut Learner,
        origin: String,
    ) -> EncoderFile {
        let description = self.description(settings, data, learner, origin);
        EncoderFile { description, tensors: learner.encoder_weights() }
    }

    fn description(
        &self,
        settings: &Common,
        data: &DataSet,
        learner: &mut Learner,
        origin: String,
    ) -> EncoderDescription {
        let features = learner.network().0.features();
        let description = settings.description(&self.context, &data.range, features, origin);
        let (stain, bag_of_channels) = (data.stain.clone(), self.bag_of_channels);
        EncoderDescription { stain, bag_of_channels, ..description }
    }

    /// Full batches in an epoch.
    pub fn steps_per_epoch(&self, batch: usize) -> usize {
        self.train.len() / batch
    }
}

/// How long an epoch took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochTime {
    /// Images in its full batches.
    pub images: usize,
    /// From the start of the loader to the end of the last step.
    pub seconds: f64,
    /// How many of these seconds were spent waiting for views.
    pub waited: f64,
}

/// How images of `source` are prepared for a network that knows nothing of them yet: `size` pixels a side, normalised by their own channels.
/// `name` is the data set's, for messages.
pub(crate) fn measured(
    source: &dyn ImageSource,
    size: ViewSize,
    name: &str,
) -> Result<BuildContext, SslError> {
    let first = source.image(0)?;
    let statistics = channel_statistics(source)?;
    if statistics.std.iter().all(|&std| std == 0.0) {
        return Err(SslError::NoVariation { name: name.to_owned() });
    }
    let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect();
    // A channel that never varies, as an unused one of a microscope, is 0 after centring: nothing to divide.
    let std: Vec<f64> = statistics.std.iter().map(|&std| if std == 0.0 { 1.0 } else { std }).collect();
    Ok(BuildContext {
        size: size.on(source)?,
        channels: first.channels,
        pixel_type: first.pixel_type(),
        mean: narrow(&statistics.mean),
        std: narrow(&std),
    })
}

/// The number of threads meant by `workers`: itself, or one for each core (at most 8) if it is 0.
pub fn workers(workers: usize) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8));
    if workers > 0 { workers } else { cores() }
}

/// Trains on `data`, made ready as `prepared`, into `folder`: from the start, or from the newest whole checkpoint if `resume`.
///
/// After every step `hooks.asked` may ask for a checkpoint or a stop. A run that was stopped and resumed writes the
/// same weights, bit for bit, as one that was not (on a CPU, whatever the number of threads).
///
/// # Errors
/// Unreadable images, a checkpoint that does not fit, a loss that is not a number, a collapse, or
/// a folder that cannot be written.
pub fn train<M: NamedMethod>(
    settings: &Settings<M>,
    data: &DataSet,
    prepared: &Prepared,
    folder: &mut RunFolder,
    start: StartFrom<'_>,
    hooks: Hooks<'_>,
) -> Result<TrainingEnd, SslError> {
    let device = settings.open_device()?;
    let steps_per_epoch = prepared.steps_per_epoch(settings.batch);
    let mut learner = Learner::new(settings, prepared.shape(), steps_per_epoch, &device);
    if let StartFrom::Encoder(file) = start {
        let unused = learner.import(ENCODER, &file.tensors)?;
        if !unused.is_empty() {
            let unused = unused.join(", ");
            (hooks.progress)(&TrainingEvent::Warning(&format!(
                "weights without a place in {}: {unused}",
                settings.encoder.name()
            )));
        }
    }
    let origin = format!("{} on {}, not yet done", settings.method.name(), data.name);
    let description = prepared.description(settings, data, &mut learner, origin);
    let (judged, prepared) = (data.for_judging(), prepared.clone());
    let task = Pretraining { settings, data, judged, prepared, learner, description };
    let mut training = TrainingLoop::new(task, folder, hooks);
    let outcome = training.run(matches!(start, StartFrom::Checkpoint))?;
    training.task.finish(training.metrics_log.folder)?;
    Ok(outcome)
}

/// Learning without labels, as the loop sees it.
struct Pretraining<'a, M> {
    settings: &'a Settings<M>,
    data: &'a DataSet,
    /// The images whose labels are looked at.
    judged: DataSet,
    prepared: Prepared,
    learner: Learner,
    /// What an encoder's file says of the present one.
    description: EncoderDescription,
}

impl<M: NamedMethod> Task for Pretraining<'_, M> {
    fn plan(&self) -> Plan {
        Plan {
            epochs: self.settings.epochs,
            steps_per_epoch: self.prepared.steps_per_epoch(self.settings.batch),
            batch: self.settings.batch,
            log_every: self.settings.log_every,
            checkpoint: self.settings.checkpoint.clone(),
        }
    }

    fn collapse_check(&self) -> CollapseCheck {
        CollapseCheck {
            threshold: self.settings.collapse_threshold,
            uninformative_loss: self.learner.uninformative_loss(),
            advice: self.learner.collapse_advice(),
        }
    }

    fn batches(&self, from: Position) -> Result<Loader, SslError> {
        self.prepared.batches_from(self.settings, from)
    }

    fn start_of_epoch(&mut self, _epoch: usize) -> Result<(), SslError> {
        self.learner.start_of_epoch(&TrainingImages { prepared: &self.prepared, run: self.settings })
    }

    fn step(&mut self, batch: &LoadedBatch) -> StepReport {
        self.learner.step(&batch.views, &batch.indices, self.prepared.labels(&batch.indices))
    }

    fn steps(&self) -> usize {
        self.learner.steps()
    }

    fn learning_rate(&self, factor: f64) -> f64 {
        self.learner.learning_rate(factor)
    }

    fn judge(
        &mut self,
        epoch: usize,
        metrics_log: &mut MetricsLog<'_, '_>,
    ) -> Result<Option<Judged>, SslError> {
        let every = self.settings.knn.every;
        if every == 0 || !(epoch.is_multiple_of(every) || epoch == self.settings.epochs) {
            return Ok(None);
        }
        let Some((accuracy, images)) = self.knn_accuracy()? else { return Ok(None) };
        let mut row = row(epoch, self.learner.steps());
        row.insert("knn_accuracy".into(), json!(accuracy));
        row.insert("held_out_images".into(), json!(images));
        metrics_log.append(&row)?;
        Ok(Some(Judged { metric: "knn_accuracy", direction: Direction::Higher, value: accuracy }))
    }

    fn state(&self) -> TaskState {
        // So that whoever reads the checkpoint can use its encoder while the run goes on.
        TaskState { tensors: self.learner.state(), notes: json!({ ENCODER_NOTE: self.description }) }
    }

    fn restore(&mut self, state: &TaskState, step: usize) -> Result<(), SslError> {
        self.learner.restore(&state.tensors, step)
    }
}

impl<M: NamedMethod> Pretraining<'_, M> {
    /// kNN accuracy of the present encoder on validation images, and how many these are, if there are labels.
    fn knn_accuracy(&mut self) -> Result<Option<(f64, usize)>, SslError> {
        let Splits { train: Some(train), val: Some(val), .. } = self.judged.splits.clone() else {
            return Ok(None);
        };
        let KnnSettings { k, temperature, limit: most, .. } = self.settings.knn;
        let train = if self.settings.limit > 0 { limit(train, self.settings.limit) } else { train };
        let train = if most > 0 { limit(train, most) } else { train };
        let (Some(train), Some(val)) = (self.labelled(train)?, self.labelled(val)?) else { return Ok(None) };
        let knn = Knn {
            k: vec![k.min(train.labels().len())],
            votes: vec![Vote::Weighted],
            temperatures: vec![temperature],
            ..Knn::default()
        };
        let accuracy = knn.accuracies(&train, "val", &val)?.first().copied();
        Ok(accuracy.map(|accuracy| (accuracy, val.labels().len())))
    }

    fn labelled(&mut self, source: Arc<dyn ImageSource>) -> Result<Option<Labelled>, SslError> {
        if self.data.classes.len() < 2 || (0..source.len()).any(|index| source.label(index).is_none()) {
            return Ok(None);
        }
        let Prepared { context, workers, bag_of_channels, .. } = self.prepared.clone();
        let resize = self.settings.eval_resize;
        let embedding = Embedding { context, resize, bag_of_channels, batch: 256, workers };
        let (encoder, weights) = self.learner.network();
        let features = embedding.run(encoder, weights, source.clone(), &mut |_, _| {})?;
        Ok(with_labels(features, source.as_ref(), &self.data.classes)?)
    }

    /// Writes what was learned.
    fn finish(&mut self, folder: &RunFolder) -> Result<(), SslError> {
        let (method, epochs) = (self.settings.method.name(), self.settings.epochs);
        let step = self.learner.steps();
        let origin = format!("{method} on {}, {epochs} epochs planned, {step} steps taken", self.data.name);
        let encoder = self.prepared.encoder(self.settings, self.data, &mut self.learner, origin);
        write_encoder(folder, &encoder.tensors, &encoder.description)?;
        folder.write_metrics_csv()?;
        Ok(())
    }
}

/// Writes an encoder to its place in a run's folder.
pub(crate) fn write_encoder(
    folder: &RunFolder,
    weights: &BTreeMap<String, NamedTensor>,
    description: &EncoderDescription,
) -> Result<(), SslError> {
    // "pt" tells readers in Python that rows and names are PyTorch's.
    let weights = write_safetensors(weights, &[("format", "pt".into())])?;
    Ok(folder.write_encoder(&weights, description)?)
}

/// The images of a run, in views as they are drawn for the first epoch.
struct TrainingImages<'a> {
    prepared: &'a Prepared,
    run: &'a Common,
}

impl Images for TrainingImages<'_> {
    fn count(&self) -> usize {
        self.prepared.train.len()
    }

    fn visit(&self, visit: &mut dyn FnMut(&[usize], Vec<Tensor<4>>)) -> Result<(), SslError> {
        let Prepared { train, policy, workers, .. } = self.prepared.clone();
        let device = self.run.open_device()?;
        // Batches of nearly one size: batch statistics of a small rest would be poor.
        let batches = train.len().div_ceil(self.run.batch);
        let settings = LoaderSettings {
            seed: self.run.seed,
            epochs: 1,
            batch: train.len().div_ceil(batches),
            order: SampleOrder::Sequential,
            drop_last: false,
            workers,
            prefetch: 2,
            form: form(&device),
        };
        for batch in Loader::new(train, policy, settings, (0, 0))? {
            let batch = batch?;
            visit(&batch.indices, tensors(&batch.views, &device));
        }
        Ok(())
    }
}
