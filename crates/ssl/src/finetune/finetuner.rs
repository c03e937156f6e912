//! A classifier in training: a batch of labelled images in, one step of the optimiser.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use twinlens_nn::encoders::{Encoder, is_within};
use twinlens_nn::ops::Scalar;
use twinlens_nn::optim::{Gradients, Optimiser, Schedule};
use twinlens_nn::weights::{Entry, NamedTensor, Pass, Weights};
use twinlens_views::ViewBatch;

use super::classifier::Classifier;
use super::settings::{FinetuneSettings, Stage};
use crate::learner::{may_step, tensors};
use crate::objectives::assigned_cross_entropy;
use crate::sections::{ENCODER, joined, section};
use crate::{DataShape, SslError, StepReport};

/// What the names of the head's weights start with.
pub const HEAD: &str = "head.";

/// Encoder, head, weights and optimiser, going through the stages of the settings.
#[derive(Debug)]
pub struct Finetuner {
    settings: FinetuneSettings,
    classifier: Classifier,
    weights: Weights,
    steps_per_epoch: usize,
    step: usize,
    stage: StageState,
}

/// What a stage starts afresh.
#[derive(Debug)]
struct StageState {
    number: usize,
    optimiser: Optimiser,
    schedule: Schedule,
    /// The learning rate of each entry, as a multiple of `optim.lr`.
    rates: BTreeMap<String, f64>,
}

impl Finetuner {
    /// A classifier of random weights for data of the given shape, at `steps_per_epoch` steps an epoch.
    pub fn new(
        settings: &FinetuneSettings,
        data: DataShape,
        steps_per_epoch: usize,
        device: &Device,
    ) -> Finetuner {
        let mut weights = Weights::new(settings.seed, device);
        let encoder = settings.encoder.build(&mut weights, data.channels);
        Finetuner::on(settings, data.classes, steps_per_epoch, encoder, weights)
    }

    /// The head on top of an encoder that has declared its weights.
    pub(super) fn on(
        settings: &FinetuneSettings,
        classes: usize,
        steps_per_epoch: usize,
        encoder: Encoder,
        mut weights: Weights,
    ) -> Finetuner {
        let FinetuneSettings { head, head_init_std, .. } = *settings;
        let classifier = Classifier::new(&mut weights.root(), encoder, classes, head, head_init_std);
        let stage = StageState::new(settings, 0, &classifier, &mut weights, steps_per_epoch);
        Finetuner { settings: settings.clone(), classifier, weights, steps_per_epoch, step: 0, stage }
    }

    /// Fills the encoder from tensors under torchvision's names. Names that fit nothing are returned.
    ///
    /// # Errors
    /// A missing or misshapen weight.
    pub fn import_encoder(
        &mut self,
        tensors: &BTreeMap<String, NamedTensor>,
    ) -> Result<Vec<String>, SslError> {
        Ok(self.weights.import(ENCODER, tensors)?)
    }

    /// Enters the stage that begins with `epoch` (from 0), if one does: what learns changes, and the optimiser and the
    /// schedule start afresh.
    pub fn start_of_epoch(&mut self, epoch: usize) {
        let (number, begin) = stage_at(&self.settings, epoch);
        if epoch == begin {
            self.enter(number);
        }
    }

    fn enter(&mut self, number: usize) {
        let Finetuner { settings, classifier, weights, steps_per_epoch, .. } = self;
        self.stage = StageState::new(settings, number, classifier, weights, *steps_per_epoch);
    }

    /// One step on a batch of one view of images whose classes are `labels`: forward, backward, update. The loss is the
    /// mean cross-entropy; `-ln p` of the true class, `p = softmax(logits)`.
    pub fn step(&mut self, views: &[ViewBatch], labels: &[Option<usize>]) -> StepReport {
        let device = self.weights.device().clone();
        let (features, logits) = self.forward(Tensor::cat(tensors(views, &device), 0));
        let loss = assigned_cross_entropy(logits, labels);
        let mut gradients = Gradients::of(&loss, &self.weights);
        let clip = self.settings.optim.clip_norm;
        let gradient_norm = if clip > 0.0 { gradients.clip(clip) } else { gradients.global_norm() };
        let factor = self.factor();
        let loss = Scalar::of(loss);
        if may_step([&loss, &gradient_norm]) {
            let StageState { optimiser, rates, .. } = &mut self.stage;
            let rate = |entry: &Entry| factor * rates.get(entry.name()).copied().unwrap_or(0.0);
            optimiser.step_with(&mut self.weights, gradients, rate);
            self.step += 1;
        }
        StepReport { loss, parts: Vec::new(), factor, gradient_norm, embeddings: features.without_autodiff() }
    }

    /// Features and logits of `x [N, H, W, C]`. Of a frozen encoder nothing is recorded.
    fn forward(&mut self, x: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let head_only = self.settings.stages[self.stage.number].trainable.is_head_only();
        let precision = self.settings.precision.of_network();
        if head_only {
            let mut frozen = Pass::evaluate(&mut self.weights).with_precision(precision);
            let features = self.classifier.encoder().forward(&mut frozen, x);
            let pass = Pass::train(&mut self.weights).with_precision(precision);
            let logits = self.classifier.logits(&pass, features.clone().autodiff());
            return (features, logits);
        }
        let pass = Pass::train(&mut self.weights).with_precision(precision);
        let mut pass = pass.with_noise(self.step as u32, 0);
        let features = self.classifier.encoder().forward(&mut pass, x);
        let logits = self.classifier.logits(&pass, features.clone());
        (features, logits)
    }

