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

/// `[optim]` of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OptimiserSettings {
    /// The rule and its constants.
    #[serde(flatten)]
    pub rule: OptimiserRule,
    /// Learning rate at factor 1 of the schedule, for a batch of `reference_batch` images.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub lr: f64,
    /// Learning rate of one-dimensional parameters (biases and norms) where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub lr_biases: Option<f64>,
    /// The batch that `lr` is stated for: the rate used is `lr * batch / reference_batch`; 0 uses `lr` as it is.
    #[serde(default)]
    pub reference_batch: usize,
    /// Weight decay.
    #[serde(default = "weight_decay")]
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Leave biases and norms without weight decay.
    #[serde(default)]
    pub exclude_1d_from_weight_decay: bool,
    /// Scale all gradients down to this global norm; 0 leaves them.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub clip_norm: f64,
}

fn weight_decay() -> f64 {
    1e-4
}

/// Which rule turns gradients into steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum OptimiserRule {
    /// Stochastic gradient descent, as `torch.optim.SGD`.
    Sgd(Sgd),
    /// Kingma and Ba 2015, as `torch.optim.Adam`: the decay is added to the gradient.
    Adam(Moments),
    /// Loshchilov and Hutter 2019, as `torch.optim.AdamW`: the decay acts on the weights.
    Adamw(Moments),
    /// Layer-wise adaptive rates (You et al. 2017), as in the code of Barlow Twins.
    Lars(Lars),
}

/// Constants of `sgd`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sgd {
    /// Share of the last step that is taken again.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub momentum: f64,
    /// Nesterov's look-ahead.
    pub nesterov: bool,
}

impl Default for Sgd {
    fn default() -> Sgd {
        Sgd { momentum: 0.9, nesterov: false }
    }
}

/// Constants of `adam` and `adamw`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Moments {
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub eps: f64,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments { betas: [0.9, 0.999], eps: 1e-8 }
    }
}

/// Constants of `lars`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lars {
    /// Share of the last step that is taken again.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub momentum: f64,
    /// Trust coefficient.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub eta: f64,
    /// Let the adaptation only slow a layer down, never beyond `lr`: the trust factor becomes
    /// `min(eta |p| / (lr |g|), 1)`, as in solo-learn (which adds up the norms of gradient and decay, where
    /// here `g` is their sum).
    pub clip_adaptation: bool,
    /// Leave biases and norms without the adaptation.
    pub exclude_1d_from_adaptation: bool,
}

impl Default for Lars {
    fn default() -> Lars {
        Lars { momentum: 0.9, eta: 0.001, clip_adaptation: false, exclude_1d_from_adaptation: true }
    }
}

impl OptimiserRule {
    /// The name in a configuration.
    pub fn name(&self) -> &'static str {
        match self {
            OptimiserRule::Sgd(_) => "sgd",
            OptimiserRule::Adam(_) => "adam",
            OptimiserRule::Adamw(_) => "adamw",
            OptimiserRule::Lars(_) => "lars",
        }
    }
}

impl OptimiserSettings {
    /// A rule at a learning rate, all else as it is by default.
    pub fn new(rule: OptimiserRule, lr: f64) -> OptimiserSettings {
        OptimiserSettings {
            rule,
            lr,
            lr_biases: None,
            reference_batch: 0,
            weight_decay: weight_decay(),
            exclude_1d_from_weight_decay: false,
            clip_norm: 0.0,
        }
    }
}

impl Default for OptimiserSettings {
    fn default() -> OptimiserSettings {
        OptimiserSettings::new(OptimiserRule::Sgd(Sgd::default()), 0.03)
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
        let mut trusts = vec![Scalar::Known(1.0); weights.entries().len()];
        let OptimiserRule::Lars(lars) = &self.settings.rule else { return trusts };
        let trust = Trust { eta: lars.eta, clip: lars.clip_adaptation };
        let entries = weights.entries().iter().zip(&gradients.entries).enumerate();
        let (places, adapted): (Vec<usize>, Vec<Adapted<'_>>) = entries
            .filter(|(_, (entry, _))| {
                entry.is_trainable() && !(is_flat(entry) && lars.exclude_1d_from_adaptation)
            })
            .filter_map(|(place, (entry, g))| {
                let (lr, decay) = self.settings.pace(entry, factor(entry));
                Some((place, Adapted { p: entry.value(), g: g.as_ref()?, weight_decay: decay as f32, lr }))
            })
            .unzip();
        for (place, trust) in places.into_iter().zip(ops::trust_ratios(trust, &adapted)) {
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
        match &self.settings.rule {
            OptimiserRule::Sgd(Sgd { momentum, nesterov }) => {
                self.heavy_ball(value, gradient, moments, (*momentum, *nesterov))
            }
            OptimiserRule::Lars(lars) => self.heavy_ball(value, gradient, moments, (lars.momentum, false)),
            OptimiserRule::Adam(constants) => {
                let weight_decay = self.decay as f32;
                adam(value, gradient, moments, Adam { weight_decay, ..self.adam_step(constants) })
            }
            OptimiserRule::Adamw(constants) => {
                let kept = (1.0 - self.lr * self.decay) as f32;
                adam(value, gradient, moments, Adam { kept, ..self.adam_step(constants) })
            }
        }
    }

    fn heavy_ball(
        &self,
        value: Tensor<1>,
        gradient: Tensor<1>,
        [buffer, _]: &mut [Option<Tensor<1>>; 2],
        (momentum, nesterov): (f64, bool),
    ) -> Tensor<1> {
        let step = HeavyBall {
            lr: self.lr as f32,
            momentum: momentum as f32,
            weight_decay: self.decay as f32,
            nesterov,
        };
        let old = taken(buffer, &value);
        let [value, new] = ops::heavy_ball([value, old], gradient, &self.trust, step);
        *buffer = Some(new);
        value
    }

    /// Without decay.
    fn adam_step(&self, constants: &Moments) -> Adam {
        Adam {
            lr: self.lr as f32,
            betas: constants.betas,
            eps: constants.eps as f32,
            weight_decay: 0.0,
            kept: 1.0,
            step: self.steps,
        }
    }
}

fn adam(
    value: Tensor<1>,
    gradient: Tensor<1>,
    [first, second]: &mut [Option<Tensor<1>>; 2],
    step: Adam,
) -> Tensor<1> {
    let (m, v) = (taken(first, &value), taken(second, &value));
    let [value, m, v] = ops::adam([value, m, v], gradient, step);
    (*first, *second) = (Some(m), Some(v));
    value
}

/// Takes a moment out of its place, zeros like `value` if there is none yet.
fn taken(moment: &mut Option<Tensor<1>>, value: &Tensor<1>) -> Tensor<1> {
    moment.take().unwrap_or_else(|| Tensor::zeros(value.dims(), &value.device()))
}
