//! What verbs that use a trained encoder share: the encoder, the data, and where to compute.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{ValueEnum, ValueHint};
use serde::Serialize;
use serde_json::{Value, json};
use twinlens_data::{DataSet, DataSettings, Split};
use twinlens_eval::metrics::measured;
use twinlens_eval::statistics::{Bootstrap, Interval};
use twinlens_eval::{Labelled, Verdict, shift};
use twinlens_lab::{Computing, Subject, key, labelled, read_encoder, split_key, untrained};
use twinlens_nn::weights::EncoderFile;
use twinlens_run::{RunFolder, RunRecord, write_atomically};
use twinlens_ssl::finetune::range_of;

use super::labels::{repeated, summary};
use super::reading::ReadingArgs;
use super::run_settings::RunSettings;
use super::training::open_named;
use super::{tags, told};
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
        hide_possible_values = true
    )]
    pub features: Kind,
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

/// Features by their name on the command line: an encoder, the same network untrained, or the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// By the encoder as it is.
    Trained,
    /// By the same network with fresh random weights.
    Untrained,
    /// The pixels themselves, prepared as for the encoder.
    Pixels,
}

impl Kind {
    /// That of a verdict with these settings; one that does not say judges the encoder.
    pub fn of(settings: &BTreeMap<String, Value>) -> Kind {
        let named = |kind: &Kind| settings.get("features").and_then(Value::as_str) == Some(kind.name());
        [Kind::Untrained, Kind::Pixels].into_iter().find(named).unwrap_or(Kind::Trained)
    }

    /// What it is called in tables.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Trained => "trained encoder",
            Kind::Untrained => "untrained encoder",
            Kind::Pixels => "raw pixels",
        }
    }

    /// Its name, as in verdicts.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Trained => "trained",
            Kind::Untrained => "untrained",
            Kind::Pixels => "pixels",
        }
    }

    /// The subject that this kind of features makes of an encoder; `untrained_seed` is for the untrained network.
    ///
    /// # Errors
    /// An encoder that this program does not know.
    pub fn subject(self, file: EncoderFile, untrained_seed: u64) -> Outcome<Subject> {
        Ok(match self {
            Kind::Trained => Subject::Encoder(file),
            Kind::Untrained => Subject::Encoder(untrained(&file, untrained_seed)?),
            Kind::Pixels => Subject::Pixels(file),
        })
    }

    /// Writes into the settings and seeds of a verdict whose features of which data it judges.
    pub fn sign(
        self,
        settings: &mut BTreeMap<String, Value>,
        seeds: &mut BTreeMap<String, u64>,
        untrained_seed: u64,
        path: &str,
        data: &DataSet,
    ) {
        let facts = [("features", self.name()), ("data", path), ("data_sha256", data.fingerprint.as_str())];
        settings.extend(facts.map(|(key, value)| (key.to_owned(), value.into())));
        settings.extend(split_key(data).map(|splits| ("splits".to_owned(), splits.into())));
        if self == Kind::Untrained {
            seeds.insert("untrained".into(), untrained_seed);
        }
    }
}

impl JudgeArgs {
    /// Reads the encoder and opens the data.
    ///
    /// # Errors
    /// A missing or damaged encoder, data that cannot be read.
    pub fn open(&self, terminal: &Terminal) -> Outcome<(Subject, DataSet)> {
        let file = self.read(&self.encoder)?;
        let data = open_named(&self.data, &self.reading_for(&file)?, terminal)?;
        Ok((self.features.subject(file, self.untrained_seed)?, data))
    }

    /// The encoder at `path`; it knows no range of values where the flags state one.
    ///
    /// # Errors
    /// As [`read_encoder`].
    pub fn read(&self, path: &Path) -> Outcome<EncoderFile> {
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
        for notice in &judged.notices[data.notices.len()..] {
            tracing::warn!("{}: {}", data.name, told::notice(notice));
        }
        if judged.splits.test.is_none() && judged.splits.val.is_some() {
            tracing::warn!("{} has no test images with labels: validation alone is judged", data.name);
        }
        Ok((subject, judged))
    }

    /// Writes into verdicts whose features of which data they judge, tells their warnings, and keeps them with the run if
    /// the encoder is one's.
    ///
    /// # Errors
    /// A folder that is in use or cannot be written.
    pub fn sign(&self, data: &DataSet, verdicts: &mut [Verdict]) -> Outcome {
        for verdict in verdicts {
            let Verdict { settings, seeds, .. } = verdict;
            self.features.sign(settings, seeds, self.untrained_seed, &self.data, data);
            for warning in &verdict.warnings {
                tracing::warn!("{warning}");
            }
            if self.encoder.is_dir() {
                keep(&self.encoder, &file_name(verdict), verdict)?;
            }
        }
        Ok(())
    }

