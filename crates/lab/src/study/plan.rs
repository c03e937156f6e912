//! What a study is made of: an encoder and its rivals, or its blocks; amounts of labels; seeds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twinlens_data::{DataSet, LabelAmount, RangeChoice};
use twinlens_nn::optim::ScheduleShape;
use twinlens_nn::weights::{EncoderDescription, EncoderFile, NamedTensor};
use twinlens_run::Recipe;
use twinlens_ssl::ViewSize;
use twinlens_ssl::finetune::{FinetuneSettings, Trainable, Whole};

use super::rival::Rival;
use crate::jobs::{Finetuning, JobError, adopt_encoder};
use crate::settings::{finetune_spec, told};
use crate::{FeaturesKind, LabError, read_encoder};

/// The file that says what a study is made of, in its folder.
pub const PLAN: &str = "study.toml";
/// What [`Rival::Untrained`] and [`Rival::Pixels`] are called beside others.
pub(super) const UNTRAINED_PROBE: &str = "untrained probe";
pub(super) const PIXELS_PROBE: &str = "pixels probe";

/// What a study is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyPlan {
    /// Amounts of labels, from few to many.
    pub amounts: Vec<LabelAmount>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// What the encoder is compared with.
    pub rivals: Vec<Rival>,
    /// Whether each block learns by itself in turn.
    pub sweep_blocks: bool,
    /// The settings of the encoder's own fine-tuning.
    pub settings: FinetuneSettings,
    /// The recipe that these follow, where they follow one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
}

impl StudyPlan {
    /// The same with one seed and, of the fewest labels, as many as make about two steps an epoch; every stage has one.
    pub fn shortened(mut self, classes: usize, images: usize) -> StudyPlan {
        let settings = &mut self.settings;
        settings.stages.iter_mut().for_each(|stage| stage.epochs = 1);
        settings.schedule.warmup_epochs = settings.schedule.warmup_epochs.min(1.0);
        if let ScheduleShape::MultiStep(steps) = &mut settings.schedule.shape {
            steps.milestones.clear();
        }
        let enough = LabelAmount::PerClass((2 * settings.batch).div_ceil(classes.max(1)));
        let few = |amount: &LabelAmount| match *amount {
            LabelAmount::Share(share) => share * images as f64 <= (2 * settings.batch) as f64,
            LabelAmount::PerClass(count) => count * classes <= 2 * settings.batch,
        };
        let amount = self.amounts.first().copied().filter(few).unwrap_or(enough);
        self.amounts = vec![amount];
        self.seeds.truncate(1);
        self.settled()
    }

    /// The same; of a single amount and seed, the settings say these too.
    pub fn settled(mut self) -> StudyPlan {
        if let ([amount], [seed]) = (self.amounts.as_slice(), self.seeds.as_slice()) {
            self.settings.set_label_amount(*amount);
            self.settings.seed = *seed;
        }
        self
    }

    /// Whether it is one training only.
    pub fn is_one(&self) -> bool {
        self.amounts.len() * self.seeds.len() == 1 && self.rivals.is_empty() && !self.sweep_blocks
    }

