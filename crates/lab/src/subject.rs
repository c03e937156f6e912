//! What is judged: an encoder, the same network untrained, or the pixels themselves.

use serde::{Deserialize, Serialize};
use twinlens_nn::encoders::{Encoder, EncoderSettings};
use twinlens_nn::network::Stage;
use twinlens_nn::weights::{EncoderFile, Weights};

use crate::encoder::network;
use crate::{LabError, untrained, weights_sha256};

/// Where features come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeaturesKind {
    /// An encoder as it is.
    Trained,
    /// The same network with fresh random weights.
    Untrained,
    /// The pixels themselves, prepared as for the encoder.
    Pixels,
    /// An encoder that learned on from the labels it is judged with.
    FineTuned,
    /// A network that learned from these labels alone.
    FromScratch,
}

impl FeaturesKind {
    /// What an encoder's file gives features by.
    pub const OF_ENCODER: [FeaturesKind; 3] =
        [FeaturesKind::Trained, FeaturesKind::Untrained, FeaturesKind::Pixels];

    /// The one of that name.
    pub fn named(name: &str) -> Option<FeaturesKind> {
        FeaturesKind::OF_ENCODER.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name, as in verdicts.
    pub fn name(self) -> &'static str {
        match self {
            FeaturesKind::Trained => "trained",
            FeaturesKind::Untrained => "untrained",
            FeaturesKind::Pixels => "pixels",
            FeaturesKind::FineTuned => "fine-tuned",
            FeaturesKind::FromScratch => "from-scratch",
        }
    }

    /// What it is called in tables.
    pub fn title(self) -> &'static str {
        match self {
            FeaturesKind::Trained => "trained encoder",
            FeaturesKind::Untrained => "untrained encoder",
            FeaturesKind::Pixels => "raw pixels",
            FeaturesKind::FineTuned => "fine-tuned encoder",
            FeaturesKind::FromScratch => "trained from scratch",
        }
    }

    /// Whether it was trained, not only put beside what was.
    pub fn is_trained(self) -> bool {
        !matches!(self, FeaturesKind::Untrained | FeaturesKind::Pixels)
    }
}

/// What gives features, with its weights and the preparation of images.
#[derive(Clone, Debug)]
pub struct Subject {
    kind: FeaturesKind,
    file: EncoderFile,
    seed: Option<u64>,
    stage: Option<String>,
    epoch: Option<u64>,
}

impl Subject {
    /// What `kind` makes of an encoder; `untrained_seed` is for the untrained network.
    ///
    /// # Errors
    /// An encoder that this program does not know.
    pub fn new(kind: FeaturesKind, file: EncoderFile, untrained_seed: u64) -> Result<Subject, LabError> {
        Ok(match kind {
            FeaturesKind::Untrained => Subject {
                kind,
                file: untrained(&file, untrained_seed)?,
                seed: Some(untrained_seed),
                stage: None,
                epoch: None,
            },
            _ => Subject { kind, ..Subject::trained(file) },
        })
    }

    /// An encoder as it is.
    pub fn trained(file: EncoderFile) -> Subject {
        Subject { kind: FeaturesKind::Trained, file, seed: None, stage: None, epoch: None }
    }

    /// Where its features come from.
    pub fn kind(&self) -> FeaturesKind {
        self.kind
    }

    /// The network, its weights, and how images are prepared for it.
    pub fn file(&self) -> &EncoderFile {
        &self.file
    }

    /// The seed of an untrained network's weights.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// The stage whose averaged map is its features; none where these are the encoder's own.
    pub fn stage(&self) -> Option<&str> {
        self.stage.as_deref()
    }

    /// The same up to its stage of that name, or to its last stage.
    ///
    /// # Errors
    /// Pixels, which have no stages; an unknown encoder; a name that no stage has.
    pub fn until(self, stage: Option<&str>) -> Result<Subject, LabError> {
        if self.kind == FeaturesKind::Pixels {
            return Err(LabError::StagesOfPixels);
        }
        let encoder = EncoderSettings::of(&self.file.description)?.describe();
        let last = encoder.stages().last().map_or("", Stage::name);
        let stage = stage.unwrap_or(last).to_owned();
        encoder.split_after(&stage)?;
        Ok(Subject { stage: Some(stage), ..self })
    }

    /// The same, up to a stage where one is named.
    ///
    /// # Errors
    /// As [`Subject::until`].
    pub fn at(self, stage: Option<&str>) -> Result<Subject, LabError> {
        if stage.is_some() { self.until(stage) } else { Ok(self) }
    }

    /// The same, known as what a run had come to after that epoch.
    pub fn after(self, epoch: Option<u64>) -> Subject {
        Subject { epoch, ..self }
    }

    /// The network with its weights; none for pixels.
    pub(crate) fn network(&self, device: &str) -> Result<Option<(Encoder, Weights)>, LabError> {
        if self.kind == FeaturesKind::Pixels {
            return Ok(None);
        }
        let (encoder, mut weights) = network(&self.file, 0, device)?;
        weights.import("", &self.file.tensors)?;
        let encoder = match &self.stage {
            Some(stage) => encoder.split_after(stage)?.0,
            None => encoder,
        };
        Ok(Some((encoder, weights)))
    }

    /// What a verdict says of it.
    pub fn record(&self) -> SubjectRecord {
        let has_weights = self.kind != FeaturesKind::Pixels;
        SubjectRecord {
            features: self.kind,
            encoder: has_weights.then(|| self.file.description.encoder.clone()),
            sha256: has_weights.then(|| weights_sha256(&self.file)),
            stage: self.stage.clone(),
            epoch: self.epoch,
            pretrained_by: None,
        }
    }
}

/// What a verdict says of its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// Where features come from.
    pub features: FeaturesKind,
    /// The architecture; none of pixels, or where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// SHA-256 of the weights with their names; none of pixels, or where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The stage whose averaged map is the features; none where these are the encoder's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The epoch of its run that it comes from; none of an encoder as its run left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Of a fine-tuned encoder, the method that had trained it before; none where nothing says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained_by: Option<String>,
}

impl SubjectRecord {
    /// What it is called in a few words: where its features come from, the stage where they are one's, and the epoch.
    pub fn name(&self) -> String {
        self.with_place(self.features.name(), " ")
    }

    /// What it is called in tables of reports.
    pub fn title(&self) -> String {
        self.with_place(self.features.title(), ", ")
    }

    /// The stage and epoch that it is of, in words; none of an encoder's own features at the end of its run.
    pub fn place(&self) -> Vec<String> {
        self.stage.iter().cloned().chain(self.epoch.map(|epoch| format!("epoch {epoch}"))).collect()
    }

    fn with_place(&self, words: &str, joint: &str) -> String {
        self.place().iter().fold(words.to_owned(), |words, place| words + joint + place)
    }

    /// Of which nothing but this is known.
    pub fn of(features: FeaturesKind) -> SubjectRecord {
        SubjectRecord { features, encoder: None, sha256: None, stage: None, epoch: None, pretrained_by: None }
    }
}
