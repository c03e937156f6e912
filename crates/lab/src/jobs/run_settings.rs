//! The settings that a run saved: those of a pre-training or of a fine-tuning.

use toml::Table;
use twinlens_run::{RunKind, RunRecord, names};
use twinlens_ssl::finetune::FinetuneSettings;
use twinlens_ssl::{Common, Settings};

use super::JobError;
use crate::LabError;
use crate::settings::{finetune_spec, spec, told};

/// What a run was told to do.
#[derive(Clone, Debug)]
pub enum RunSettings {
    /// To learn without labels.
    Pretraining(Box<Settings>),
    /// To learn from labels, from an encoder or random weights.
    Finetuning(Box<FinetuneSettings>),
}

impl RunSettings {
    /// The settings of a run.
    ///
    /// # Errors
    /// Settings that this program cannot read.
    pub fn of(record: &RunRecord) -> Result<RunSettings, LabError> {
        let kind = record.lineage.as_ref().map(|lineage| lineage.kind);
        let place = record.path.join(names::CONFIG).display().to_string();
        RunSettings::read(&place, &record.config, kind).map_err(|error| LabError::from(error).at(place))
    }

    /// The settings in the text of the `config.toml` at `place`, of a run of this kind; they may be in an older form, which is
    /// told. Runs that do not say of which kind they are come from before there was a record of it: those with stages are
    /// fine-tunings.
    ///
    /// # Errors
    /// Settings that this program cannot read.
    pub fn read(place: &str, config: &str, kind: Option<RunKind>) -> Result<RunSettings, JobError> {
        let read = match kind.unwrap_or_else(|| kind_of(config)) {
            RunKind::Finetuning => finetune_spec()
                .read(place, config)
                .map(|read| RunSettings::Finetuning(Box::new(told(read).settings))),
            RunKind::Pretraining => {
                spec().read(place, config).map(|read| RunSettings::Pretraining(Box::new(told(read).settings)))
            }
        };
        read.map_err(|report| JobError::Unreadable { reason: report.to_string() })
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
    pub fn common(&self) -> &Common {
        match self {
            RunSettings::Pretraining(settings) => &settings.common,
            RunSettings::Finetuning(settings) => &settings.common,
        }
    }

    /// Epochs planned.
    pub fn epochs(&self) -> usize {
        match self {
            RunSettings::Pretraining(settings) => settings.epochs,
            RunSettings::Finetuning(settings) => settings.epochs(),
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
