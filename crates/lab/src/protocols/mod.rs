//! Ways of judging an encoder by its features: one file and one line each.
//!
//! A protocol is a type whose fields are its settings. What it needs it takes from [`Judging`]; what it says is an
//! [`Outcome`]. Listing, verdicts and their files, tables, CSV, comparisons and reports follow from these.

mod class_properties;
mod cluster;
mod health;
mod knn;
mod linear_probe;
mod map;
mod pca;
mod retrieval;
mod ridge_probe;
mod svm_probe;
mod svm_tags;
mod tsne;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use twinlens_data::LabelAmount;
use twinlens_eval::Judgement;

pub use cluster::{clusters_csv, clusters_summary};
pub use knn::{Knn, TEMPERATURE};
pub use pca::PcaMap;
pub use retrieval::{Gallery, Retrieval};
pub use svm_tags::SvmTags;
pub use tsne::TsneMap;

use crate::error::Unheeded;
use crate::outcome::Outcome;
use crate::verdict::{Settings, plain};
use crate::{Exhibit, Judging, LabError};

/// A way of judging. The fields of the type are its settings, their defaults the usual ones.
pub trait Protocol: Serialize + DeserializeOwned + Default {
    /// Its name in verdicts, files and commands.
    const ID: &'static str;
    /// What it does, in one line.
    const SUMMARY: &'static str;
    /// What it needs of the data.
    const NEEDS: Needs;

    /// Refuses settings that no data allow, before anything is computed.
    ///
    /// # Errors
    /// What [`Protocol::run`] would say of them.
    fn check(&self) -> Result<(), LabError> {
        Ok(())
    }

    /// Judges: one judgement for each variant that the settings ask for. `seed` decides what it draws at random.
    ///
    /// # Errors
    /// Settings out of range, data without what it needs, images or an encoder that cannot be used.
    fn run(&self, judging: &Judging<'_>, seed: u64) -> Result<Vec<Judgement<Outcome>>, LabError>;

    /// What stands beside a verdict of that judgement: pictures and tables that need the images to be made.
    ///
    /// # Errors
    /// Images that cannot be read, a picture that cannot be drawn.
    fn exhibits(_judging: &Judging<'_>, _found: &Judgement<Outcome>) -> Result<Vec<Exhibit>, LabError> {
        Ok(Vec::new())
    }

    /// What tables call it: with the settings that readers want to see.
    fn title(asked: &Settings) -> String {
        titled::<Self>(Self::ID, asked)
    }
}

/// What a protocol needs of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Images with one class each, some of them held out.
    Classes,
    /// Images that may show several classes, some of them held out.
    Tags,
    /// Images; labels are welcome.
    Images,
    /// Images and, to compare two of each, views.
    Views,
}

impl Needs {
    /// The same in words.
    pub fn name(self) -> &'static str {
        match self {
            Needs::Classes => "one class an image",
            Needs::Tags => "tags of images that may show several classes",
            Needs::Images => "images",
            Needs::Views => "images, and views of them",
        }
    }
}

