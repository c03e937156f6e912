//! What a run came from, as its folder will say.

use std::path::{Path, PathBuf};

use twinlens_run::{Ancestor, DataIdentity, LINEAGE_VERSION, Lineage, Recipe, RunError, RunKind, names};

use super::TrainingJob;
use super::run_settings::RunSettings;

/// The lineage of a run that begins.
///
/// # Errors
/// A run that it descends from, whose record is damaged.
pub(super) fn of(job: &impl TrainingJob, recipe: Option<Recipe>) -> Result<Lineage, RunError> {
    let settings = job.settings();
    let encoder = match job.begins_with() {
        Some((path, sha256)) => ancestors(&path, sha256)?,
        None => Vec::new(),
    };
    let data =
        DataIdentity { sha256: job.data().fingerprint.clone(), path: settings.common().data.to_owned() };
    Ok(Lineage { version: LINEAGE_VERSION, kind: settings.kind(), recipe, data, encoder })
}

/// The recipe of the run that was begun at `path` before; a record that cannot be read is replaced with its run.
pub(super) fn of_earlier(path: &Path) -> Option<Recipe> {
    Lineage::read(path).ok().flatten()?.recipe
}

/// The encoder at `path`, whose weights have this hash, and those that it descends from, as far as its run says so.
fn ancestors(path: &str, sha256: String) -> Result<Vec<Ancestor>, RunError> {
    let run = run_of(Path::new(path));
    let lineage = run.as_deref().map(Lineage::read).transpose()?.flatten();
    let kind = lineage.as_ref().map(|lineage| lineage.kind);
    let method = run.as_deref().and_then(|run| method_of(run, kind));
    let own = Ancestor { sha256, method, run: run.map(|run| run.display().to_string()) };
    let earlier = lineage.map_or_else(Vec::new, |lineage| lineage.encoder);
    Ok(std::iter::once(own).chain(earlier).collect())
}

/// The run whose encoder lies at `path`: a run's folder, or the encoder's file in it.
fn run_of(path: &Path) -> Option<PathBuf> {
    let here =
        |folder: &Path| if folder.as_os_str().is_empty() { Path::new(".").into() } else { folder.into() };
    let above = || path.parent()?.parent().map(here);
    let is_run = |folder: &PathBuf| folder.join(names::ENVIRONMENT).is_file();
    Some(path.to_path_buf()).filter(is_run).or_else(|| above().filter(is_run))
}

/// How the run in this folder trained its encoder; unknown where this program cannot read its settings.
fn method_of(run: &Path, kind: Option<RunKind>) -> Option<String> {
    let place = run.join(names::CONFIG);
    let config = std::fs::read_to_string(&place).ok()?;
    Some(match RunSettings::read(&place.display().to_string(), &config, kind).ok()? {
        RunSettings::Pretraining(settings) => settings.method.name().to_owned(),
        RunSettings::Finetuning(_) => Ancestor::FINE_TUNING.to_owned(),
    })
}
