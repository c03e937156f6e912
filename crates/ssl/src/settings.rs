//! Everything that decides a run, as one value: what the configuration files, flags and recipes resolve to.

use std::ops::{Deref, DerefMut};

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::{DataSettings, ImageSource, LabelChoice, PixelRange, median_shorter_side};
use twinlens_nn::encoders::EncoderSettings;
use twinlens_nn::optim::{MultiStep, OptimiserRule, OptimiserSettings, ScheduleSettings, ScheduleShape};
use twinlens_nn::weights::EncoderDescription;
use twinlens_nn::{device, has_bf16};
use twinlens_views::{BuildContext, EvalResize, ViewPolicy, ViewProblem};

use crate::SslError;
use crate::methods::{self, MethodSettings, NamedMethod};
use crate::problems::{Problems, SettingProblem};

/// What every training is told, without labels or with them: images, encoder, views, optimiser, machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Common {
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name.
    pub data: String,
    /// The encoder.
    pub encoder: EncoderSettings,
    /// Side of the views in pixels. `auto` takes that of an encoder that is given, else the median of the images' shorter sides,
    /// at most 128, and less where memory is short; 0 does without these limits.
    pub size: ViewSize,
    /// How images that the encoder is judged on are brought to that side; kept with the encoder.
    #[serde(default, skip_serializing_if = "EvalResize::is_usual")]
    pub eval_resize: EvalResize,
    /// Images in a batch; with labels at most: an epoch is divided into batches of one size.
    #[schemars(range(min = 2))]
    pub batch: usize,
    /// Seed of weights, labels, order and views.
    pub seed: u64,
    /// Refuse a device that may round differently from one run to the next. The CPU never does; no GPU is sure not
    /// to, because the order of its sums is not fixed.
    #[serde(default)]
    pub deterministic: bool,
    /// Threads that make views; 0 takes one for each core, at most 8. Never changes the result.
    pub workers: usize,
    /// `auto`, `cpu`, `gpu` or `gpu:N`.
    pub device: String,
    /// Number format of the forward and backward pass.
    pub precision: PrecisionChoice,
    /// Named view policy (`twinlens list augmentations`) that `views` starts from.
    pub policy: String,
    /// Which operations make which view.
    pub views: Vec<ViewPolicy>,
    /// Steps between two rows of the metrics log.
    #[schemars(range(min = 1))]
    pub log_every: usize,
    /// The optimiser.
    pub optim: OptimiserSettings,
    /// The learning rate over time.
    pub schedule: ScheduleSettings,
    /// What is kept to continue from.
    pub checkpoint: CheckpointSettings,
    /// How the data set is read.
    pub data_options: DataSettings,
}

/// Side of the views in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"auto\" or a number of pixels")]
pub enum ViewSize {
    /// By a rule.
    Rule(SizeRule),
    /// So many; 0 is the median of the images' shorter sides.
    Pixels(usize),
}

/// How the side of the views is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SizeRule {
    /// The median of the images' shorter sides, at most [`ViewSize::MOST`].
    Auto,
}

impl ViewSize {
    /// The largest that is chosen where none is asked for: what one computer without a GPU can train on.
    pub const MOST: usize = 128;

    /// The pixels, where they are known without images.
    pub fn known(self) -> Option<usize> {
        match self {
            ViewSize::Pixels(pixels) if pixels > 0 => Some(pixels),
            _ => None,
        }
    }

    /// The pixels for these images.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub fn on(self, images: &dyn ImageSource) -> Result<usize, SslError> {
        match self.known() {
            Some(size) => Ok(size),
            None => Ok(self.of(median_shorter_side(images)?.0)),
        }
    }

    /// The pixels for images whose shorter sides have this median.
    pub(crate) fn of(self, median: usize) -> usize {
        match self {
            ViewSize::Pixels(0) => median,
            ViewSize::Pixels(pixels) => pixels,
            ViewSize::Rule(SizeRule::Auto) => median.min(ViewSize::MOST),
        }
    }
}

impl Default for ViewSize {
    fn default() -> ViewSize {
        ViewSize::Rule(SizeRule::Auto)
    }
}

impl From<usize> for ViewSize {
    fn from(pixels: usize) -> ViewSize {
        ViewSize::Pixels(pixels)
    }
}

