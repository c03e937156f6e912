//! What was asked for, and what decides whether two requests are one.

use serde_json::json;
use toml::Table;
use twinlens_config::{Change, diff};
use twinlens_data::DataSet;
use twinlens_run::{Lineage, RunRecord, names};

use super::JobError;
use super::run_settings::RunSettings;
use crate::identity::digest;
use crate::{DataRecord, LabError};

/// Settings that make no other job of it: where it computes, how closely it is watched, and where the images lie, which
/// are told apart by their content.
pub(super) const NO_PART: [&str; 7] =
    ["workers", "device", "deterministic", "log_every", "checkpoint.", "data", "data_options.join"];

/// Whether `key` is one of `keys`, or lies below one that ends in a dot.
fn is_among(key: &str, keys: &[&str]) -> bool {
    keys.iter().any(|one| key == *one || (one.ends_with('.') && key.starts_with(one)))
}

/// The settings in which `before` and `now` differ, but for keys that `may` (all below a key that ends in a dot).
pub fn changes(before: &Table, now: &Table, may: &[&str]) -> Vec<Change> {
    diff(before, now).into_iter().filter(|change| !is_among(&change.key, may)).collect()
}

/// Refuses settings of a run, `now`, that are not those it started with, `before`, but for keys that `may` change.
///
/// # Errors
/// [`JobError::Changed`].
pub fn refuse_changes(before: &Table, now: &Table, may: &[&str]) -> Result<(), JobError> {
    match changes(before, now, may) {
        changes if changes.is_empty() => Ok(()),
        changes => Err(JobError::Changed { changes }),
    }
}

/// What tells a training with these settings on these images from any other; `weights` is the hash of those that it begins with.
/// See [`super::TrainingJob::key`].
///
/// # Errors
/// Settings that TOML cannot hold.
pub fn key_of(
    settings: &RunSettings,
    data: &DataRecord,
    weights: Option<String>,
) -> Result<String, LabError> {
    // Against nothing, every setting differs: its dotted key and its value.
    let asked: Vec<String> = changes(&Table::new(), &settings.table()?, &NO_PART)
        .iter()
        .filter(|change| !is_among(&change.key, &PLACES_OF_WEIGHTS))
        .map(ToString::to_string)
        .collect();
    let text = json!({
        "kind": settings.kind(),
        "asked": asked,
        "data": data.sha256.as_deref().unwrap_or_default(),
        "splits": data.splits,
        "weights": weights,
    });
    Ok(digest([text.to_string()]))
}

/// Where the first weights lie, which are told apart by their content.
const PLACES_OF_WEIGHTS: [&str; 2] = ["init", "init_origin"];

/// Refuses a run that is of another kind, of other settings, weights or images than asked for.
pub(super) fn differs(
    settings: &RunSettings,
    data: &DataSet,
    begins_with: Option<(String, String)>,
    record: &RunRecord,
) -> Result<(), LabError> {
    let before = RunSettings::of(record)?;
    let other = |reason: String| Err(JobError::OtherRun { reason }.into());
    if before.kind() != settings.kind() {
        return other(format!("a {}", before.kind()));
    }
    refuse_changes(&before.table()?, &settings.table()?, &NO_PART)?;
    let ancestor = |lineage: &Lineage| lineage.encoder.first().map(|encoder| encoder.sha256.clone());
    let weights = begins_with.map(|(_, sha256)| sha256);
    if record.lineage.as_ref().is_some_and(|lineage| ancestor(lineage) != weights) {
        return other("a run that began with other weights".into());
    }
    match record.environment["data"]["sha256"].as_str() {
        Some(sha256) if sha256 != data.fingerprint => other(format!(
            "a run on other images than {} (SHA-256 {sha256} in {}, {} now)",
            data.name,
            names::ENVIRONMENT,
            data.fingerprint
        )),
        _ => Ok(()),
    }
}
