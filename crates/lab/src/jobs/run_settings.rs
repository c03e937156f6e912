//! The settings that a run saved: those of a pre-training or of a fine-tuning.

use toml::Table;
use twinlens_data::DataSettings;
use twinlens_run::{RunKind, RunRecord, names};
use twinlens_ssl::Settings;
use twinlens_ssl::finetune::FinetuneSettings;
use twinlens_views::ViewPolicy;

use super::JobError;
use crate::LabError;

/// What a run was told to do.
#[derive(Clone, Debug)]
pub enum RunSettings {
    /// To learn without labels.
    Pretraining(Box<Settings>),
    /// To learn from labels, from an encoder or random weights.
    Finetuning(Box<FinetuneSettings>),
}

/// What both kinds of runs say.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// The data set.
    pub data: &'a str,
    /// How it is read.
    pub data_options: &'a DataSettings,
    /// The encoder.
    pub encoder: &'a str,
    /// Its stem.
    pub stem: &'static str,
    /// The side of the views; 0 for that of the images.
    pub size: usize,
    /// The name of the policy.
    pub policy: &'a str,
    /// The views.
    pub views: &'a [ViewPolicy],
    /// Epochs planned.
    pub epochs: usize,
    /// Images in a step.
    pub batch: usize,
    /// Seed of all randomness.
    pub seed: u64,
    /// Threads that prepare images; 0 for as many as there are.
    pub workers: usize,
    /// Where to compute.
    pub device: &'a str,
}

impl RunSettings {
    /// The settings of a run.
    ///
    /// # Errors
    /// Settings that this program cannot read.
    pub fn of(record: &RunRecord) -> Result<RunSettings, LabError> {
        let kind = record.lineage.as_ref().map(|lineage| lineage.kind);
        RunSettings::read(&record.config, kind)
            .map_err(|error| LabError::from(error).at(record.path.join(names::CONFIG).display()))
    }

    /// The settings in the text of a `config.toml`, of a run of this kind. Runs that do not say of which kind they are come
    /// from before there was a record of it: those with stages are fine-tunings.
    ///
    /// # Errors
    /// Settings that this program cannot read.
    pub fn read(config: &str, kind: Option<RunKind>) -> Result<RunSettings, JobError> {
        let read = match kind.unwrap_or_else(|| kind_of(config)) {
            RunKind::Finetuning => {
                toml::from_str(config).map(|settings| RunSettings::Finetuning(Box::new(settings)))
            }
            RunKind::Pretraining => {
                toml::from_str(config).map(|settings| RunSettings::Pretraining(Box::new(settings)))
            }
        };
        read.map_err(|error| JobError::Unreadable { reason: error.to_string() })
    }

    /// Of which kind a run with them is.
    pub fn kind(&self) -> RunKind {
        match self {
            RunSettings::Pretraining(_) => RunKind::Pretraining,
            RunSettings::Finetuning(_) => RunKind::Finetuning,
        }
    }

    /// As the text of `config.toml`.
    ///
    /// # Errors
    /// Settings that TOML cannot hold.
    pub fn config(&self) -> Result<String, JobError> {
        match self {
            RunSettings::Pretraining(settings) => toml::to_string_pretty(settings),
            RunSettings::Finetuning(settings) => toml::to_string_pretty(settings),
        }
        .map_err(unwritable)
    }

    /// As a table of TOML.
    ///
    /// # Errors
    /// As [`RunSettings::config`].
    pub fn table(&self) -> Result<Table, JobError> {
        match self {
            RunSettings::Pretraining(settings) => Table::try_from(settings),
            RunSettings::Finetuning(settings) => Table::try_from(settings),
        }
        .map_err(unwritable)
    }

    /// What both kinds say.
    pub fn common(&self) -> Common<'_> {
        // The fields are called alike in both.
        macro_rules! common {
            ($settings:expr, $epochs:expr) => {
                Common {
                    data: &$settings.data,
                    data_options: &$settings.data_options,
                    encoder: &$settings.encoder,
                    stem: $settings.stem.name(),
                    size: $settings.size,
                    policy: &$settings.policy,
                    views: &$settings.views,
                    epochs: $epochs,
                    batch: $settings.batch,
                    seed: $settings.seed,
                    workers: $settings.workers,
                    device: &$settings.device,
                }
            };
        }
        match self {
            RunSettings::Pretraining(settings) => common!(settings, settings.epochs),
            RunSettings::Finetuning(settings) => common!(settings, settings.epochs()),
        }
    }
}

/// The kind of the settings in `config`, where nothing else says it: none but those of a fine-tuning have stages.
pub fn kind_of(config: &str) -> RunKind {
    match config.parse::<Table>() {
        Ok(table) if table.contains_key("stages") => RunKind::Finetuning,
        _ => RunKind::Pretraining,
    }
}

fn unwritable(error: toml::ser::Error) -> JobError {
    JobError::Unwritable { reason: error.to_string() }
}
