//! Several fine-tunings as one study: encoders and rivals, amounts of labels, seeds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twinlens_data::{DataSet, LabelAmount, Split, class_counts};
use twinlens_eval::{Labelled, Verdict};
use twinlens_nn::encoders;
use twinlens_nn::weights::{EncoderDescription, EncoderFile, NamedTensor};
use twinlens_report::label_efficiency;
use twinlens_run::{State, command_line, names, write_atomically};
use twinlens_ssl::finetune::{FinetuneSettings, Trainable, Whole};

use super::super::features::{Computing, labelled, weights_sha256};
use super::super::judge::{Kind, write_document};
use super::super::labels::{Draw, HEADINGS, rows};
use super::super::probe::{Classifier, probe};
use super::super::report;
use super::super::training::{Watch, read_encoder};
use super::job::Job;
use super::points::{Point, csv, label_curves};
use super::processes::{Part, train_on};
use super::take_file;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// The file that says what a study is made of, in its folder.
pub const PLAN: &str = "study.toml";

/// What an encoder is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Rival {
    /// The same network from random weights, by the same budget.
    Scratch,
    /// The encoder frozen, under a linear probe.
    Probe,
    /// The same network with random weights, frozen, under a linear probe.
    Untrained,
    /// The pixels under a linear probe.
    Pixels,
    /// Another encoder, fine-tuned alike.
    Encoder {
        /// What it is called.
        name: String,
        /// Where it is.
        path: String,
    },
}

impl Rival {
    /// A rival as the command line has it.
    ///
    /// # Errors
    /// An empty name or path.
    pub fn parse(text: &str) -> Result<Rival, String> {
        let stem = || Path::new(text).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let (name, path) = match text {
            "scratch" => return Ok(Rival::Scratch),
            "probe" => return Ok(Rival::Probe),
            "untrained" => return Ok(Rival::Untrained),
            "pixels" => return Ok(Rival::Pixels),
            _ => match text.split_once('=') {
                Some((name, path)) => (name.to_owned(), path),
                None => (stem().unwrap_or_default(), text),
            },
        };
        // Names become folders.
        if name.is_empty() || name.starts_with('.') || path.is_empty() {
            return Err("expected scratch, probe, untrained, pixels, FILE or NAME=FILE".to_owned());
        }
        Ok(Rival::Encoder { name, path: path.to_owned() })
    }
}

impl TryFrom<String> for Rival {
    type Error = String;

    fn try_from(text: String) -> Result<Rival, String> {
        Rival::parse(&text)
    }
}

impl From<Rival> for String {
    fn from(rival: Rival) -> String {
        match rival {
            Rival::Scratch => "scratch".into(),
            Rival::Probe => "probe".into(),
            Rival::Untrained => "untrained".into(),
            Rival::Pixels => "pixels".into(),
            Rival::Encoder { name, path } => format!("{name}={path}"),
        }
    }
}

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
        settings.schedule.milestones.clear();
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
        toml::from_str(&text).map_err(|error| {
            let failure = Failure::new(Exit::Data, error).at(path.display());
            failure.hint("was it written by another version of this program, or changed by hand?")
        })
    }

    /// Opens every encoder and checks every training against the data.
    ///
    /// # Errors
    /// An encoder or labels that cannot be used, rivals that need an encoder where there is none.
    pub fn prepare(mut self, file: Option<Arc<EncoderFile>>, data: &DataSet) -> Outcome<Study<'_>> {
        data.check_for_evaluation()?;
        self.settings.take_images(data)?;
        let ways = if self.sweep_blocks { self.blocks(file)? } else { self.rivals(file)? };
        let mut conditions: Vec<Condition> = Vec::new();
        for (name, way) in ways {
            let condition = Condition::new(&name, way, &self, data)?;
            if conditions.iter().any(|other| other.folder == condition.folder) {
                let failure = Failure::message(Exit::Usage, format!("two encoders are called `{name}`"));
                return Err(failure.hint("name rivals apart as NAME=FILE"));
            }
            conditions.push(condition);
        }
        let computing = Computing::new(self.settings.workers, &self.settings.device);
        Ok(Study { sweep: self, conditions, data, computing })
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
                    take_file(&mut settings, &file)?;
                    (name.clone(), Way::tuned(settings, Some(file)))
                }
            });
        }
        Ok(ways)
    }

    /// Each block by itself, between the head alone and everything.
    fn blocks(&self, file: Option<Arc<EncoderFile>>) -> Outcome<Vec<(String, Way)>> {
        let spec = encoders::find(&self.settings.encoder)?;
        let head = ("head".to_owned(), Trainable::Whole(Whole::Head));
        let all = ("all".to_owned(), Trainable::Whole(Whole::All));
        let blocks = spec.blocks(self.settings.stem).into_iter();
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
        let FinetuneSettings { encoder, stem, size, mean, std, .. } = &self.settings;
        let features = encoders::find(encoder).map_or(0, |spec| spec.features);
        let description = EncoderDescription {
            version: 1,
            encoder: encoder.clone(),
            stem: stem.name().into(),
            channels: mean.len(),
            features,
            size: *size,
            mean: mean.clone(),
            std: std.clone(),
            origin: self.settings.init.clone(),
        };
        Way::Probed { kind, file: Arc::new(EncoderFile { description, tensors }) }
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
struct Condition {
    name: String,
    /// Its folder in the study's.
    folder: String,
    learners: Learners,
}

enum Learners {
    /// One for every amount and seed, in this order.
    Tuned(Vec<Job>),
    Probed {
        kind: Kind,
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

impl Sweep {
    /// Every amount with every seed.
    fn cells(&self) -> impl Iterator<Item = Cell> {
        self.amounts.iter().flat_map(|&amount| self.seeds.iter().map(move |&seed| Cell { amount, seed }))
    }
}

/// One training of a study.
struct Training<'a> {
    condition: &'a Condition,
    job: &'a Job,
    cell: Cell,
}

impl Training<'_> {
    /// Its folder in that of its study.
    fn path(&self, out: &Path) -> PathBuf {
        out.join(&self.condition.folder).join(self.cell.name())
    }
}

/// Of a study that was stopped, it is the study that goes on, not one of its trainings.
fn go_on_with(study: &Path, failure: Failure) -> Failure {
    match failure.exit() {
        Exit::Interrupted | Exit::Terminated => {
            failure.hint(format!("go on with `twinlens finetune --resume {}`", study.display()))
        }
        _ => failure,
    }
}

/// A study, checked before anything is written.
pub struct Study<'a> {
    sweep: Sweep,
    conditions: Vec<Condition>,
    data: &'a DataSet,
    computing: Computing,
}

