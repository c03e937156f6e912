//! What verbs that use a trained encoder share: the encoder, the data, and where to compute.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueHint;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::Value;
use twinlens_data::{DataSet, DataSettings};
use twinlens_lab::{
    Computing, Events, FeaturesKind, Judging, LabError, Readings, Subject, Verdict, read_encoder,
};
use twinlens_nn::weights::EncoderFile;
use twinlens_run::{RunFolder, RunRecord, write_atomically};
use twinlens_ssl::finetune::range_of;

use super::reading::ReadingArgs;
use super::run_settings::RunSettings;
use super::told::Told;
use super::training::open_named;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// An encoder and what to feed it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Encoder and data")]
pub struct JudgeArgs {
    /// A run's folder, or an encoder.safetensors with its encoder.json
    #[arg(value_name = "ENCODER", value_hint = ValueHint::AnyPath)]
    pub encoder: PathBuf,
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: String,
    /// Whose features: the encoder's, the same network's untrained, or the pixels themselves
    #[arg(
        long,
        value_name = "trained|untrained|pixels",
        default_value = "trained",
        hide_possible_values = true,
        value_parser = features()
    )]
    pub features: FeaturesKind,
    /// Seed of the untrained network's weights
    #[arg(long, value_name = "N", default_value = "0")]
    pub untrained_seed: u64,
    /// How the data are read; a run's own data are read as it read them.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Images in a step
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// Where to compute: auto, cpu, gpu or gpu:N
    #[arg(long, value_name = "WHERE", default_value = "auto", value_parser = super::settings::device)]
    pub device: String,
}

/// A share in (0, 1].
///
/// # Errors
/// When it is no such number.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a number above 0 and at most 1".to_owned()),
    }
}

/// A positive, finite number.
///
/// # Errors
/// When it is no such number.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("expected a number above 0".to_owned()),
    }
}

/// Where features come from, by name.
fn features() -> impl TypedValueParser<Value = FeaturesKind> {
    PossibleValuesParser::new(FeaturesKind::OF_ENCODER.map(FeaturesKind::name))
        .try_map(|name| FeaturesKind::named(&name).ok_or("nothing that gives features"))
}

impl JudgeArgs {
    /// Reads the encoder and opens the data.
    ///
    /// # Errors
    /// A missing or damaged encoder, data that cannot be read.
    pub fn open(&self, terminal: &Terminal) -> Outcome<(Subject, DataSet)> {
        let file = self.read(&self.encoder)?;
        let data = open_named(&self.data, &self.reading_for(&file)?, terminal)?;
        Ok((Subject::new(self.features, file, self.untrained_seed)?, data))
    }

    /// The encoder at `path`; it knows no range of values where the flags state one.
    ///
    /// # Errors
    /// As [`read_encoder`].
    pub fn read(&self, path: &Path) -> Result<EncoderFile, LabError> {
        let mut file = read_encoder(path)?;
        if self.reading.range.is_some() {
            let description = &mut file.description;
            (description.version, description.range) = (description.version.max(2), None);
        }
        Ok(file)
    }

    /// How the data are read: as the run read them, if they are its own, and by the range of values that the encoder
    /// knows; flags win.
    fn reading_for(&self, file: &EncoderFile) -> Outcome<DataSettings> {
        let own = RunRecord::read(&self.encoder).ok().and_then(|record| RunSettings::of(&record).ok());
        let own = own.filter(|settings| settings.common().data == self.data);
        let mut settings =
            own.map_or_else(DataSettings::default, |settings| settings.common().data_options.clone());
        settings.range = range_of(&file.description);
        self.reading.over(&settings)
    }

