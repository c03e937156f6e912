//! `lineage.json`: what a run is and what it came from, written down when it begins. So nobody has to read it out of command
//! lines, names of files or prose.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{RunError, files, names};

/// The version of `lineage.json` that this crate writes, and the newest that it reads.
pub const LINEAGE_VERSION: u32 = 1;

/// What a run is, and what it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Version of this record, [`LINEAGE_VERSION`].
    pub version: u32,
    /// What was done.
    pub kind: RunKind,
    /// The recipe that was followed; none where the settings were put together without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// The images that were learned from.
    pub data: DataIdentity,
    /// The encoder that the run began with, then the one that this began with, and so on to the first; empty for random
    /// weights.
    #[serde(default)]
    pub encoder: Vec<Ancestor>,
}

/// What was done in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// An encoder learned without labels (or with them, by the method that is the yardstick).
    Pretraining,
    /// An encoder with a head learned from labels.
    Finetuning,
}

impl std::fmt::Display for RunKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            RunKind::Pretraining => "pre-training",
            RunKind::Finetuning => "fine-tuning",
        })
    }
}

/// A recipe as it was followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Its name, such as `medmnist/simclr`.
    pub id: String,
    /// SHA-256 of its text in hexadecimal: a recipe of the same name may change from version to version.
    pub sha256: String,
    /// The dotted keys of settings that were given another way: by a file, a variable, a flag.
    #[serde(default)]
    pub changed: Vec<String>,
}

/// Which images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataIdentity {
    /// SHA-256 of their content in hexadecimal, as `twinlens_data::DataSet::fingerprint` defines it: the same wherever
    /// they lie and whatever holds them.
    pub sha256: String,
    /// The path or name under which they were opened.
    pub path: String,
}

/// An encoder that a run began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// SHA-256 of its weights with their names, in hexadecimal.
    pub sha256: String,
    /// How it was trained: the name of the method, or [`Ancestor::FINE_TUNING`]; none where no run says so, as for weights
    /// of other programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The folder of the run that trained it, as it was given; none where its file lay in no run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl Ancestor {
    /// The method of an encoder that learned from labels.
    pub const FINE_TUNING: &str = "fine-tuning";
}

impl Lineage {
    /// That of the run in the folder `run`; none of runs from before there was such a record.
    ///
    /// # Errors
    /// [`RunError::NewerLayout`], [`RunError::Damaged`], or a file system error.
    pub fn read(run: &Path) -> Result<Option<Lineage>, RunError> {
        let path = run.join(names::LINEAGE);
        if !path.is_file() {
            return Ok(None);
        }
        let value = files::read_json(&path)?;
        match value["version"].as_u64() {
            Some(got) if got > u64::from(LINEAGE_VERSION) => {
                Err(RunError::NewerLayout { path, got, known: LINEAGE_VERSION })
            }
            _ => serde_json::from_value(value)
                .map(Some)
                .map_err(|error| RunError::Damaged { path, reason: error.to_string() }),
        }
    }
}
