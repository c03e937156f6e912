//! Everything that decides a fine-tuning run.

use std::fmt;
use std::ops::{Deref, DerefMut};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::{LabelAmount, LabelChoice};
use twinlens_eval::metrics::MEASURES;
use twinlens_nn::encoders;
use twinlens_nn::optim::{Moments, OptimiserRule, OptimiserSettings, ScheduleSettings};

use super::Metric;
use crate::problems::Problems;
use crate::settings::Choice;
use crate::{CheckpointSettings, Common, SettingProblem};

/// What `init` is called where the encoder starts from random weights.
pub const SCRATCH: &str = "scratch";

/// Settings of a fine-tuning run: an encoder with a classifier on top learns from labels. What it shares with pre-training
/// can be reached as if it were its own; every stage starts the optimiser afresh and goes through the schedule once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinetuneSettings {
    /// What every training has. The encoder is the file's, where it comes from one.
    #[serde(flatten)]
    pub common: Common,
    /// Where the encoder comes from: a run's folder, an encoder file, or `scratch` for random weights.
    pub init: String,
    /// SHA-256 of the encoder's weights; filled in when the encoder is read.
    #[serde(default)]
    pub init_sha256: String,
    /// What the encoder's file says of how it was made; found when it is read.
    #[serde(default)]
    pub init_origin: String,
    /// Subtracted from each channel; empty takes the encoder's, or the training images' means.
    #[serde(default)]
    pub mean: Vec<f32>,
    /// Divides each channel; empty takes the encoder's, or the training images' standard deviations.
    #[serde(default)]
    pub std: Vec<f32>,
    /// Share of the training labels that are used.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub label_share: f64,
    /// So many labels of every class instead; 0 goes by the share.
    pub labels_per_class: usize,
    /// How the share is chosen: `stratified`, `random`, or `by-group`: the labels of whole groups (`data_options.group`).
    #[schemars(with = "Choice")]
    pub label_choice: LabelChoice,
    /// What follows after what.
    pub stages: Vec<Stage>,
    /// What turns features into classes.
    pub head: Head,
    /// Standard deviation of the head's first weights, its biases 0; 0 starts as PyTorch does, uniformly.
    pub head_init_std: f64,
    /// What the learning rate is multiplied with for every block between a block and the head; 1 treats all alike.
    pub layer_decay: f64,
    /// The look at validation labels.
    pub validation: ValidationSettings,
}

impl Deref for FinetuneSettings {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

impl DerefMut for FinetuneSettings {
    fn deref_mut(&mut self) -> &mut Common {
        &mut self.common
    }
}

/// `[[stages]]`: so many epochs in which the same part of the network learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Passes through the labelled images.
    pub epochs: usize,
    /// What learns beside the head, which always does: `"head"` (nothing), `"all"`, or a list of modules by torchvision's
    /// names, such as `["layer3", "layer4.1"]`. What does not learn keeps its running statistics too, and uses them.
    pub trainable: Trainable,
    /// Learning rate of the encoder; without it, `optim.lr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr_encoder: Option<f64>,
    /// Learning rate of the head; without it, `optim.lr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr_head: Option<f64>,
    /// Keep and use the running statistics of all batch norms, also where the encoder learns.
    #[serde(default)]
    pub freeze_batch_norm: bool,
}

/// What learns in a stage beside the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"head\", \"all\" or a list of modules such as [\"layer4\"]")]
pub enum Trainable {
    /// Nothing, or everything.
    Whole(Whole),
    /// These modules.
    Modules(Vec<String>),
}

/// Nothing or everything of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Whole {
    /// The head alone learns.
    Head,
    /// The whole encoder learns.
    All,
}

impl Trainable {
    /// Whether the encoder's weight called `name` learns.
    pub fn holds(&self, name: &str) -> bool {
        match self {
            Trainable::Whole(whole) => *whole == Whole::All,
            Trainable::Modules(modules) => modules.iter().any(|module| encoders::is_within(name, module)),
        }
    }

    /// Whether no weight of the encoder learns.
    pub fn is_head_only(&self) -> bool {
        *self == Trainable::Whole(Whole::Head)
    }
}

impl fmt::Display for Trainable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trainable::Whole(Whole::Head) => f.write_str("the head"),
            Trainable::Whole(Whole::All) => f.write_str("everything"),
            Trainable::Modules(modules) => write!(f, "{} and the head", modules.join(", ")),
        }
    }
}

/// What turns features into classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// One linear layer.
    Linear,
    /// A ReLU, then one linear layer.
    ReluLinear,
}

