//! One network in training: a batch of views in, one step of the optimiser.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_nn::device::is_cpu;
use twinlens_nn::encoders::Encoder;
use twinlens_nn::ops::{Scalar, from_bytes};
use twinlens_nn::optim::{Gradients, Optimiser, Schedule};
use twinlens_nn::weights::{Entry, NamedTensor, Weights};
use twinlens_views::{Form, ViewBatch, ViewData};

use crate::methods::{Batch, Ground, Images, Method, NamedMethod, Network, Output, Rate};
use crate::sections::{ENCODER, joined, section};
use crate::{Settings, SslError};

/// What one step did. Its numbers are known at once on the CPU; to read them on another device is to wait for the step.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The loss before the step.
    pub loss: Scalar,
    /// The loss's named parts.
    pub parts: Vec<(String, Scalar)>,
    /// The factor of the learning-rate schedule.
    pub factor: f64,
    /// Euclidean norm of all gradients together, before clipping.
    pub gradient_norm: Scalar,
    /// The first view's projections `[N, D]`, row by row; its features where there is no projector.
    pub embeddings: Tensor<2>,
}

/// What a network must know of the data before it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataShape {
    /// Channels of the images.
    pub channels: usize,
    /// Classes of the labels; 0 without labels.
    pub classes: usize,
}

/// How many numbers a network in training holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerSize {
    /// Parameters that learn.
    pub parameters: usize,
    /// What the method keeps beside them: target networks, queues, memories.
    pub state: usize,
}

impl LearnerSize {
    /// Of these settings, for data of the given shape. Nothing is drawn.
    pub fn of<M: NamedMethod>(settings: &Settings<M>, data: DataShape) -> LearnerSize {
        let mut weights = Weights::zeroed(&Device::flex());
        let encoder = settings.encoder.build(&mut weights, data.channels);
        let ground = Ground { features: encoder.features(), classes: data.classes, seed: settings.seed };
        let method = settings.method.build(&mut weights.root(), ground);
        let state = method.state().values().map(|tensor| tensor.values.len()).sum();
        LearnerSize { parameters: weights.parameter_count(), state }
    }
}

/// Encoder, method, weights and optimiser.
#[derive(Debug)]
pub struct Learner {
    encoder: Encoder,
    method: Box<dyn Method>,
    weights: Weights,
    optimiser: Optimiser,
    schedule: Schedule,
    views_together: bool,
    precision: twinlens_nn::Precision,
    /// Multiplies learning rates that are stated for another batch.
    batch_factor: f64,
    steps_per_epoch: usize,
    step: usize,
}

impl Learner {
    /// A fresh network for data of the given shape, at `steps_per_epoch` steps an epoch.
    pub fn new<M: NamedMethod>(
        settings: &Settings<M>,
        data: DataShape,
        steps_per_epoch: usize,
        device: &Device,
    ) -> Learner {
        let mut weights = Weights::new(settings.seed, device);
        let encoder = settings.encoder.build(&mut weights, data.channels);
        Learner::on(settings, data, steps_per_epoch, encoder, weights)
    }

    /// The method on top of an encoder that has declared its weights.
    fn on<M: NamedMethod>(
        settings: &Settings<M>,
        data: DataShape,
        steps_per_epoch: usize,
        encoder: Encoder,
        mut weights: Weights,
    ) -> Learner {
        let ground = Ground { features: encoder.features(), classes: data.classes, seed: settings.seed };
        let method = settings.method.build(&mut weights.root(), ground);
        Learner {
            optimiser: Optimiser::new(settings.optim.clone(), &weights),
            schedule: Schedule::new(&settings.schedule, settings.epochs, steps_per_epoch),
            batch_factor: settings.batch_factor(),
            views_together: settings.views_together,
            precision: settings.precision.of_network(),
            steps_per_epoch,
            step: 0,
            encoder,
            method,
            weights,
        }
    }

    /// What the method does before the first step of an epoch.
    ///
    /// # Errors
    /// As [`Method::start_of_epoch`].
    pub fn start_of_epoch(&mut self, images: &dyn Images) -> Result<(), SslError> {
        let epoch = self.epoch();
        let mut network = Network::new(&self.encoder, &mut self.weights, self.views_together);
        self.method.start_of_epoch(&mut network, images, epoch)
    }

    /// One step on a batch of views of the images `indices`, whose classes are `labels`: forward, backward, update. On the CPU,
    /// a loss or gradient that is not finite changes nothing; on other devices nobody has looked yet, and the weights are worth
    /// nothing once [`StepReport::loss`] or [`StepReport::gradient_norm`] is not finite.
    pub fn step(&mut self, views: &[ViewBatch], indices: &[usize], labels: Vec<Option<usize>>) -> StepReport {
        let device = self.weights.device().clone();
        let views = tensors(views, &device);
        self.step_on(Batch { views, indices: indices.to_vec(), labels })
    }

