//! What verbs that use a trained encoder share: the encoder, the data, and where to compute.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ValueHint};
use serde_json::Value;
use twinlens_data::DataSet;
use twinlens_lab::{
    Computing, FeaturesKind, Headline, Judging, Logged, Settings, Subject, Verdict, judged, keep, own_data,
    own_joined, ranged, read_encoder, read_encoder_after, reading_for, write_json,
};
use twinlens_nn::weights::EncoderFile;

use super::reading::{OF_DATA, ReadingArgs, assigned};
use super::training::open_named;
use super::verdict_output::VerdictOutput;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// An encoder and what to feed it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Encoder and data")]
pub struct JudgeArgs {
    /// A run's folder, or an encoder.safetensors with its encoder.json
    #[arg(value_name = "ENCODER", value_hint = ValueHint::AnyPath)]
    pub encoder: PathBuf,
    /// Settings of the protocol (`twinlens list protocols`), and data_options.NAME=VALUE of the data
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name
    ///
    /// The run's own if none is given.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: Option<String>,
    /// The run's own data set, once it is known.
    #[arg(skip)]
    pub(super) own_data: OnceCell<String>,
    /// Whose features: the encoder's, the same network's untrained, or the pixels themselves
    #[arg(
        long,
        value_name = "trained|untrained|pixels",
        default_value = "trained",
        hide_possible_values = true,
        value_parser = features()
    )]
    pub features: FeaturesKind,
    /// The features of an inner stage, such as layer3 of a ResNet
    ///
    /// Its map, averaged over the pixels; without this, the encoder's features. A wrong name lists those that there are.
    #[arg(long, value_name = "NAME")]
    pub stage: Option<String>,
    /// The encoder as it was after this epoch, of which the run kept a checkpoint
    ///
    /// `checkpoint.epochs` of a training says which are kept.
    #[arg(long, value_name = "EPOCH")]
    pub checkpoint: Option<u64>,
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