/// Settings of a pre-training run. What it shares with fine-tuning can be reached as if it were its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Settings")]
pub struct Settings<M = MethodSettings> {
    /// What every training has.
    #[serde(flatten)]
    pub common: Common,
    /// The method, with its constants and heads.
    pub method: M,
    /// Passes through the training images.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Use only the first so many training images; 0 uses all.
    pub limit: usize,
    /// Use only a share of the training images, drawn by a seed.
    #[serde(default)]
    pub images: ImageShare,
    /// Learn from each channel as a grey image of its own. The encoder then takes images of any channels, and gives the features of
    /// all their channels side by side.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bag_of_channels: bool,
    /// Pass all views through the network as one batch, sharing batch statistics, or one after the other.
    pub views_together: bool,
    /// Stop when the embeddings' standard deviation falls below this share of that of a full sphere; 0 never.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub collapse_threshold: f64,
    /// The periodic look at held-out labels.
    pub knn: KnnSettings,
}

/// `[images]`: which share of the training images is learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageShare {
    /// Share of the training images that is learned from.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub share: f64,
    /// How the share is drawn: `random` from all, `stratified` by class where there are labels, or `by-group`: whole groups.
    #[schemars(with = "Choice")]
    pub choice: LabelChoice,
    /// The seed of that draw.
    pub seed: u64,
}

impl Default for ImageShare {
    /// All of them.
    fn default() -> ImageShare {
        ImageShare { share: 1.0, choice: LabelChoice::Random, seed: 0 }
    }
}

/// The names of [`LabelChoice`], for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum Choice {
    Stratified,
    Random,
    #[serde(rename = "by-group")]
    ByGroup,
}

impl<M> Deref for Settings<M> {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

impl<M> DerefMut for Settings<M> {
    fn deref_mut(&mut self) -> &mut Common {
        &mut self.common
    }
}

/// What convolutions and linear layers multiply in training, and what a network's maps are kept in. Sums, statistics, losses and
/// weights are in single precision always, and so are the features by which an encoder is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Precision")]
pub enum PrecisionChoice {
    /// Single precision.
    F32,
    /// Numbers rounded to bf16, on the CPU. Faster where the processor has AMX or multiplies them as quickly by
    /// AVX-512-BF16, slower elsewhere.
    Bf16,
    /// `bf16` where it is faster, else `f32`. A run keeps what the machine it began on decides.
    Auto,
}

impl PrecisionChoice {
    /// `auto` resolved: what this machine is faster with.
    pub fn resolved(self) -> PrecisionChoice {
        match self {
            PrecisionChoice::Auto if has_bf16() => PrecisionChoice::Bf16,
            PrecisionChoice::Auto => PrecisionChoice::F32,
            chosen => chosen,
        }
    }

    /// The same as the network knows it.
    pub(crate) fn of_network(self) -> twinlens_nn::Precision {
        match self.resolved() {
            PrecisionChoice::Bf16 => twinlens_nn::Precision::Bf16,
            _ => twinlens_nn::Precision::F32,
        }
    }
}

/// `[knn]`: nearest neighbours among the training images for held-out ones, while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnnSettings {
    /// Epochs between two looks; 0 never looks.
    pub every: usize,
    /// Number of neighbours.
    #[schemars(range(min = 1))]
    pub k: usize,
    /// Temperature of the weighted vote.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub temperature: f64,
    /// At most so many training images to compare with; 0 takes all.
    pub limit: usize,
}

/// `[checkpoint]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSettings {
    /// Epochs between two checkpoints.
    #[schemars(range(min = 1))]
    pub every: usize,
    /// Numbered checkpoints kept beside the last and the best.
    pub keep: usize,
    /// Epochs whose checkpoints are kept besides, such as `[1, 10, 30]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub epochs: Vec<u64>,
    /// By what a checkpoint is the best.
    #[serde(default)]
    pub best: Best,
    /// What becomes of checkpoints when the run is done: then the encoder is in its own file.
    #[serde(default)]
    pub when_done: WhenDone,
}

/// By what a checkpoint is the best: the metric of that name in the log of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Best {
    /// The accuracy on held-out images, where they are looked at; otherwise there is no best one.
    #[default]
    Accuracy,
    /// The lowest loss of an epoch's last row.
    Loss,
    /// The highest effective rank of an epoch's last row.
    EffectiveRank,
}

/// What becomes of checkpoints when a run is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenDone {
    /// They stay: a run may go on for more epochs.
    #[default]
    Keep,
    /// They are removed.
    Remove,
}