type Exhibits = fn(&Judging<'_>, &Judgement<Outcome>) -> Result<Vec<Exhibit>, LabError>;
type Check = fn(&Settings) -> Result<(), LabError>;
type Run = fn(&Settings, &Judging<'_>, u64) -> Result<Vec<Judgement<Outcome>>, LabError>;

/// A row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct ProtocolSpec {
    /// [`Protocol::ID`].
    pub id: &'static str,
    /// [`Protocol::SUMMARY`].
    pub summary: &'static str,
    /// [`Protocol::NEEDS`].
    pub needs: Needs,
    usual: fn() -> Settings,
    check: Check,
    run: Run,
    exhibits: Exhibits,
    title: fn(&Settings) -> String,
}

/// All protocols, in the order of lists and tables.
pub static PROTOCOLS: [ProtocolSpec; 11] = [
    ProtocolSpec::of::<Knn>(),
    ProtocolSpec::of::<twinlens_eval::LinearProbe>(),
    ProtocolSpec::of::<twinlens_eval::RidgeProbe>(),
    ProtocolSpec::of::<twinlens_eval::SvmProbe>(),
    ProtocolSpec::of::<SvmTags>(),
    ProtocolSpec::of::<Retrieval>(),
    ProtocolSpec::of::<twinlens_eval::clustering::ClusterProtocol>(),
    ProtocolSpec::of::<twinlens_eval::health::HealthProtocol>(),
    ProtocolSpec::of::<twinlens_eval::analyses::PropertySettings>(),
    ProtocolSpec::of::<TsneMap>(),
    ProtocolSpec::of::<PcaMap>(),
];

impl ProtocolSpec {
    /// Refuses what is asked of it that it would not heed: a `part` of the images, a policy of `views`.
    ///
    /// # Errors
    /// [`LabError::NotHeeded`].
    pub fn heeds(&self, part: bool, views: bool) -> Result<(), LabError> {
        let what = match self.needs {
            Needs::Classes | Needs::Tags if part => Unheeded::Part,
            Needs::Classes | Needs::Tags | Needs::Images if views => Unheeded::Views,
            _ => return Ok(()),
        };
        Err(LabError::NotHeeded { protocol: self.id, what })
    }

    /// The row of a protocol.
    pub const fn of<P: Protocol>() -> ProtocolSpec {
        ProtocolSpec {
            id: P::ID,
            summary: P::SUMMARY,
            needs: P::NEEDS,
            usual: || settings(&P::default()),
            check: |settings| read::<P>(settings)?.check(),
            run: |settings, judging, seed| read::<P>(settings)?.run(judging, seed),
            exhibits: P::exhibits,
            title: P::title,
        }
    }

    /// Its settings as they are where nothing else is asked for.
    pub fn usual(&self) -> Settings {
        (self.usual)()
    }

    /// As [`Protocol::check`] of these settings, the others as usual.
    ///
    /// # Errors
    /// As [`Protocol::check`]; settings that it does not have.
    pub fn check(&self, settings: &Settings) -> Result<(), LabError> {
        (self.check)(settings)
    }

    /// As [`Protocol::run`] with these settings, the others as usual.
    ///
    /// # Errors
    /// As [`Protocol::run`]; settings that it does not have.
    pub fn run(
        &self,
        settings: &Settings,
        judging: &Judging<'_>,
        seed: u64,
    ) -> Result<Vec<Judgement<Outcome>>, LabError> {
        (self.run)(settings, judging, seed)
    }

    /// As [`Protocol::exhibits`].
    ///
    /// # Errors
    /// As [`Protocol::exhibits`].
    pub fn exhibits(
        &self,
        judging: &Judging<'_>,
        found: &Judgement<Outcome>,
    ) -> Result<Vec<Exhibit>, LabError> {
        (self.exhibits)(judging, found)
    }

    /// The settings in `asked` that are its own and not the usual ones: what to ask for to have the same again.
    pub fn unusual(&self, asked: &Settings) -> Settings {
        unusual(&self.usual(), asked)
    }
}

/// The protocol called `id`.
///
/// # Errors
/// A name that no protocol has.
pub fn find(id: &str) -> Result<&'static ProtocolSpec, LabError> {
    let known = || PROTOCOLS.iter().map(|spec| spec.id).collect();
    let unknown = || LabError::UnknownProtocol { name: id.to_owned(), known: known() };
    PROTOCOLS.iter().find(|spec| spec.id == id).ok_or_else(unknown)
}

/// What tables call a verdict of the protocol `id` with these settings. Of a protocol that is not in the registry, such as
/// fine-tuning or one of another version, it is its name.
pub fn title(id: &str, asked: &Settings) -> String {
    match PROTOCOLS.iter().find(|spec| spec.id == id) {
        Some(spec) => (spec.title)(asked),
        None => with_labels(id, asked),
    }
}

/// The name of a protocol, how many labels it stands for, and its settings that are not the usual ones.
fn titled<P: Protocol>(name: &str, asked: &Settings) -> String {
    let settings = unusual(&settings(&P::default()), asked);
    let settings = settings.iter().map(|(key, value)| format!(", {key}={}", short(value)));
    with_labels(name, asked) + &settings.collect::<String>()
}

/// A value in a title: of a long list, its first and its last.
fn short(value: &Value) -> String {
    match value.as_array().map(Vec::as_slice) {
        Some([first, _, _, .., last]) => format!("[{first} ... {last}]"),
        _ => plain(value),
    }
}

