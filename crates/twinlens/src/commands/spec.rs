//! What the layers of the configuration resolve to: [`Settings`], their defaults, presets and checks.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use twinlens_config::{Request, Resolved, Spec};
use twinlens_lab::jobs::refuse_changes;
use twinlens_lab::run_settings::kind_of;
pub use twinlens_lab::settings::recipe_of;
use twinlens_lab::settings::{self, told};
use twinlens_run::{RunKind, names};
use twinlens_ssl::Settings;
use twinlens_ssl::finetune::FinetuneSettings;

use crate::exit::{Failure, Outcome};

/// What origins and reports call a setting given as `key=value`.
const ASSIGNMENT: &str = "--set";

/// The settings of a pre-training as the configuration knows them.
pub fn spec() -> Spec<Settings> {
    Spec { assignment: ASSIGNMENT, ..settings::spec() }
}

/// The settings of a fine-tuning as the configuration knows them.
pub fn finetune_spec() -> Spec<FinetuneSettings> {
    Spec { assignment: ASSIGNMENT, ..settings::finetune_spec() }
}

/// Whether a `config.toml` holds the settings of a fine-tuning, where no record of a run says so.
pub fn is_finetuning(config: &str) -> bool {
    kind_of(config) == RunKind::Finetuning
}

/// Resolves a request for the settings of a run, and says what the configuration wants said.
///
/// # Errors
/// A report of everything that is wrong.
pub fn resolve(request: &Request) -> Outcome<Resolved<Settings>> {
    Ok(told(spec().resolve(request)?))
}

/// [`resolve`] for fine-tuning.
///
/// # Errors
/// A report of everything that is wrong.
pub fn resolve_finetune(request: &Request) -> Outcome<Resolved<FinetuneSettings>> {
    Ok(told(finetune_spec().resolve(request)?))
}

/// The settings with which the run in the folder `run` goes on: those it saved, with what `request` changes of those that `may`
/// change; `hint` says what else to do.
///
/// # Errors
/// A report of everything that is wrong; settings that may not change.
pub fn resumed<T: Serialize + DeserializeOwned + JsonSchema>(
    run: &Path,
    mut request: Request,
    spec: &Spec<T>,
    (may, hint): (&[&str], &str),
) -> Outcome<T> {
    let config = run.join(names::CONFIG);
    // What is to be said of the file is said once, below.
    let before = spec.resolve(&Request { files: vec![config.clone()], ..Request::default() })?;
    request.files.insert(0, config);
    let now = told(spec.resolve(&request)?);
    refuse_changes(&before.table, &now.table, may).map_err(|error| Failure::from(error).hint(hint))?;
    Ok(now.settings)
}
