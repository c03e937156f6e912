//! What a protocol returns that judges images which may show several classes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::TagScores;
use crate::verdict::asked;

/// Version of the JSON written for a [`TagVerdict`]; it grows when a field changes its meaning or goes.
pub const TAG_SCHEMA_VERSION: u32 = 1;

/// The outcome of one protocol on one encoder's features of images that may show several classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagVerdict {
    /// Version of this layout, [`TAG_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The protocol's name: `svm-tags`.
    pub protocol: String,
    /// The settings that produced the numbers, those chosen by cross-validation included.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The seeds behind the numbers by what they seeded (`folds`, ...).
    pub seeds: BTreeMap<String, u64>,
    /// Names of the classes, in the order of every per-class list.
    pub classes: Vec<String>,
    /// What came out, per split.
    pub splits: Vec<TagSplit>,
    /// What a reader should know before believing the numbers.
    pub warnings: Vec<String>,
}

/// The outcome on one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagSplit {
    /// Name of the split: `val`, `test`.
    pub split: String,
    /// Names of the splits that the classifiers behind these scores learned from.
    pub learned_from: Vec<String>,
    /// Images in these.
    pub training_images: usize,
    /// The metrics.
    pub scores: TagScores,
}

impl TagVerdict {
    /// The outcome on the split of that name.
    pub fn split(&self, name: &str) -> Option<&TagSplit> {
        self.splits.iter().find(|split| split.split == name)
    }

    /// Whether two verdicts differ in their seeds at most.
    pub fn repeats(&self, other: &TagVerdict) -> bool {
        self.protocol == other.protocol && asked(&self.settings).eq(asked(&other.settings))
    }
}
