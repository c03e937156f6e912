//! Learning without labels: data opened, settings checked, and the training itself.

use std::path::Path;
use std::sync::Arc;

use twinlens_data::DataSet;
use twinlens_nn::device::is_cpu;
use twinlens_nn::has_bf16;
use twinlens_nn::weights::EncoderFile;
use twinlens_run::{Recipe, RunFolder, RunRecord};
use twinlens_ssl::methods;
use twinlens_ssl::{
    Common, Learner, LearnerSize, PrecisionChoice, Prepared, Settings, StartFrom, TrainingEnd, ViewSize,
    WhenDone, train,
};

use super::memory::{Demand, MemoryNeed};
use super::plan::{Plan, PlannedStage, checkpoint_bytes, memory_held};
use super::run_settings::RunSettings;
use super::{Pretrained, TrainingJob, folder, same_encoder, start};
use crate::{Computing, Events, Lab, LabError, read_encoder, weights_sha256};

/// A pre-training with its data opened and everything checked, before anything is written.
pub struct Pretraining {
    /// What decides the result.
    pub settings: Settings,
    /// The images.
    pub data: DataSet,
    /// The images checked against the settings, and measured.
    pub prepared: Prepared,
    demand: Demand,
    recipe: Option<Recipe>,
    init: Option<Init>,
}

/// The encoder that it begins with.
struct Init {
    path: String,
    sha256: String,
    file: Arc<EncoderFile>,
}

/// What a checkpoint keeps of each parameter: its value and two moments.
const LISTS: u64 = 3;

/// The precision of a new run: `auto` resolved, with a warning where it will be slow.
pub fn resolve_precision(precision: PrecisionChoice, events: &dyn Events) -> PrecisionChoice {
    let precision = precision.resolved();
    if precision == PrecisionChoice::Bf16 && !has_bf16() {
        events.warn(
            "this processor has no fast instructions for bf16, which is slower than f32 here; precision=auto takes the faster",
        );
    }
    precision
}

impl Pretraining {
    /// Settings that change which step is the last, where it computes and how closely it is watched, not what a step
    /// learns: a run may go on with others.
    pub const MAY_CHANGE: [&str; 10] = [
        "epochs",
        "workers",
        "device",
        "deterministic",
        "log_every",
        "collapse_threshold",
        "knn.",
        "checkpoint.",
        "data",
        "data_options.join",
    ];

    /// Opens the data set that the settings name and checks the settings against it.
    ///
    /// # Errors
    /// Data that cannot be read, settings that do not fit it.
    pub fn prepare(settings: Settings, lab: &Lab<'_>) -> Result<Pretraining, LabError> {
        let data = lab.open(&settings.data, &settings.data_options)?;
        Pretraining::with_data(settings, data, lab)
    }

    /// Checks the settings against a data set that is open already, and what they need against the memory that is there. A size
    /// that is left open becomes as small as it must be.
    ///
    /// # Errors
    /// Settings that do not fit the data, or need more memory than there is.
    pub fn with_data(asked: Settings, data: DataSet, lab: &Lab<'_>) -> Result<Pretraining, LabError> {
        // Opened again when training starts; a device that is missing is told before a folder is made.
        let on_cpu = is_cpu(&asked.open_device()?);
        let mut settings = asked.clone();
        let mut told = settings.fit(&data)?;
        let mut prepared = Prepared::new(&settings, &data)?;
        let mut demand = demand(&settings, &prepared, on_cpu);
        let mut too_large = None;
        while let Err(error) = demand.check() {
            let smaller = demand.smaller().next().filter(|_| asked.size == ViewSize::default());
            let Some(smaller) = smaller else { return Err(error.into()) };
            // The stem of the larger views stays: that of small images needs more.
            let common = Common { size: smaller.into(), encoder: settings.encoder, ..asked.common.clone() };
            settings = Settings { common, ..asked.clone() };
            told = settings.fit(&data)?;
            prepared = prepared.resized(&settings, smaller)?;
            demand = self::demand(&settings, &prepared, on_cpu);
            too_large = Some(format!("views of {smaller} pixels, as for larger ones {error}"));
        }
        data.parts.iter().for_each(|part| lab.events.note(&part.to_string()));
        too_large.iter().for_each(|told| lab.events.warn(told));
        told.iter().for_each(|told| lab.events.note(told));
        settings.concerns(prepared.train.len()).iter().for_each(|told| lab.events.warn(told));
        Ok(Pretraining { settings, data, prepared, demand, recipe: None, init: None })
    }

    /// The same, known to follow a recipe.
    pub fn following(self, recipe: Option<Recipe>) -> Pretraining {
        Pretraining { recipe, ..self }
    }

    /// The same, beginning with the weights of an encoder: a run's folder, or an encoder's file.
    ///
    /// # Errors
    /// A missing, damaged or foreign file; an encoder of another architecture, or for images of other channels.
    pub fn beginning_with(self, encoder: &Path) -> Result<Pretraining, LabError> {
        let file = read_encoder(encoder)?;
        same_encoder(&self.settings.encoder, (&encoder.display().to_string(), &file), &|_| true)?;
        let (expected, got) = (file.description.channels, self.prepared.context.channels);
        if expected != got {
            return Err(LabError::Channels { expected, got });
        }
        let (path, sha256) = (encoder.display().to_string(), weights_sha256(&file));
        Ok(Pretraining { init: Some(Init { path, sha256, file: Arc::new(file) }), ..self })
    }

