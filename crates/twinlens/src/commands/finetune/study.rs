//! A study: trainings and probes of every encoder, amount of labels and seed, and what they come to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use twinlens_data::{DataSet, class_counts};
use twinlens_eval::LinearProbe;
use twinlens_lab::protocols::{Protocol, find};
use twinlens_lab::{
    Computing, FeaturesKind, Judging, LabelDraw, Repeat, Settings, Subject, Verdict, weights_sha256,
};
use twinlens_nn::weights::EncoderFile;
use twinlens_report::label_efficiency;
use twinlens_run::{State, command_line, names, write_atomically};

use super::super::judging::write_document;
use super::super::report;
use super::super::told::{headings, rows};
use super::super::training::Watch;
use super::found::predictions;
use super::job::Job;
use super::points::{Point, csv, label_curves};
use super::processes::{Part, train_on};
use super::sweep::{Cell, Condition, Learners, PLAN, Sweep};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// A study, checked before anything is written.
pub struct Study<'a> {
    sweep: Sweep,
    conditions: Vec<Condition>,
    data: &'a DataSet,
    computing: Computing,
}

impl Study<'_> {
    /// Opens every encoder and checks every training against the data.
    ///
    /// # Errors
    /// As [`Sweep::conditions`]; data that nothing can be judged on.
    pub fn prepare(mut sweep: Sweep, file: Option<Arc<EncoderFile>>, data: &DataSet) -> Outcome<Study<'_>> {
        data.check_for_evaluation()?;
        sweep.settings.take_images(data)?;
        let conditions = sweep.conditions(file, data)?;
        let computing = super::super::computing(sweep.settings.workers, &sweep.settings.device);
        Ok(Study { sweep, conditions, data, computing })
    }

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
                let verdicts: Vec<_> = verdicts.iter().cloned().filter_map(predictions).collect();
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
        kind: FeaturesKind,
        file: &EncoderFile,
        place: &Place<'_>,
    ) -> Outcome<Vec<Verdict>> {
        let folder = place.out.join(&condition.folder);
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::new(Exit::Environment, error).at(folder.display()))?;
        let sha256 = weights_sha256(file);
        let data = self.data.for_judging();
        let network_seed = |cell: Cell| if kind == FeaturesKind::Untrained { cell.seed } else { 0 };
        let subject = |cell: Cell| {
            let seed = network_seed(cell);
            Ok((seed, Subject::new(kind, file.clone(), seed)?))
        };
        let subjects: BTreeMap<u64, Subject> = self.sweep.cells().map(subject).collect::<Outcome<_>>()?;
        let judging = |subject| {
            Judging::new(subject, (&data, &self.sweep.settings.data), &self.computing, place.terminal)
        };
        let mut judgings: BTreeMap<u64, Judging<'_>> =
            subjects.iter().map(|(seed, subject)| (*seed, judging(subject))).collect();
        let mut one = |cell: Cell| {
            place.watch.go_on()?;
            let path = folder.join(format!("{}.json", cell.name()));
            let facts = self.facts(&sha256, file);
            if path.is_file() && !place.overwrite {
                return read_verdict(&path, &facts);
            }
            let choice = self.sweep.settings.label_choice;
            let labels = vec![LabelDraw { amount: cell.amount, choice, seed: cell.seed }];
            let judging = judgings.get_mut(&network_seed(cell)).into_iter();
            let repeat = Repeat { labels, ..Repeat::default() };
            let found: Vec<Verdict> = judging
                .map(|judging| Ok(judging.run(find(LinearProbe::ID)?, &Settings::new(), &repeat)?))
                .collect::<Outcome<Vec<_>>>()?
                .concat();
            let mut verdict = found
                .into_iter()
                .next()
                .ok_or_else(|| Failure::message(Exit::Failed, "a probe said nothing"))?;
            verdict.asked.extend(facts);
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
            let headings: Vec<&str> = std::iter::once("encoder").chain(headings()).collect();
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
    match facts.iter().find(|(key, value)| verdict.asked.get(*key) != Some(value)) {
        None => Ok(verdict),
        Some((key, now)) => {
            let before = verdict.asked.get(key).unwrap_or(&Value::Null);
            let message = format!("this was judged with other {key}: {before} then, {now} now");
            let failure = Failure::message(Exit::Usage, message).at(path.display());
            Err(failure.hint("take another --out, or add --overwrite"))
        }
    }
}