/// `[validation]`: the look at the validation images, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidationSettings {
    /// Epochs between two looks; the last epoch is always looked at.
    pub every: usize,
    /// By what weights are compared.
    pub metric: Metric,
    /// Stop when so many epochs of the last stage have gone by without a better value; 0 goes to the end.
    pub patience: usize,
    /// Take the weights of the epoch with the best value, the first of several; else those of the last epoch.
    pub keep_best: bool,
}

impl ValidationSettings {
    /// Whether something is chosen by the look, so that there must be images to look at.
    pub fn chooses(&self) -> bool {
        self.keep_best || self.patience > 0
    }
}

impl Default for FinetuneSettings {
    /// One linear layer and the whole encoder learn together. A recipe comes on top.
    fn default() -> FinetuneSettings {
        let adam = OptimiserSettings::new(OptimiserRule::Adam(Moments::default()), 1e-3);
        FinetuneSettings {
            common: Common {
                policy: "crop-flip".into(),
                optim: OptimiserSettings { weight_decay: 0.0, ..adam },
                schedule: ScheduleSettings::cosine(0.0),
                checkpoint: CheckpointSettings { every: 10, keep: 0, ..CheckpointSettings::default() },
                ..Common::default()
            },
            init: SCRATCH.into(),
            init_sha256: String::new(),
            init_origin: String::new(),
            mean: Vec::new(),
            std: Vec::new(),
            label_share: 1.0,
            labels_per_class: 0,
            label_choice: LabelChoice::Stratified,
            stages: vec![Stage {
                epochs: 40,
                trainable: Trainable::Whole(Whole::All),
                lr_encoder: None,
                lr_head: None,
                freeze_batch_norm: false,
            }],
            head: Head::Linear,
            head_init_std: 0.0,
            layer_decay: 1.0,
            validation: ValidationSettings {
                every: 1,
                metric: Metric::Measure(&MEASURES[0]),
                patience: 0,
                keep_best: true,
            },
        }
    }
}

impl FinetuneSettings {
    /// Epochs of all stages together.
    pub fn epochs(&self) -> usize {
        self.stages.iter().map(|stage| stage.epochs).sum()
    }

    /// How many labels are used.
    pub fn label_amount(&self) -> LabelAmount {
        match self.labels_per_class {
            0 => LabelAmount::Share(self.label_share),
            count => LabelAmount::PerClass(count),
        }
    }

    /// Takes another number of labels.
    pub fn set_label_amount(&mut self, amount: LabelAmount) {
        (self.label_share, self.labels_per_class) = match amount {
            LabelAmount::Share(share) => (share, 0),
            LabelAmount::PerClass(count) => (1.0, count),
        };
    }

    /// The same budget for an encoder of random weights, of which nothing is worth freezing: all of it learns in every
    /// stage, at the stage's learning rate for the encoder.
    pub fn from_scratch(&self) -> FinetuneSettings {
        let mut settings = FinetuneSettings {
            init: SCRATCH.into(),
            init_sha256: String::new(),
            init_origin: String::new(),
            ..self.clone()
        };
        for stage in &mut settings.stages {
            stage.trainable = Trainable::Whole(Whole::All);
            stage.freeze_batch_norm = false;
        }
        settings
    }