    /// A study from its file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(path: &Path) -> Result<StudyPlan, LabError> {
        let text = std::fs::read_to_string(path).map_err(|error| LabError::io(path, error))?;
        StudyPlan::parse(&path.display().to_string(), &text)
    }

    /// A study from the text of its file, whose settings may be in an older form.
    fn parse(path: &str, text: &str) -> Result<StudyPlan, LabError> {
        let wrong = |reason: String| LabError::from(JobError::Unreadable { reason }).at(path);
        let mut plan: toml::Table =
            text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
        if let Some(saved) = plan.get_mut("settings") {
            let text = toml::to_string(saved).map_err(|error| wrong(error.to_string()))?;
            let read = finetune_spec().read(path, &text).map_err(|report| wrong(report.to_string()))?;
            *saved = told(read).table.into();
        }
        plan.try_into().map_err(|error: toml::de::Error| wrong(error.to_string()))
    }

    /// What the study compares: the encoder and its rivals, or its blocks.
    ///
    /// # Errors
    /// An encoder or labels that cannot be used, rivals that need an encoder where there is none.
    pub(super) fn conditions(
        &self,
        file: Option<Arc<EncoderFile>>,
        data: &DataSet,
    ) -> Result<Vec<Condition>, LabError> {
        let compared = if self.sweep_blocks { self.blocks(file)? } else { self.rivals(file)? };
        let mut conditions: Vec<Condition> = Vec::new();
        for (name, learning) in compared {
            let condition = Condition::new(&name, learning, self, data)?;
            if conditions.iter().any(|other| other.folder == condition.folder) {
                return Err(JobError::SameName { name }.into());
            }
            conditions.push(condition);
        }
        Ok(conditions)
    }

    /// The encoder itself and its rivals.
    fn rivals(&self, file: Option<Arc<EncoderFile>>) -> Result<Vec<(String, Learning)>, LabError> {
        let own = if file.is_some() { "fine-tuned" } else { "scratch" };
        let mut compared = vec![(own.to_owned(), Learning::tuned(self.settings.clone(), file.clone()))];
        for rival in &self.rivals {
            let needed = || JobError::NeedsEncoder { rival: String::from(rival.clone()) };
            compared.push(match rival {
                Rival::Scratch => {
                    file.as_ref().ok_or_else(needed)?;
                    ("scratch".into(), Learning::tuned(self.settings.from_scratch(), None))
                }
                Rival::Probe => {
                    let file = file.as_ref().ok_or_else(needed)?;
                    ("frozen probe".into(), self.probed(FeaturesKind::Trained, file.tensors.clone()))
                }
                // These have no weights that are learned.
                Rival::Untrained => {
                    (UNTRAINED_PROBE.into(), self.probed(FeaturesKind::Untrained, BTreeMap::new()))
                }
                Rival::Pixels => (PIXELS_PROBE.into(), self.probed(FeaturesKind::Pixels, BTreeMap::new())),
                Rival::Encoder { name, path } => {
                    let file = Arc::new(read_encoder(Path::new(path))?);
                    let mut settings = self.settings.clone();
                    settings.init.clone_from(path);
                    // Another encoder sees images as it was trained to.
                    (settings.size, settings.mean, settings.std) = (ViewSize::default(), vec![], vec![]);
                    if let RangeChoice::Kept(_) = settings.data_options.range {
                        settings.data_options.range = RangeChoice::default();
                    }
                    adopt_encoder(&mut settings, &file)?;
                    (name.clone(), Learning::tuned(settings, Some(file)))
                }
            });
        }
        Ok(compared)
    }

    /// Each block by itself, between the head alone and everything.
    fn blocks(&self, file: Option<Arc<EncoderFile>>) -> Result<Vec<(String, Learning)>, LabError> {
        let head = ("head".to_owned(), Trainable::Whole(Whole::Head));
        let all = ("all".to_owned(), Trainable::Whole(Whole::All));
        let blocks = self.settings.encoder.blocks().into_iter();
        let blocks = blocks.map(|modules| (modules.join("+"), Trainable::Modules(modules)));
        if self.settings.stages.iter().all(|stage| stage.trainable.is_head_only()) {
            return Err(JobError::NoBlocks.into());
        }
        let learning = |(name, trainable): (String, Trainable)| {
            let mut settings = self.settings.clone();
            for stage in settings.stages.iter_mut().filter(|stage| !stage.trainable.is_head_only()) {
                stage.trainable = trainable.clone();
            }
            (name, Learning::tuned(settings, file.clone()))
        };
        Ok(std::iter::once(head).chain(blocks).chain([all]).map(learning).collect())
    }

    /// A linear probe of features, of images prepared as for the fine-tuning.
    fn probed(&self, of: FeaturesKind, tensors: BTreeMap<String, NamedTensor>) -> Learning {
        let FinetuneSettings { common, mean, std, init, .. } = &self.settings;
        let description = EncoderDescription {
            version: 2,
            encoder: common.encoder.name().into(),
            stem: common.encoder.stem().name().into(),
            channels: mean.len(),
            features: common.encoder.features(),
            size: common.size.known().unwrap_or_default(),
            range: None, // the images come with theirs
            stain: None,
            bag_of_channels: false,
            mean: mean.clone(),
            std: std.clone(),
            eval_resize: common.eval_resize,
            origin: init.clone(),
        };
        Learning::Probed { of, file: Arc::new(EncoderFile { description, tensors }) }
    }

    /// Every amount with every seed.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        self.amounts.iter().flat_map(|&amount| self.seeds.iter().map(move |&seed| Cell { amount, seed }))
    }

    /// What its files are called.
    pub fn name(&self) -> &'static str {
        if self.sweep_blocks { "surgical" } else { "label-efficiency" }
    }
}

