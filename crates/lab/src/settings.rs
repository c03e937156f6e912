//! The settings of runs as layers resolve them: defaults, recipes, views of policies, older forms, checks.

use std::collections::BTreeSet;
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use toml::{Table, Value};
use twinlens_config::{Problem, Request, Resolved, Spec, nearest};
use twinlens_run::Recipe;
use twinlens_ssl::finetune::{self, FinetuneSettings};
use twinlens_ssl::{Settings, moved, recipes};
use twinlens_views::{Policy, ViewPolicy, ViewProblem, presets};

use crate::identity::hexadecimal;

/// What origins and reports call a setting given by itself; a front end says its own word.
const ASSIGNMENT: &str = "an assignment";

/// The settings of a run as the configuration knows them.
///
/// Built-in defaults come in three steps: those of [`Settings`], then the recipe of the chosen method, then the
/// operations of the chosen view policy; where none is chosen and the recipe brings views of its own, these.
pub fn spec() -> Spec<Settings> {
    Spec {
        defaults,
        presets: recipes::RECIPES,
        supersedes: &[("policy", "views")],
        moved,
        assignment: ASSIGNMENT,
        validate,
    }
}

fn defaults(chosen: &Table) -> Table {
    let mut table = Table::try_from(Settings::default()).unwrap_or_default();
    let method = name(chosen, "method").or_else(|| name(&table, "method")).unwrap_or_default();
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
        moved,
        assignment: ASSIGNMENT,
        validate: |settings| {
            let problems = settings.problems().into_iter().map(found);
            problems.chain(unknown_policy(&settings.policy)).chain(wrong_views(&settings.views)).collect()
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
        let known = || presets::PRESETS.iter().map(|(name, _)| *name);
        Problem {
            key: "policy".into(),
            expected: format!("one of {}", known().collect::<Vec<_>>().join(", ")),
            got: format!("the string \"{policy}\""),
            hint: nearest(policy, known()).map(|near| format!("did you mean `{near}`?")),
        }
    })
}

fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// What is chosen in a table that is one of several kinds.
fn name(table: &Table, key: &str) -> Option<String> {
    text(table.get(key)?.as_table()?, "name")
}

/// Lays `above` over `below`. A table of another kind takes the place of the one below.
fn merge(below: &mut Table, above: Table) {
    let is_other =
        |below: &Table, above: &Table| above.get("name").is_some_and(|name| below.get("name") != Some(name));
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if !is_other(below, &above) => {
                merge(below, above);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn validate(settings: &Settings) -> Vec<Problem> {
    let problems = settings.problems().into_iter().map(found);
    problems.chain(unknown_policy(&settings.policy)).chain(wrong_views(&settings.views)).collect()
}

/// What no images would make right.
fn wrong_views(views: &[ViewPolicy]) -> impl Iterator<Item = Problem> {
    let found = |ViewProblem { key, expected, got }| Problem { key, expected, got, hint: None };
    // That there are none is told with how many the method needs.
    let all = if views.is_empty() { Vec::new() } else { Policy::problems(views) };
    all.into_iter().map(found)
}

fn found(problem: twinlens_ssl::SettingProblem) -> Problem {
    Problem { key: problem.key, expected: problem.expected, got: problem.got, hint: None }
}

/// The same, once its warnings are said. A process that reads the same settings again has said them.
pub fn told<T>(resolved: Resolved<T>) -> Resolved<T> {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    for warning in &resolved.warnings {
        if SAID.lock().map_or(true, |mut said| said.insert(warning.clone())) {
            tracing::warn!("{warning}");
        }
    }
    resolved
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
    let sha256 = hexadecimal(Sha256::new_with_prefix(text));
    let of_recipe = |origin: &str| origin == "built-in" || origin.starts_with("preset ");
    let values = resolved.values().into_iter();
    let changed = values.filter(|(_, _, origin)| !origin.split(", ").all(of_recipe));
    let changed = changed.map(|(key, _, _)| key).filter(|key| !NOT_OF_RECIPES.contains(&key.as_str()));
    Some(Recipe { id: (*id).to_owned(), sha256, changed: changed.collect() })
}

/// Settings that no recipe could state: what is learned from, and with which weights it begins.
const NOT_OF_RECIPES: [&str; 3] = ["data", "data_options.join", "init"];
