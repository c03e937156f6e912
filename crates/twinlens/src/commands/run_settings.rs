//! The settings that a run saved: those of a pre-training or of a fine-tuning.

use twinlens_data::DataSettings;
use twinlens_lab::Computing;
use twinlens_run::{RunRecord, names};
use twinlens_ssl::Settings;
use twinlens_ssl::finetune::FinetuneSettings;
use twinlens_views::ViewPolicy;

use super::spec::is_finetuning;
use crate::exit::{Exit, Failure, Outcome};

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
    pub fn of(record: &RunRecord) -> Outcome<RunSettings> {
        let read = match is_finetuning(&record.config) {
            true => {
                toml::from_str(&record.config).map(|settings| RunSettings::Finetuning(Box::new(settings)))
            }
            false => {
                toml::from_str(&record.config).map(|settings| RunSettings::Pretraining(Box::new(settings)))
            }
        };
        read.map_err(|error| {
            let failure = Failure::new(Exit::Data, error).at(record.path.join(names::CONFIG).display());
            failure.hint("was it written by another version of this program, or changed by hand?")
        })
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

    /// How features are computed for the run's report.
    pub fn computing(&self) -> Computing {
        let Common { workers, device, .. } = self.common();
        super::computing(workers, device)
    }
}