    /// [`Learner::step`] on views that are tensors already, `[N, H, W, C]`.
    pub fn step_on(&mut self, batch: impl Into<Batch>) -> StepReport {
        let epoch = self.epoch();
        let (output, mut gradients) = self.gradients(batch.into());
        gradients.freeze(&self.weights, |name| self.method.rate(name, epoch) == Rate::Frozen);
        let clip = self.optimiser.settings().clip_norm;
        let gradient_norm = if clip > 0.0 { gradients.clip(clip) } else { gradients.global_norm() };
        let factor = self.schedule.factor(self.step) * self.batch_factor;
        let loss = Scalar::of(output.loss.total);
        if may_step([&loss, &gradient_norm]) {
            let rate = |entry: &Entry| match self.method.rate(entry.name(), epoch) {
                Rate::Constant => self.batch_factor,
                Rate::Scheduled | Rate::Frozen => factor,
            };
            self.optimiser.step_with(&mut self.weights, gradients, rate);
            self.method.after_step(&self.weights, self.step, self.schedule.total_steps);
            self.step += 1;
        }
        let parts = output.loss.parts.into_iter().map(|(name, value)| (name, Scalar::of(value))).collect();
        StepReport { loss, parts, factor, gradient_norm, embeddings: output.embeddings.without_autodiff() }
    }

    /// Forward and backward.
    fn gradients(&mut self, batch: Batch) -> (Output, Gradients) {
        let epoch = self.epoch();
        let mut network = Network::new(&self.encoder, &mut self.weights, self.views_together)
            .with_precision(self.precision)
            .with_noise(self.step);
        let output = self.method.forward(&mut network, batch, epoch);
        let gradients = Gradients::of(&output.loss.total, &self.weights);
        (output, gradients)
    }

    /// The epoch under way, from 0.
    fn epoch(&self) -> usize {
        self.step / self.steps_per_epoch.max(1)
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// The encoder and all weights, to look at features.
    pub fn network(&mut self) -> (&Encoder, &mut Weights) {
        (&self.encoder, &mut self.weights)
    }

    /// All weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The learning rate of the weights at the schedule's present step.
    pub fn learning_rate(&self, factor: f64) -> f64 {
        self.optimiser.settings().lr * factor
    }

    /// What the method says about a collapse.
    pub fn collapse_advice(&self) -> &'static str {
        self.method.collapse_advice()
    }

    /// The loss of outputs that say nothing about the image, where the method has one such value.
    pub fn uninformative_loss(&self) -> Option<f64> {
        self.method.uninformative_loss()
    }

    /// Fills the part of the network whose names start with `prefix` (such as `encoder.`) from tensors named without
    /// it. Names that fit nothing are returned.
    ///
    /// # Errors
    /// A missing or misshapen weight.
    pub fn import(
        &mut self,
        prefix: &str,
        tensors: &BTreeMap<String, NamedTensor>,
    ) -> Result<Vec<String>, SslError> {
        Ok(self.weights.import(prefix, tensors)?)
    }

    /// The encoder's weights under torchvision's names.
    pub fn encoder_weights(&self) -> BTreeMap<String, NamedTensor> {
        self.weights.export(ENCODER)
    }

    /// Weights, optimiser and method, to continue from.
    pub(crate) fn state(&self) -> BTreeMap<String, NamedTensor> {
        joined([
            ("weights", self.weights.export("")),
            ("optimiser", self.optimiser.export(&self.weights)),
            ("method", self.method.state()),
        ])
    }

    /// Takes up what [`Learner::state`] gave after `step` steps.
    pub(crate) fn restore(
        &mut self,
        state: &BTreeMap<String, NamedTensor>,
        step: usize,
    ) -> Result<(), SslError> {
        self.weights.import("", &section(state, "weights"))?;
        self.optimiser.import(&self.weights, &section(state, "optimiser"))?;
        // Before the first step a method has no state worth keeping: a target is not yet a copy, a memory empty.
        if step > 0 {
            self.method.restore(&section(state, "method"))?;
        }
        self.step = step;
        Ok(())
    }
}

/// Views as `[N, H, W, C]`.
pub(crate) fn tensors(views: &[ViewBatch], device: &Device) -> Vec<Tensor<4>> {
    views.iter().map(|view| tensor(view.clone(), device)).collect()
}

/// One view as `[N, H, W, C]`, normalised.
pub(crate) fn tensor(view: ViewBatch, device: &Device) -> Tensor<4> {
    let ViewBatch { data, height, width, channels } = view;
    let shape = |samples: usize| [samples / (height * width * channels), height, width, channels];
    match data {
        ViewData::Normalised(values) => {
            let shape = shape(values.len());
            Tensor::from_data(TensorData::new(values, shape), device)
        }
        ViewData::Bytes { bytes, scale, shift } => {
            from_bytes(&bytes, shape(bytes.len()), [&scale, &shift], device)
        }
    }
}

/// How views for `device` leave the loader: on the CPU the loader's threads normalise them, another device does so itself.
pub(crate) fn form(device: &Device) -> Form {
    if is_cpu(device) { Form::Normalised } else { Form::Stored }
}

/// Whether a step with these numbers may be made: not if one is known to be infinite or no number. Where nothing is known yet
/// the step is made, and whoever keeps the weights reads the numbers first.
pub(crate) fn may_step(numbers: [&Scalar; 2]) -> bool {
    numbers.iter().all(|number| number.known().is_none_or(f64::is_finite))
}

#[cfg(test)]
mod tests;
