//! A study: trainings and probes of every encoder, amount of labels and seed, and what they come to.
//!
//! A [`StudyPlan`] says what is compared; a [`Study`] is a plan checked against the data, and runs in a folder;
//! [`ExistingStudy`] is what a finished one left there.

mod existing;
mod plan;
mod points;
mod probe;
mod processes;
mod rival;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use twinlens_data::{DataSet, class_counts};
use twinlens_eval::Predictions;
use twinlens_nn::weights::EncoderFile;
use twinlens_report::lines;
use twinlens_run::{RunFolder, RunState, command_line, names, write_atomically};

pub use existing::ExistingStudy;
pub use plan::{Cell, PLAN, StudyPlan, in_names};
pub use points::{Point, hue_of_condition, label_curves};
pub use processes::{Portion, Workers};
pub use rival::Rival;

use crate::files::write_json;
use crate::jobs::{Finetuning, JobError, TrainingJob, read_init, same_weights};
use crate::{Computing, FeaturesKind, Judging, Lab, LabError, LabelDraw, Subject, Verdict, weights_sha256};
use plan::{Condition, Learners};

/// A study, checked before anything is written.
pub struct Study {
    plan: StudyPlan,
    conditions: Vec<Condition>,
    data: DataSet,
    computing: Computing,
}

/// What a plan asks for, checked before anything is written.
pub enum Trainings {
    /// A single training.
    One(Box<Finetuning>),
    /// A study of several.
    Study(Box<Study>),
}

impl Trainings {
    /// The trainings of `plan` on `data`, of the encoder in `file` or from random weights.
    ///
    /// # Errors
    /// As [`Study::prepare`].
    pub fn prepare(
        plan: StudyPlan,
        file: Option<Arc<EncoderFile>>,
        data: &DataSet,
        lab: &Lab<'_>,
    ) -> Result<Trainings, LabError> {
        if !plan.is_one() {
            return Ok(Trainings::Study(Box::new(Study::prepare(plan, file, data, lab)?)));
        }
        let StudyPlan { mut settings, recipe, .. } = plan;
        settings.take_images(data)?;
        Ok(Trainings::One(Box::new(Finetuning::new(settings, file, data)?.following(recipe))))
    }
}

/// What a study came to.
#[derive(Clone, Debug)]
pub struct StudyOutcome {
    /// The numbers with what they are of, as they stand in the study's folder.
    pub document: Value,
    /// For every condition and amount of labels, a few numbers over seeds.
    pub points: Vec<Point>,
}

impl Study {
    /// Opens every encoder and checks every training against the data.
    ///
    /// # Errors
    /// An encoder or labels that cannot be used, rivals that need an encoder where there is none, two encoders of one name;
    /// data that nothing can be judged on.
    pub fn prepare(
        mut plan: StudyPlan,
        file: Option<Arc<EncoderFile>>,
        data: &DataSet,
        lab: &Lab<'_>,
    ) -> Result<Study, LabError> {
        data.check_for_evaluation()?;
        plan.settings.take_images(data)?;
        let conditions = plan.conditions(file, data)?;
        let computing = lab.computing(plan.settings.workers, &plan.settings.device);
        Ok(Study { plan, conditions, data: data.clone(), computing })
    }

    /// The study that was begun in the folder `path`, to go on with; on `device`, where one is named.
    ///
    /// # Errors
    /// A folder without a study; an encoder whose weights changed; as [`Study::prepare`].
    pub fn reopen(path: &Path, device: Option<&str>, lab: &Lab<'_>) -> Result<Study, LabError> {
        let mut plan = StudyPlan::read(&path.join(PLAN))?;
        let settings = &mut plan.settings;
        if let Some(device) = device {
            device.clone_into(&mut settings.device);
        }
        let file = read_init(&settings.init)?;
        if let Some(file) = &file {
            same_weights(settings, file)?;
        }
        let data = lab.open(&settings.data, &settings.data_options)?;
        Study::prepare(plan, file.map(Arc::new), &data, lab)
    }

    /// Of every encoder that is trained, its largest training, and how many times the images of that one all its trainings see.
    pub fn largest_trainings(&self) -> Vec<(&Finetuning, f64)> {
        self.conditions.iter().filter_map(Condition::largest).collect()
    }

    /// How many trainings there are.
    pub fn trainings(&self) -> usize {
        self.all().count()
    }

