//! Everything that decides a run, as one value: what the configuration files, flags and recipes resolve to.

use std::fmt;

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::DataSettings;
use twinlens_nn::encoders::{self, Stem};
use twinlens_nn::heads::{Activation, LastNorm};
use twinlens_nn::norms::IterNorm;
use twinlens_nn::optim::{OptimiserSettings, ScheduleName, ScheduleSettings};
use twinlens_nn::{device, has_bf16};
use twinlens_views::ViewPolicy;

use crate::SslError;
use crate::methods::{self, MethodSettings};

/// Settings of a pre-training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name.
    pub data: String,
    /// The method, by its name in `twinlens list methods`.
    pub method: String,
    /// The encoder, by torchvision's name.
    pub encoder: String,
    /// The encoder's first layers: `imagenet` or `cifar`.
    pub stem: Stem,
    /// Start the scales that end residual branches at 0, as torchvision's option of this name; for ResNets.
    pub zero_init_residual: bool,
    /// Passes through the training images.
    pub epochs: usize,
    /// Images in a batch.
    pub batch: usize,
    /// Use only the first so many training images; 0 uses all.
    pub limit: usize,
    /// Seed of weights, order and views.
    pub seed: u64,
    /// Refuse a device that may round differently from one run to the next. The CPU never does; no GPU is sure not
    /// to, because the order of its sums is not fixed.
    #[serde(default)]
    pub deterministic: bool,
    /// Side of the views in pixels; 0 takes the images' own shorter side.
    pub size: usize,
    /// Threads that make views; 0 takes one for each core, at most 8. Never changes the result.
    pub workers: usize,
    /// `auto`, `cpu`, `gpu` or `gpu:N`.
    pub device: String,
    /// Number format of the forward and backward pass.
    pub precision: Precision,
    /// Named view policy that `views` starts from.
    pub policy: String,
    /// Pass all views through the network as one batch, sharing batch statistics, or one after the other.
    pub views_together: bool,
    /// Steps between two rows of the metrics log.
    pub log_every: usize,
    /// Stop when the embeddings' standard deviation falls below this share of that of a full sphere; 0 never.
    pub collapse_threshold: f64,
    /// Which operations make which view.
    pub views: Vec<ViewPolicy>,
    /// The optimiser.
    pub optim: OptimiserSettings,
    /// The learning rate over time.
    pub schedule: ScheduleSettings,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
    /// The head after the projector, of methods that have one.
    #[serde(default)]
    pub predictor: PredictorSettings,
    /// The slow copy of the network, of methods that have one.
    #[serde(default)]
    pub target: TargetSettings,
    /// Each method's own constants.
    pub methods: MethodSettings,
    /// The periodic look at held-out labels.
    pub knn: KnnSettings,
    /// What is kept to continue from.
    pub checkpoint: CheckpointSettings,
    /// How the data set is read.
    pub data_options: DataSettings,
}

/// What convolutions and linear layers multiply in training, and what a network's maps are kept in. Sums, statistics, losses and
/// weights are in single precision always, and so are the features by which an encoder is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    F32,
    /// Numbers rounded to bf16, on the CPU. Faster where the processor has AMX or multiplies them as quickly by
    /// AVX-512-BF16, slower elsewhere.
    Bf16,
    /// `bf16` where it is faster, else `f32`. A run keeps what the machine it began on decides.
    Auto,
}

impl Precision {
    /// `auto` decided: what this machine is faster with.
    pub fn decided(self) -> Precision {
        match self {
            Precision::Auto if has_bf16() => Precision::Bf16,
            Precision::Auto => Precision::F32,
            decided => decided,
        }
    }

    pub(crate) fn multiplied(self) -> twinlens_nn::Precision {
        match self.decided() {
            Precision::Bf16 => twinlens_nn::Precision::Bf16,
            _ => twinlens_nn::Precision::F32,
        }
    }
}

/// `[projector]`: linear layers with activations between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectorSettings {
    /// Linear layers.
    pub layers: usize,
    /// Width between them.
    pub hidden_dim: usize,
    /// Width of the embeddings.
    pub output_dim: usize,
    /// Batch normalisation before each activation.
    pub batch_norm: bool,
    /// Bias in all layers but the last.
    pub bias: bool,
    /// Bias in the last layer.
    pub last_bias: bool,
    /// The activation: `relu` or `gelu`.
    #[serde(default)]
    pub activation: Activation,
    /// What follows the last layer: `none`, `batch_norm`, `batch_norm_without_affine` or `iter_norm`.
    #[serde(default)]
    pub last_norm: LastNorm,
}

/// `[predictor]`: two linear layers, batch normalisation and ReLU between them, from embeddings to embeddings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PredictorSettings {
    /// Width between the layers.
    pub hidden_dim: usize,
    /// Bias in the first layer.
    pub bias: bool,
}

impl Default for PredictorSettings {
    fn default() -> PredictorSettings {
        PredictorSettings { hidden_dim: 512, bias: false }
    }
}