impl Default for CheckpointSettings {
    /// After every epoch, the newest kept beside the last and the best by accuracy; nothing is removed at the end.
    fn default() -> CheckpointSettings {
        CheckpointSettings {
            every: 1,
            keep: 1,
            epochs: Vec::new(),
            best: Best::default(),
            when_done: WhenDone::default(),
        }
    }
}

impl Default for Common {
    fn default() -> Common {
        Common {
            data: String::new(),
            encoder: EncoderSettings::default(),
            size: ViewSize::default(),
            eval_resize: EvalResize::default(),
            batch: 128,
            seed: 0,
            deterministic: false,
            workers: 0,
            device: "auto".into(),
            precision: PrecisionChoice::F32,
            policy: "medmnist".into(),
            views: Vec::new(),
            log_every: 10,
            optim: OptimiserSettings::default(),
            schedule: ScheduleSettings::cosine(1.0),
            checkpoint: CheckpointSettings::default(),
            data_options: DataSettings::default(),
        }
    }
}

impl Default for Settings {
    /// The built-in defaults: Barlow Twins on small images. A recipe comes on top.
    fn default() -> Settings {
        Settings {
            common: Common::default(),
            method: MethodSettings::BarlowTwins(methods::BarlowTwinsSettings::default()),
            epochs: 10,
            limit: 0,
            images: ImageShare::default(),
            bag_of_channels: false,
            views_together: true,
            collapse_threshold: 0.01,
            knn: KnnSettings { every: 1, k: 20, temperature: 0.07, limit: 5000 },
        }
    }
}

fn check_gpu(name: &str, deterministic: bool, precision: PrecisionChoice) -> Result<(), SslError> {
    let device = name.to_owned();
    match precision {
        _ if deterministic => Err(SslError::NotDeterministic { device }),
        PrecisionChoice::Bf16 => Err(SslError::Bf16OnGpu { device }),
        PrecisionChoice::F32 | PrecisionChoice::Auto => Ok(()),
    }
}

/// Reports what is wrong with an optimiser.
fn check_optimiser(optim: &OptimiserSettings, problems: &mut Problems) {
    problems.positive("lr", optim.lr);
    problems.positive("lr_biases", optim.lr_biases.unwrap_or(1.0));
    problems.not_negative("weight_decay", optim.weight_decay);
    let clip = optim.clip_norm;
    problems.require("clip_norm", clip.is_finite() && clip >= 0.0, "0 (off) or more", &clip);
    let below_one = |value: &f64| (0.0..1.0).contains(value);
    match &optim.rule {
        OptimiserRule::Sgd(sgd) => {
            problems.require("momentum", below_one(&sgd.momentum), "0 to below 1", &sgd.momentum);
        }
        OptimiserRule::Lars(lars) => {
            problems.require("momentum", below_one(&lars.momentum), "0 to below 1", &lars.momentum);
            problems.positive("eta", lars.eta);
        }
        OptimiserRule::Adam(moments) | OptimiserRule::Adamw(moments) => {
            let betas = format!("{:?}", moments.betas);
            let sound = moments.betas.iter().all(below_one);
            problems.require("betas", sound, "two numbers from 0 to below 1", &betas);
            problems.positive("eps", moments.eps);
        }
    }
}

/// Reports what is wrong with a schedule over `epochs` epochs.
fn check_schedule(schedule: &ScheduleSettings, epochs: usize, problems: &mut Problems) {
    let warmup = schedule.warmup_epochs;
    // Of no epochs at all, that is what is wrong.
    let sound = epochs == 0 || (0.0..=epochs as f64).contains(&warmup);
    let expected = format!("0 to the number of epochs, {epochs}; schedule.warmup_epochs=0 leaves it out");
    problems.require("warmup_epochs", sound, &expected, &warmup);
    problems.share("warmup_start_factor", schedule.warmup_start_factor);
    match &schedule.shape {
        ScheduleShape::Cosine(cosine) => problems.share("final_factor", cosine.final_factor),
        ScheduleShape::MultiStep(MultiStep { gamma, .. }) => problems.positive("gamma", *gamma),
        ScheduleShape::Constant(_) => {}
    }
}

impl Common {
    /// The device of these settings.
    ///
    /// # Errors
    /// A device that is not there, or that `deterministic` or `precision` rules out.
    pub fn open_device(&self) -> Result<Device, SslError> {
        let device = device::open(&self.device)?;
        if !device::is_cpu(&device) {
            check_gpu(&self.device, self.deterministic, self.precision)?;
        }
        Ok(device)
    }