    /// Every training, in the order in which they are made.
    fn all(&self) -> impl Iterator<Item = Planned<'_>> {
        self.conditions.iter().flat_map(|condition| {
            let jobs = match &condition.learners {
                Learners::Tuned(jobs) => jobs.as_slice(),
                Learners::Probed { .. } => &[],
            };
            let training = move |(job, cell)| Planned { condition, job, cell };
            jobs.iter().zip(self.plan.cells()).map(training)
        })
    }

    /// Makes the trainings by several processes at once, then does as [`Study::run`].
    ///
    /// # Errors
    /// As [`Study::run`], of any of the processes.
    pub fn run_on(&self, workers: &Workers<'_>, out: &Path, lab: &Lab<'_>) -> Result<StudyOutcome, LabError> {
        self.begin(out, lab)?;
        let is_done = |training: &Planned<'_>| {
            let status = std::fs::read_to_string(training.path(out).join(names::STATUS));
            status.is_ok_and(|status| status.starts_with(&RunState::Done.to_string()))
        };
        let done = || self.all().filter(is_done).count() as u64;
        workers.train((&done, self.trainings() as u64), lab)?;
        self.run(out, false, lab)
    }

    /// Makes one part of the trainings of a study that has begun, and nothing else.
    ///
    /// # Errors
    /// As [`Study::run`].
    pub fn train_part(&self, portion: Portion, out: &Path, lab: &Lab<'_>) -> Result<(), LabError> {
        let to = Destination { out, overwrite: false, lab };
        let mut own = self.all().enumerate().filter(|(number, _)| portion.has(*number));
        own.try_for_each(|(_, training)| train(&training, &to).map(drop))
    }

    /// Trains and judges what is not done yet, and writes the curve. A study that was stopped goes on, and one that is there
    /// already may get more amounts, seeds and rivals.
    ///
    /// # Errors
    /// A folder that holds something else, or runs with other settings; a run that fails or is stopped.
    pub fn run(&self, out: &Path, overwrite: bool, lab: &Lab<'_>) -> Result<StudyOutcome, LabError> {
        self.begin(out, lab)?;
        let to = Destination { out, overwrite, lab };
        let mut points = Vec::new();
        for condition in &self.conditions {
            let verdicts = match &condition.learners {
                Learners::Tuned(jobs) => self.tune(condition, jobs, &to),
                Learners::Probed { of, file } => self.probe(condition, *of, file, &to),
            }?;
            let by_amount = verdicts.chunks(self.plan.seeds.len());
            for (&amount, verdicts) in self.plan.amounts.iter().zip(by_amount) {
                points.push(Point::of(&condition.name, amount, &verdicts.iter().collect::<Vec<_>>())?);
            }
        }
        self.conclude(out, points)
    }

    /// Makes the study's folder, unless it holds something else, and writes what it is made of.
    fn begin(&self, out: &Path, lab: &Lab<'_>) -> Result<(), LabError> {
        let failed = |error: std::io::Error| LabError::io(out, error);
        let plan = out.join(PLAN);
        let empty = !out.exists() || std::fs::read_dir(out).map_err(failed)?.next().is_none();
        if !empty && !plan.is_file() {
            return Err(LabError::from(JobError::NotAStudy).at(out.display()));
        }
        std::fs::create_dir_all(out).map_err(failed)?;
        let text = toml::to_string_pretty(&self.plan)
            .map_err(|error| JobError::Unwritable { reason: error.to_string() })?;
        if std::fs::read_to_string(&plan).is_ok_and(|before| before == text) {
            // The command that is kept is the one that asked for this, not one that goes on with it.
            return Ok(());
        }
        let command = format!("{}\n", command_line(&lab.program.command));
        write_atomically(&out.join(names::COMMAND), command.as_bytes())?;
        Ok(write_atomically(&plan, text.as_bytes())?)
    }

    /// The verdicts of all amounts and seeds, in this order.
    fn tune(
        &self,
        condition: &Condition,
        jobs: &[Finetuning],
        to: &Destination<'_>,
    ) -> Result<Vec<Verdict<Predictions>>, LabError> {
        let trainings = jobs.iter().zip(self.plan.cells());
        trainings.map(|(job, cell)| train(&Planned { condition, job, cell }, to)).collect()
    }

    /// As [`Study::tune`], for probes; each has a file of its own.
    fn probe(
        &self,
        condition: &Condition,
        of: FeaturesKind,
        file: &EncoderFile,
        to: &Destination<'_>,
    ) -> Result<Vec<Verdict<Predictions>>, LabError> {
        let folder = to.out.join(&condition.folder);
        std::fs::create_dir_all(&folder).map_err(|error| LabError::io(&folder, error))?;
        let facts = probe::facts(&weights_sha256(file), file);
        let (settings, data) = (&self.plan.settings, self.data.for_judging());
        // By the seed of the network, where there is one; features are computed when they are needed, once.
        let subject = |cell: Cell| {
            let seed = probe::network_seed(of, cell.seed);
            Ok((seed, Subject::new(of, file.clone(), seed)?))
        };
        let subjects: BTreeMap<u64, Subject> =
            self.plan.cells().map(subject).collect::<Result<_, LabError>>()?;
        let judging = |(seed, subject): (&u64, _)| {
            (*seed, Judging::new(subject, (&data, &settings.data), &self.computing, to.lab.events))
        };
        let mut judgings: BTreeMap<u64, Judging<'_>> = subjects.iter().map(judging).collect();
        let mut one = |cell: Cell| {
            to.lab.check_stop()?;
            let path = folder.join(format!("{}.json", cell.name()));
            if path.is_file() && !to.overwrite {
                return probe::read_verdict(&path, &facts, &self.data);
            }
            let judging = judgings.get_mut(&probe::network_seed(of, cell.seed)).ok_or(JobError::NoVerdict)?;
            let labels = LabelDraw { amount: cell.amount, choice: settings.label_choice, seed: cell.seed };
            let mut verdict = probe::probe(judging, labels)?;
            verdict.asked.extend(facts.clone());
            write_json(&path, &json!(verdict.any()))?;
            Ok(verdict)
        };
        self.plan.cells().map(&mut one).collect()
    }

    /// Writes the numbers as JSON and CSV and, of several amounts, the curves.
    fn conclude(&self, out: &Path, points: Vec<Point>) -> Result<StudyOutcome, LabError> {
        let name = self.plan.name();
        let document = json!({
            "study": name,
            "folder": out,
            "data": self.plan.settings.data,
            "data_sha256": self.data.fingerprint,
            "seeds": self.plan.seeds,
            "settings": self.plan.settings,
            "interval": "95 %, percentile bootstrap of the images, of the mean over seeds",
            "points": points,
        });
        write_json(&out.join(format!("{name}.json")), &document)?;
        write_atomically(&out.join(format!("{name}.csv")), points::csv(&points).as_bytes())?;
        if self.plan.amounts.len() > 1 {
            let drawn = label_curves(&points, &self.data.name, self.most_frequent());
            for picture in lines(&drawn)? {
                write_atomically(&out.join(format!("{name}.{}", picture.extension())), picture.bytes())?;
            }
        }
        Ok(StudyOutcome { document, points })
    }

    /// The share of the test images that are of their most frequent class.
    fn most_frequent(&self) -> Option<f64> {
        let test = self.data.splits.test.as_ref()?;
        let largest = class_counts(test.as_ref()).into_values().max()?;
        Some(largest as f64 / test.len() as f64)
    }
}

