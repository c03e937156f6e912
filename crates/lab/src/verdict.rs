//! What a protocol says of a subject on a data set: one head for all, whatever the outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use twinlens_eval::clustering::Clusters;
use twinlens_eval::{Judgement, Predictions, Repeats};
use twinlens_run::{RunError, RunFolder, RunRecord, names};

use crate::LabError;
use crate::events::Events;
use crate::exhibits::Exhibit;
use crate::identity::digest;
use crate::outcome::{Outcome, Readings};
use crate::schema1;
use crate::sentence::sentence;
use crate::subject::SubjectRecord;

/// Version of the JSON written for a [`Verdict`]; it grows when a field changes its meaning or goes. Version 1 is read too.
pub const SCHEMA_VERSION: u32 = 2;

/// Settings of a protocol by name.
pub type Settings = BTreeMap<String, Value>;

/// Who said what of whom: what reports draw and runs keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict<O = Outcome> {
    /// The protocol's name: `knn`, `linear-probe`.
    pub protocol: String,
    /// The settings that were asked for.
    pub asked: Settings,
    /// What was chosen on validation or came out of the fit.
    pub found: Settings,
    /// The seeds behind weights, labels and draws by what they seeded (`labels`, `untrained`, ...).
    pub seeds: BTreeMap<String, u64>,
    /// What was judged.
    pub subject: SubjectRecord,
    /// On which data.
    pub data: DataRecord,
    /// What came out.
    pub outcome: O,
    /// What a reader should know before believing the numbers.
    pub warnings: Vec<String>,
    /// What stands beside it; not a part of its file.
    pub exhibits: Vec<Exhibit>,
}

/// The data that a verdict is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Where they lay.
    pub path: String,
    /// SHA-256 of their content; none where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Which images stand in which split, where the files do not say so (see [`crate::split_key`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splits: Option<String>,
}

/// The number that a verdict is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    /// The split it was measured on.
    pub split: String,
    /// What was measured, as tables call it.
    pub measure: String,
    /// What came out.
    pub value: f64,
}

/// The readable settings that stand in a file's name; the key at its end tells it from all others.
const IN_NAMES: [&str; 5] = ["split", "k", "label_share", "labels_per_class", "policy"];

impl<O> Verdict<O> {
    /// What `protocol` says with this judgement of a subject on data.
    pub fn new(
        protocol: &str,
        judgement: Judgement<O>,
        subject: SubjectRecord,
        data: DataRecord,
    ) -> Verdict<O> {
        let Judgement { asked, found, seeds, outcome, warnings } = judgement;
        let (protocol, exhibits) = (protocol.to_owned(), Vec::new());
        Verdict { protocol, asked, found, seeds, subject, data, outcome, warnings, exhibits }
    }

    /// The same of another outcome.
    pub fn with<P>(self, outcome: P) -> Verdict<P> {
        let Verdict { protocol, asked, found, seeds, subject, data, warnings, exhibits, .. } = self;
        Verdict { protocol, asked, found, seeds, subject, data, outcome, warnings, exhibits }
    }

    /// Whether two verdicts differ in their seeds, in what was found, and in weights that seeds decided, at most.
    pub fn repeats<P>(&self, other: &Verdict<P>) -> bool {
        let condition = |data: &DataRecord| (data.sha256.clone(), data.splits.clone());
        self.protocol == other.protocol
            && self.asked == other.asked
            && self.subject.features == other.subject.features
            && self.subject.place() == other.subject.place()
            && condition(&self.data) == condition(&other.data)
    }

    /// What tells it from every other result on the same subject: the same for the same request, another for any other.
    /// What was found on the way, and where the data lie, have no part in it.
    pub fn key(&self) -> String {
        let DataRecord { sha256, splits, .. } = &self.data;
        let mut request = json!({
            "protocol": self.protocol,
            "asked": self.asked,
            "seeds": self.seeds,
            "features": self.subject.features,
            "stage": self.subject.stage,
            "data": [sha256, splits],
        });
        // Of the many that are of no epoch the key is as it was.
        if let Some(epoch) = self.subject.epoch {
            request["epoch"] = json!(epoch);
        }
        digest([request.to_string()])
    }