/// How a condition learns from labels.
enum Learning {
    /// By fine-tuning an encoder, or from random weights.
    Tuned { settings: Box<FinetuneSettings>, file: Option<Arc<EncoderFile>> },
    /// By a linear probe of features.
    Probed { of: FeaturesKind, file: Arc<EncoderFile> },
}

impl Learning {
    fn tuned(settings: FinetuneSettings, file: Option<Arc<EncoderFile>>) -> Learning {
        Learning::Tuned { settings: Box::new(settings), file }
    }
}

/// One line of the curve.
pub struct Condition {
    /// What it is called.
    pub name: String,
    /// Its folder in the study's.
    pub folder: String,
    /// What learns from labels.
    pub learners: Learners,
}

/// What learns from labels.
pub enum Learners {
    /// Trainings, one for every amount and seed, in this order.
    Tuned(Vec<Finetuning>),
    /// A linear probe.
    Probed {
        /// What it is given.
        of: FeaturesKind,
        /// The encoder that makes its features.
        file: Arc<EncoderFile>,
    },
}

impl Condition {
    fn new(name: &str, learning: Learning, plan: &StudyPlan, data: &DataSet) -> Result<Condition, LabError> {
        let learners = match learning {
            Learning::Probed { of, file } => Learners::Probed { of, file },
            Learning::Tuned { settings, file } => {
                let job = |cell: Cell| {
                    let mut settings = (*settings).clone();
                    settings.set_label_amount(cell.amount);
                    settings.seed = cell.seed;
                    let job = Finetuning::new(settings, file.clone(), data)
                        .map_err(|error| error.at(format!("{name}, {}", cell.name())))?;
                    Ok(job.following(plan.recipe.clone()))
                };
                Learners::Tuned(plan.cells().map(job).collect::<Result<_, LabError>>()?)
            }
        };
        Ok(Condition { name: name.to_owned(), folder: folder_of(name), learners })
    }

    /// Its largest training, and how many times the images of that one all its trainings see; none of a probe.
    pub fn largest(&self) -> Option<(&Finetuning, f64)> {
        let Learners::Tuned(jobs) = &self.learners else { return None };
        let seen = |job: &Finetuning| job.settings.epochs() * job.images.train.len();
        let largest = jobs.iter().max_by_key(|job| seen(job))?;
        let all: usize = jobs.iter().map(seen).sum();
        Some((largest, all as f64 / seen(largest).max(1) as f64))
    }
}

/// The folder of the condition called `name` in its study's.
pub fn folder_of(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '-' };
    name.chars().map(plain).collect()
}

/// One amount with one seed.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// How many labels.
    pub amount: LabelAmount,
    /// The seed of labels, order and views.
    pub seed: u64,
}

impl Cell {
    /// What its folder or file is called.
    pub fn name(self) -> String {
        format!("{}-seed-{}", in_names(self.amount), self.seed)
    }
}

/// An amount of labels in the names of files.
pub fn in_names(amount: LabelAmount) -> String {
    match amount {
        LabelAmount::Share(share) => format!("share-{share}"),
        LabelAmount::PerClass(count) => format!("per-class-{count}"),
    }
}

#[cfg(test)]
mod tests {
    use twinlens_nn::optim::{MultiStep, ScheduleSettings};

    use super::*;