/// A key and the text of its value.
type Assignment<'a> = (&'a str, &'a str);

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
    /// The data set's name: as given, else that of the run's own; empty for an encoder's file.
    pub fn data(&self) -> &str {
        match &self.data {
            Some(data) => data,
            None => self.own_data.get_or_init(|| own_data(&self.encoder).unwrap_or_default()),
        }
    }

    /// Reads the encoder, which knows no range of values where the flags state one, and opens the data.
    ///
    /// # Errors
    /// A missing or damaged encoder, data that cannot be read.
    pub fn open(&self, terminal: &Terminal) -> Outcome<(Subject, DataSet)> {
        let file = self.read()?;
        // Flags win.
        let settings = self.reading.over(&reading_for(&self.encoder, &file, self.data()))?;
        let (of_data, _) = self.assignments()?;
        let settings = assigned(&settings, &of_data)?;
        if !settings.join.is_empty() {
            let failure =
                Failure::message(Exit::Usage, "an encoder is judged on one data set, not on several joined");
            return Err(failure.hint("leave data_options.join out, and judge on each with --data"));
        }
        let joined = if self.data.is_none() { own_joined(&self.encoder) } else { Vec::new() };
        if !joined.is_empty() {
            tracing::info!(
                "judged on {}, the first of the data sets that the run learned from; --data names another: {}",
                self.data(),
                joined.join(", ")
            );
        }
        let data =
            open_named(self.data(), &settings, terminal).map_err(|failure| self.own_elsewhere(failure))?;
        let subject = Subject::new(self.features, file, self.untrained_seed)?.at(self.stage.as_deref())?;
        Ok((subject.after(self.checkpoint), data))
    }

    fn read(&self) -> Outcome<EncoderFile> {
        let file = match self.checkpoint {
            None => read_encoder(&self.encoder)?,
            Some(epoch) if self.features == FeaturesKind::Trained => {
                read_encoder_after(&self.encoder, epoch)?
            }
            Some(_) => {
                let message = format!("{} features are of no epoch", self.features.name());
                return Err(Failure::message(Exit::Usage, message).hint("leave out --checkpoint"));
            }
        };
        Ok(ranged(file, self.reading.range.is_none()))
    }

    /// Says of a run's own images that were not found what their path is relative to.
    fn own_elsewhere(&self, failure: Failure) -> Failure {
        let name = self.data();
        let lost = self.data.is_none() && Path::new(name).is_relative() && !Path::new(name).exists();
        if !lost {
            return failure;
        }
        failure.hint(format!(
            "the run learned from `{name}`, as seen from the folder in which it was started; --data PATH says where it lies"
        ))
    }

    /// The words among the settings that are none, such as further encoders, and the arguments without them: of verbs that take
    /// several of something.
    pub fn without_more(&self) -> (Vec<String>, JudgeArgs) {
        let is_setting = |word: &String| word.contains('=') && !Path::new(word).exists();
        let (overrides, more) = self.overrides.iter().cloned().partition(is_setting);
        (more, JudgeArgs { overrides, ..self.clone() })
    }

    /// What is given as KEY=VALUE: of the data, and of the protocol.
    fn assignments(&self) -> Outcome<(Vec<Assignment<'_>>, Vec<Assignment<'_>>)> {
        let unread = |text: &str| Failure::message(Exit::Usage, format!("expected KEY=VALUE, got {text}"));
        let pairs = self.overrides.iter().map(|text| text.split_once('=').ok_or_else(|| unread(text)));
        let pairs = pairs.collect::<Outcome<Vec<_>>>()?;
        Ok(pairs.into_iter().partition(|(key, _)| key.starts_with(OF_DATA)))
    }

    /// `settings` of a protocol with those given as KEY=VALUE over them: a value is JSON where it can be read as such, else text.
    ///
    /// # Errors
    /// What is no KEY=VALUE.
    pub fn over(&self, mut settings: Settings) -> Outcome<Settings> {
        let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let (_, of_protocol) = self.assignments()?;
        settings.extend(of_protocol.into_iter().map(|(key, text)| (key.to_owned(), value(text))));
        Ok(settings)
    }

    /// Refuses settings of a protocol, where there is none.
    ///
    /// # Errors
    /// One that is not of the data.
    pub fn of_data_alone(&self) -> Outcome {
        match self.assignments()?.1.first() {
            None => Ok(()),
            Some((key, _)) => {
                let failure = Failure::message(Exit::Usage, format!("there is no setting `{key}` here"));
                Err(failure.hint("data_options.NAME=VALUE says how the data are read"))
            }
        }
    }

    /// Judging `subject` on `data`.
    pub fn judging<'a>(
        &'a self,
        (subject, data): (&'a Subject, &'a DataSet),
        computing: &'a Computing,
        terminal: &'a Terminal,
    ) -> Judging<'a> {
        Judging::new(subject, (data, self.data()), computing, terminal)
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
        Ok((subject, judged(&data, terminal)))
    }

    /// Tells the warnings of verdicts, each once, and keeps these with the run if the encoder is one's; returns where their
    /// pictures are.
    ///
    /// # Errors
    /// A folder that is in use or cannot be written.
    pub fn keep(&self, verdicts: &[Verdict]) -> Outcome<Vec<PathBuf>> {
        let run = Some(self.encoder.as_path()).filter(|path| path.is_dir());
        Ok(keep(verdicts, run, &Logged)?)
    }

    /// Tells verdicts, keeps them with the run if the encoder is one's, and does with them what `result` says.
    ///
    /// # Errors
    /// A file that cannot be written; a test accuracy below that asked for.
    pub fn conclude(&self, verdicts: &[Verdict], result: &ResultArgs, terminal: &Terminal) -> Outcome {
        let pictures = self.keep(verdicts)?;
        let told = VerdictOutput::of(verdicts, &pictures, terminal)?;
        if let Some(out) = &result.out {
            write_document(out, &told.document)?;
        }
        terminal.result(&told.document, || told.text)?;
        result.check(verdicts)
    }
}

/// What becomes of verdicts.
#[derive(Clone, Debug, clap::Args)]
pub struct ResultArgs {
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    /// Exit with code 1 when the test accuracy is below this
    #[arg(long, value_name = "ACCURACY", value_parser = share)]
    pub fail_under: Option<f64>,
}

/// An argument as it is; that of the least accuracy says `more` in its long help.
pub fn explained(arg: Arg, more: &str) -> Arg {
    if arg.get_id() != "fail_under" {
        return arg;
    }
    let short = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.long_help(format!("{short}\n\n{more}"))
}

impl ResultArgs {
    /// Fails where the worst of the verdicts is below what was asked for.
    fn check(&self, verdicts: &[Verdict]) -> Outcome {
        let worst = verdicts.iter().filter_map(Verdict::headline).min_by(|a, b| a.value.total_cmp(&b.value));
        match (self.fail_under, worst) {
            (Some(least), Some(Headline { split, measure, value })) if value < least => {
                let message = format!("{split} {measure} {value:.4} is below {least}");
                Err(Failure::message(Exit::Failed, message))
            }
            _ => Ok(()),
        }
    }
}

/// Writes what a verb tells to a file of its own.
///
/// # Errors
/// A file that cannot be written.
pub fn write_document(path: &Path, document: &Value) -> Outcome {
    Ok(write_json(path, document)?)
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
