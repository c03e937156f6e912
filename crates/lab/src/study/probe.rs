//! What is judged frozen in a study: the encoder, its random twin or the pixels, under a linear probe.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use twinlens_data::DataSet;
use twinlens_eval::{LinearProbe, Verdict};
use twinlens_nn::weights::EncoderFile;

use crate::jobs::JobError;
use crate::{Draw, Judged, LabError, Subject, split_key, untrained};

/// Whose features are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frozen {
    /// The encoder's.
    Trained,
    /// Those of the same network with fresh random weights.
    Untrained,
    /// The pixels themselves, prepared as for the encoder.
    Pixels,
}

impl Frozen {
    /// The seed of the weights in a cell with this seed; 0 where none are drawn.
    pub(super) fn seed(self, seed: u64) -> u64 {
        if self == Frozen::Untrained { seed } else { 0 }
    }

    /// What makes the features; `seed` is for the untrained network.
    pub(super) fn subject(self, file: &EncoderFile, seed: u64) -> Result<Subject, LabError> {
        Ok(match self {
            Frozen::Trained => Subject::Encoder(file.clone()),
            Frozen::Untrained => Subject::Encoder(untrained(file, seed)?),
            Frozen::Pixels => Subject::Pixels(file.clone()),
        })
    }

    /// Writes into a verdict whose features of which data, opened from `path`, it judges.
    pub(super) fn sign(self, verdict: &mut Verdict, seed: u64, path: &str, data: &DataSet) {
        let name = match self {
            Frozen::Trained => "trained",
            Frozen::Untrained => "untrained",
            Frozen::Pixels => "pixels",
        };
        let facts = [("features", name), ("data", path), ("data_sha256", data.fingerprint.as_str())];
        verdict.settings.extend(facts.map(|(key, value)| (key.to_owned(), value.into())));
        verdict.settings.extend(split_key(data).map(|splits| ("splits".to_owned(), splits.into())));
        if self == Frozen::Untrained {
            verdict.seeds.insert("untrained".into(), seed);
        }
    }
}

/// The verdict of a linear probe that learned from some of the labels of `data`, whose features are `judged`.
pub(super) fn probe(draw: &Draw, data: &DataSet, judged: &Judged) -> Result<Verdict, LabError> {
    let known = draw.known(data)?;
    let mut verdict = LinearProbe::default().run(&judged.train.subset(&known)?, &judged.held_out())?;
    draw.sign(&mut verdict);
    Ok(verdict)
}

/// A probe's verdict from its file, which must hold these `facts`.
pub(super) fn read_verdict(path: &Path, facts: &BTreeMap<String, Value>) -> Result<Verdict, LabError> {
    let bytes = std::fs::read(path).map_err(|error| LabError::io(path, error))?;
    let at = |error: JobError| LabError::from(error).at(path.display());
    let verdict: Verdict = serde_json::from_slice(&bytes).map_err(|error| at(JobError::BadProbe(error)))?;
    match facts.iter().find(|(key, value)| verdict.settings.get(*key) != Some(value)) {
        None => Ok(verdict),
        Some((key, now)) => {
            let before = verdict.settings.get(key).unwrap_or(&Value::Null).to_string();
            Err(at(JobError::OtherProbe { key: key.clone(), before, now: now.to_string() }))
        }
    }
}

/// What a probe's file must say to be of a study.
pub(super) fn facts(
    sha256: &str,
    file: &EncoderFile,
    (data, choice): (&DataSet, twinlens_data::LabelChoice),
) -> BTreeMap<String, Value> {
    let facts = [
        ("encoder_sha256", json!(sha256)),
        ("size", json!(file.description.size)),
        ("data_sha256", json!(data.fingerprint)),
        ("label_choice", json!(choice)),
    ];
    facts.map(|(key, value)| (key.to_owned(), value)).into()
}