    /// Tells verdicts, keeps them with the run if the encoder is one's, and fails below `fail_under`.
    ///
    /// # Errors
    /// A file that cannot be written; a test accuracy below `fail_under`.
    pub fn conclude(
        &self,
        data: &DataSet,
        mut verdicts: Vec<Verdict>,
        out: Option<&Path>,
        fail_under: Option<f64>,
        terminal: &Terminal,
    ) -> Outcome {
        self.sign(data, &mut verdicts)?;
        let shifts = shifts(&verdicts);
        let mut document = document(&verdicts, &shifts);
        let summary = summary(&verdicts, terminal)?;
        if let Some((summary, _)) = &summary {
            document["summary"] = summary.clone();
        }
        if let Some(out) = out {
            write_document(out, &document)?;
        }
        terminal.result(&document, || {
            let told =
                format!("{}\n{}", table(&verdicts, terminal), tell_shifts(&shifts_over_seeds(&verdicts)));
            match summary {
                Some((_, repeats)) => format!("{told}\n{repeats}"),
                None => told,
            }
        })?;
        // Validation and test, as far as they are there: the last is what is reported on.
        let last = verdicts.iter().filter_map(|verdict| verdict.splits.last());
        let worst = last.min_by(|a, b| a.scores.accuracy().total_cmp(&b.scores.accuracy()));
        match (fail_under, worst) {
            (Some(least), Some(worst)) if worst.scores.accuracy() < least => {
                let (split, accuracy) = (&worst.split, worst.scores.accuracy());
                Err(Failure::message(
                    Exit::Failed,
                    format!("{split} accuracy {accuracy:.4} is below {least}"),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// The features of a data set with their labels.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What a protocol learns from.
    pub train: Labelled,
    /// What it is judged on: `val` and `test`, as far as they are there.
    held_out: Vec<(&'static str, Labelled)>,
}

impl Judged {
    /// The features of every split by `subject`.
    ///
    /// # Errors
    /// Training images without labels of two classes; no held-out image with a label; an encoder that does not fit.
    pub fn of(
        subject: &Subject,
        data: &DataSet,
        computing: &Computing,
        terminal: &Terminal,
    ) -> Outcome<Judged> {
        data.check_for_evaluation()?;
        let of = |split| Ok::<_, Failure>(labelled(subject, data, split, computing, terminal)?);
        let held_out: Vec<_> = [Split::Val, Split::Test]
            .into_iter()
            .filter(|&split| data.splits.get(split).is_some())
            .map(|split| Ok((split.name(), of(split)?)))
            .collect::<Outcome<_>>()?;
        if held_out.is_empty() {
            let message = format!("{} has no validation and no test images with labels", data.name);
            let hint =
                "--splits drawn holds some of the images out; `twinlens data inspect` shows the splits";
            return Err(Failure::message(Exit::Data, message).hint(hint));
        }
        Ok(Judged { train: of(Split::Train)?, held_out })
    }

    /// The held-out splits with their names.
    pub fn held_out(&self) -> Vec<(&str, &Labelled)> {
        self.held_out.iter().map(|(name, set)| (*name, set)).collect()
    }
}

/// Writes a verdict to the `eval` folder of a run, which nobody may be writing.
///
/// # Errors
/// A folder that is no run, or is in use, or cannot be written.
pub fn keep(run: &Path, name: &str, verdict: &impl Serialize) -> Outcome {
    Ok(RunFolder::open(run)?.write_verdict(name, verdict)?)
}

/// Writes what a verb tells to a file of its own.
///
/// # Errors
/// A file that cannot be written.
pub fn write_document(path: &Path, document: &Value) -> Outcome {
    let text = serde_json::to_vec_pretty(document).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(write_atomically(path, &text)?)
}

/// Whether the JSON in a run's `eval` is of a protocol that predicts one class an image, not of clusters, of features
/// themselves, or of images that may show several classes.
pub fn holds_predictions(document: &Value) -> bool {
    !["cluster", "health", tags::PROTOCOL].iter().any(|protocol| document["protocol"] == *protocol)
}

/// The usual temperature of a vote by cosine.
pub const TEMPERATURE: f64 = 0.07;

/// The name of a verdict's file, see [`name_of`].
pub fn file_name(verdict: &Verdict) -> String {
    name_of(&verdict.protocol, &verdict.settings, &verdict.seeds)
}

/// The name of a verdict's file: protocol, data, and what people look for first; the key at the end tells it from all others.
pub fn name_of(protocol: &str, settings: &BTreeMap<String, Value>, seeds: &BTreeMap<String, u64>) -> String {
    let part = |key: &str| settings.get(key).map(|value| value.to_string().trim_matches('"').to_owned());
    let data = part("data_sha256").map(|sha256| sha256.chars().take(8).collect());
    let parts = ["features", "split", "k", "label_share", "labels_per_class", "policy"];
    let parts = parts.into_iter().filter_map(part);
    std::iter::once(protocol.to_owned())
        .chain(data)
        .chain(parts)
        .chain([key(protocol, settings, seeds)])
        .collect::<Vec<_>>()
        .join("-")
}

/// The scores of verdicts, a line a split.
pub fn table(verdicts: &[Verdict], terminal: &Terminal) -> String {
    let splits = || verdicts.iter().flat_map(|verdict| &verdict.splits);
    let measures = measured(splits().map(|split| &split.scores));
    let headings: Vec<&str> =
        ["protocol", "features", "split"].into_iter().chain(measures.iter().map(|one| one.title)).collect();
    let mut rows = Vec::new();
    for verdict in verdicts {
        let features = verdict.settings.get("features").and_then(Value::as_str).unwrap_or("-");
        for split in &verdict.splits {
            let words = [protocol(verdict), features.to_owned(), split.split.clone()];
            let numbers = measures.iter().map(|measure| number(measure.value(&split.scores)));
            rows.push(words.into_iter().chain(numbers).collect());
        }
    }
    terminal.table(&headings, &rows)
}

/// A number in tables; `-` where it is undefined.
pub fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}

/// A protocol with the settings that readers want to see.
pub fn protocol(verdict: &Verdict) -> String {
    let setting =
        |key: &str| verdict.settings.get(key).map(|value| value.to_string().trim_matches('"').to_owned());
    let labels = setting("label_share").or_else(|| Some(setting("labels_per_class")? + " a class"));
    let labels = labels.map(|labels| format!(", labels {labels}")).unwrap_or_default();
    match verdict.protocol.as_str() {
        "knn" => {
            let euclidean = setting("distance").is_some_and(|distance| distance == "euclidean");
            let distance = if euclidean { " euclidean" } else { "" };
            let temperature = verdict.settings.get("temperature").filter(|t| t.as_f64() != Some(TEMPERATURE));
            let temperature = temperature.map(|t| format!(" temperature {t}")).unwrap_or_default();
            let [k, vote] = ["k", "vote"].map(|key| setting(key).unwrap_or_default());
            format!("kNN k={k} {vote}{distance}{temperature}")
        }
        "linear-probe" => format!("linear probe{labels}"),
        "ridge-probe" => format!("ridge probe{labels}"),
        "svm-probe" => format!("linear SVM{labels}"),
        other => format!("{other}{labels}"),
    }
}

/// How far each verdict falls from validation to test; `None` where that cannot be said.
pub fn shifts(verdicts: &[Verdict]) -> Vec<Option<Interval>> {
    let of = |verdict: &Verdict| shift(&[verdict], &Bootstrap::default()).ok().flatten();
    verdicts.iter().map(of).collect()
}

/// Verdicts and how far test lies below validation, as `--json` tells them.
pub fn document(verdicts: &[Verdict], shifts: &[Option<Interval>]) -> Value {
    let told = shifts.iter().map(|found| {
        found.map(|found| json!({ "value": found.value, "low": found.low, "high": found.high }))
    });
    json!({ "verdicts": verdicts, "test_below_val": told.collect::<Vec<_>>() })
}

/// [`shifts`] of the mean over the seeds of each condition, beside the first of its verdicts.
fn shifts_over_seeds(verdicts: &[Verdict]) -> Vec<(&Verdict, Option<Interval>)> {
    let of = |group: Vec<_>| (group[0], shift(&group, &Bootstrap::default()).ok().flatten());
    repeated(verdicts).into_iter().map(of).collect()
}

/// The same in words, a line each.
fn tell_shifts(shifts: &[(&Verdict, Option<Interval>)]) -> String {
    let line = |(verdict, found): &(&Verdict, Option<Interval>)| {
        let Interval { value, low, high } = (*found)?;
        let points = |share: f64| {
            let side = if share < 0.0 { "above" } else { "below" };
            format!("{:.1} points {side}", 100.0 * share.abs())
        };
        let features = verdict.settings.get("features").and_then(Value::as_str).unwrap_or("-");
        let [value, low, high] = [value, low, high].map(points);
        let protocol = protocol(verdict);
        Some(format!("{protocol}, {features}: test is {value} validation (95 % of draws: {low} to {high})\n"))
    };
    shifts.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_is_above_or_below_validation_in_words() {
        let verdict = serde_json::from_value::<Verdict>(json!({
            "schema_version": 1, "protocol": "knn", "settings": {"features": "trained", "k": 5, "vote": "weighted"},
            "seeds": {}, "classes": ["a"], "training_labels": 1, "splits": [], "warnings": [],
        }));
        let verdicts = [verdict.unwrap()];
        let found = Interval { value: 0.0512, low: -0.004, high: 0.1 };
        let expected = "kNN k=5 weighted, trained: test is 5.1 points below validation (95 % of draws: 0.4 points above to \
                        10.0 points below)\n";
        assert_eq!(tell_shifts(&[(&verdicts[0], Some(found))]), expected);
        assert_eq!(tell_shifts(&[(&verdicts[0], None)]), "");
    }

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
