//! The user's layers, as written.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Spec;
use super::node::{Content, Node};
use super::origin::{Origin, Rank, Source};
use super::report::{Finding, Report};
use super::request::Request;
use super::schema::nearest;

/// Environment variables that begin with this are settings.
pub const ENVIRONMENT_PREFIX: &str = "TWINLENS_";

/// A table of this name in a preset or a file describes it and holds no settings.
const ABOUT: &str = "about";

/// A layer to be laid over those before it.
pub(super) enum Overlay {
    /// A whole file.
    Tree(Node),
    /// One value at an address.
    Single {
        /// The keys that lead to it.
        path: Vec<String>,
        /// The value.
        value: Node,
    },
}

impl Overlay {
    pub fn source(&self) -> &Arc<Source> {
        match self {
            Overlay::Tree(node) => &node.origin.source,
            Overlay::Single { value, .. } => &value.origin.source,
        }
    }

    pub fn is_single(&self) -> bool {
        matches!(self, Overlay::Single { .. })
    }

    /// Whether it sets the top-level key itself (not something inside it).
    pub fn sets(&self, key: &str) -> bool {
        match self {
            Overlay::Tree(node) => node.child(key).is_some(),
            Overlay::Single { path, .. } => path.len() == 1 && path[0] == key,
        }
    }

    /// All that it sets: keys and values.
    pub fn leaves(&self) -> Vec<(Vec<String>, Node)> {
        match self {
            Overlay::Tree(node) => node.leaves(),
            Overlay::Single { path, value } => {
                let inside = |(rest, leaf): (Vec<String>, Node)| ([path.clone(), rest].concat(), leaf);
                value.leaves().into_iter().map(inside).collect()
            }
        }
    }
}

/// All of the user's layers, weakest first. What cannot be read is reported and left out.
pub(super) fn overlays<T>(request: &Request, spec: &Spec<T>, report: &mut Report) -> Vec<Overlay> {
    let mut overlays = Vec::new();
    if let Some(name) = &request.preset {
        overlays.extend(preset(name, spec.presets, report));
    }
    for (name, text) in &request.texts {
        overlays.extend(toml_text(Rank::File, name.clone(), text.clone(), report));
    }
    for path in &request.files {
        overlays.extend(file(path, report));
    }
    let mut variables: Vec<_> = request.environment.iter().filter(|(name, _)| is_setting(name)).collect();
    variables.sort();
    for (name, value) in variables {
        overlays.push(variable(name, value));
    }
    for text in &request.sets {
        overlays.extend(set(text, spec.assignment, report));
    }
    for flag in &request.flags {
        let text = format!("{} {}", flag.name, flag.value);
        let source = Arc::new(Source { rank: Rank::Flag, name: flag.name.to_owned(), text });
        let mut value = Node::from_value(flag.value.clone(), &source);
        let value_start = flag.name.len() + 1;
        value.origin = Origin::spanning(&source, 0..flag.name.len(), value_start..source.text.len());
        overlays.push(Overlay::Single { path: path_of(flag.key), value });
    }
    overlays
}

fn preset(name: &str, presets: &[(&str, &str)], report: &mut Report) -> Option<Overlay> {
    match presets.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => toml_text(Rank::Preset, format!("preset {name}"), (*text).to_owned(), report),
        None => {
            let known: Vec<&str> = presets.iter().map(|(name, _)| *name).collect();
            let hint = nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let finding = Finding::new(format!("there is no preset `{name}`"), None);
            report.push(finding.expected(format!("one of {}", known.join(", "))).hint(hint));
            None
        }
    }
}

/// The text of a file of settings; `-` is standard input. A pipe can be read only once, so what it gave is kept for whoever asks
/// for it again.
///
/// # Errors
/// A file that cannot be read, or is no text.
pub fn read_settings(path: &Path) -> io::Result<String> {
    static PIPES: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
    let standard_input = path == Path::new("-");
    if !standard_input && std::fs::metadata(path).is_ok_and(|found| found.is_file() || found.is_dir()) {
        return std::fs::read_to_string(path);
    }
    let mut pipes = PIPES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = pipes.get(path) {
        return Ok(text.clone());
    }
    let text = if standard_input { io::read_to_string(io::stdin())? } else { std::fs::read_to_string(path)? };
    pipes.insert(path.to_path_buf(), text.clone());
    Ok(text)
}

