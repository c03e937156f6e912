//! What the layers of the configuration resolve to: [`Settings`], their defaults, presets and checks.

use sha2::{Digest, Sha256};
use twinlens_config::{Request, Resolved, Spec};
use twinlens_lab::run_settings::kind_of;
use twinlens_lab::settings::{self, told};
use twinlens_run::{Recipe, RunKind};
use twinlens_ssl::Settings;
use twinlens_ssl::finetune::FinetuneSettings;

use crate::exit::Outcome;

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

/// The recipe that settings follow: the one that was named, or else `usual`; `recipes` are those there are. Every setting that
/// came from elsewhere than the recipe and the built-in defaults is a change.
pub fn recipe_of<T>(
    request: &Request,
    resolved: &Resolved<T>,
    usual: &str,
    recipes: &[(&str, &str)],
) -> Option<Recipe> {
    let id = request.preset.as_deref().unwrap_or(usual);
    let (id, text) = recipes.iter().find(|(name, _)| *name == id)?;
    let sha256 = twinlens_lab::hexadecimal(Sha256::new_with_prefix(text));
    let of_recipe = |origin: &str| origin == "built-in" || origin.starts_with("preset ");
    let values = resolved.values().into_iter();
    let changed = values.filter(|(_, _, origin)| !origin.split(", ").all(of_recipe));
    let changed = changed.map(|(key, _, _)| key).filter(|key| !NOT_OF_RECIPES.contains(&key.as_str()));
    Some(Recipe { id: (*id).to_owned(), sha256, changed: changed.collect() })
}

/// Settings that no recipe could state: what is learned from, and with which weights it begins.
const NOT_OF_RECIPES: [&str; 2] = ["data", "init"];
