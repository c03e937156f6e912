//! One network in training: a batch of views in, one step of the optimiser.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_nn::encoders::{self, Encoder};
use twinlens_nn::ops::read;
use twinlens_nn::optim::{Gradients, Optimiser, Schedule};
use twinlens_nn::weights::{NamedTensor, Weights};
use twinlens_views::ViewBatch;

use crate::methods::{self, Method, Network};
use crate::{Settings, SslError};

/// What the names of the encoder's weights start with.
pub(crate) const ENCODER: &str = "encoder.";

/// What one step did.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The loss before the step.
    pub loss: f64,
    /// The loss's named parts.
    pub parts: Vec<(&'static str, f64)>,
    /// The factor of the learning-rate schedule.
    pub factor: f64,
    /// Euclidean norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// The first view's projections `[N, D]`, row by row.
    pub embeddings: Tensor<2>,
}

/// Encoder, method, weights and optimiser.
#[derive(Debug)]
pub struct Learner {
    encoder: Box<dyn Encoder>,
    method: Box<dyn Method>,
    weights: Weights,
    optimiser: Optimiser,
    schedule: Schedule,
    together: bool,
    /// Multiplies learning rates that are stated for another batch.
    batch_factor: f64,
    step: usize,
}

impl Learner {
    /// A fresh network for images of `channels` channels, at `steps_per_epoch` steps an epoch.
    ///
    /// # Errors
    /// Unknown method or encoder.
    pub fn new(
        settings: &Settings,
        channels: usize,
        steps_per_epoch: usize,
        device: &Device,
    ) -> Result<Learner, SslError> {
        let spec = encoders::find(&settings.encoder)?;
        let method = methods::find(&settings.method)?;
        let mut weights = Weights::new(settings.seed, device);
        let encoder = spec.build(&mut weights.root().at("encoder"), settings.stem, channels);
        let method = method.build(settings, &mut weights.root(), encoder.features());
        let reference = settings.optim.reference_batch;
        Ok(Learner {
            optimiser: Optimiser::new(settings.optim.clone(), &weights),
            schedule: Schedule::new(&settings.schedule, settings.epochs, steps_per_epoch),
            batch_factor: if reference == 0 { 1.0 } else { settings.batch as f64 / reference as f64 },
            together: settings.views_together,
            step: 0,
            encoder,
            method,
            weights,
        })
    }

    /// One step on a batch: forward, backward, update.
    pub fn step(&mut self, views: &[ViewBatch]) -> StepReport {
        let device = self.weights.device().clone();
        self.step_on(views.iter().map(|view| tensor(view, &device)).collect())
    }

    /// [`Learner::step`] on views that are tensors already, `[N, H, W, C]`.
    pub fn step_on(&mut self, views: Vec<Tensor<4>>) -> StepReport {
        let mut network =
            Network { encoder: self.encoder.as_ref(), weights: &mut self.weights, together: self.together };
        let output = self.method.forward(&mut network, views);
        let mut gradients = Gradients::of(&output.loss.total, &self.weights);
        let clip = self.optimiser.settings().clip_norm;
        let gradient_norm = if clip > 0.0 { gradients.clip(clip) } else { gradients.global_norm() };
        let factor = self.schedule.factor(self.step) * self.batch_factor;
        let loss = scalar(output.loss.total);
        if loss.is_finite() && gradient_norm.is_finite() {
            self.optimiser.step(&mut self.weights, gradients, factor);
            self.method.after_step(&self.weights, self.step, self.schedule.total_steps);
            self.step += 1;
        }
        let parts = output.loss.parts.into_iter().map(|(name, value)| (name, scalar(value))).collect();
        StepReport { loss, parts, factor, gradient_norm, embeddings: output.embeddings.without_autodiff() }
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// The encoder and all weights, to look at features.
    pub fn network(&mut self) -> (&dyn Encoder, &mut Weights) {
        (self.encoder.as_ref(), &mut self.weights)
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
        let sections = [
            ("weights", self.weights.export("")),
            ("optimiser", self.optimiser.export(&self.weights)),
            ("method", self.method.state()),
        ];
        let named = |(section, tensors): (&str, BTreeMap<String, NamedTensor>)| {
            let section = section.to_owned();
            tensors.into_iter().map(move |(name, tensor)| (format!("{section}/{name}"), tensor))
        };
        sections.into_iter().flat_map(named).collect()
    }

    /// Takes up what [`Learner::state`] gave after `step` steps.
    pub(crate) fn restore(
        &mut self,
        state: &BTreeMap<String, NamedTensor>,
        step: usize,
    ) -> Result<(), SslError> {
        let section = |prefix: &str| -> BTreeMap<String, NamedTensor> {
            let inside = |(name, tensor): (&String, &NamedTensor)| {
                Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()))
            };
            state.iter().filter_map(inside).collect()
        };
        self.weights.import("", &section("weights/"))?;
        self.optimiser.import(&self.weights, &section("optimiser/"))?;
        self.method.restore(&section("method/"))?;
        self.step = step;
        Ok(())
    }
}

fn tensor(view: &ViewBatch, device: &Device) -> Tensor<4> {
    let images = view.data.len() / (view.height * view.width * view.channels);
    let shape = [images, view.height, view.width, view.channels];
    Tensor::from_data(TensorData::new(view.data.clone(), shape), device)
}

fn scalar(value: Tensor<1>) -> f64 {
    read(value).first().copied().map_or(f64::NAN, f64::from)
}