    fn plan() -> StudyPlan {
        StudyPlan {
            amounts: vec![LabelAmount::Share(0.01), LabelAmount::Share(1.0)],
            seeds: vec![0, 7],
            rivals: vec![Rival::Scratch, Rival::Pixels],
            sweep_blocks: false,
            settings: FinetuneSettings::default(),
            recipe: None,
        }
    }

    #[test]
    fn a_study_survives_its_file() {
        let text = toml::to_string_pretty(&plan()).unwrap();
        assert!(!text.contains("recipe"), "as before there were recipes in plans");
        assert_eq!(StudyPlan::parse("study.toml", &text).unwrap(), plan());
        let recipe =
            Recipe { id: "finetune/full".into(), sha256: "07".into(), changed: vec!["batch".into()] };
        let plan = StudyPlan { recipe: Some(recipe), ..plan() };
        let text = toml::to_string_pretty(&plan).unwrap();
        assert_eq!(StudyPlan::parse("study.toml", &text).unwrap(), plan);
    }

    #[test]
    fn a_study_of_an_earlier_version_is_read() {
        let text = include_str!("../../../twinlens/tests/old_settings/study.toml");
        let plan = StudyPlan::parse("study.toml", text).unwrap();
        assert_eq!((plan.seeds.as_slice(), plan.settings.encoder.name()), (&[0, 1][..], "resnet18"));
        let again = StudyPlan::parse("study.toml", &toml::to_string_pretty(&plan).unwrap()).unwrap();
        assert_eq!(again, plan);
        assert!(StudyPlan::parse("study.toml", "seeds = []\n[settings]\nepoch = 1\n").is_err());
    }

    #[test]
    fn every_amount_meets_every_seed_in_a_place_of_its_own() {
        let names: Vec<String> = plan().cells().map(Cell::name).collect();
        assert_eq!(names, ["share-0.01-seed-0", "share-0.01-seed-7", "share-1-seed-0", "share-1-seed-7"]);
        let one = Cell { amount: LabelAmount::PerClass(5), seed: 2 };
        assert_eq!(one.name(), "per-class-5-seed-2");
    }

    #[test]
    fn blocks_are_swept_where_a_stage_has_any() {
        let mut plan = StudyPlan { sweep_blocks: true, rivals: vec![], ..plan() };
        let compared = plan.blocks(None).unwrap();
        let names: Vec<&str> = compared.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["head", "conv1+bn1", "layer1", "layer2", "layer3", "layer4", "all"]);
        let Learning::Tuned { settings, .. } = &compared[3].1 else { panic!("a probe") };
        assert_eq!(settings.stages[0].trainable, Trainable::Modules(vec!["layer2".into()]));
        plan.settings.stages[0].trainable = Trainable::Whole(Whole::Head);
        assert!(plan.blocks(None).is_err());
    }

    #[test]
    fn a_rehearsal_is_one_seed_and_few_steps() {
        let mut long = plan();
        long.settings.batch = 16;
        let steps = MultiStep { milestones: vec![20.0], gamma: 0.1 };
        long.settings.schedule = ScheduleSettings::new(ScheduleShape::MultiStep(steps), 0.0);
        let short = long.clone().shortened(8, 1000);
        // A share of 0.01 of 1,000 labels is less than two batches.
        assert_eq!((short.amounts, short.seeds), (vec![LabelAmount::Share(0.01)], vec![0]));
        assert_eq!((short.settings.epochs(), short.settings.label_share), (1, 0.01));
        assert!(short.settings.problems().iter().all(|problem| problem.key == "views"));
        long.amounts = vec![LabelAmount::Share(0.5)];
        assert_eq!(long.shortened(8, 1000).settings.labels_per_class, 4);
    }

    #[test]
    fn scratch_has_no_rivals_that_need_an_encoder() {
        for rival in [Rival::Scratch, Rival::Probe] {
            let error = StudyPlan { rivals: vec![rival], ..plan() }.rivals(None).err().unwrap();
            assert!(matches!(error, LabError::Job(JobError::NeedsEncoder { .. })), "{error}");
        }
        let compared = StudyPlan { rivals: vec![Rival::Pixels], ..plan() }.rivals(None).unwrap();
        let names: Vec<&str> = compared.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["scratch", "pixels probe"]);
    }
}