    /// The name of its file: protocol, data, what people look for first, key.
    pub fn file_name(&self) -> String {
        let setting = |key: &&str| self.asked.get(*key).map(plain);
        let data = self.data.sha256.iter().map(|sha256| sha256.chars().take(8).collect());
        std::iter::once(self.protocol.clone())
            .chain(data)
            .chain([self.subject.features.name().to_owned()])
            .chain(self.subject.place().into_iter().map(|place| place.replace(' ', "-")))
            .chain(IN_NAMES.iter().filter_map(setting))
            .chain([self.key()])
            .collect::<Vec<_>>()
            .join("-")
    }

    /// A setting that was asked for, if it is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.asked.get(key).and_then(Value::as_str)
    }

    /// A setting that was asked for, if it is a number.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.asked.get(key).and_then(Value::as_f64)
    }
}

impl Verdict<Predictions> {
    /// The same as any other verdict.
    pub fn any(&self) -> Verdict {
        self.clone().with(Outcome::Predictions(self.outcome.clone()))
    }
}

impl Verdict {
    /// The same where its outcome is predictions of one class an image.
    pub fn predictions(&self) -> Option<Verdict<Predictions>> {
        match &self.outcome {
            Outcome::Predictions(found) => Some(self.clone().with(found.clone())),
            _ => None,
        }
    }

    /// The same where its outcome is groups of images.
    pub fn clusters(&self) -> Option<Verdict<Clusters>> {
        match &self.outcome {
            Outcome::Clusters(found) => Some(self.clone().with(found.clone())),
            _ => None,
        }
    }

    /// The verdict in a sentence that can be read alone.
    pub fn summary(&self) -> String {
        sentence(self)
    }

    /// All numbers of its outcome.
    pub fn readings(&self) -> Readings {
        self.outcome.readings(self.text("split").unwrap_or("all"))
    }

    /// The number that it is held to: its first measure on test, or on validation alone where there is no test; none where
    /// that is undefined.
    pub fn headline(&self) -> Option<Headline> {
        let Readings { measures, mut splits } = self.readings();
        let (split, values) = splits.pop()?;
        let measure = measures.into_iter().next()?.title;
        Some(Headline { split, measure, value: values.first().copied().flatten()? })
    }
}

impl Verdict {
    /// Keeps the verdict in `eval` of a run and what stands beside it: tables there, pictures in `plots`. Returns where the
    /// pictures are.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn keep(&self, run: &RunFolder) -> Result<Vec<PathBuf>, RunError> {
        let name = self.file_name();
        run.write_verdict(&name, self)?;
        let mut pictures = Vec::new();
        for Exhibit { extension, bytes } in &self.exhibits {
            match *extension {
                "csv" => run.write_predictions(&name, &String::from_utf8_lossy(bytes))?,
                picture => pictures.push(run.write_plot(&format!("{name}.{picture}"), bytes)?),
            }
        }
        Ok(pictures)
    }
}

impl<O> Verdict<O> {
    /// What stands beside it with that end of its name.
    pub fn exhibit(&self, extension: &str) -> Option<&[u8]> {
        self.exhibits
            .iter()
            .find(|exhibit| exhibit.extension == extension)
            .map(|exhibit| exhibit.bytes.as_slice())
    }
}

/// Tells the warnings of verdicts, each once, and keeps the verdicts in `run`, where the encoder is that of a run. Returns where
/// the pictures beside them are. A folder that only others may write, or that a training is writing, keeps nothing, which is
/// told.
///
/// # Errors
/// A folder that cannot be read, or written for another reason.
pub fn keep(verdicts: &[Verdict], run: Option<&Path>, events: &dyn Events) -> Result<Vec<PathBuf>, RunError> {
    let warnings: BTreeSet<&String> = verdicts.iter().flat_map(|verdict| &verdict.warnings).collect();
    warnings.into_iter().for_each(|warning| events.warn(warning));
    let Some(run) = run else { return Ok(Vec::new()) };
    let run = match RunFolder::open(run) {
        Err(error @ (RunError::Locked { .. } | RunError::ReadOnly { .. })) => {
            events.warn(&format!("the verdicts are not kept with the run: {error}"));
            return Ok(Vec::new());
        }
        opened => opened?,
    };
    let kept = verdicts.iter().map(|verdict| verdict.keep(&run)).collect::<Result<Vec<_>, RunError>>()?;
    Ok(kept.concat())
}

