//! What a study is made of: an encoder and its rivals, or its blocks; amounts of labels; seeds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twinlens_data::{DataSet, LabelAmount, RangeChoice};
use twinlens_lab::read_encoder;
use twinlens_nn::optim::ScheduleShape;
use twinlens_nn::weights::{EncoderDescription, EncoderFile, NamedTensor};
use twinlens_ssl::finetune::{FinetuneSettings, Trainable, Whole};

use super::super::judge::Kind;
use super::super::spec::{finetune_spec, told};
use super::job::Job;
use super::rival::Rival;
use super::take_file;
use crate::exit::{Exit, Failure, Outcome};

/// The file that says what a study is made of, in its folder.
pub const PLAN: &str = "study.toml";

/// What a study is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
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
}

impl Sweep {
    /// The same with one seed and, of the fewest labels, as many as make about two steps an epoch; every stage has one.
    pub fn shortened(mut self, classes: usize, images: usize) -> Sweep {
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
    pub fn settled(mut self) -> Sweep {
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
    pub fn read(path: &Path) -> Outcome<Sweep> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| Failure::new(Exit::Environment, error).at(path.display()))?;
        Sweep::parse(&path.display().to_string(), &text).map_err(|failure| {
            failure.hint("was it written by another version of this program, or changed by hand?")
        })
    }

    /// A study from the text of its file, whose settings may be in an older form.
    fn parse(path: &str, text: &str) -> Outcome<Sweep> {
        let wrong = |error: toml::de::Error| Failure::new(Exit::Data, error).at(path);
        let mut plan: toml::Table = text.parse().map_err(wrong)?;
        if let Some(settings) = plan.get_mut("settings") {
            let text =
                toml::to_string(settings).map_err(|error| Failure::new(Exit::Failed, error).at(path))?;
            let saved = finetune_spec().read(path, &text);
            let saved = told(saved.map_err(|report| Failure::new(Exit::Data, report))?);
            *settings = saved.table.into();
        }
        plan.try_into().map_err(wrong)
    }

    /// What the study compares: the encoder and its rivals, or its blocks.
    ///
    /// # Errors
    /// An encoder or labels that cannot be used, rivals that need an encoder where there is none.
    pub fn conditions(&self, file: Option<Arc<EncoderFile>>, data: &DataSet) -> Outcome<Vec<Condition>> {
        let ways = if self.sweep_blocks { self.blocks(file)? } else { self.rivals(file)? };
        let mut conditions: Vec<Condition> = Vec::new();
        for (name, way) in ways {
            let condition = Condition::new(&name, way, self, data)?;
            if conditions.iter().any(|other| other.folder == condition.folder) {
                let failure = Failure::message(Exit::Usage, format!("two encoders are called `{name}`"));
                return Err(failure.hint("name rivals apart as NAME=FILE"));
            }
            conditions.push(condition);
        }
        Ok(conditions)
    }

    /// The encoder itself and its rivals.
    fn rivals(&self, file: Option<Arc<EncoderFile>>) -> Outcome<Vec<(String, Way)>> {
        let own = if file.is_some() { "fine-tuned" } else { "scratch" };
        let mut ways = vec![(own.to_owned(), Way::tuned(self.settings.clone(), file.clone()))];
        for rival in &self.rivals {
            let needed = || {
                let message = format!("`{}` needs an encoder to compare with", String::from(rival.clone()));
                Failure::message(Exit::Usage, message)
                    .hint("name a run's folder or an encoder file, not `scratch`")
            };
            ways.push(match rival {
                Rival::Scratch => {
                    file.as_ref().ok_or_else(needed)?;
                    ("scratch".into(), Way::tuned(self.settings.from_scratch(), None))
                }
                Rival::Probe => {
                    let file = file.as_ref().ok_or_else(needed)?;
                    ("frozen probe".into(), self.probed(Kind::Trained, file.tensors.clone()))
                }
                // These have no weights that are learned.
                Rival::Untrained => ("untrained probe".into(), self.probed(Kind::Untrained, BTreeMap::new())),
                Rival::Pixels => ("pixels probe".into(), self.probed(Kind::Pixels, BTreeMap::new())),
                Rival::Encoder { name, path } => {
                    let file = Arc::new(read_encoder(Path::new(path))?);
                    let mut settings = self.settings.clone();
                    settings.init.clone_from(path);
                    // Another encoder sees images as it was trained to.
                    (settings.size, settings.mean, settings.std) = (0, vec![], vec![]);
                    if let RangeChoice::Kept(_) = settings.data_options.range {
                        settings.data_options.range = RangeChoice::default();
                    }
                    take_file(&mut settings, &file)?;
                    (name.clone(), Way::tuned(settings, Some(file)))
                }
            });
        }
        Ok(ways)
    }

    /// Each block by itself, between the head alone and everything.
    fn blocks(&self, file: Option<Arc<EncoderFile>>) -> Outcome<Vec<(String, Way)>> {
        let head = ("head".to_owned(), Trainable::Whole(Whole::Head));
        let all = ("all".to_owned(), Trainable::Whole(Whole::All));
        let blocks = self.settings.encoder.blocks().into_iter();
        let blocks = blocks.map(|modules| (modules.join("+"), Trainable::Modules(modules)));
        if self.settings.stages.iter().all(|stage| stage.trainable.is_head_only()) {
            let failure = Failure::message(Exit::Usage, "in no stage does a part of the encoder learn");
            return Err(failure.hint("take a recipe in which one does, such as --preset finetune/surgical"));
        }
        let way = |(name, trainable): (String, Trainable)| {
            let mut settings = self.settings.clone();
            for stage in settings.stages.iter_mut().filter(|stage| !stage.trainable.is_head_only()) {
                stage.trainable = trainable.clone();
            }
            (name, Way::tuned(settings, file.clone()))
        };
        Ok(std::iter::once(head).chain(blocks).chain([all]).map(way).collect())
    }