    /// Judging `subject` on `data`.
    pub fn judging<'a>(
        &'a self,
        (subject, data): (&'a Subject, &'a DataSet),
        computing: &'a Computing,
        terminal: &'a Terminal,
    ) -> Judging<'a> {
        Judging::new(subject, (data, &self.data), computing, terminal)
    }

    /// How features are computed.
    pub fn computing(&self) -> Computing {
        Computing { batch: self.batch as usize, ..super::computing(0, &self.device) }
    }

    /// Opens the data and leaves out what has no label, with a word.
    ///
    /// # Errors
    /// As [`JudgeArgs::open`].
    pub fn open_labelled(&self, terminal: &Terminal) -> Outcome<(Subject, DataSet)> {
        let (subject, data) = self.open(terminal)?;
        let judged = data.for_judging();
        judged.notices[data.notices.len()..].iter().for_each(|notice| terminal.notice(&data.name, notice));
        if judged.splits.test.is_none() && judged.splits.val.is_some() {
            tracing::warn!("{} has no test images with labels: validation alone is judged", data.name);
        }
        Ok((subject, judged))
    }

    /// Tells the warnings of verdicts, each once, and keeps these with the run if the encoder is one's; returns where their
    /// pictures are.
    ///
    /// # Errors
    /// A folder that is in use or cannot be written.
    pub fn keep(&self, verdicts: &[Verdict]) -> Outcome<Vec<PathBuf>> {
        let warnings: BTreeSet<&String> = verdicts.iter().flat_map(|verdict| &verdict.warnings).collect();
        warnings.into_iter().for_each(|warning| tracing::warn!("{warning}"));
        if !self.encoder.is_dir() {
            return Ok(Vec::new());
        }
        let run = RunFolder::open(&self.encoder)?;
        let kept = verdicts.iter().map(|verdict| Ok(verdict.keep(&run)?)).collect::<Outcome<Vec<_>>>()?;
        Ok(kept.concat())
    }

    /// Tells verdicts, keeps them with the run if the encoder is one's, and fails below `fail_under`.
    ///
    /// # Errors
    /// A file that cannot be written; a test accuracy below `fail_under`.
    pub fn conclude(
        &self,
        verdicts: &[Verdict],
        out: Option<&Path>,
        fail_under: Option<f64>,
        terminal: &Terminal,
    ) -> Outcome {
        let pictures = self.keep(verdicts)?;
        let told = Told::of(verdicts, &pictures, terminal)?;
        if let Some(out) = out {
            write_document(out, &told.document)?;
        }
        terminal.result(&told.document, || told.text)?;
        check(verdicts, fail_under)
    }
}

/// Fails where the worst of the verdicts is below `fail_under`: by its first measure on test, or on validation alone where
/// there is no test.
fn check(verdicts: &[Verdict], fail_under: Option<f64>) -> Outcome {
    let last = |verdict: &Verdict| {
        let Readings { measures, mut splits } = verdict.readings();
        let (split, values) = splits.pop()?;
        Some((split, measures.into_iter().next()?.title, values.first().copied().flatten()?))
    };
    let worst = verdicts.iter().filter_map(last).min_by(|a, b| a.2.total_cmp(&b.2));
    match (fail_under, worst) {
        (Some(least), Some((split, measure, value))) if value < least => {
            let message = format!("{split} {measure} {value:.4} is below {least}");
            Err(Failure::message(Exit::Failed, message))
        }
        _ => Ok(()),
    }
}

/// Writes what a verb tells to a file of its own.
///
/// # Errors
/// A file that cannot be written.
pub fn write_document(path: &Path, document: &Value) -> Outcome {
    let text = serde_json::to_vec_pretty(document).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(write_atomically(path, &text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked_at_the_door() {
        assert_eq!(share("0.1"), Ok(0.1));
        assert_eq!(share("1"), Ok(1.0));
        assert_eq!(positive("7e-2"), Ok(0.07));
        for bad in ["0", "-1", "nan", "ten", ""] {
            assert!(share(bad).is_err() && positive(bad).is_err(), "{bad}");
        }
        assert!(share("1.1").is_err() && positive("inf").is_err());
    }
}
