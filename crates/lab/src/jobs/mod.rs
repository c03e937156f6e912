//! Trainings and judgements as jobs: asked for as a value, told apart by a key, done in a folder, and not done twice.
//!
//! - [`Pretraining`] and [`Finetuning`] are trainings that were checked before anything is written;
//! - [`TrainingJob`] is what they have in common: [`key`](TrainingJob::key), [`state`](TrainingJob::state) of a folder,
//!   [`run`](TrainingJob::run);
//! - [`JudgeJob`] is a judgement of an encoder by a protocol;
//! - [`Job`] is any of them, for whoever does jobs of any kind;
//! - [`pretrain`], [`finetune`] and [`judge`] do one in a single call.

mod asked;
mod error;
mod finetuning;
mod folder;
mod judging;
mod lineage;
mod memory;
mod plan;
mod pretraining;
pub mod run_settings;

use std::path::{Path, PathBuf};

use twinlens_data::DataSet;
use twinlens_eval::Predictions;
use twinlens_run::{Recipe, Row, RunError, RunFolder, RunRecord, RunState, names};
use twinlens_ssl::finetune::FinetuneSettings;
use twinlens_ssl::{Settings, StartFrom};

pub use asked::{changes, key_of, refuse_changes};
pub use error::JobError;
pub use finetuning::{
    Finetuning, adopt_encoder, kept_verdict, read_init, same_encoder, same_weights, unfrozen,
};
pub use folder::{free_space, room_for};
pub use judging::{JudgeJob, JudgeRequest, judge};
pub use memory::MemoryNeed;
pub use plan::{Plan, PlannedStage, memory_held};
pub use pretraining::{Pretraining, fitted, resolve_precision, shortened};

use crate::{Encoder, Lab, LabError, Verdict, data_record};
use run_settings::RunSettings;

/// How a folder stands to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Nothing of it is there: a missing or empty folder, or what a kill left before a run described itself.
    Absent,
    /// It was begun, and is not done.
    Begun,
    /// It is done.
    Done,
    /// The folder holds something else; in words.
    OfSomethingElse(String),
}

/// What trainings of every kind have in common.
pub trait TrainingJob {
    /// What it comes to.
    type Outcome;

    /// What was asked for, as it is saved.
    fn settings(&self) -> RunSettings;

    /// The images.
    fn data(&self) -> &DataSet;

    /// The recipe that its settings follow.
    fn recipe(&self) -> Option<&Recipe>;

    /// About the size of a checkpoint in bytes.
    ///
    /// # Errors
    /// An encoder or a device that is not there.
    fn checkpoint_bytes(&self) -> Result<u64, LabError>;

    /// What it would hold in memory at once, estimated from its settings.
    fn memory_need(&self) -> MemoryNeed;

    /// What it would take, found by two steps of each stage; nothing is written.
    ///
    /// # Errors
    /// An encoder or a device that is not there, images that cannot be read.
    fn plan(&self) -> Result<Plan, LabError>;

    /// Path and hash of the weights that it begins with; none where they are random.
    fn begins_with(&self) -> Option<(String, String)>;