/// The verdicts that a run keeps, those that can be read.
pub(crate) struct KeptVerdicts {
    /// By the names of their files.
    pub(crate) verdicts: Vec<(String, Verdict)>,
    /// What to say of each file that holds none.
    pub(crate) left_out: Vec<String>,
}

impl KeptVerdicts {
    pub(crate) fn of(record: &RunRecord) -> KeptVerdicts {
        let (mut verdicts, mut left_out) = (Vec::new(), Vec::new());
        let mut leave_out = |name: &str, reason: &dyn Display| {
            let file = record.path.join(names::EVAL).join(format!("{name}.json"));
            left_out.push(format!("left out {}, which is no verdict: {reason}", file.display()));
        };
        for (name, reason) in &record.unread_verdicts {
            leave_out(name, reason);
        }
        for (name, document) in &record.verdicts {
            match serde_json::from_value::<Verdict>(document.clone()) {
                Ok(verdict) => verdicts.push((name.clone(), verdict)),
                Err(error) => leave_out(name, &error),
            }
        }
        KeptVerdicts { verdicts, left_out }
    }
}

/// Verdicts that differ in nothing but their seeds, together, in the order in which they come.
pub fn repeated<O>(verdicts: &[Verdict<O>]) -> Vec<Vec<&Verdict<O>>> {
    let mut groups: Vec<Vec<&Verdict<O>>> = Vec::new();
    for verdict in verdicts {
        match groups.iter_mut().find(|group| group[0].repeats(verdict)) {
            Some(group) => group.push(verdict),
            None => groups.push(vec![verdict]),
        }
    }
    groups
}

/// Every split of verdicts that differ in their seeds.
///
/// # Errors
/// Verdicts of other images.
pub fn repeats(verdicts: &[&Verdict<Predictions>]) -> Result<Vec<Repeats>, LabError> {
    let splits = verdicts.first().map(|verdict| verdict.outcome.splits.as_slice()).unwrap_or_default();
    let outcomes: Vec<&Predictions> = verdicts.iter().map(|verdict| &verdict.outcome).collect();
    splits.iter().map(|split| Ok(Repeats::of(&split.split, &outcomes)?)).collect()
}

/// A value without the quotes of text.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A verdict as it is written.
#[derive(Serialize)]
struct Written<'a> {
    schema_version: u32,
    protocol: &'a str,
    asked: &'a Settings,
    found: &'a Settings,
    seeds: &'a BTreeMap<String, u64>,
    subject: &'a SubjectRecord,
    data: &'a DataRecord,
    #[serde(flatten)]
    outcome: &'a Outcome,
    warnings: &'a [String],
    summary: String,
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Verdict { protocol, asked, found, seeds, subject, data, outcome, warnings, .. } = self;
        let schema_version = SCHEMA_VERSION;
        let summary = self.summary();
        Written { schema_version, protocol, asked, found, seeds, subject, data, outcome, warnings, summary }
            .serialize(serializer)
    }
}

/// A verdict as it is read.
#[derive(Deserialize)]
struct Read {
    protocol: String,
    asked: Settings,
    found: Settings,
    seeds: BTreeMap<String, u64>,
    subject: SubjectRecord,
    data: DataRecord,
    #[serde(flatten)]
    outcome: Outcome,
    warnings: Vec<String>,
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
        use serde::de::Error;
        let document = Value::deserialize(deserializer)?;
        let document = match document["schema_version"].as_u64() {
            Some(1) => schema1::upgraded(document),
            Some(version) if version == u64::from(SCHEMA_VERSION) => document,
            Some(version) => {
                let message =
                    format!("version {version} of verdicts; this program reads 1 and {SCHEMA_VERSION}");
                return Err(D::Error::custom(message));
            }
            None => return Err(D::Error::missing_field("schema_version")),
        };
        let Read { protocol, asked, found, seeds, subject, data, outcome, warnings } =
            serde_json::from_value(document).map_err(D::Error::custom)?;
        let exhibits = Vec::new();
        Ok(Verdict { protocol, asked, found, seeds, subject, data, outcome, warnings, exhibits })
    }
}