fn file(path: &Path, report: &mut Report) -> Option<Overlay> {
    match read_settings(path) {
        Ok(text) => toml_text(Rank::File, path.display().to_string(), text, report),
        Err(error) => {
            report.push(Finding::new(format!("cannot read `{}`: {error}", path.display()), None));
            None
        }
    }
}

pub(super) fn toml_text(rank: Rank, name: String, text: String, report: &mut Report) -> Option<Overlay> {
    let source = Arc::new(Source { rank, name, text });
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let mut origin = Origin::of(&source);
        origin.value = error.span();
        report.push(Finding::new(format!("not valid TOML: {}", error.message()), Some(origin)));
    }
    if !errors.is_empty() {
        return None;
    }
    let mut node =
        Node { content: table_content(table.get_ref(), &source), origin: Origin::of(&source), raw: None };
    node.take(&[ABOUT]);
    Some(Overlay::Tree(node))
}

fn table_content(table: &DeTable<'_>, source: &Arc<Source>) -> Content {
    let entries =
        table.iter().map(|(key, value)| (key.get_ref().to_string(), node_of(value, key.span(), source)));
    Content::Table(entries.collect())
}

fn node_of(value: &Spanned<DeValue<'_>>, key: Range<usize>, source: &Arc<Source>) -> Node {
    let content = match value.get_ref() {
        DeValue::Table(table) => table_content(table, source),
        DeValue::Array(items) => {
            Content::Array(items.iter().map(|item| node_of(item, item.span(), source)).collect())
        }
        scalar => Content::Value(scalar_of(scalar)),
    };
    Node { content, origin: Origin::spanning(source, key, value.span()), raw: None }
}

/// A scalar without its span. A number that does not fit 64 bits stays a string, which the check then refuses.
fn scalar_of(value: &DeValue<'_>) -> toml::Value {
    use toml::Value;
    match value {
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            match i64::from_str_radix(&digits, number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::String(number.as_str().to_owned()),
            }
        }
        DeValue::Float(number) => match number.as_str().replace('_', "").parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::String(number.as_str().to_owned()),
        },
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(value) => Value::Datetime(*value),
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => Value::String(String::new()),
    }
}

fn is_setting(variable: &str) -> bool {
    variable.starts_with(ENVIRONMENT_PREFIX)
}

fn variable(name: &str, value: &str) -> Overlay {
    let text = format!("{name}={value}");
    let key = name[ENVIRONMENT_PREFIX.len()..].to_lowercase().replace("__", ".");
    let source = Arc::new(Source { rank: Rank::Environment, name: name.to_owned(), text });
    Overlay::Single { path: path_of(&key), value: argument(value, 0..name.len(), &source) }
}

fn set(text: &str, name: &str, report: &mut Report) -> Option<Overlay> {
    let source = Arc::new(Source { rank: Rank::Set, name: name.to_owned(), text: text.to_owned() });
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Some(Overlay::Single { path: path_of(key.trim()), value: argument(value, 0..key.len(), &source) })
        }
        _ => {
            let mut origin = Origin::of(&source);
            origin.value = Some(0..text.len());
            let finding = Finding::new(format!("`{text}` sets nothing"), Some(origin));
            report.push(finding.expected("key=value, such as epochs=50"));
            None
        }
    }
}

pub(super) fn path_of(key: &str) -> Vec<String> {
    key.split('.').map(|part| part.trim().to_owned()).collect()
}

/// The right side of `key=value`: a TOML value, else a bare string. The text is kept: where only a string
/// will do, `28` is one.
fn argument(text: &str, key: Range<usize>, source: &Arc<Source>) -> Node {
    let start = key.end + 1;
    let mut node = match DeValue::parse(text.trim()) {
        Ok(value) => node_of(&value, key.clone(), source),
        Err(_) => Node::from_value(toml::Value::String(text.trim().to_owned()), source),
    };
    node.locate(&Origin::spanning(source, key, start..start + text.len()));
    node.raw = Some(text.trim().to_owned());
    node
}
