//! What is judged frozen in a study: the encoder, its random twin or the pixels, under a linear probe.

use std::path::Path;

use serde_json::{Value, json};
use twinlens_data::DataSet;
use twinlens_eval::{LinearProbe, Predictions};
use twinlens_nn::weights::EncoderFile;

use crate::jobs::JobError;
use crate::protocols::{Protocol, find};
use crate::{FeaturesKind, Judging, LabError, LabelDraw, Repeat, Settings, Verdict};

/// The seed of the weights in a cell with this seed; 0 where none are drawn.
pub(super) fn network_seed(of: FeaturesKind, seed: u64) -> u64 {
    if of == FeaturesKind::Untrained { seed } else { 0 }
}

/// The verdict of a linear probe that learned from some of the labels.
pub(super) fn probe(judging: &mut Judging<'_>, labels: LabelDraw) -> Result<Verdict<Predictions>, LabError> {
    let repeat = Repeat { labels: vec![labels], ..Repeat::default() };
    let verdicts = judging.run(find(LinearProbe::ID)?, &Settings::new(), &repeat)?;
    verdicts.first().and_then(Verdict::predictions).ok_or_else(|| JobError::NoVerdict.into())
}

/// A probe's verdict from its file, which must hold these `facts` and be of these data.
pub(super) fn read_verdict(
    path: &Path,
    facts: &Settings,
    data: &DataSet,
) -> Result<Verdict<Predictions>, LabError> {
    let bytes = std::fs::read(path).map_err(|error| LabError::io(path, error))?;
    let at = |error: JobError| LabError::from(error).at(path.display());
    let verdict: Verdict = serde_json::from_slice(&bytes).map_err(|error| at(JobError::BadProbe(error)))?;
    let mut differing = facts
        .iter()
        .map(|(key, now)| (key.as_str(), verdict.asked.get(key).cloned().unwrap_or(Value::Null), now.clone()))
        .chain([("data_sha256", json!(verdict.data.sha256), json!(data.fingerprint))]);
    match differing.find(|(_, before, now)| before != now) {
        None => verdict.predictions().ok_or_else(|| at(JobError::NoVerdict)),
        Some((key, before, now)) => Err(at(JobError::OtherProbe {
            key: key.to_owned(),
            before: before.to_string(),
            now: now.to_string(),
        })),
    }
}

/// What a probe's file must say to be of a study.
pub(super) fn facts(sha256: &str, file: &EncoderFile) -> Settings {
    let facts = [("encoder_sha256", json!(sha256)), ("size", json!(file.description.size))];
    facts.map(|(key, value)| (key.to_owned(), value)).into()
}