impl Study<'_> {
    /// The first training, to tell of.
    pub fn first_job(&self) -> Option<&Job> {
        self.jobs().next().map(|training| training.job)
    }

    /// How many trainings there are.
    pub fn trainings(&self) -> usize {
        self.jobs().count()
    }

    /// Every training, in the order in which they are made.
    fn jobs(&self) -> impl Iterator<Item = Training<'_>> {
        self.conditions.iter().flat_map(|condition| {
            let jobs = match &condition.learners {
                Learners::Tuned(jobs) => jobs.as_slice(),
                Learners::Probed { .. } => &[],
            };
            let training = move |(job, cell)| Training { condition, job, cell };
            jobs.iter().zip(self.sweep.cells()).map(training)
        })
    }

    /// Makes the trainings on several devices at once, then does as [`Study::run`].
    ///
    /// # Errors
    /// As [`Study::run`], of any of the processes.
    pub fn run_on(&self, devices: &[String], out: &Path, terminal: &Terminal) -> Outcome {
        self.begin(out)?;
        let is_done = |training: &Training<'_>| {
            let status = std::fs::read_to_string(training.path(out).join(names::STATUS));
            status.is_ok_and(|status| status.starts_with(&State::Done.to_string()))
        };
        let done = || self.jobs().filter(is_done).count() as u64;
        let trained = train_on(devices, out, (&done, self.trainings() as u64), terminal);
        trained.map_err(|failure| go_on_with(out, failure))?;
        self.run(out, false, terminal)
    }

    /// Makes one part of the trainings of a study that has begun, and nothing else.
    ///
    /// # Errors
    /// As [`Study::run`].
    pub fn train_part(&self, part: Part, out: &Path, terminal: &Terminal) -> Outcome {
        let place = Place { out, overwrite: false, watch: Watch::new(terminal)?, terminal };
        let mut own = self.jobs().enumerate().filter(|(number, _)| part.has(*number));
        own.try_for_each(|(_, training)| self.train(&training, &place).map(drop))
    }

    /// Trains and judges what is not done yet, and writes the curve. A study that was stopped goes on, and one that is there
    /// already may get more amounts, seeds and rivals.
    ///
    /// # Errors
    /// A folder that holds something else, or runs with other settings; a run that fails or is stopped.
    pub fn run(&self, out: &Path, overwrite: bool, terminal: &Terminal) -> Outcome {
        self.begin(out)?;
        let place = Place { out, overwrite, watch: Watch::new(terminal)?, terminal };
        let mut points = Vec::new();
        for condition in &self.conditions {
            let verdicts = match &condition.learners {
                Learners::Tuned(jobs) => self.tune(condition, jobs, &place),
                Learners::Probed { kind, file } => self.probe(condition, *kind, file, &place),
            };
            let verdicts = verdicts.map_err(|failure| go_on_with(out, failure))?;
            let by_amount = verdicts.chunks(self.sweep.seeds.len());
            for (&amount, verdicts) in self.sweep.amounts.iter().zip(by_amount) {
                points.push(Point::of(&condition.name, amount, &verdicts.iter().collect::<Vec<_>>())?);
            }
        }
        self.conclude(out, &points, terminal)
    }

    /// Makes the study's folder, unless it holds something else, and writes what it is made of.
    fn begin(&self, out: &Path) -> Outcome {
        let failed = |error: std::io::Error| Failure::new(Exit::Environment, error).at(out.display());
        let plan = out.join(PLAN);
        let empty = !out.exists() || std::fs::read_dir(out).map_err(failed)?.next().is_none();
        if !empty && !plan.is_file() {
            let failure = Failure::message(Exit::Usage, "the folder is not empty and holds no study");
            return Err(failure.at(out.display()).hint("take another --out"));
        }
        std::fs::create_dir_all(out).map_err(failed)?;
        let text = toml::to_string_pretty(&self.sweep).map_err(|error| Failure::new(Exit::Failed, error))?;
        if std::fs::read_to_string(&plan).is_ok_and(|before| before == text) {
            // The command that is kept is the one that asked for this, not one that goes on with it.
            return Ok(());
        }
        let words: Vec<String> = std::env::args().collect();
        write_atomically(&out.join(names::COMMAND), format!("{}\n", command_line(&words)).as_bytes())?;
        Ok(write_atomically(&plan, text.as_bytes())?)
    }

    /// The verdicts of all amounts and seeds, in this order.
    fn tune(&self, condition: &Condition, jobs: &[Job], place: &Place<'_>) -> Outcome<Vec<Verdict>> {
        let trainings = jobs.iter().zip(self.sweep.cells());
        trainings.map(|(job, cell)| self.train(&Training { condition, job, cell }, place)).collect()
    }

    /// The verdict of one training, which has a folder of its own.
    fn train(&self, training: &Training<'_>, place: &Place<'_>) -> Outcome<Verdict> {
        place.watch.go_on()?;
        let Training { condition, job, cell } = training;
        let path = training.path(place.out);
        let label = format!("{}, labels {}, seed {}", condition.name, cell.amount, cell.seed);
        // The environment is the first file of a run: without it, what a kill left behind is none.
        let there = path.join(names::ENVIRONMENT).is_file() && !place.overwrite;
        if there && let Some(verdict) = job.finished(&path)? {
            return Ok(verdict);
        }
        let (folder, verdict) = if there {
            job.go_on(&place.watch, &path, self.data, &label)?
        } else {
            let mut folder = job.create(&path, self.data, true)?;
            let verdict = job.learn(&place.watch, &mut folder, job.start(), self.data, &label)?;
            (folder, verdict)
        };
        // A finished training of a study is not gone on with, and its checkpoints would fill disks.
        folder.remove_checkpoints()?;
        Ok(verdict)
    }

    /// As [`Study::tune`], for probes; each has a file of its own.
    fn probe(
        &self,
        condition: &Condition,
        kind: Kind,
        file: &EncoderFile,
        place: &Place<'_>,
    ) -> Outcome<Vec<Verdict>> {
        let folder = place.out.join(&condition.folder);
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::new(Exit::Environment, error).at(folder.display()))?;
        let sha256 = weights_sha256(file);
        // By the seed of the network, where there is one.
        let mut features: BTreeMap<u64, [Labelled; 3]> = BTreeMap::new();
        let mut one = |cell: Cell| {
            place.watch.go_on()?;
            let path = folder.join(format!("{}.json", cell.name()));
            let facts = self.facts(&sha256, file);
            if path.is_file() && !place.overwrite {
                return read_verdict(&path, &facts);
            }
            let seed = if kind == Kind::Untrained { cell.seed } else { 0 };
            if let Entry::Vacant(free) = features.entry(seed) {
                let subject = kind.subject(file.clone(), seed)?;
                let of = |split| labelled(&subject, self.data, split, &self.computing, place.terminal);
                free.insert([of(Split::Train)?, of(Split::Val)?, of(Split::Test)?]);
            }
            let [train, val, test] = &features[&seed];
            let draw =
                Draw { amount: cell.amount, choice: self.sweep.settings.label_choice, seed: cell.seed };
            let mut verdict = probe(Classifier::Logistic, &draw, self.data, train, val, test)?;
            let Verdict { settings, seeds, .. } = &mut verdict;
            kind.sign(settings, seeds, seed, &self.sweep.settings.data, self.data);
            settings.extend(facts);
            write_document(&path, &json!(verdict))?;
            Ok(verdict)
        };
        self.sweep.cells().map(&mut one).collect()
    }

    /// What a probe's file must say to be of this study.
    fn facts(&self, sha256: &str, file: &EncoderFile) -> BTreeMap<String, Value> {
        let facts = [
            ("encoder_sha256", json!(sha256)),
            ("size", json!(file.description.size)),
            ("data_sha256", json!(self.data.fingerprint)),
            ("label_choice", json!(self.sweep.settings.label_choice)),
        ];
        facts.map(|(key, value)| (key.to_owned(), value)).into()
    }

    /// Writes the numbers as JSON and CSV and, of several amounts, the curves, and tells them.
    fn conclude(&self, out: &Path, points: &[Point], terminal: &Terminal) -> Outcome {
        let name = self.sweep.name();
        let document = json!({
            "study": name,
            "folder": out,
            "data": self.sweep.settings.data,
            "data_sha256": self.data.fingerprint,
            "seeds": self.sweep.seeds,
            "settings": self.sweep.settings,
            "interval": "95 %, percentile bootstrap of the images, of the mean over seeds",
            "points": points,
        });
        write_document(&out.join(format!("{name}.json")), &document)?;
        write_atomically(&out.join(format!("{name}.csv")), csv(points).as_bytes())?;
        if self.sweep.amounts.len() > 1 {
            let drawn = label_curves(points, &self.data.name, self.most_frequent());
            for picture in label_efficiency(&drawn).map_err(report::undrawn)? {
                write_atomically(&out.join(format!("{name}.{}", picture.extension())), picture.bytes())?;
            }
        }
        let page = report::write_study(out)?;
        terminal.result(&document, || {
            let line = |point: &Point| {
                let rows = rows(&format!("{} ({})", point.training_labels, point.amount), &point.splits);
                rows.into_iter().map(|row| [vec![point.name.clone()], row].concat()).collect::<Vec<_>>()
            };
            let headings: Vec<&str> = std::iter::once("encoder").chain(HEADINGS).collect();
            let numbers = terminal.table(&headings, &points.iter().flat_map(line).collect::<Vec<_>>());
            format!("{numbers}\nThe report: {}\n", page.display())
        })
    }

    /// The share of the test images that are of their most frequent class.
    fn most_frequent(&self) -> Option<f64> {
        let test = self.data.splits.test.as_ref()?;
        let largest = class_counts(test.as_ref()).into_values().max()?;
        Some(largest as f64 / test.len() as f64)
    }
}