    /// Trains from the first step to the end in a folder that was just created.
    ///
    /// # Errors
    /// A run that fails, or is stopped after everything was saved.
    fn begin(&self, folder: &mut RunFolder, label: &str, lab: &Lab<'_>) -> Result<Self::Outcome, LabError>;

    /// Trains from the newest checkpoint to the end.
    ///
    /// # Errors
    /// As [`TrainingJob::begin`].
    fn resume(&self, folder: &mut RunFolder, label: &str, lab: &Lab<'_>) -> Result<Self::Outcome, LabError>;

    /// What a run that is done came to; none if it does not hold it.
    fn outcome(&self, record: &RunRecord) -> Option<Self::Outcome>;

    /// What tells this job from any other: a hash of its kind, the settings that decide the result, the images by their
    /// content and split, and the weights that it begins with. Where it computes, how closely it is watched and where the
    /// images lie have no part in it.
    ///
    /// # Errors
    /// Settings that TOML cannot hold.
    fn key(&self) -> Result<String, LabError> {
        let data = data_record("", self.data());
        key_of(&self.settings(), &data, self.begins_with().map(|(_, sha256)| sha256))
    }

    /// How the folder `path` stands to this job.
    ///
    /// # Errors
    /// A run that cannot be read.
    fn state(&self, path: &Path) -> Result<JobState, LabError> {
        // The environment is the last file that makes a folder a run: without it, what a kill left behind is none.
        if !path.join(names::ENVIRONMENT).is_file() {
            return Ok(match RunFolder::check_replaceable(path) {
                Ok(()) => JobState::Absent,
                Err(error) => JobState::OfSomethingElse(error.to_string()),
            });
        }
        let record = RunRecord::read(path)?;
        Ok(match self.differs(&record) {
            Some(error) => JobState::OfSomethingElse(error.to_string()),
            None if record.status.state == RunState::Done && self.outcome(&record).is_some() => {
                JobState::Done
            }
            None => JobState::Begun,
        })
    }

    /// In what a run differs from this job.
    fn differs(&self, record: &RunRecord) -> Option<LabError> {
        asked::differs(&self.settings(), self.data(), self.begins_with(), record).err()
    }

    /// Creates the run's folder, with the record of what the run is and what it came from.
    ///
    /// # Errors
    /// A folder that is taken or cannot be written, or whose disk has no room for the checkpoints.
    fn create(&self, path: &Path, overwrite: bool, lab: &Lab<'_>) -> Result<RunFolder, LabError>
    where
        Self: Sized,
    {
        folder::create(self, path, overwrite, lab)
    }

    /// Takes up the run in the folder `path`: from its newest checkpoint, or anew where it has none yet.
    ///
    /// # Errors
    /// As [`TrainingJob::begin`]; an encoder that is no longer the same, where it is needed again.
    fn go_on(&self, path: &Path, label: &str, lab: &Lab<'_>) -> Result<(RunFolder, Self::Outcome), LabError>
    where
        Self: Sized,
    {
        let mut folder = RunFolder::open(path)?;
        let outcome = match folder.newest_checkpoint() {
            Ok(_) => {
                folder.write_config(&self.settings().config()?)?;
                folder.set_status(RunState::Running, "")?;
                self.resume(&mut folder, label, lab)?
            }
            Err(RunError::NoCheckpoint { reasons, .. }) if reasons.is_empty() => {
                drop(folder);
                folder = self.create(path, true, lab)?;
                self.begin(&mut folder, label, lab)?
            }
            Err(error) => return Err(error.into()),
        };
        Ok((folder, outcome))
    }

    /// Does the job in the folder `path`: what is done is read back, what was begun goes on, and a folder with something else
    /// is refused. Returns the folder, open for what is to be added, unless all was done before.
    ///
    /// # Errors
    /// As [`TrainingJob::begin`]; a folder of something else.
    fn take_up(
        &self,
        path: &Path,
        label: &str,
        lab: &Lab<'_>,
    ) -> Result<(Option<RunFolder>, Self::Outcome), LabError>
    where
        Self: Sized,
    {
        if !path.join(names::ENVIRONMENT).is_file() {
            let mut folder = self.create(path, true, lab)?;
            let outcome = self.begin(&mut folder, label, lab)?;
            return Ok((Some(folder), outcome));
        }
        let record = RunRecord::read(path)?;
        if let Some(error) = self.differs(&record) {
            return Err(error.at(path.display()));
        }
        if record.status.state == RunState::Done
            && let Some(outcome) = self.outcome(&record)
        {
            return Ok((None, outcome));
        }
        let (folder, outcome) = self.go_on(path, label, lab)?;
        Ok((Some(folder), outcome))
    }

    /// As [`TrainingJob::take_up`], for whoever wants the outcome alone.
    ///
    /// # Errors
    /// As [`TrainingJob::take_up`].
    fn run(&self, path: &Path, label: &str, lab: &Lab<'_>) -> Result<Self::Outcome, LabError>
    where
        Self: Sized,
    {
        Ok(self.take_up(path, label, lab)?.1)
    }
}

/// A job of any kind.
#[derive(Debug)]
#[non_exhaustive]
pub enum Job {
    /// Learning without labels.
    Pretrain(Box<Pretraining>),
    /// Learning from labels.
    Finetune(Box<Finetuning>),
    /// Judging an encoder.
    Judge(Box<JudgeJob>),
}

/// What a job came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JobOutcome {
    /// An encoder.
    Pretrained(Pretrained),
    /// An encoder with a head, judged.
    Finetuned(Box<Finetuned>),
    /// What protocols say.
    Judged(Vec<Verdict>),
}

/// What a pre-training came to.
#[derive(Clone, Debug)]
pub struct Pretrained {
    /// The run's folder.
    pub folder: PathBuf,
    /// The rows of its metrics log.
    pub metrics: Vec<Row>,
}

/// What a fine-tuning came to.
#[derive(Clone, Debug)]
pub struct Finetuned {
    /// The run's folder.
    pub folder: PathBuf,
    /// What its predictions on held-out images are worth.
    pub verdict: Verdict<Predictions>,
}

impl Pretrained {
    /// The encoder.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn encoder(&self) -> Result<Encoder, LabError> {
        Encoder::load(&self.folder)
    }
}

impl Finetuned {
    /// The encoder without its head.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn encoder(&self) -> Result<Encoder, LabError> {
        Encoder::load(&self.folder)
    }
}

impl Job {
    /// As [`TrainingJob::key`].
    ///
    /// # Errors
    /// As [`TrainingJob::key`].
    pub fn key(&self) -> Result<String, LabError> {
        match self {
            Job::Pretrain(job) => job.key(),
            Job::Finetune(job) => job.key(),
            Job::Judge(job) => job.key(),
        }
    }

    /// As [`TrainingJob::state`].
    ///
    /// # Errors
    /// As [`TrainingJob::state`].
    pub fn state(&self, folder: &Path) -> Result<JobState, LabError> {
        match self {
            Job::Pretrain(job) => job.state(folder),
            Job::Finetune(job) => job.state(folder),
            Job::Judge(job) => job.state(folder),
        }
    }

    /// As [`TrainingJob::run`].
    ///
    /// # Errors
    /// As [`TrainingJob::run`].
    pub fn run(&self, folder: &Path, lab: &Lab<'_>) -> Result<JobOutcome, LabError> {
        Ok(match self {
            Job::Pretrain(job) => JobOutcome::Pretrained(job.run(folder, PRETRAINING, lab)?),
            Job::Finetune(job) => JobOutcome::Finetuned(Box::new(job.run(folder, FINETUNING, lab)?)),
            Job::Judge(job) => JobOutcome::Judged(job.run(folder, lab)?),
        })
    }
}

/// Pre-trains an encoder in `folder`, which is made if it is missing. What was begun there goes on, and what is done is read back.
///
/// # Errors
/// Data that cannot be read, settings that do not fit them, a folder of something else; a run that fails or is stopped.
pub fn pretrain(settings: Settings, folder: &Path, lab: &Lab<'_>) -> Result<Pretrained, LabError> {
    let mut settings = settings;
    settings.precision = resolve_precision(settings.precision, lab.events);
    Pretraining::prepare(settings, lab)?.run(folder, PRETRAINING, lab)
}

/// Fine-tunes the encoder that `settings.init` names (a run's folder, an encoder's file, or `scratch`) in `folder`; otherwise as
/// [`pretrain`].
///
/// # Errors
/// As [`pretrain`]; an encoder that cannot be read.
pub fn finetune(settings: FinetuneSettings, folder: &Path, lab: &Lab<'_>) -> Result<Finetuned, LabError> {
    let mut settings = settings;
    settings.precision = resolve_precision(settings.precision, lab.events);
    Finetuning::prepare(settings, lab)?.run(folder, FINETUNING, lab)
}

/// What a pre-training is called while it goes on.
pub const PRETRAINING: &str = "training";

/// What a fine-tuning is called while it goes on.
pub const FINETUNING: &str = "fine-tuning";

/// Where a training takes its first weights from, without a checkpoint.
fn start(file: Option<&twinlens_nn::weights::EncoderFile>) -> StartFrom<'_> {
    file.map_or(StartFrom::Scratch, StartFrom::Encoder)
}