/// `[target]`: an exponential moving average of the weights, updated after every step: the share of the old average
/// goes from one number to the other along half a cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetSettings {
    /// Share of the old average at the first step.
    pub base_momentum: f64,
    /// Share of the old average at the end of the run.
    pub final_momentum: f64,
}

impl Default for TargetSettings {
    fn default() -> TargetSettings {
        TargetSettings { base_momentum: 0.99, final_momentum: 1.0 }
    }
}

/// `[knn]`: nearest neighbours among the training images for held-out ones, while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnnSettings {
    /// Epochs between two looks; 0 never looks.
    pub every: usize,
    /// Number of neighbours.
    pub k: usize,
    /// Temperature of the weighted vote.
    pub temperature: f64,
    /// At most so many training images to compare with; 0 takes all.
    pub limit: usize,
}

/// `[checkpoint]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSettings {
    /// Epochs between two checkpoints.
    pub every: usize,
    /// Numbered checkpoints kept beside the last and the best.
    pub keep: usize,
}

impl Default for Settings {
    /// The built-in defaults: Barlow Twins on small images. A recipe comes on top.
    fn default() -> Settings {
        Settings {
            data: String::new(),
            method: "barlow-twins".into(),
            encoder: "resnet18".into(),
            stem: Stem::Cifar,
            zero_init_residual: false,
            epochs: 10,
            batch: 128,
            limit: 0,
            seed: 0,
            deterministic: false,
            size: 0,
            workers: 0,
            device: "auto".into(),
            precision: Precision::F32,
            policy: "medmnist".into(),
            views_together: true,
            log_every: 10,
            collapse_threshold: 0.01,
            views: Vec::new(),
            optim: OptimiserSettings::default(),
            schedule: ScheduleSettings {
                name: ScheduleName::Cosine,
                warmup_epochs: 1.0,
                warmup_start_factor: 0.0,
                final_factor: 0.0,
                milestones: vec![],
                gamma: 0.1,
            },
            projector: ProjectorSettings {
                layers: 3,
                hidden_dim: 2048,
                output_dim: 2048,
                batch_norm: true,
                bias: false,
                last_bias: false,
                activation: Activation::Relu,
                last_norm: LastNorm::None,
            },
            predictor: PredictorSettings::default(),
            target: TargetSettings::default(),
            methods: MethodSettings::default(),
            knn: KnnSettings { every: 1, k: 20, temperature: 0.07, limit: 5000 },
            checkpoint: CheckpointSettings { every: 1, keep: 1 },
            data_options: DataSettings::default(),
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted name of the setting.
    pub key: &'static str,
    /// What it may be.
    pub expected: String,
    /// What it is.
    pub got: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, expected {}", self.key, self.got, self.expected)
    }
}

/// A list of problems that grows check by check.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// Reports `key` unless `sound`.
    pub(crate) fn require(
        &mut self,
        key: &'static str,
        sound: bool,
        expected: &str,
        got: &(impl fmt::Display + ?Sized),
    ) {
        if !sound {
            self.0.push(Problem { key, expected: expected.into(), got: got.to_string() });
        }
    }

    /// What was reported.
    pub(crate) fn list(self) -> Vec<Problem> {
        self.0
    }

    pub(crate) fn positive(&mut self, key: &'static str, value: f64) {
        self.require(key, value.is_finite() && value > 0.0, "above 0", &value);
    }

    pub(crate) fn not_negative(&mut self, key: &'static str, value: f64) {
        self.require(key, value.is_finite() && value >= 0.0, "0 or more", &value);
    }

    pub(crate) fn share(&mut self, key: &'static str, value: f64) {
        self.require(key, (0.0..=1.0).contains(&value), "0 to 1", &value);
    }

    pub(crate) fn least_one(&mut self, key: &'static str, value: usize) {
        self.require(key, value > 0, "at least 1", &value);
    }

    pub(crate) fn least_two(&mut self, key: &'static str, value: usize) {
        self.require(key, value > 1, "at least 2", &value);
    }
}

/// The device called `name`, which `deterministic` or `precision` may rule out.
pub(crate) fn open_device(name: &str, deterministic: bool, precision: Precision) -> Result<Device, SslError> {
    let device = device::open(name)?;
    if !device::is_cpu(&device) {
        check_gpu(name, deterministic, precision)?;
    }
    Ok(device)
}

fn check_gpu(name: &str, deterministic: bool, precision: Precision) -> Result<(), SslError> {
    let device = name.to_owned();
    match precision {
        _ if deterministic => Err(SslError::NotDeterministic { device }),
        Precision::Bf16 => Err(SslError::Bf16OnGpu { device }),
        Precision::F32 | Precision::Auto => Ok(()),
    }
}