/// The settings in `asked` that differ from the `usual` ones of the same names.
fn unusual(usual: &Settings, asked: &Settings) -> Settings {
    let differs = |(key, value): &(&String, &Value)| usual.get(*key).is_some_and(|usual| usual != *value);
    asked.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A name, and how many labels it stands for.
fn with_labels(name: &str, asked: &Settings) -> String {
    let share = asked.get("label_share").and_then(Value::as_f64).filter(|share| *share < 1.0);
    let count = asked.get("labels_per_class").and_then(Value::as_u64);
    match (share, count) {
        (Some(share), _) => format!("{name}, {} of the labels", LabelAmount::Share(share)),
        (None, Some(1)) => format!("{name}, 1 label a class"),
        (None, Some(count)) => format!("{name}, {count} labels a class"),
        (None, None) => name.to_owned(),
    }
}

/// The settings of a protocol by name.
pub fn settings(protocol: &impl Serialize) -> Settings {
    match serde_json::to_value(protocol) {
        Ok(Value::Object(settings)) => settings.into_iter().collect(),
        _ => Settings::new(),
    }
}

/// The protocol with these settings, the others as usual.
///
/// # Errors
/// Settings that it does not have.
pub fn read<P: Protocol>(settings: &Settings) -> Result<P, LabError> {
    from_settings(settings).map_err(|error| {
        // The settings have defaults, so that each can be read alone, which tells the one that is wrong.
        let alone = |(key, value): (&String, &Value)| {
            let wrong = from_settings::<P>(&[(key.clone(), value.clone())].into()).err()?;
            Some(format!("`{key}={}`: {wrong}", plain(value)))
        };
        let reason = settings.iter().find_map(alone).unwrap_or_else(|| error.to_string());
        LabError::Setting { protocol: P::ID, reason: in_words(&reason) }
    })
}

fn from_settings<P: Protocol>(settings: &Settings) -> Result<P, serde_json::Error> {
    serde_json::from_value(Value::Object(settings.clone().into_iter().collect()))
}

/// What is wrong with settings, in words of people who know no types of Rust.
fn in_words(reason: &str) -> String {
    let words = [
        ("usize", "a whole number"),
        ("u64", "a whole number"),
        ("f32", "a number"),
        ("f64", "a number"),
        ("a sequence", "a list, such as [1, 10]"),
    ];
    words.iter().fold(reason.to_owned(), |reason, (name, words)| {
        reason.replace(&format!("expected {name}"), &format!("expected {words}"))
    })
}

/// A judgement whose outcome is one of many.
pub(crate) fn wrapped<O>(judgement: Judgement<O>, outcome: fn(O) -> Outcome) -> Judgement<Outcome> {
    let Judgement { asked, found, seeds, outcome: inner, warnings } = judgement;
    Judgement { asked, found, seeds, outcome: outcome(inner), warnings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_no_data_allow_are_refused_before_any_are_looked_at() {
        let cases = [
            ("knn", "k", Value::from(0), "k = 0"),
            ("knn", "temperature", Value::from(-1.0), "temperature = -1"),
            ("linear-probe", "c_grid", Value::Array(vec![]), "c_grid"),
            ("ridge-probe", "alpha_grid", vec![0.0].into(), "alpha = 0"),
            ("svm-probe", "folds", 1.into(), "folds = 1"),
            ("svm-tags", "tolerance", 0.into(), "tolerance = 0"),
            ("cluster", "restarts", 0.into(), "restarts = 0"),
            ("cluster", "k", 0.into(), "k = 0"),
            ("cluster", "permutations", 1.into(), "permutations = 1"),
            ("linear-probe", "max_iterations", 0.into(), "max_iterations = 0"),
            ("retrieval", "k", 0.into(), "k = 0"),
            ("retrieval", "nearest", 0.into(), "nearest = 0"),
            ("health", "keep", 1.5.into(), "keep = 1.5"),
            ("tsne", "perplexity", (-3.0).into(), "perplexity = -3"),
            ("tsne", "iterations", 0.into(), "iterations = 0"),
        ];
        for (id, key, value, told) in cases {
            let spec = find(id).unwrap();
            let refused = spec.check(&[(key.to_owned(), value)].into()).unwrap_err().to_string();
            assert!(refused.contains(told), "{id}: {refused}");
            spec.check(&Settings::new()).unwrap();
        }
    }

    #[test]
    fn settings_that_do_not_fit_are_told_in_words() {
        let refused =
            |key: &str, value: Value| read::<Knn>(&[(key.to_owned(), value)].into()).unwrap_err().to_string();
        assert!(
            refused("k", "abc".into()).ends_with("expected a whole number"),
            "{}",
            refused("k", "abc".into())
        );
        assert!(refused("kk", 3.into()).contains("unknown field `kk`"));
    }
}
