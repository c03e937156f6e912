//! One fine-tuning: settings, images and where the weights come from.

use std::path::Path;
use std::sync::Arc;

use twinlens_data::DataSet;
use twinlens_eval::{Judgement, Predictions};
use twinlens_lab::{FeaturesKind, Outcome as Found, SubjectRecord, Verdict, data_record, weights_sha256};
use twinlens_nn::weights::EncoderFile;
use twinlens_run::{RunError, RunFolder, RunRecord, State, names};
use twinlens_ssl::finetune::{FinetuneSettings, Finetuned, LabelledImages, SCRATCH, finetune};
use twinlens_ssl::{SslError, StartFrom};

use super::super::spec::refuse_changes;
use super::super::training::{Told, Watch, create_folder};
use super::{MAY_CHANGE, read_init, same_weights};
use crate::exit::{Exit, Failure, Outcome};

/// What its verdicts call it.
pub const PROTOCOL: &str = "fine-tune";

/// One fine-tuning, checked before anything is written.
pub struct Job {
    /// What decides the result.
    pub settings: FinetuneSettings,
    /// The images with their labels.
    pub images: LabelledImages,
    /// The encoder to start from; none for random weights, or where a checkpoint will do.
    file: Option<Arc<EncoderFile>>,
}

impl Job {
    /// Checks settings whose encoder and images are known against the data.
    ///
    /// # Errors
    /// As [`LabelledImages::new`]; a device that is missing.
    pub fn new(settings: FinetuneSettings, file: Option<Arc<EncoderFile>>, data: &DataSet) -> Outcome<Job> {
        let images = LabelledImages::new(&settings, data)?;
        settings.open_device()?;
        Ok(Job { settings, images, file })
    }

    /// Where the first weights come from.
    pub fn start(&self) -> StartFrom<'_> {
        self.file.as_deref().map_or(StartFrom::Scratch, StartFrom::Encoder)
    }

    fn config(&self) -> Outcome<String> {
        toml::to_string_pretty(&self.settings).map_err(|error| Failure::new(Exit::Failed, error))
    }

    /// Creates the run's folder.
    ///
    /// # Errors
    /// A folder that is taken or cannot be written, or whose disk has no room.
    pub fn create(&self, path: &Path, data: &DataSet, overwrite: bool) -> Outcome<RunFolder> {
        let entries = twinlens_nn::encoders::find(&self.settings.encoder)?
            .entries(self.settings.stem, self.images.context.channels);
        let parameters = entries.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let source = &self.settings.data;
        create_folder(path, overwrite, &self.config()?, data, source, checkpoint_bytes(parameters))
    }

    /// Trains to the end, and keeps the verdict in the folder.
    ///
    /// # Errors
    /// A run that fails, or is stopped by a signal after everything was saved.
    pub fn learn(
        &self,
        watch: &Watch<'_>,
        folder: &mut RunFolder,
        start: StartFrom<'_>,
        data: &DataSet,
        label: &str,
    ) -> Outcome<Verdict> {
        let told = Told { label, epochs: self.settings.epochs(), verb: "finetune" };
        watch.over(folder, told, |folder, hooks| {
            let ended = finetune(&self.settings, &self.images, folder, start, hooks)?;
            let Finetuned::Done(judgement) = ended else { return Ok(None) };
            let verdict = self.signed(*judgement, folder, data)?;
            // Kept before the status says that the run is done.
            folder.write_verdict(&verdict.file_name(), &verdict)?;
            Ok(Some(verdict))
        })
    }

    /// The verdict of a fine-tuning whose encoder is in the folder.
    fn signed(
        &self,
        judgement: Judgement<Predictions>,
        folder: &RunFolder,
        data: &DataSet,
    ) -> Result<Verdict, SslError> {
        let file = folder.path().join(names::ENCODER).join("encoder.safetensors");
        let scratch = self.settings.init == SCRATCH;
        let subject = SubjectRecord {
            features: if scratch { FeaturesKind::FromScratch } else { FeaturesKind::FineTuned },
            encoder: Some(self.settings.encoder.clone()),
            sha256: Some(weights_sha256(&EncoderFile::read(&file)?)),
        };
        let verdict = Verdict::new(PROTOCOL, judgement, subject, data_record(&self.settings.data, data));
        let outcome = Found::Predictions(verdict.outcome.clone());
        Ok(verdict.with(outcome))
    }

    /// Takes up the run in the folder `path`: from its newest checkpoint, or anew where it has none yet.
    ///
    /// # Errors
    /// As [`Job::learn`]; an encoder that is no longer the same, where it is needed again.
    pub fn go_on(
        &self,
        watch: &Watch<'_>,
        path: &Path,
        data: &DataSet,
        label: &str,
    ) -> Outcome<(RunFolder, Verdict)> {
        let mut folder = RunFolder::open(path)?;
        let file;
        let start = match folder.newest_checkpoint() {
            Ok(_) => {
                folder.write_config(&self.config()?)?;
                folder.set_status(State::Running, "")?;
                StartFrom::Checkpoint
            }
            Err(RunError::NoCheckpoint { reasons, .. }) if reasons.is_empty() => {
                drop(folder);
                folder = self.create(path, data, true)?;
                file = match &self.file {
                    Some(file) => Some(file.clone()),
                    None => read_init(&self.settings.init)?.map(Arc::new),
                };
                if let Some(file) = &file {
                    same_weights(&self.settings, file)?;
                }
                file.as_deref().map_or(StartFrom::Scratch, StartFrom::Encoder)
            }
            Err(error) => return Err(error.into()),
        };
        let verdict = self.learn(watch, &mut folder, start, data, label)?;
        Ok((folder, verdict))
    }

    /// The verdict of a run at `path` that has these settings and is done; nothing if it is still to do.
    ///
    /// # Errors
    /// A run with other settings.
    pub fn finished(&self, path: &Path) -> Outcome<Option<Verdict>> {
        let record = RunRecord::read(path)?;
        let table = |text: &str| text.parse::<toml::Table>();
        let before = table(&record.config)
            .map_err(|error| Failure::new(Exit::Data, error).at(path.join(names::CONFIG).display()))?;
        let now = table(&self.config()?).map_err(|error| Failure::new(Exit::Failed, error))?;
        refuse_changes(&before, &now, &MAY_CHANGE)
            .map_err(|failure| failure.at(path.display()).hint("take another --out, or add --overwrite"))?;
        if record.status.state != State::Done {
            return Ok(None);
        }
        let verdicts = record.verdicts.into_values();
        Ok(verdicts
            .filter_map(|value| serde_json::from_value::<Verdict>(value).ok())
            .find(|verdict| verdict.protocol == PROTOCOL))
    }
}

/// About the size of a checkpoint: weights, two moments and the best weights, four bytes each.
pub fn checkpoint_bytes(parameters: usize) -> u64 {
    parameters as u64 * 16
}
