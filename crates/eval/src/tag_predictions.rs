//! What a protocol finds that judges images which may show several classes.

use serde::{Deserialize, Serialize};

use crate::metrics::TagScores;

/// The outcome of a protocol on images that may show several classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagPredictions {
    /// Names of the classes, in the order of every per-class list.
    pub classes: Vec<String>,
    /// What came out, per split.
    pub splits: Vec<TagSplit>,
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

impl TagPredictions {
    /// The outcome on the split of that name.
    pub fn split(&self, name: &str) -> Option<&TagSplit> {
        self.splits.iter().find(|split| split.split == name)
    }
}