/// Where a study is written, and who watches.
struct Place<'a> {
    out: &'a Path,
    overwrite: bool,
    watch: Watch<'a>,
    terminal: &'a Terminal,
}

/// A probe's verdict from its file, which must hold these `facts`.
fn read_verdict(path: &Path, facts: &BTreeMap<String, Value>) -> Outcome<Verdict> {
    let bytes =
        std::fs::read(path).map_err(|error| Failure::new(Exit::Environment, error).at(path.display()))?;
    let verdict: Verdict = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(Exit::Data, error).at(path.display()).hint("remove the file; it will be made again")
    })?;
    match facts.iter().find(|(key, value)| verdict.settings.get(*key) != Some(value)) {
        None => Ok(verdict),
        Some((key, now)) => {
            let before = verdict.settings.get(key).unwrap_or(&Value::Null);
            let message = format!("this was judged with other {key}: {before} then, {now} now");
            let failure = Failure::message(Exit::Usage, message).at(path.display());
            Err(failure.hint("take another --out, or add --overwrite"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rivals_are_read_and_written_alike() {
        let encoder = |name: &str, path: &str| Rival::Encoder { name: name.into(), path: path.into() };
        let cases = [
            ("scratch", Rival::Scratch),
            ("probe", Rival::Probe),
            ("untrained", Rival::Untrained),
            ("pixels", Rival::Pixels),
            ("imagenet=w/r18.safetensors", encoder("imagenet", "w/r18.safetensors")),
        ];
        for (text, rival) in cases {
            assert_eq!(Rival::parse(text), Ok(rival.clone()));
            assert_eq!(String::from(rival), text);
        }
        assert_eq!(Rival::parse("w/r18.safetensors"), Ok(encoder("r18", "w/r18.safetensors")));
        for bad in ["", "=a", "a=", "..=a"] {
            assert!(Rival::parse(bad).is_err(), "{bad}");
        }
    }

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
        assert_eq!(toml::from_str::<Sweep>(&text).unwrap(), sweep());
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
        long.settings.schedule.milestones = vec![20.0];
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