    /// What the learning rates are multiplied with at the present step.
    fn factor(&self) -> f64 {
        let begin = begin_of(&self.settings, self.stage.number) * self.steps_per_epoch;
        self.stage.schedule.factor(self.step.saturating_sub(begin)) * self.settings.batch_factor()
    }

    /// The head's learning rate at a factor of the schedule.
    pub fn learning_rate(&self, factor: f64) -> f64 {
        let stage = &self.settings.stages[self.stage.number];
        stage.lr_head.unwrap_or(self.settings.optim.lr) * factor
    }

    /// Values that learn in the present stage.
    pub fn trained(&self) -> usize {
        let learn = self.weights.entries().iter().filter(|entry| entry.is_trainable());
        learn.map(|entry| entry.shape().iter().product::<usize>()).sum()
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// All weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The classifier, whose features are its logits, and all weights.
    pub fn network(&mut self) -> (&Encoder, &mut Weights) {
        (self.classifier.whole(), &mut self.weights)
    }

    /// Width of the encoder's features.
    pub fn features(&self) -> usize {
        self.classifier.encoder().features()
    }

    /// The encoder's weights under torchvision's names.
    pub fn encoder_weights(&self) -> BTreeMap<String, NamedTensor> {
        self.weights.export(ENCODER)
    }

    /// The head's `weight [classes, features]` and `bias [classes]`.
    pub fn head_weights(&self) -> BTreeMap<String, NamedTensor> {
        self.weights.export(HEAD)
    }

    /// All weights, to come back to.
    pub(super) fn snapshot(&self) -> BTreeMap<String, NamedTensor> {
        self.weights.export("")
    }

    /// Comes back to weights that [`Finetuner::snapshot`] gave.
    pub(super) fn revert(&mut self, weights: &BTreeMap<String, NamedTensor>) -> Result<(), SslError> {
        self.weights.import("", weights)?;
        Ok(())
    }

    /// Weights and optimiser, to continue from.
    pub(super) fn state(&self) -> BTreeMap<String, NamedTensor> {
        joined([("weights", self.snapshot()), ("optimiser", self.stage.optimiser.export(&self.weights))])
    }

    /// Takes up what [`Finetuner::state`] gave after `step` steps.
    pub(super) fn restore(
        &mut self,
        state: &BTreeMap<String, NamedTensor>,
        step: usize,
    ) -> Result<(), SslError> {
        self.revert(&section(state, "weights"))?;
        // At the very end there is no stage to come.
        let epoch = (step / self.steps_per_epoch).min(self.settings.epochs() - 1);
        let (number, begin) = stage_at(&self.settings, epoch);
        self.enter(number);
        // A stage that is still to begin does so afresh.
        if step > begin * self.steps_per_epoch {
            self.stage.optimiser.import(&self.weights, &section(state, "optimiser"))?;
        }
        self.step = step;
        Ok(())
    }
}

impl StageState {
    /// Stage `number`: freezes and frees what it says.
    fn new(
        settings: &FinetuneSettings,
        number: usize,
        classifier: &Classifier,
        weights: &mut Weights,
        steps_per_epoch: usize,
    ) -> StageState {
        let stage = &settings.stages[number];
        let learns = |name: &str| name.strip_prefix(ENCODER).is_none_or(|name| stage.trainable.holds(name));
        weights.train_only(learns);
        weights.fix_buffers(|name| stage.freeze_batch_norm || !learns(name));
        let blocks = classifier.blocks();
        let rate = |name: &str| (name.to_owned(), rate(settings, stage, &blocks, name));
        StageState {
            number,
            rates: weights.entries().iter().map(|entry| rate(entry.name())).collect(),
            optimiser: Optimiser::new(settings.optim.clone(), weights),
            schedule: Schedule::new(&settings.schedule, stage.epochs, steps_per_epoch),
        }
    }
}

/// The learning rate of the entry `name` as a multiple of `optim.lr`. With `L` blocks before the head, block `l` from 0,
/// the rates `r` of encoder and head, and `d = layer_decay`:
///
/// ```text
/// head:    r_head
/// block l: r_encoder d^(L - l)
/// ```
///
/// Source: layer-wise decay as in Clark et al., "ELECTRA", ICLR 2020, section 3.1, with torchvision's blocks as layers.
fn rate(settings: &FinetuneSettings, stage: &Stage, blocks: &[Vec<String>], name: &str) -> f64 {
    let lr = settings.optim.lr;
    let head = blocks.len() - 1;
    let holds = |block: &Vec<String>| block.iter().any(|module| is_within(name, module));
    match blocks.iter().position(holds) {
        Some(block) if block < head => {
            stage.lr_encoder.unwrap_or(lr) / lr * settings.layer_decay.powi((head - block) as i32)
        }
        _ => stage.lr_head.unwrap_or(lr) / lr,
    }
}

/// The stage that `epoch` (from 0) belongs to, and the epoch with which it begins. Beyond the end, the last one.
fn stage_at(settings: &FinetuneSettings, epoch: usize) -> (usize, usize) {
    let last = settings.stages.len() - 1;
    let number = (0..last).find(|&number| epoch < begin_of(settings, number + 1)).unwrap_or(last);
    (number, begin_of(settings, number))
}

/// The epoch with which stage `number` begins.
pub(super) fn begin_of(settings: &FinetuneSettings, number: usize) -> usize {
    settings.stages[..number].iter().map(|stage| stage.epochs).sum()
}

#[cfg(test)]
mod tests;
