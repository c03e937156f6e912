//! One fine-tuning: settings, images and where the weights come from.

use std::path::Path;
use std::sync::Arc;

use twinlens_data::DataSet;
use twinlens_eval::{Judgement, Predictions};
use twinlens_nn::device::is_cpu;
use twinlens_nn::encoders::EncoderSettings;
use twinlens_nn::weights::EncoderFile;
use twinlens_run::{Lineage, Recipe, RunFolder, RunRecord};
use twinlens_ssl::finetune::{self, FinetuneSettings, LabelledImages, SCRATCH, finetune};
use twinlens_ssl::{LearnerSize, SslError, StartFrom};

use super::memory::{Demand, MemoryNeed};
use super::plan::{Plan, PlannedStage, checkpoint_bytes, memory_held};
use super::run_settings::RunSettings;
use super::{Finetuned, JobError, TrainingJob, folder, start};
use crate::{
    Events, FeaturesKind, Lab, LabError, SubjectRecord, Verdict, data_record, encoder_file, read_encoder,
    weights_sha256,
};

/// The protocol of a verdict on a fine-tuned encoder.
const PROTOCOL: &str = "fine-tune";

/// What a checkpoint keeps of each parameter: its value, two moments and its best value.
const LISTS: u64 = 4;

/// One fine-tuning, checked before anything is written.
pub struct Finetuning {
    /// What decides the result.
    pub settings: FinetuneSettings,
    /// The images with their labels.
    pub images: LabelledImages,
    data: DataSet,
    demand: Demand,
    recipe: Option<Recipe>,
    /// The encoder to start from; none for random weights, or where a checkpoint will do.
    file: Option<Arc<EncoderFile>>,
}

impl Finetuning {
    /// Settings that may change when a fine-tuning goes on: where it computes and how closely it is watched.
    pub const MAY_CHANGE: [&str; 7] = super::asked::NO_PART;

    /// Reads the encoder that the settings name, opens the data set that they name, and checks them against both.
    ///
    /// # Errors
    /// An encoder or data that cannot be used; as [`Finetuning::new`].
    pub fn prepare(mut settings: FinetuneSettings, lab: &Lab<'_>) -> Result<Finetuning, LabError> {
        let file = read_init(&settings.init)?.map(Arc::new);
        match &file {
            Some(file) => adopt_encoder(&mut settings, file)?,
            None => settings = unfrozen(settings, lab.events),
        }
        let data = lab.open(&settings.data, &settings.data_options)?;
        settings.take_images(&data)?;
        Finetuning::new(settings, file, &data)
    }

    /// Checks settings whose encoder and images are known against the data.
    ///
    /// # Errors
    /// As [`LabelledImages::new`]; a device that is missing, or more memory needed than there is.
    pub fn new(
        settings: FinetuneSettings,
        file: Option<Arc<EncoderFile>>,
        data: &DataSet,
    ) -> Result<Finetuning, LabError> {
        let images = LabelledImages::new(&settings, data)?;
        let demand = demand(&settings, &images)?;
        demand.check()?;
        Ok(Finetuning { settings, images, data: data.clone(), demand, recipe: None, file })
    }

    /// The same, known to follow a recipe.
    pub fn following(self, recipe: Option<Recipe>) -> Finetuning {
        Finetuning { recipe, ..self }
    }

    fn learn(
        &self,
        folder: &mut RunFolder,
        start: StartFrom<'_>,
        label: &str,
        lab: &Lab<'_>,
    ) -> Result<Finetuned, LabError> {
        let verdict = folder::watched(folder, (label, self.settings.epochs()), lab, |folder, hooks| {
            let ended = finetune(&self.settings, &self.images, folder, start, hooks)?;
            let finetune::Finetuned::Done(judgement) = ended else { return Ok(None) };
            let verdict = self.verdict(*judgement, folder)?;
            // Kept before the status says that the run is done.
            folder.write_verdict(&verdict.file_name(), &verdict.any())?;
            Ok(Some(verdict))
        })?;
        Ok(Finetuned { folder: folder.path().to_path_buf(), verdict })
    }

    /// The verdict of a fine-tuning whose encoder is in the folder.
    fn verdict(
        &self,
        judgement: Judgement<Predictions>,
        folder: &RunFolder,
    ) -> Result<Verdict<Predictions>, SslError> {
        let scratch = self.settings.init == SCRATCH;
        let file = encoder_file(folder.path());
        let subject = SubjectRecord {
            features: if scratch { FeaturesKind::FromScratch } else { FeaturesKind::FineTuned },
            encoder: Some(self.settings.encoder.name().to_owned()),
            sha256: Some(weights_sha256(&EncoderFile::read(&file)?)),
            stage: None,
            epoch: None,
            pretrained_by: pretrained_by(folder)?,
        };
        Ok(Verdict::new(PROTOCOL, judgement, subject, data_record(&self.settings.data, &self.data)))
    }
}

impl TrainingJob for Finetuning {
    type Outcome = Finetuned;