    /// How this run's features are computed.
    pub fn computing(&self, lab: &Lab<'_>) -> Computing {
        lab.computing(self.settings.workers, &self.settings.device)
    }

    /// The learner at the start of the run.
    ///
    /// # Errors
    /// A device that is missing.
    pub fn learner(&self) -> Result<Learner, LabError> {
        let steps = self.prepared.steps_per_epoch(self.settings.batch);
        Ok(Learner::new(&self.settings, self.prepared.shape(), steps, &self.settings.open_device()?))
    }

    fn learn(
        &self,
        folder: &mut RunFolder,
        start: StartFrom<'_>,
        label: &str,
        lab: &Lab<'_>,
    ) -> Result<Pretrained, LabError> {
        let name = self.settings.method.name();
        if let Some(method) = methods::find(name) {
            lab.events.note(&format!("the loss of {name}: {}", method.loss));
        }
        folder::watched(folder, (label, self.settings.epochs), lab, |folder, hooks| {
            let ended = train(&self.settings, &self.data, &self.prepared, folder, start, hooks)?;
            Ok((ended == TrainingEnd::Done).then_some(()))
        })?;
        if self.settings.checkpoint.when_done == WhenDone::Remove {
            folder.remove_checkpoints(&self.settings.checkpoint.epochs)?;
        }
        let record = RunRecord::read(folder.path())?;
        Ok(Pretrained { folder: record.path, metrics: record.metrics })
    }
}

/// The same settings for two steps of everything.
pub fn shortened(mut settings: Settings) -> Settings {
    settings.epochs = 1;
    settings.schedule.warmup_epochs = settings.schedule.warmup_epochs.min(1.0);
    settings.limit = 2 * settings.batch;
    settings.log_every = 1;
    settings
}

impl TrainingJob for Pretraining {
    type Outcome = Pretrained;

    fn settings(&self) -> RunSettings {
        RunSettings::Pretraining(Box::new(self.settings.clone()))
    }

    fn data(&self) -> &DataSet {
        &self.data
    }

    fn recipe(&self) -> Option<&Recipe> {
        self.recipe.as_ref()
    }

    fn checkpoint_bytes(&self) -> Result<u64, LabError> {
        Ok(checkpoint_bytes(LISTS, self.demand.size.parameters))
    }

    fn memory_need(&self) -> MemoryNeed {
        self.demand.need()
    }

    fn plan(&self) -> Result<Plan, LabError> {
        let mut learner = self.learner()?;
        let parameters = learner.weights().parameter_count();
        let seconds_per_step = self.prepared.seconds_per_step(&self.settings, &mut learner)?;
        // The learner still lives: what it holds counts.
        let memory_bytes = memory_held();
        Ok(Plan {
            steps_per_epoch: self.prepared.steps_per_epoch(self.settings.batch),
            stages: vec![PlannedStage {
                epochs: self.settings.epochs,
                seconds_per_step,
                trained: parameters,
            }],
            parameters,
            checkpoint_bytes: checkpoint_bytes(LISTS, parameters),
            memory_bytes,
        })
    }

    fn begins_with(&self) -> Option<(String, String)> {
        self.init.as_ref().map(|init| (init.path.clone(), init.sha256.clone()))
    }

    fn begin(&self, folder: &mut RunFolder, label: &str, lab: &Lab<'_>) -> Result<Pretrained, LabError> {
        let file = self.init.as_ref().map(|init| init.file.as_ref());
        self.learn(folder, start(file), label, lab)
    }

    fn resume(&self, folder: &mut RunFolder, label: &str, lab: &Lab<'_>) -> Result<Pretrained, LabError> {
        self.learn(folder, StartFrom::Checkpoint, label, lab)
    }

    fn outcome(&self, record: &RunRecord) -> Option<Pretrained> {
        Some(Pretrained { folder: record.path.clone(), metrics: record.metrics.clone() })
    }
}

impl std::fmt::Debug for Pretraining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pretraining").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn demand(settings: &Settings, prepared: &Prepared, on_cpu: bool) -> Demand {
    let Prepared { context, policy, .. } = prepared;
    Demand {
        encoder: settings.encoder,
        channels: context.channels,
        batch: settings.batch,
        sides: (0..policy.views()).map(|view| policy.shape(view).height).collect(),
        size: LearnerSize::of(settings, prepared.shape()),
        on_cpu,
    }
}

/// `settings` in accord with the images where nobody wrote them by hand, told.
///
/// # Errors
/// Images that cannot be read.
pub fn fitted(settings: &Settings, data: &DataSet, events: &dyn Events) -> Result<Settings, LabError> {
    let mut settings = settings.clone();
    for told in settings.fit(data)? {
        events.warn(&told);
    }
    Ok(settings)
}
