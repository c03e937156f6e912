//! What a run came from, as its folder will say.

use std::path::{Path, PathBuf};

use twinlens_run::{Ancestor, DataIdentity, LINEAGE_VERSION, Lineage, Recipe, names};

use super::TrainingJob;
use super::run_settings::RunSettings;

/// The lineage of a run that begins.
pub(super) fn of(job: &impl TrainingJob, recipe: Option<Recipe>) -> Lineage {
    let settings = job.settings();
    Lineage {
        version: LINEAGE_VERSION,
        kind: settings.kind(),
        recipe,
        data: DataIdentity {
            sha256: job.data().fingerprint.clone(),
            path: settings.common().data.to_owned(),
        },
        encoder: job.begins_with().map_or_else(Vec::new, |(path, sha256)| ancestors(&path, sha256)),
    }
}

/// The recipe of the run that was begun at `path` before.
pub(super) fn of_earlier(path: &Path) -> Option<Recipe> {
    Lineage::read(path).ok().flatten()?.recipe
}

/// The encoder at `path`, whose weights have this hash, and those that it descends from, as far as its run says so.
fn ancestors(path: &str, sha256: String) -> Vec<Ancestor> {
    let run = run_of(Path::new(path));
    let earlier = run.as_deref().and_then(|run| Lineage::read(run).ok().flatten());
    let method = run.as_deref().and_then(method_of);
    let run = run.map(|run| run.display().to_string());
    let own = Ancestor { sha256, method, run };
    std::iter::once(own).chain(earlier.into_iter().flat_map(|earlier| earlier.encoder)).collect()
}

/// The run whose encoder lies at `path`: a run's folder, or the encoder's file in it.
fn run_of(path: &Path) -> Option<PathBuf> {
    let above = || path.parent()?.parent().map(Path::to_path_buf);
    let is_run = |folder: &PathBuf| folder.join(names::ENVIRONMENT).is_file();
    Some(path.to_path_buf()).filter(is_run).or_else(|| above().filter(is_run))
}

/// How the run in this folder trained its encoder. A run that cannot be read says nothing.
fn method_of(run: &Path) -> Option<String> {
    let config = std::fs::read_to_string(run.join(names::CONFIG)).ok()?;
    let kind = Lineage::read(run).ok().flatten().map(|lineage| lineage.kind);
    Some(match RunSettings::read(&config, kind).ok()? {
        RunSettings::Pretraining(settings) => settings.method.clone(),
        RunSettings::Finetuning(_) => Ancestor::FINE_TUNING.to_owned(),
    })
}
