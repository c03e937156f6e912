//! Settings as TOML, flat, and compared.

use std::fmt::Write;

use toml::{Table, Value};

type OriginOf<'a> = Option<&'a dyn Fn(&str) -> String>;

/// TOML text of a table, scalars before tables, each value with its origin in a comment.
pub(super) fn render(table: &Table, origin: OriginOf<'_>) -> String {
    let mut out = String::new();
    render_table(table, &[], "", origin, &mut out);
    out.trim_start().to_owned()
}

fn is_table(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_table),
        _ => false,
    }
}

/// `keys` are the names in headers, `path` the dotted key with indices that an origin is looked up by.
fn render_table(table: &Table, keys: &[&str], path: &str, origin: OriginOf<'_>, out: &mut String) {
    let lines: Vec<(String, Option<String>)> = table
        .iter()
        .filter(|(_, value)| !is_table(value))
        .map(|(key, value)| {
            (format!("{} = {value}", quoted(key)), origin.map(|origin| origin(&join(path, key))))
        })
        .collect();
    const WIDEST: usize = 48;
    let width =
        lines.iter().map(|(line, _)| line.chars().count()).filter(|w| *w <= WIDEST).max().unwrap_or(0);
    // Writing to a string cannot fail.
    for (line, origin) in lines {
        let _ = match origin {
            Some(origin) => writeln!(out, "{line:width$}  # {origin}"),
            None => writeln!(out, "{line}"),
        };
    }
    for (key, value) in table.iter().filter(|(_, value)| is_table(value)) {
        let keys: Vec<&str> = keys.iter().copied().chain([key.as_str()]).collect();
        let header = keys.iter().map(|key| quoted(key)).collect::<Vec<_>>().join(".");
        let path = join(path, key);
        match value {
            Value::Table(inner) => {
                let _ = writeln!(out, "\n[{header}]");
                render_table(inner, &keys, &path, origin, out);
            }
            Value::Array(items) => {
                for (index, inner) in items.iter().filter_map(Value::as_table).enumerate() {
                    let _ = writeln!(out, "\n[[{header}]]");
                    render_table(inner, &keys, &join(&path, &index.to_string()), origin, out);
                }
            }
            _ => {}
        }
    }
}

fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Every value by its dotted key; arrays of plain values stay whole.
pub(super) fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    for (key, value) in table {
        flatten_value(key.clone(), value, &mut values);
    }
    values
}

fn flatten_value(key: String, value: &Value, values: &mut Vec<(String, Value)>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            table.iter().for_each(|(inner, value)| flatten_value(join(&key, inner), value, values));
        }
        Value::Array(items) if is_table(value) => {
            for (index, item) in items.iter().enumerate() {
                flatten_value(join(&key, &index.to_string()), item, values);
            }
        }
        _ => values.push((key, value.clone())),
    }
}

/// A setting that differs between two configurations.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The dotted key.
    pub key: String,
    /// The value in the first, if it has one.
    pub before: Option<Value>,
    /// The value in the second, if it has one.
    pub after: Option<Value>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |value: &Option<Value>| value.as_ref().map_or("not set".to_owned(), Value::to_string);
        write!(f, "{}: {} -> {}", self.key, shown(&self.before), shown(&self.after))
    }
}

/// The settings in which two configurations differ, in the order of the first.
pub fn diff(before: &Table, after: &Table) -> Vec<Change> {
    let change = |(key, values): (String, Vec<Option<Value>>)| {
        let [before, after] = <[_; 2]>::try_from(values).unwrap_or_default();
        Change { key, before, after }
    };
    differences(&[before, after]).into_iter().map(change).collect()
}

/// The settings in which several configurations differ: dotted keys, in the order in which they are met, each with
/// its value in every configuration.
pub fn differences(tables: &[&Table]) -> Vec<(String, Vec<Option<Value>>)> {
    let flat: Vec<Vec<(String, Value)>> = tables.iter().map(|table| flatten(table)).collect();
    let mut found: Vec<(String, Vec<Option<Value>>)> = Vec::new();
    for (key, _) in flat.iter().flatten() {
        if found.iter().any(|(known, _)| known == key) {
            continue;
        }
        let value_in = |list: &Vec<(String, Value)>| {
            list.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
        };
        found.push((key.clone(), flat.iter().map(value_in).collect()));
    }
    found.retain(|(_, values)| values.iter().any(|value| *value != values[0]));
    found
}
