//! One fine-tuning: settings, images and where the weights come from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use twinlens_data::DataSet;
use twinlens_eval::Verdict;
use twinlens_nn::weights::EncoderFile;
use twinlens_run::{RunError, RunFolder, RunRecord, State, names};
use twinlens_ssl::StartFrom;
use twinlens_ssl::finetune::{FinetuneSettings, Finetuned, LabelledImages, SCRATCH, finetune};

use super::super::judge::name_of;
use super::super::spec::{finetune_spec, refuse_changes};
use super::super::training::{Told, Watch, create_folder};
use super::{MAY_CHANGE, read_init, same_weights};
use crate::exit::{Exit, Failure, Outcome};

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
        let entries = self.settings.encoder.entries(self.images.context.channels);
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
            let Finetuned::Done(mut verdict) = ended else { return Ok(None) };
            self.sign(&mut verdict, data);
            // Kept before the status says that the run is done.
            folder
                .write_verdict(&name_of(&verdict.protocol, &verdict.settings, &BTreeMap::new()), &verdict)?;
            Ok(Some(*verdict))
        })
    }

    /// Writes into a verdict what it judges on which data.
    fn sign(&self, verdict: &mut Verdict, data: &DataSet) {
        let features = if self.settings.init == SCRATCH { "from-scratch" } else { "fine-tuned" };
        let facts = [
            ("features", features),
            ("data", self.settings.data.as_str()),
            ("data_sha256", data.fingerprint.as_str()),
        ];
        verdict.settings.extend(facts.map(|(key, value)| (key.to_owned(), value.into())));
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
        let place = path.join(names::CONFIG).display().to_string();
        let before = finetune_spec().read(&place, &record.config);
        // An older form was told with the study's file.
        let before = before.map_err(|report| Failure::new(Exit::Data, report))?;
        let now = toml::Table::try_from(&self.settings);
        let now = now.map_err(|error| Failure::new(Exit::Failed, error))?;
        refuse_changes(&before.table, &now, &MAY_CHANGE)
            .map_err(|failure| failure.at(path.display()).hint("take another --out, or add --overwrite"))?;
        if record.status.state != State::Done {
            return Ok(None);
        }
        let verdicts = record.verdicts.into_values();
        Ok(verdicts
            .filter_map(|value| serde_json::from_value::<Verdict>(value).ok())
            .find(|verdict| verdict.protocol == "fine-tune"))
    }
}

/// About the size of a checkpoint: weights, two moments and the best weights, four bytes each.
pub fn checkpoint_bytes(parameters: usize) -> u64 {
    parameters as u64 * 16
}
