//! What the layers of the configuration resolve to: [`Settings`], their defaults, presets and checks.

use toml::{Table, Value};
use twinlens_ssl::{Settings, recipes};
use twinlens_views::presets;

use crate::config::{Problem, Request, Resolved, Spec};
use crate::exit::Outcome;

/// The settings of a run as the configuration knows them.
///
/// Built-in defaults come in three steps: those of [`Settings`], then the recipe of the chosen method, then the
/// operations of the chosen view policy; where none is chosen and the recipe brings views of its own, these.
pub fn spec() -> Spec<Settings> {
    Spec { defaults, presets: recipes::RECIPES, supersedes: &[("policy", "views")], renamed: &[], validate }
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
    let policy = text(chosen, "policy").or_else(|| text(&table, "policy")).unwrap_or_default();
    if let (false, Ok(views)) = (own_views, presets::preset(&policy).map(Value::try_from)) {
        table.insert("views".into(), views.unwrap_or_else(|_| Value::Array(vec![])));
    }
    table
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
    let mut problems: Vec<Problem> = settings.problems().into_iter().map(Problem::from).collect();
    if presets::preset(&settings.policy).is_err() {
        let known = presets::PRESETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        problems.push(Problem {
            key: "policy".into(),
            expected: known,
            got: settings.policy.clone(),
            hint: None,
        });
    }
    problems
}

impl From<twinlens_ssl::Problem> for Problem {
    fn from(problem: twinlens_ssl::Problem) -> Problem {
        Problem { key: problem.key.into(), expected: problem.expected, got: problem.got, hint: None }
    }
}

/// Resolves a request for the settings of a run, and says what the configuration wants said.
///
/// # Errors
/// A report of everything that is wrong.
pub fn resolve(request: &Request) -> Outcome<Resolved<Settings>> {
    let resolved = spec().resolve(request)?;
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    Ok(resolved)
}
