//! SGD, Adam, AdamW and LARS on named weights.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use twinlens_kernels::{Adam, HeavyBall};

use super::Gradients;
use crate::NnError;
use crate::ops::{self, read};
use crate::weights::{Entry, NamedTensor, Weights};

/// `[optim]` of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OptimiserSettings {
    /// The rule and its constants.
    #[serde(flatten)]
    pub rule: OptimiserRule,
    /// Learning rate at factor 1 of the schedule, for a batch of `reference_batch` images.
    pub lr: f64,
    /// Learning rate of one-dimensional parameters (biases and norms) where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr_biases: Option<f64>,
    /// The batch that `lr` is stated for: the rate used is `lr * batch / reference_batch`; 0 uses `lr` as it is.
    #[serde(default)]
    pub reference_batch: usize,
    /// Weight decay.
    #[serde(default = "weight_decay")]
    pub weight_decay: f64,
    /// Leave biases and norms without weight decay.
    #[serde(default)]
    pub exclude_1d_from_weight_decay: bool,
    /// Scale all gradients down to this global norm; 0 leaves them.
    #[serde(default)]
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
    pub momentum: f64,
    /// Trust coefficient.
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
        let entries = weights.entries_mut().iter_mut().zip(gradients.entries).zip(&mut self.moments);
        for ((entry, gradient), moments) in entries {
            let Some(gradient) = gradient.filter(|_| entry.is_trainable()) else { continue };
            let rule = Rule { settings: &self.settings, steps: self.steps, flat: entry.shape().len() == 1 };
            let factor = factor(entry);
            entry.change(|value| rule.apply(value, gradient, moments, factor));
        }
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

/// The update of one entry.
struct Rule<'a> {
    settings: &'a OptimiserSettings,
    steps: u64,
    /// Whether the entry is a bias or belongs to a norm.
    flat: bool,
}

impl Rule<'_> {
    fn apply(
        &self,
        value: Tensor<1>,
        gradient: Tensor<1>,
        moments: &mut [Option<Tensor<1>>; 2],
        factor: f64,
    ) -> Tensor<1> {
        let lr = factor * self.settings.lr_biases.filter(|_| self.flat).unwrap_or(self.settings.lr);
        match &self.settings.rule {
            OptimiserRule::Sgd(Sgd { momentum, nesterov }) => {
                let step = self.heavy_ball_step(lr, *momentum);
                heavy_ball(value, gradient, moments, HeavyBall { nesterov: *nesterov, ..step })
            }
            OptimiserRule::Lars(lars) => {
                let trust = self.trust(lars, &value, &gradient, lr) as f32;
                let step = self.heavy_ball_step(lr, lars.momentum);
                heavy_ball(value, gradient, moments, HeavyBall { trust, ..step })
            }
            OptimiserRule::Adam(constants) => {
                let weight_decay = self.weight_decay() as f32;
                let step = Adam { weight_decay, ..self.adam_step(lr, constants) };
                adam(value, gradient, moments, step)
            }
            OptimiserRule::Adamw(constants) => {
                let kept = (1.0 - lr * self.weight_decay()) as f32;
                adam(value, gradient, moments, Adam { kept, ..self.adam_step(lr, constants) })
            }
        }
    }

    fn heavy_ball_step(&self, lr: f64, momentum: f64) -> HeavyBall {
        HeavyBall {
            lr: lr as f32,
            momentum: momentum as f32,
            weight_decay: self.weight_decay() as f32,
            trust: 1.0,
            nesterov: false,
        }
    }

    /// Without decay.
    fn adam_step(&self, lr: f64, constants: &Moments) -> Adam {
        Adam {
            lr: lr as f32,
            betas: constants.betas,
            eps: constants.eps as f32,
            weight_decay: 0.0,
            kept: 1.0,
            step: self.steps,
        }
    }

    /// The factor of a gradient `g` (with its decay) of a parameter `p`: `eta |p| / |g|` where both norms are positive;
    /// with `clip_adaptation`, `min(eta |p| / (lr |g|), 1)`.
    fn trust(&self, lars: &Lars, value: &Tensor<1>, gradient: &Tensor<1>, lr: f64) -> f64 {
        if self.flat && lars.exclude_1d_from_adaptation {
            return 1.0;
        }
        let p = ops::sum_of_squares(value).sqrt();
        let g = ops::decayed_sum_of_squares(gradient, value, self.weight_decay() as f32).sqrt();
        if p == 0.0 || g == 0.0 {
            return 1.0;
        }
        let trust = lars.eta * p / g;
        if !lars.clip_adaptation {
            return trust;
        }
        // At a learning rate of 0 nothing moves, whatever the factor.
        if lr > 0.0 { (trust / lr).min(1.0) } else { 1.0 }
    }

    fn weight_decay(&self) -> f64 {
        if self.flat && self.settings.exclude_1d_from_weight_decay { 0.0 } else { self.settings.weight_decay }
    }
}

fn heavy_ball(
    value: Tensor<1>,
    gradient: Tensor<1>,
    [buffer, _]: &mut [Option<Tensor<1>>; 2],
    step: HeavyBall,
) -> Tensor<1> {
    let old = taken(buffer, &value);
    let [value, new] = ops::heavy_ball([value, old], gradient, step);
    *buffer = Some(new);
    value
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