    fn settings(&self) -> RunSettings {
        RunSettings::Finetuning(Box::new(self.settings.clone()))
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
        let rehearsals = self.images.rehearse(&self.settings)?;
        let memory_bytes = memory_held();
        let stages = self.settings.stages.iter().zip(&rehearsals).map(|(stage, told)| PlannedStage {
            epochs: stage.epochs,
            seconds_per_step: told.seconds_per_step,
            trained: told.trained,
        });
        let parameters = rehearsals.first().map_or(0, |told| told.parameters);
        Ok(Plan {
            steps_per_epoch: self.images.steps_per_epoch(self.settings.batch),
            stages: stages.collect(),
            parameters,
            checkpoint_bytes: checkpoint_bytes(LISTS, parameters),
            memory_bytes,
        })
    }

    fn begins_with(&self) -> Option<(String, String)> {
        let FinetuneSettings { init, init_sha256, .. } = &self.settings;
        (init != SCRATCH).then(|| (init.clone(), init_sha256.clone()))
    }

    fn begin(&self, folder: &mut RunFolder, label: &str, lab: &Lab<'_>) -> Result<Finetuned, LabError> {
        let read;
        let file = match &self.file {
            Some(file) => Some(file.as_ref()),
            None => {
                read = read_init(&self.settings.init)?;
                read.as_ref()
            }
        };
        if let Some(file) = file {
            same_weights(&self.settings, file)?;
        }
        self.learn(folder, start(file), label, lab)
    }

    fn resume(&self, folder: &mut RunFolder, label: &str, lab: &Lab<'_>) -> Result<Finetuned, LabError> {
        self.learn(folder, StartFrom::Checkpoint, label, lab)
    }

    fn outcome(&self, record: &RunRecord) -> Option<Finetuned> {
        Some(Finetuned { folder: record.path.clone(), verdict: kept_verdict(record).ok()?? })
    }
}

impl std::fmt::Debug for Finetuning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finetuning").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn demand(settings: &FinetuneSettings, images: &LabelledImages) -> Result<Demand, LabError> {
    let context = &images.context;
    let entries = settings.encoder.entries(context.channels);
    let parameters = entries.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    Ok(Demand {
        encoder: settings.encoder,
        channels: context.channels,
        batch: images.batch(settings.batch),
        sides: vec![context.size],
        size: LearnerSize { parameters, state: 0 },
        on_cpu: is_cpu(&settings.open_device()?),
    })
}

/// The method that trained the encoder with which the run in this folder began.
fn pretrained_by(folder: &RunFolder) -> Result<Option<String>, SslError> {
    let lineage = Lineage::read(folder.path())?;
    Ok(lineage.and_then(|lineage| lineage.encoder.into_iter().next()?.method))
}

/// The verdict that a fine-tuning keeps in its run.
///
/// # Errors
/// A verdict that cannot be read.
pub fn kept_verdict(record: &RunRecord) -> Result<Option<Verdict<Predictions>>, serde_json::Error> {
    let kept = record.verdicts.values().find(|verdict| verdict["protocol"] == PROTOCOL);
    let verdict: Option<Verdict> = kept.cloned().map(serde_json::from_value).transpose()?;
    Ok(verdict.and_then(|verdict| verdict.predictions()))
}

/// The encoder that `init` names; none for random weights.
///
/// # Errors
/// A missing, damaged or foreign file.
pub fn read_init(init: &str) -> Result<Option<EncoderFile>, LabError> {
    if init == SCRATCH { Ok(None) } else { Ok(Some(read_encoder(Path::new(init))?)) }
}

/// The same settings for random weights, which are not worth freezing; told where any were to be frozen.
pub fn unfrozen(settings: FinetuneSettings, events: &dyn Events) -> FinetuneSettings {
    let unfrozen = settings.from_scratch();
    if unfrozen != settings {
        events.warn("random weights are not worth freezing: everything learns in every stage");
    }
    unfrozen
}

/// Takes what a file says about its encoder, and which weights it has.
///
/// # Errors
/// A stem that does not exist.
pub fn adopt_encoder(settings: &mut FinetuneSettings, file: &EncoderFile) -> Result<(), LabError> {
    settings.take_encoder(&file.description)?;
    settings.init_sha256 = weights_sha256(file);
    Ok(())
}

/// Refuses the file at `init` whose encoder is another than settings say, where these are `stated` and not only usual.
///
/// # Errors
/// [`JobError::OtherEncoder`].
pub fn same_encoder(
    encoder: &EncoderSettings,
    (init, file): (&str, &EncoderFile),
    stated: &dyn Fn(&str) -> bool,
) -> Result<(), JobError> {
    let description = &file.description;
    let compared = [
        ("encoder.name", encoder.name(), &description.encoder),
        ("encoder.stem", encoder.stem().name(), &description.stem),
    ];
    match compared.into_iter().find(|(key, got, expected)| stated(key) && got != expected) {
        Some((key, got, expected)) => Err(JobError::OtherEncoder {
            key,
            got: got.to_owned(),
            init: init.to_owned(),
            expected: expected.clone(),
        }),
        None => Ok(()),
    }
}

/// Refuses a file whose weights are not those that the settings were made with.
///
/// # Errors
/// [`JobError::OtherWeights`].
pub fn same_weights(settings: &FinetuneSettings, file: &EncoderFile) -> Result<(), JobError> {
    match weights_sha256(file) == settings.init_sha256 {
        true => Ok(()),
        false => Err(JobError::OtherWeights { path: settings.init.clone() }),
    }
}