/// One training of a study.
struct Planned<'a> {
    condition: &'a Condition,
    job: &'a Finetuning,
    cell: Cell,
}

impl Planned<'_> {
    /// Its folder in that of its study.
    fn path(&self, out: &Path) -> PathBuf {
        out.join(&self.condition.folder).join(self.cell.name())
    }
}

/// Where a study is written, and in which surroundings.
struct Destination<'a> {
    out: &'a Path,
    overwrite: bool,
    lab: &'a Lab<'a>,
}

/// The verdict of one training, which has a folder of its own.
fn train(training: &Planned<'_>, to: &Destination<'_>) -> Result<Verdict<Predictions>, LabError> {
    to.lab.check_stop()?;
    let Planned { condition, job, cell } = training;
    let path = training.path(to.out);
    let label = format!("{}, labels {}, seed {}", condition.name, cell.amount, cell.seed);
    let outcome = if to.overwrite {
        job.begin(&mut job.create(&path, true, to.lab)?, &label, to.lab)?
    } else {
        job.run(&path, &label, to.lab)?
    };
    // A finished training of a study is not gone on with, and its checkpoints would fill disks.
    if path.join(names::CHECKPOINTS).is_dir() {
        RunFolder::open(&path)?.remove_checkpoints(&[])?;
    }
    Ok(outcome.verdict)
}