    /// A linear probe of features, of images prepared as for the fine-tuning.
    fn probed(&self, kind: Kind, tensors: BTreeMap<String, NamedTensor>) -> Way {
        let FinetuneSettings { common, mean, std, init, .. } = &self.settings;
        let description = EncoderDescription {
            version: 2,
            encoder: common.encoder.name().into(),
            stem: common.encoder.stem().name().into(),
            channels: mean.len(),
            features: common.encoder.spec().features,
            size: common.size,
            range: None, // the images come with theirs
            mean: mean.clone(),
            std: std.clone(),
            origin: init.clone(),
        };
        Way::Probed { kind, file: Arc::new(EncoderFile { description, tensors }) }
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
enum Way {
    /// By fine-tuning an encoder, or from random weights.
    Tuned { settings: Box<FinetuneSettings>, file: Option<Arc<EncoderFile>> },
    /// By a linear probe of features.
    Probed { kind: Kind, file: Arc<EncoderFile> },
}

impl Way {
    fn tuned(settings: FinetuneSettings, file: Option<Arc<EncoderFile>>) -> Way {
        Way::Tuned { settings: Box::new(settings), file }
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
    Tuned(Vec<Job>),
    /// A linear probe.
    Probed {
        /// What it is given.
        kind: Kind,
        /// The encoder that makes its features.
        file: Arc<EncoderFile>,
    },
}

impl Condition {
    fn new(name: &str, way: Way, sweep: &Sweep, data: &DataSet) -> Outcome<Condition> {
        let learners = match way {
            Way::Probed { kind, file } => Learners::Probed { kind, file },
            Way::Tuned { settings, file } => {
                let job = |cell: Cell| {
                    let mut settings = (*settings).clone();
                    settings.set_label_amount(cell.amount);
                    settings.seed = cell.seed;
                    Job::new(settings, file.clone(), data)
                        .map_err(|failure| failure.at(format!("{name}, {}", cell.name())))
                };
                Learners::Tuned(sweep.cells().map(job).collect::<Outcome<_>>()?)
            }
        };
        Ok(Condition { name: name.to_owned(), folder: folder_of(name), learners })
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

    fn sweep() -> Sweep {
        Sweep {
            amounts: vec![LabelAmount::Share(0.01), LabelAmount::Share(1.0)],
            seeds: vec![0, 7],
            rivals: vec![Rival::Scratch, Rival::Pixels],
            sweep_blocks: false,
            settings: FinetuneSettings::default(),
        }
    }

    #[test]
    fn a_study_survives_its_file() {
        let text = toml::to_string_pretty(&sweep()).unwrap();
        assert_eq!(Sweep::parse("study.toml", &text).unwrap(), sweep());
    }

    #[test]
    fn a_study_of_an_earlier_version_is_read() {
        let text = include_str!("../../../tests/old_settings/study.toml");
        let sweep = Sweep::parse("study.toml", text).unwrap();
        assert_eq!((sweep.seeds.as_slice(), sweep.settings.encoder.name()), (&[0, 1][..], "resnet18"));
        let again = Sweep::parse("study.toml", &toml::to_string_pretty(&sweep).unwrap()).unwrap();
        assert_eq!(again, sweep);
        assert!(Sweep::parse("study.toml", "seeds = []\n[settings]\nepoch = 1\n").is_err());
    }

    #[test]
    fn every_amount_meets_every_seed_in_a_place_of_its_own() {
        let names: Vec<String> = sweep().cells().map(Cell::name).collect();
        assert_eq!(names, ["share-0.01-seed-0", "share-0.01-seed-7", "share-1-seed-0", "share-1-seed-7"]);
        let one = Cell { amount: LabelAmount::PerClass(5), seed: 2 };
        assert_eq!(one.name(), "per-class-5-seed-2");
    }

    #[test]
    fn blocks_are_swept_where_a_stage_has_any() {
        let mut sweep = Sweep { sweep_blocks: true, rivals: vec![], ..sweep() };
        let ways = sweep.blocks(None).unwrap();
        let names: Vec<&str> = ways.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["head", "conv1+bn1", "layer1", "layer2", "layer3", "layer4", "all"]);
        let Way::Tuned { settings, .. } = &ways[3].1 else { panic!("a probe") };
        assert_eq!(settings.stages[0].trainable, Trainable::Modules(vec!["layer2".into()]));
        sweep.settings.stages[0].trainable = Trainable::Whole(Whole::Head);
        assert!(sweep.blocks(None).is_err());
    }

    #[test]
    fn a_rehearsal_is_one_seed_and_few_steps() {
        let mut long = sweep();
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
            let failure = Sweep { rivals: vec![rival], ..sweep() }.rivals(None).err().unwrap();
            assert_eq!(failure.exit(), Exit::Usage);
        }
        let ways = Sweep { rivals: vec![Rival::Pixels], ..sweep() }.rivals(None).unwrap();
        let names: Vec<&str> = ways.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["scratch", "pixels probe"]);
    }
}
