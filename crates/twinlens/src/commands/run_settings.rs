//! The settings that a run saved: those of a pre-training or of a fine-tuning.

use twinlens_lab::Computing;
use twinlens_run::{RunRecord, names};
use twinlens_ssl::finetune::FinetuneSettings;
use twinlens_ssl::{Common, Settings};

use super::spec::{finetune_spec, is_finetuning, spec, told};
use crate::exit::{Exit, Failure, Outcome};

/// What a run was told to do.
#[derive(Clone, Debug)]
pub enum RunSettings {
    /// To learn without labels.
    Pretraining(Box<Settings>),
    /// To learn from labels, from an encoder or random weights.
    Finetuning(Box<FinetuneSettings>),
}

impl RunSettings {
    /// The settings of a run, also of one that an earlier version made.
    ///
    /// # Errors
    /// Settings that this program cannot read.
    pub fn of(record: &RunRecord) -> Outcome<RunSettings> {
        let place = record.path.join(names::CONFIG).display().to_string();
        let read = match is_finetuning(&record.config) {
            true => finetune_spec()
                .read(&place, &record.config)
                .map(|read| RunSettings::Finetuning(Box::new(told(read).settings))),
            false => spec()
                .read(&place, &record.config)
                .map(|read| RunSettings::Pretraining(Box::new(told(read).settings))),
        };
        read.map_err(|report| {
            let failure = Failure::new(Exit::Data, report);
            failure.hint("was it written by another version of this program, or changed by hand?")
        })
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

    /// How features are computed for the run's report.
    pub fn computing(&self) -> Computing {
        let Common { workers, device, .. } = self.common();
        super::computing(*workers, device)
    }
}
