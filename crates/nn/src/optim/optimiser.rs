//! SGD, Adam, AdamW and LARS on named weights.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use twinlens_kernels::{Adam, HeavyBall};

use super::Gradients;
use crate::NnError;
use crate::ops::{self, Adapted, Scalar, Trust, read};
use crate::weights::{Entry, NamedTensor, Weights};

/// Which rule turns gradients into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserName {
    /// Stochastic gradient descent, as `torch.optim.SGD`.
    Sgd,
    /// Kingma and Ba 2015, as `torch.optim.Adam`: the decay is added to the gradient.
    Adam,
    /// Loshchilov and Hutter 2019, as `torch.optim.AdamW`: the decay acts on the weights.
    Adamw,
    /// Layer-wise adaptive rates (You et al. 2017), as in the code of Barlow Twins.
    Lars,
}

/// `[optim]` of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimiserSettings {
    /// The rule.
    pub name: OptimiserName,
    /// Learning rate at factor 1 of the schedule, for a batch of `reference_batch` images.
    pub lr: f64,
    /// Learning rate of one-dimensional parameters (biases and norms) where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_biases: Option<f64>,
    /// The batch that `lr` is stated for: the rate used is `lr * batch / reference_batch`; 0 uses `lr` as it is.
    pub reference_batch: usize,
    /// Weight decay.
    pub weight_decay: f64,
    /// Momentum of `sgd` and `lars`.
    pub momentum: f64,
    /// Nesterov's look-ahead, `sgd` only.
    pub nesterov: bool,
    /// Decay rates of the two moments of `adam` and `adamw`.
    pub betas: [f64; 2],
    /// Added to the root of the second moment of `adam` and `adamw`.
    pub eps: f64,
    /// Trust coefficient of `lars`.
    pub eta: f64,
    /// Let the adaptation of `lars` only slow a layer down, never beyond `lr`: the trust factor becomes
    /// `min(eta |p| / (lr |g|), 1)`, as in solo-learn (which adds up the norms of gradient and decay, where
    /// here `g` is their sum).
    #[serde(default)]
    pub clip_adaptation: bool,
    /// Leave biases and norms without weight decay.
    pub exclude_1d_from_weight_decay: bool,
    /// Leave biases and norms without the adaptation of `lars`.
    pub exclude_1d_from_adaptation: bool,
    /// Scale all gradients down to this global norm; 0 leaves them.
    pub clip_norm: f64,
}

impl Default for OptimiserSettings {
    fn default() -> OptimiserSettings {
        OptimiserSettings {
            name: OptimiserName::Sgd,
            lr: 0.03,
            lr_biases: None,
            reference_batch: 0,
            weight_decay: 1e-4,
            momentum: 0.9,
            nesterov: false,
            betas: [0.9, 0.999],
            eps: 1e-8,
            eta: 0.001,
            clip_adaptation: false,
            exclude_1d_from_weight_decay: false,
            exclude_1d_from_adaptation: true,
            clip_norm: 0.0,
        }
    }
}

/// An optimiser with its state, one for each entry of the weights.
#[derive(Clone, Debug)]
pub struct Optimiser {
    settings: OptimiserSettings,
    /// First moment or momentum, and second moment.
    moments: Vec<[Option<Tensor<1>>; 2]>,
    steps: u64,
}

