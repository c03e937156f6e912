//! Nodes: the trainings and judgements that a study consists of, each told from all others by what decides its result.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use twinlens_data::LabelChoice;
use twinlens_lab::{FeaturesKind, Settings};
use twinlens_run::Recipe;

/// It rises when a release of this program changes what the same settings come to: results of before are others then.
pub const NUMERICS: u32 = 1;

/// Hexadecimal digits of a node's identity.
const DIGITS: usize = 16;

/// One training or judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// A hash of everything that decides the result, and of nothing else.
    pub id: String,
    /// What it is called among others: the first cell that it belongs to.
    pub label: String,
    /// The node whose encoder it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The data set, by its name in the recipe.
    pub data: String,
    /// What is done.
    #[serde(flatten)]
    pub work: Work,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// Learns without labels.
    Train(Box<Training>),
    /// Learns from labels.
    Finetune(Box<Tuning>),
    /// Judges an encoder.
    Judge(Box<Judging>),
}

/// Learning without labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// All settings, as the text of a `config.toml`: JSON does not keep every number to its last digit.
    pub settings: String,
    /// The recipe that they follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// The epochs after which the encoder is needed, beside the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<u64>,
}

/// Learning from labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// All settings but where the encoder comes from, as those of [`Training`].
    pub settings: String,
    /// Where it comes from.
    pub weights: Weights,
}

/// Judging an encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judging {
    /// The protocol.
    pub protocol: String,
    /// Its settings that are not the usual ones.
    pub settings: Settings,
    /// Whose features.
    pub features: FeaturesKind,
    /// Where the encoder comes from.
    pub weights: Weights,
    /// How the images are read, as the text of `data_options`.
    pub reading: String,
    /// Which labels or seed.
    pub draw: Draw,
    /// Which images, of protocols that take them all alike.
    pub split: String,
}

/// What is drawn for a judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// Share of the labels.
    pub label_share: f64,
    /// So many labels a class instead; 0 goes by the share.
    pub labels_per_class: usize,
    /// How they are chosen.
    pub label_choice: LabelChoice,
    /// The seed of the choice, and of all else that is drawn.
    pub seed: u64,
}

/// Where an encoder comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// The node that it takes as input, after this epoch or at its end.
    Input(Option<u64>),
    /// A file, by its name in the recipe.
    File(String),
    /// Random weights, of a network and on images as these settings of a training say.
    Random(String),
}

/// The kinds of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Learning without labels.
    Train,
    /// Learning from labels.
    Finetune,
    /// Judging.
    Judge,
}

impl Kind {
    /// All, in the order in which they depend on each other.
    pub const ALL: [Kind; 3] = [Kind::Train, Kind::Finetune, Kind::Judge];

    /// Its name in folders and messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Train => "train",
            Kind::Finetune => "finetune",
            Kind::Judge => "judge",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Node {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.work {
            Work::Train(_) => Kind::Train,
            Work::Finetune(_) => Kind::Finetune,
            Work::Judge(_) => Kind::Judge,
        }
    }

    /// The epochs whose encoders it must keep, beside the last.
    pub fn keeps(&self) -> &[u64] {
        match &self.work {
            Work::Train(training) => &training.keep,
            Work::Finetune(_) | Work::Judge(_) => &[],
        }
    }
}

/// An identity made of texts.
pub(crate) fn identity(kind: Kind, texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(NUMERICS.to_le_bytes());
    for text in [kind.name()].iter().chain(texts) {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hexadecimal(hash)[..DIGITS].to_owned()
}

/// The SHA-256 of bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(Sha256::new_with_prefix(bytes))
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