/// Reports what is wrong with an optimiser and a schedule over `epochs` epochs.
pub(crate) fn check_optimiser(
    optim: &OptimiserSettings,
    schedule: &ScheduleSettings,
    epochs: usize,
    problems: &mut Problems,
) {
    problems.positive("optim.lr", optim.lr);
    problems.positive("optim.lr_biases", optim.lr_biases.unwrap_or(1.0));
    problems.not_negative("optim.weight_decay", optim.weight_decay);
    let below_one = |value: &f64| (0.0..1.0).contains(value);
    problems.require("optim.momentum", below_one(&optim.momentum), "0 to below 1", &optim.momentum);
    let betas = format!("{:?}", optim.betas);
    let sound = optim.betas.iter().all(below_one);
    problems.require("optim.betas", sound, "two numbers from 0 to below 1", &betas);
    problems.positive("optim.eps", optim.eps);
    problems.positive("optim.eta", optim.eta);
    let clip = optim.clip_norm;
    problems.require("optim.clip_norm", clip.is_finite() && clip >= 0.0, "0 (off) or more", &clip);
    let warmup = schedule.warmup_epochs;
    let sound = (0.0..=epochs as f64).contains(&warmup);
    problems.require("schedule.warmup_epochs", sound, "0 to the number of epochs", &warmup);
    problems.share("schedule.warmup_start_factor", schedule.warmup_start_factor);
    problems.share("schedule.final_factor", schedule.final_factor);
    problems.positive("schedule.gamma", schedule.gamma);
}

impl Settings {
    /// Everything that is wrong with these settings before any data is read.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.check_run(&mut problems);
        self.check_views(&mut problems);
        check_optimiser(&self.optim, &self.schedule, self.epochs, &mut problems);
        self.check_heads(&mut problems);
        self.methods.check(&mut problems);
        problems.list()
    }

    /// The device of these settings.
    ///
    /// # Errors
    /// A device that is not there, or that `deterministic` or `precision` rules out.
    pub fn open_device(&self) -> Result<Device, SslError> {
        open_device(&self.device, self.deterministic, self.precision)
    }

    fn check_run(&self, problems: &mut Problems) {
        let known = methods::METHODS.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
        problems.require("method", methods::find(&self.method).is_ok(), &known, &self.method);
        let known = encoders::ENCODERS.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
        problems.require("encoder", encoders::find(&self.encoder).is_ok(), &known, &self.encoder);
        problems.least_one("epochs", self.epochs);
        let why = "at least 2: batch statistics of one image do not exist";
        problems.require("batch", self.batch > 1, why, &self.batch);
        problems.least_one("log_every", self.log_every);
        problems.share("collapse_threshold", self.collapse_threshold);
        problems.least_one("knn.k", self.knn.k);
        problems.positive("knn.temperature", self.knn.temperature);
        problems.least_one("checkpoint.every", self.checkpoint.every);
    }

    fn check_views(&self, problems: &mut Problems) {
        problems.require("views", !self.views.is_empty(), "the operations of at least one view", "empty");
        let Ok(method) = methods::find(&self.method) else { return };
        let count = self.views.iter().map(|policy| policy.count).fold(0, usize::saturating_add);
        let range = method.views(&self.methods);
        let expected = format!("{} for {}", methods::describe(&range), method.id);
        let sound = self.views.is_empty() || range.contains(&count);
        problems.require("views", sound, &expected, &count);
    }

    fn check_heads(&self, problems: &mut Problems) {
        problems.least_one("projector.layers", self.projector.layers);
        problems.least_one("projector.hidden_dim", self.projector.hidden_dim);
        let dim = self.projector.output_dim;
        problems.least_two("projector.output_dim", dim);
        let whole = dim <= IterNorm::GROUP || dim.is_multiple_of(IterNorm::GROUP);
        let expected = format!("a multiple of {} (or below) with last_norm iter_norm", IterNorm::GROUP);
        let sound = self.projector.last_norm != LastNorm::IterNorm || whole;
        problems.require("projector.output_dim", sound, &expected, &dim);
        problems.least_one("predictor.hidden_dim", self.predictor.hidden_dim);
        problems.share("target.base_momentum", self.target.base_momentum);
        problems.share("target.final_momentum", self.target.final_momentum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cpu_is_deterministic() {
        assert!(check_gpu("auto", false, Precision::F32).is_ok());
        let error = check_gpu("auto", true, Precision::F32).unwrap_err();
        assert!(
            error.to_string().contains("`auto`") && error.hint().unwrap().contains("{device} cpu"),
            "{error}"
        );
        let cpu = Settings { deterministic: true, device: "cpu".into(), ..Settings::default() };
        assert!(cpu.open_device().is_ok());
    }

    #[test]
    fn bf16_is_for_the_cpu_and_auto_takes_it_where_it_is_fast() {
        let error = check_gpu("gpu", false, Precision::Bf16).unwrap_err();
        assert!(
            error.to_string().contains("`gpu`") && error.hint().unwrap().contains("{precision} f32"),
            "{error}"
        );
        assert!(check_gpu("gpu", false, Precision::Auto).is_ok());
        let cpu = Settings { precision: Precision::Bf16, device: "cpu".into(), ..Settings::default() };
        assert!(cpu.open_device().is_ok());
        assert_eq!(Precision::Auto.decided() == Precision::Bf16, has_bf16());
        assert_eq!(Precision::Bf16.decided(), Precision::Bf16);
    }
}