impl Optimiser {
    /// A fresh optimiser for `weights`.
    pub fn new(settings: OptimiserSettings, weights: &Weights) -> Optimiser {
        Optimiser { settings, moments: weights.entries().iter().map(|_| [None, None]).collect(), steps: 0 }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &OptimiserSettings {
        &self.settings
    }

    /// Changes every trainable entry that has a gradient. `factor` multiplies the base learning rates.
    pub fn step(&mut self, weights: &mut Weights, gradients: Gradients, factor: f64) {
        self.step_with(weights, gradients, |_| factor);
    }

    /// [`Optimiser::step`] with a factor for each entry.
    pub fn step_with(&mut self, weights: &mut Weights, gradients: Gradients, factor: impl Fn(&Entry) -> f64) {
        self.steps += 1;
        let trusts = self.trusts(weights, &gradients, &factor);
        let entries = weights.entries_mut().iter_mut().zip(gradients.entries).zip(&mut self.moments);
        for (((entry, gradient), moments), trust) in entries.zip(trusts) {
            let Some(gradient) = gradient.filter(|_| entry.is_trainable()) else { continue };
            let (lr, decay) = self.settings.pace(entry, factor(entry));
            let rule = Rule { settings: &self.settings, steps: self.steps, lr, decay, trust };
            entry.change(|value| rule.apply(value, gradient, moments));
        }
    }

    /// What LARS multiplies the gradient of each entry with; 1 where nothing is adapted.
    fn trusts(
        &self,
        weights: &Weights,
        gradients: &Gradients,
        factor: &impl Fn(&Entry) -> f64,
    ) -> Vec<Scalar> {
        let OptimiserSettings { eta, clip_adaptation: clip, .. } = self.settings;
        let mut trusts = vec![Scalar::Known(1.0); weights.entries().len()];
        let entries = weights.entries().iter().zip(&gradients.entries).enumerate();
        let (places, adapted): (Vec<usize>, Vec<Adapted<'_>>) = entries
            .filter(|(_, (entry, _))| entry.is_trainable() && self.settings.adapts(entry))
            .filter_map(|(place, (entry, g))| {
                let (lr, decay) = self.settings.pace(entry, factor(entry));
                Some((place, Adapted { p: entry.value(), g: g.as_ref()?, weight_decay: decay as f32, lr }))
            })
            .unzip();
        for (place, trust) in places.into_iter().zip(ops::trust_ratios(Trust { eta, clip }, &adapted)) {
            trusts[place] = trust;
        }
        trusts
    }

    /// The state as named tensors for a checkpoint.
    pub fn export(&self, weights: &Weights) -> BTreeMap<String, NamedTensor> {
        let steps = NamedTensor { shape: vec![1], values: vec![self.steps as f32] };
        let mut state = BTreeMap::from([("steps".to_owned(), steps)]);
        for (entry, moments) in weights.entries().iter().zip(&self.moments) {
            for (moment, name) in moments.iter().zip(MOMENTS) {
                if let Some(moment) = moment {
                    let values = read(moment.clone());
                    let tensor = NamedTensor { shape: vec![values.len()], values };
                    state.insert(format!("{name}.{}", entry.name()), tensor);
                }
            }
        }
        state
    }

    /// Takes up a state that [`Optimiser::export`] wrote for the same weights.
    ///
    /// # Errors
    /// No step count, or a moment of another length than its entry.
    pub fn import(
        &mut self,
        weights: &Weights,
        state: &BTreeMap<String, NamedTensor>,
    ) -> Result<(), NnError> {
        let steps = state.get("steps").and_then(|tensor| tensor.values.first());
        let missing =
            || NnError::MissingWeight { name: "steps".into(), found: state.len(), example: String::new() };
        self.steps = *steps.ok_or_else(missing)? as u64;
        for (entry, moments) in weights.entries().iter().zip(&mut self.moments) {
            let length = entry.shape().iter().product::<usize>();
            for (moment, kind) in moments.iter_mut().zip(MOMENTS) {
                let name = format!("{kind}.{}", entry.name());
                let Some(tensor) = state.get(&name) else { continue };
                if tensor.values.len() != length {
                    return Err(NnError::WeightShape {
                        name,
                        expected: vec![length],
                        got: tensor.shape.clone(),
                    });
                }
                let data = TensorData::new(tensor.values.clone(), [length]);
                *moment = Some(Tensor::from_data(data, weights.device()));
            }
        }
        Ok(())
    }
}

const MOMENTS: [&str; 2] = ["first", "second"];

/// Whether an entry is a bias or belongs to a norm.
fn is_flat(entry: &Entry) -> bool {
    entry.shape().len() == 1
}

impl OptimiserSettings {
    /// Learning rate and weight decay of an entry.
    fn pace(&self, entry: &Entry, factor: f64) -> (f64, f64) {
        let flat = is_flat(entry);
        let decay = if flat && self.exclude_1d_from_weight_decay { 0.0 } else { self.weight_decay };
        (factor * self.lr_biases.filter(|_| flat).unwrap_or(self.lr), decay)
    }

    /// Whether LARS adapts the steps of an entry.
    fn adapts(&self, entry: &Entry) -> bool {
        self.name == OptimiserName::Lars && !(is_flat(entry) && self.exclude_1d_from_adaptation)
    }
}

/// The update of one entry.
struct Rule<'a> {
    settings: &'a OptimiserSettings,
    steps: u64,
    lr: f64,
    decay: f64,
    trust: Scalar,
}

impl Rule<'_> {
    fn apply(
        &self,
        value: Tensor<1>,
        gradient: Tensor<1>,
        moments: &mut [Option<Tensor<1>>; 2],
    ) -> Tensor<1> {
        match self.settings.name {
            OptimiserName::Sgd | OptimiserName::Lars => self.heavy_ball(value, gradient, moments),
            OptimiserName::Adam | OptimiserName::Adamw => self.adam(value, gradient, moments),
        }
    }

    fn heavy_ball(
        &self,
        value: Tensor<1>,
        gradient: Tensor<1>,
        [buffer, _]: &mut [Option<Tensor<1>>; 2],
    ) -> Tensor<1> {
        let step = HeavyBall {
            lr: self.lr as f32,
            momentum: self.settings.momentum as f32,
            weight_decay: self.decay as f32,
            nesterov: self.settings.nesterov && self.settings.name != OptimiserName::Lars,
        };
        let old = taken(buffer, &value);
        let [value, new] = ops::heavy_ball([value, old], gradient, &self.trust, step);
        *buffer = Some(new);
        value
    }

    fn adam(
        &self,
        value: Tensor<1>,
        gradient: Tensor<1>,
        [first, second]: &mut [Option<Tensor<1>>; 2],
    ) -> Tensor<1> {
        let beside = self.settings.name == OptimiserName::Adamw;
        let step = Adam {
            lr: self.lr as f32,
            betas: self.settings.betas,
            eps: self.settings.eps as f32,
            weight_decay: if beside { 0.0 } else { self.decay as f32 },
            kept: if beside { (1.0 - self.lr * self.decay) as f32 } else { 1.0 },
            step: self.steps,
        };
        let (m, v) = (taken(first, &value), taken(second, &value));
        let [value, m, v] = ops::adam([value, m, v], gradient, step);
        (*first, *second) = (Some(m), Some(v));
        value
    }
}

/// Takes a moment out of its place, zeros like `value` if there is none yet.
fn taken(moment: &mut Option<Tensor<1>>, value: &Tensor<1>) -> Tensor<1> {
    moment.take().unwrap_or_else(|| Tensor::zeros(value.dims(), &value.device()))
}