    /// What a learning rate that is stated for another batch is multiplied with.
    pub(crate) fn batch_factor(&self) -> f64 {
        let reference = self.optim.reference_batch;
        if reference == 0 { 1.0 } else { self.batch as f64 / reference as f64 }
    }

    /// What `encoder.json` says about an encoder with `features` features, trained so on images of `context` and `range`.
    pub fn description(
        &self,
        context: &BuildContext,
        range: &PixelRange,
        features: usize,
        origin: String,
    ) -> EncoderDescription {
        EncoderDescription {
            version: 2,
            encoder: self.encoder.name().into(),
            stem: self.encoder.stem().name().into(),
            channels: context.channels,
            features,
            size: context.size,
            range: Some(range.clone()),
            stain: None,
            bag_of_channels: false,
            mean: context.mean.clone(),
            std: context.std.clone(),
            eval_resize: self.eval_resize,
            origin,
        }
    }

    /// Reports what is wrong, of a training whose schedule lasts `epochs` epochs.
    pub(crate) fn check(&self, epochs: usize, problems: &mut Problems) {
        let why = "at least 2: batch statistics of one image do not exist";
        problems.require("batch", self.batch > 1, why, &self.batch);
        if let Some(ViewProblem { key, expected, got }) = self.eval_resize.problem() {
            problems.require(&key, false, &expected, &got);
        }
        problems.least_one("log_every", self.log_every);
        problems.least_one("checkpoint.every", self.checkpoint.every);
        problems.within("optim", |problems| check_optimiser(&self.optim, problems));
        problems.within("schedule", |problems| check_schedule(&self.schedule, epochs, problems));
    }
}

impl<M> Settings<M> {
    /// The same for another method, such as an [`OwnMethod`](methods::OwnMethod).
    pub fn with_method<N>(self, method: N) -> Settings<N> {
        let Settings {
            common,
            method: _,
            epochs,
            limit,
            images,
            bag_of_channels,
            views_together,
            collapse_threshold,
            knn,
        } = self;
        Settings {
            common,
            method,
            epochs,
            limit,
            images,
            bag_of_channels,
            views_together,
            collapse_threshold,
            knn,
        }
    }
}

impl<M: NamedMethod> Settings<M> {
    /// Everything that is wrong with these settings before any data is read.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Problems::default();
        self.common.check(self.epochs, &mut problems);
        problems.least_one("epochs", self.epochs);
        let share = self.images.share;
        problems.require("images.share", share > 0.0 && share <= 1.0, "above 0, up to 1", &share);
        problems.share("collapse_threshold", self.collapse_threshold);
        problems.least_one("knn.k", self.knn.k);
        problems.positive("knn.temperature", self.knn.temperature);
        self.check_views(&mut problems);
        problems.within("method", |problems| self.method.check(problems));
        problems.list()
    }

    fn check_views(&self, problems: &mut Problems) {
        problems.require("views", !self.views.is_empty(), "the operations of at least one view", "empty");
        let count = self.views.iter().map(|policy| policy.count).fold(0, usize::saturating_add);
        let range = self.method.views();
        let expected = format!("{} for {}", methods::describe(&range), self.method.name());
        let sound = self.views.is_empty() || range.contains(&count);
        problems.require("views", sound, &expected, &count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cpu_is_deterministic() {
        assert!(check_gpu("auto", false, PrecisionChoice::F32).is_ok());
        let error = check_gpu("auto", true, PrecisionChoice::F32).unwrap_err();
        assert!(
            error.to_string().contains("`auto`") && error.hint().unwrap().contains("{device} cpu"),
            "{error}"
        );
        let cpu = Common { deterministic: true, device: "cpu".into(), ..Common::default() };
        assert!(cpu.open_device().is_ok());
    }

    #[test]
    fn bf16_is_for_the_cpu_and_auto_takes_it_where_it_is_fast() {
        let error = check_gpu("gpu", false, PrecisionChoice::Bf16).unwrap_err();
        assert!(
            error.to_string().contains("`gpu`") && error.hint().unwrap().contains("{precision} f32"),
            "{error}"
        );
        assert!(check_gpu("gpu", false, PrecisionChoice::Auto).is_ok());
        let cpu = Common { precision: PrecisionChoice::Bf16, device: "cpu".into(), ..Common::default() };
        assert!(cpu.open_device().is_ok());
        assert_eq!(PrecisionChoice::Auto.resolved() == PrecisionChoice::Bf16, has_bf16());
        assert_eq!(PrecisionChoice::Bf16.resolved(), PrecisionChoice::Bf16);
    }
}
