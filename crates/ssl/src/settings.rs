//! Everything that decides a run, as one value: what the configuration files, flags and recipes resolve to.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::OnBadSample;
use twinlens_nn::encoders::{self, Stem};
use twinlens_nn::optim::{OptimiserSettings, ScheduleName, ScheduleSettings};
use twinlens_views::ViewPolicy;

use crate::methods::{self, MethodSettings};

/// Settings of a pre-training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The data set: an .npz, .npy or idx file, a folder of images, or a zip of one of these.
    pub data: String,
    /// The method, by its name in `twinlens list methods`.
    pub method: String,
    /// The encoder, by torchvision's name.
    pub encoder: String,
    /// The encoder's first layers: `imagenet` or `cifar`.
    pub stem: Stem,
    /// Passes through the training images.
    pub epochs: usize,
    /// Images in a batch.
    pub batch: usize,
    /// Use only the first so many training images; 0 uses all.
    pub limit: usize,
    /// Seed of weights, order and views.
    pub seed: u64,
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
    /// Each method's own constants.
    pub methods: MethodSettings,
    /// The periodic look at held-out labels.
    pub knn: KnnSettings,
    /// What is kept to continue from.
    pub checkpoint: CheckpointSettings,
    /// How the data set is read.
    pub data_options: DataSettings,
}

/// Number format of the forward and backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision throughout.
    F32,
}

/// `[projector]`: linear layers with ReLU between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectorSettings {
    /// Linear layers.
    pub layers: usize,
    /// Width between them.
    pub hidden_dim: usize,
    /// Width of the embeddings.
    pub output_dim: usize,
    /// Batch normalisation before each ReLU.
    pub batch_norm: bool,
    /// Bias in all layers but the last.
    pub bias: bool,
    /// Bias in the last layer.
    pub last_bias: bool,
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

/// `[data_options]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// What to do with a file that is no image: `skip` or `fail`.
    #[schemars(with = "String")]
    pub on_bad_sample: OnBadSample,
    /// The array of an .npz that holds the images, where its name does not say; empty to go by the usual names.
    pub member: String,
    /// Seed of splits that the data set does not define.
    pub split_seed: u64,
}

impl Default for Settings {
    /// The built-in defaults: Barlow Twins on small images. A recipe comes on top.
    fn default() -> Settings {
        Settings {
            data: String::new(),
            method: "barlow-twins".into(),
            encoder: "resnet18".into(),
            stem: Stem::Cifar,
            epochs: 10,
            batch: 128,
            limit: 0,
            seed: 0,
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
            },
            methods: MethodSettings::default(),
            knn: KnnSettings { every: 1, k: 20, temperature: 0.07, limit: 5000 },
            checkpoint: CheckpointSettings { every: 1, keep: 1 },
            data_options: DataSettings {
                on_bad_sample: OnBadSample::Skip,
                member: String::new(),
                split_seed: 0,
            },
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

impl Settings {
    /// Everything that is wrong with these settings before any data is read.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut require = |key: &'static str, sound: bool, expected: &str, got: &dyn fmt::Display| {
            if !sound {
                problems.push(Problem { key, expected: expected.into(), got: got.to_string() });
            }
        };
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let least_one = "at least 1";
        let known = methods::METHODS.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
        require("method", methods::find(&self.method).is_ok(), &known, &self.method);
        let known = encoders::ENCODERS.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
        require("encoder", encoders::find(&self.encoder).is_ok(), &known, &self.encoder);
        require("epochs", self.epochs > 0, least_one, &self.epochs);
        require(
            "batch",
            self.batch > 1,
            "at least 2: batch statistics of one image do not exist",
            &self.batch,
        );
        require("log_every", self.log_every > 0, least_one, &self.log_every);
        require("collapse_threshold", share(self.collapse_threshold), "0 to 1", &self.collapse_threshold);
        require("views", !self.views.is_empty(), "the operations of at least one view", &"empty");
        require("optim.lr", positive(self.optim.lr), "above 0", &self.optim.lr);
        let biases = self.optim.lr_biases.unwrap_or(1.0);
        require("optim.lr_biases", positive(biases), "above 0", &biases);
        let decay = self.optim.weight_decay;
        require("optim.weight_decay", decay.is_finite() && decay >= 0.0, "0 or more", &decay);
        require(
            "optim.momentum",
            (0.0..1.0).contains(&self.optim.momentum),
            "0 to below 1",
            &self.optim.momentum,
        );
        let betas = self.optim.betas;
        require(
            "optim.betas",
            betas.iter().all(|b| (0.0..1.0).contains(b)),
            "two numbers from 0 to below 1",
            &format!("{betas:?}"),
        );
        require("optim.eps", positive(self.optim.eps), "above 0", &self.optim.eps);
        require("optim.eta", positive(self.optim.eta), "above 0", &self.optim.eta);
        let clip = self.optim.clip_norm;
        require("optim.clip_norm", clip.is_finite() && clip >= 0.0, "0 (off) or more", &clip);
        let warmup = self.schedule.warmup_epochs;
        require(
            "schedule.warmup_epochs",
            (0.0..=self.epochs as f64).contains(&warmup),
            "0 to the number of epochs",
            &warmup,
        );
        let factor = self.schedule.warmup_start_factor;
        require("schedule.warmup_start_factor", share(factor), "0 to 1", &factor);
        require(
            "schedule.final_factor",
            share(self.schedule.final_factor),
            "0 to 1",
            &self.schedule.final_factor,
        );
        require("schedule.gamma", positive(self.schedule.gamma), "above 0", &self.schedule.gamma);
        require("projector.layers", self.projector.layers > 0, least_one, &self.projector.layers);
        require("projector.hidden_dim", self.projector.hidden_dim > 0, least_one, &self.projector.hidden_dim);
        require(
            "projector.output_dim",
            self.projector.output_dim > 1,
            "at least 2",
            &self.projector.output_dim,
        );
        let barlow = &self.methods.barlow_twins;
        require(
            "methods.barlow-twins.lambda",
            barlow.lambda.is_finite() && barlow.lambda >= 0.0,
            "0 or more",
            &barlow.lambda,
        );
        require("methods.barlow-twins.eps", positive(barlow.eps), "above 0", &barlow.eps);
        require("methods.barlow-twins.scale", positive(barlow.scale), "above 0", &barlow.scale);
        let temperature = self.methods.simclr.temperature;
        require("methods.simclr.temperature", positive(temperature), "above 0", &temperature);
        require("knn.k", self.knn.k > 0, least_one, &self.knn.k);
        require("knn.temperature", positive(self.knn.temperature), "above 0", &self.knn.temperature);
        require("checkpoint.every", self.checkpoint.every > 0, least_one, &self.checkpoint.every);
        problems
    }
}
