//! Settings as earlier versions wrote them: flat, with the constants of all methods side by side.

use toml::{Table, Value};

use crate::methods::{METHODS, MethodSettings};

/// Heads that all methods shared, in tables of their own.
const HEADS: [&str; 3] = ["projector", "predictor", "target"];

/// The name of the weighted sum, whose terms shared constants and heads with each other.
const SUM: &str = "weighted-sum";

/// The method that has a predictor only where it is asked for.
const WITH_OR_WITHOUT: &str = "barlow-twins";

/// A dotted key and its value.
type Setting = (String, Value);

/// Where the dotted key of an earlier form of the settings is now, with what value, given the settings so far: at one key,
/// at one in every term of a weighted sum, or nowhere, where the chosen method has no use for it. Nothing for a key that is
/// of no earlier form.
///
/// | earlier | now |
/// |---|---|
/// | `method`, `encoder` | `method.name`, `encoder.name` |
/// | `stem`, `zero_init_residual` | `encoder.stem`, `encoder.zero_init_residual` |
/// | `projector.*`, `predictor.*`, `target.*` | `method.projector.*`, ... |
/// | `methods.ID.*` of the chosen method | `method.*` |
/// | `methods.barlow-twins.predictor = true` | a table `method.predictor`, and `method.both_directions = true` |
/// | `methods.barlow-twins.stop_gradient = true` | the same key, and `method.both_directions = true` |
/// | `methods.weighted-sum.objectives`, each with a `method` | `method.terms`, each with a `name`, constants and heads |
pub fn moved(key: &str, value: &Value, so_far: &Table) -> Option<Vec<Setting>> {
    let method = so_far.get("method").and_then(Value::as_table);
    match key.split_once('.') {
        None if ["method", "encoder"].contains(&key) => Some(vec![(format!("{key}.name"), value.clone())]),
        None if ["stem", "zero_init_residual"].contains(&key) => {
            Some(vec![(format!("encoder.{key}"), value.clone())])
        }
        Some((head, _)) if HEADS.contains(&head) => Some(to_methods(method, |table| {
            let absent = head == "predictor" && is(table, WITH_OR_WITHOUT) && !table.contains_key(head);
            (!absent).then(|| (key.to_owned(), value.clone()))
        })),
        Some(("methods", rest)) => constant(rest, value, method),
        _ => None,
    }
}

/// The setting that `find` gives for the chosen method, or for every term of a weighted sum.
fn to_methods(method: Option<&Table>, find: impl Fn(&Table) -> Option<Setting>) -> Vec<Setting> {
    let Some(method) = method else { return vec![] };
    let below = |prefix: &str, (key, value): Setting| (format!("{prefix}.{key}"), value);
    if !is(method, SUM) {
        return find(method).map(|setting| below("method", setting)).into_iter().collect();
    }
    let of_term = |(number, term)| Some(below(&format!("method.terms.{number}"), find(term)?));
    terms(method).enumerate().filter_map(of_term).collect()
}

/// `methods.ID.KEY`, given as `ID.KEY`.
fn constant(key: &str, value: &Value, method: Option<&Table>) -> Option<Vec<Setting>> {
    let (id, key) = key.split_once('.')?;
    // A variable of the environment cannot hold a hyphen.
    let id = id.replace('_', "-");
    METHODS.iter().find(|spec| spec.id == id)?;
    if id == SUM {
        let sum = method.filter(|method| is(method, SUM));
        return Some(sum.map(|sum| objective(key, value, sum)).into_iter().collect());
    }
    let mut settings = to_methods(method, |table| match value {
        _ if !is(table, &id) => None,
        Value::Boolean(with) if id == WITH_OR_WITHOUT && key == "predictor" => {
            with.then(|| (key.to_owned(), Table::new().into()))
        }
        value => Some((key.to_owned(), value.clone())),
    });
    // What made the views unequal was averaged over both directions.
    if id == WITH_OR_WITHOUT && ["predictor", "stop_gradient"].contains(&key) && value.as_bool() == Some(true)
    {
        let both = |table: &Table| is(table, &id).then(|| ("both_directions".to_owned(), true.into()));
        settings.extend(to_methods(method, both));
    }
    Some(settings)
}

/// `methods.weighted-sum.KEY`.
fn objective(key: &str, value: &Value, sum: &Table) -> Setting {
    let key = match key.split_once('.') {
        Some(("objectives", rest)) => format!("method.terms.{}", rest.replace(".method", ".name")),
        None if key == "objectives" => "method.terms".to_owned(),
        _ => format!("method.{key}"),
    };
    let value = match value {
        Value::Array(items) if key == "method.terms" => {
            Value::Array(items.iter().map(|item| term(item, sum)).collect())
        }
        value => value.clone(),
    };
    (key, value)
}

/// A term of what was an objective, with the constants and heads that all shared.
fn term(objective: &Value, sum: &Table) -> Value {
    let Some(mut term) = objective.as_table().cloned() else { return objective.clone() };
    let Some(Value::String(name)) = term.remove("method") else { return objective.clone() };
    let alike = terms(sum).find(|other| is(other, &name)).or_else(|| terms(sum).next());
    let known = MethodSettings::named(&name).ok().and_then(|method| Table::try_from(method).ok());
    for (key, value) in alike.into_iter().flatten() {
        let shared = alike.is_some_and(|alike| is(alike, &name)) || HEADS.contains(&key.as_str());
        if shared && known.as_ref().is_none_or(|known| known.contains_key(key)) {
            term.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    term.insert("name".into(), name.into());
    term.into()
}

fn terms(sum: &Table) -> impl Iterator<Item = &Table> {
    sum.get("terms").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table)
}

/// Whether a method's table is that of the method called `name`.
fn is(table: &Table, name: &str) -> bool {
    table.get("name").and_then(Value::as_str) == Some(name)
}
