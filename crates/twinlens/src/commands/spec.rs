//! What the layers of the configuration resolve to: [`Settings`], their defaults, presets and checks.

use sha2::{Digest, Sha256};
use toml::{Table, Value};
use twinlens_config::{Problem, Request, Resolved, Spec};
use twinlens_lab::run_settings::kind_of;
use twinlens_run::{Recipe, RunKind};
use twinlens_ssl::finetune::{self, FinetuneSettings};
use twinlens_ssl::{Settings, recipes};
use twinlens_views::presets;

use crate::exit::Outcome;

/// What origins and reports call a setting given as `key=value`.
const ASSIGNMENT: &str = "--set";

/// The settings of a run as the configuration knows them.
///
/// Built-in defaults come in three steps: those of [`Settings`], then the recipe of the chosen method, then the
/// operations of the chosen view policy; where none is chosen and the recipe brings views of its own, these.
pub fn spec() -> Spec<Settings> {
    Spec {
        defaults,
        presets: recipes::RECIPES,
        supersedes: &[("policy", "views")],
        renamed: &[],
        assignment: ASSIGNMENT,
        validate,
    }
}

fn defaults(chosen: &Table) -> Table {
    let mut table = Table::try_from(Settings::default()).unwrap_or_default();
    let method = text(chosen, "method").or_else(|| text(&table, "method")).unwrap_or_default();
    let mut own_views = false;
    // An unknown method or policy is told by `validate`, with the names that exist.
    if let Ok(recipe) = recipes::find(&recipes::default_for(&method)) {
        let mut recipe: Table = recipe.parse().unwrap_or_default();
        recipe.remove("about");
        own_views = recipe.contains_key("views") && !chosen.contains_key("policy");
        merge(&mut table, recipe);
    }
    if !own_views {
        insert_views(&mut table, chosen);
    }
    table
}

/// The settings of a fine-tuning run as the configuration knows them: those of [`FinetuneSettings`], then the operations
/// of the chosen view policy.
pub fn finetune_spec() -> Spec<FinetuneSettings> {
    Spec {
        defaults: |chosen| {
            let mut table = Table::try_from(FinetuneSettings::default()).unwrap_or_default();
            insert_views(&mut table, chosen);
            table
        },
        presets: finetune::recipes::RECIPES,
        supersedes: &[("policy", "views")],
        renamed: &[],
        assignment: ASSIGNMENT,
        validate: |settings| {
            let problems = settings.problems().into_iter().map(found);
            problems.chain(unknown_policy(&settings.policy)).collect()
        },
    }
}

/// The operations of the chosen policy, or of the table's own.
fn insert_views(table: &mut Table, chosen: &Table) {
    let policy = text(chosen, "policy").or_else(|| text(table, "policy")).unwrap_or_default();
    if let Ok(views) = presets::preset(&policy).map(Value::try_from) {
        table.insert("views".into(), views.unwrap_or_else(|_| Value::Array(vec![])));
    }
}

fn unknown_policy(policy: &str) -> Option<Problem> {
    presets::preset(policy).is_err().then(|| {
        let known = presets::PRESETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        Problem { key: "policy".into(), expected: known, got: policy.to_owned(), hint: None }
    })
}

fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn validate(settings: &Settings) -> Vec<Problem> {
    let problems = settings.problems().into_iter().map(found);
    problems.chain(unknown_policy(&settings.policy)).collect()
}

fn found(problem: twinlens_ssl::Problem) -> Problem {
    Problem { key: problem.key.into(), expected: problem.expected, got: problem.got, hint: None }
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
    told(spec().resolve(request)?)
}

/// [`resolve`] for fine-tuning.
///
/// # Errors
/// A report of everything that is wrong.
pub fn resolve_finetune(request: &Request) -> Outcome<Resolved<FinetuneSettings>> {
    told(finetune_spec().resolve(request)?)
}

fn told<T>(resolved: Resolved<T>) -> Outcome<Resolved<T>> {
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    Ok(resolved)
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
    let sha256 = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    let of_recipe = |origin: &str| origin == "built-in" || origin.starts_with("preset ");
    let values = resolved.values().into_iter();
    let changed = values.filter(|(_, _, origin)| !origin.split(", ").all(of_recipe));
    let changed = changed.map(|(key, _, _)| key).filter(|key| !NOT_OF_RECIPES.contains(&key.as_str()));
    Some(Recipe { id: (*id).to_owned(), sha256, changed: changed.collect() })
}

/// Settings that no recipe could state: what is learned from, and with which weights it begins.
const NOT_OF_RECIPES: [&str; 2] = ["data", "init"];