    /// Everything that is wrong with these settings before any data is read.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Problems::default();
        let shortest = self.stages.iter().map(|stage| stage.epochs).min().unwrap_or(0);
        self.common.check(shortest, &mut problems);
        let joined = self.data_options.join.join(", ");
        let expected = "nothing: labels are those of one data set";
        problems.require("data_options.join", joined.is_empty(), expected, &joined);
        let share = self.label_share;
        problems.require("label_share", share > 0.0 && share <= 1.0, "above 0, up to 1", &share);
        let one = self.labels_per_class == 0 || share == 1.0;
        problems.require("labels_per_class", one, "0 where label_share is not 1", &self.labels_per_class);
        problems.not_negative("head_init_std", self.head_init_std);
        let decay = self.layer_decay;
        problems.require("layer_decay", decay > 0.0 && decay <= 1.0, "above 0, up to 1", &decay);
        let views: usize = self.views.iter().map(|policy| policy.count).fold(0, usize::saturating_add);
        problems.require("views", views == 1, "one view", &views);
        problems.least_one("validation.every", self.validation.every);
        self.check_stages(&mut problems);
        problems.list()
    }

    fn check_stages(&self, problems: &mut Problems) {
        problems.require("stages", !self.stages.is_empty(), "at least one stage", "empty");
        for (number, stage) in self.stages.iter().enumerate() {
            let epochs = format!("at least 1 epoch in stage {number}");
            problems.require("stages", stage.epochs > 0, &epochs, &stage.epochs);
            let rates = [stage.lr_encoder, stage.lr_head];
            for rate in rates.into_iter().flatten() {
                let expected = format!("learning rates above 0 in stage {number}");
                problems.require("stages", rate.is_finite() && rate > 0.0, &expected, &rate);
            }
            if let Trainable::Modules(modules) = &stage.trainable {
                let expected = format!("the names of modules in stage {number}, or \"head\"");
                problems.require("stages", !modules.is_empty(), &expected, "an empty list");
                self.check_modules(modules, problems);
            }
        }
    }

    /// Reports names that no weight of the encoder has, once it is known which encoder it is.
    fn check_modules(&self, modules: &[String], problems: &mut Problems) {
        if self.init != SCRATCH && self.init_sha256.is_empty() {
            return;
        }
        let entries = self.encoder.entries(3);
        let blocks = self.encoder.blocks().concat().join(", ");
        for module in modules {
            let found = entries.iter().any(|(name, _)| encoders::is_within(name, module));
            let expected = format!("modules of {} such as {blocks}", self.encoder.name());
            problems.require("stages", found, &expected, module);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut FinetuneSettings)) -> String {
        let views = twinlens_views::presets::preset("crop-flip").unwrap();
        let common = Common { views, ..FinetuneSettings::default().common };
        let mut settings = FinetuneSettings { common, ..FinetuneSettings::default() };
        change(&mut settings);
        settings.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_can() {
        assert_eq!(with(|_| {}), "");
        let modules =
            |names: &[&str]| Trainable::Modules(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(with(|s| s.stages[0].trainable = modules(&["layer4.1", "conv1"])), "");
        let told = with(|s| s.stages[0].trainable = modules(&["layer5"]));
        assert!(told.contains("layer5") && told.contains("conv1, bn1, layer1"), "{told}");
        assert!(with(|s| s.stages[0].trainable = modules(&[])).contains("an empty list"));
        assert!(with(|s| s.stages[0].epochs = 0).contains("at least 1 epoch"));
        assert!(with(|s| s.stages.clear()).contains("at least one stage"));
        assert!(with(|s| s.stages[0].lr_head = Some(-1.0)).contains("above 0 in stage 0"));
        assert!(with(|s| s.layer_decay = 1.5).contains("layer_decay"));
        assert!(with(|s| s.label_share = 0.0).contains("label_share"));
        let both = with(|s| (s.label_share, s.labels_per_class) = (0.5, 3));
        assert!(both.contains("labels_per_class is 3, expected 0"), "{both}");
        assert!(with(|s| s.eval_resize.crop = 0.0).contains("eval_resize.crop is 0, expected 0.1 to 1"));
        let joined = with(|s| s.data_options.join = vec!["b.npz".into()]);
        assert!(joined.contains("data_options.join is b.npz, expected nothing"), "{joined}");
        assert!(with(|s| s.views[0].count = 2).contains("one view"));
        assert!(with(|s| s.schedule.warmup_epochs = 41.0).contains("warmup_epochs"));
    }

    #[test]
    fn what_learns_goes_by_whole_module_names() {
        let some = Trainable::Modules(vec!["layer1".into(), "bn1".into()]);
        assert!(some.holds("layer1.0.conv1.weight") && some.holds("bn1.running_mean"));
        assert!(!some.holds("layer10.0.weight") && !some.holds("conv1.weight") && !some.is_head_only());
        assert!(Trainable::Whole(Whole::All).holds("conv1.weight"));
        assert!(!Trainable::Whole(Whole::Head).holds("conv1.weight"));
        let words =
            [some, Trainable::Whole(Whole::Head), Trainable::Whole(Whole::All)].map(|one| one.to_string());
        assert_eq!(words, ["layer1, bn1 and the head", "the head", "everything"]);
    }

    #[test]
    fn from_scratch_nothing_is_frozen_and_the_budget_is_kept() {
        let mut settings = FinetuneSettings { init: "runs/a".into(), ..FinetuneSettings::default() };
        settings.stages[0].trainable = Trainable::Whole(Whole::Head);
        settings.stages[0].freeze_batch_norm = true;
        let scratch = settings.from_scratch();
        assert_eq!((scratch.epochs(), scratch.init.as_str()), (settings.epochs(), SCRATCH));
        assert!(scratch.stages[0].trainable.holds("conv1.weight") && !scratch.stages[0].freeze_batch_norm);
    }
}
