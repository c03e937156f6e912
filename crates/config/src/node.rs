//! A configuration tree whose every value knows where it was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use toml::Value;

use super::read::{Origin, Source};
use super::report::Finding;
use super::schema::{Schema, choices, hint_for};

/// The key that names the element of an array of operations.
const NAME_KEY: &str = "op";

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub content: Content,
    pub origin: Origin,
    /// The text of a `key=value` argument, to fall back to where a string is wanted.
    pub raw: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Value(Value),
    Array(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Node {
    pub fn from_value(value: Value, source: &Arc<Source>) -> Node {
        let content = match value {
            Value::Table(table) => return Node::from_table(table, source),
            Value::Array(items) => {
                Content::Array(items.into_iter().map(|item| Node::from_value(item, source)).collect())
            }
            scalar => Content::Value(scalar),
        };
        Node { content, origin: Origin::of(source), raw: None }
    }

    pub fn from_table(table: toml::Table, source: &Arc<Source>) -> Node {
        let entries = table.into_iter().map(|(key, value)| (key, Node::from_value(value, source)));
        Node { content: Content::Table(entries.collect()), origin: Origin::of(source), raw: None }
    }

    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Value(value) => value.clone(),
            Content::Array(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Content::Table(entries) => {
                Value::Table(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }

    /// Gives this node and all below it one origin.
    pub fn locate(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.content {
            Content::Value(_) => {}
            Content::Array(items) => items.iter_mut().for_each(|item| item.locate(origin)),
            Content::Table(entries) => entries.values_mut().for_each(|node| node.locate(origin)),
        }
    }

    pub fn child(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Value(_) => None,
            Content::Array(items) => items.get(key.parse::<usize>().ok()?),
            Content::Table(entries) => entries.get(key),
        }
    }

    /// The names of the operations in this table's arrays.
    pub fn operations(&self) -> Vec<String> {
        let Content::Table(entries) = &self.content else { return vec![] };
        let items = entries.values().flat_map(|node| match &node.content {
            Content::Array(items) => items.as_slice(),
            _ => &[],
        });
        items.filter_map(name_of).map(str::to_owned).collect()
    }

    /// The node at a dotted key with plain indices.
    pub fn find(&self, key: &str) -> Option<&Node> {
        key.split('.').try_fold(self, |node, part| node.child(part))
    }

    /// Where the value at a dotted key came from; the nearest layer that said anything about it.
    pub fn origin_of(&self, key: &str) -> String {
        let Some(node) = self.find(key) else { return Source::built_in().place(None) };
        let mut labels = vec![node.origin.label()];
        if let Content::Array(items) = &node.content {
            let elsewhere = |item: &&Node| !Arc::ptr_eq(&item.origin.source, &node.origin.source);
            labels.extend(items.iter().filter(elsewhere).map(|item| item.origin.label()));
            labels.dedup();
        }
        labels.join(", ")
    }

    /// Removes and returns the node at `path`.
    pub fn take(&mut self, path: &[&str]) -> Option<Node> {
        let Content::Table(entries) = &mut self.content else { return None };
        match path {
            [] => None,
            [key] => entries.remove(*key),
            [key, rest @ ..] => entries.get_mut(*key)?.take(rest),
        }
    }

    /// Puts `node` at `path`, making the tables that lead there.
    pub fn put(&mut self, path: &[String], node: Node) {
        let [key, rest @ ..] = path else {
            *self = node;
            return;
        };
        let origin = node.origin.clone();
        if !matches!(self.content, Content::Table(_)) {
            self.content = Content::Table(BTreeMap::new());
        }
        if let Content::Table(entries) = &mut self.content {
            entries.entry(key.clone()).or_insert_with(|| Node::empty_table(origin)).put(rest, node);
        }
    }

    fn empty_table(origin: Origin) -> Node {
        Node { content: Content::Table(BTreeMap::new()), origin, raw: None }
    }

    /// Returns the top-level `key` to what `base` says about it.
    pub fn reset(&mut self, key: &str, base: &Node) {
        let Content::Table(entries) = &mut self.content else { return };
        match base.child(key) {
            Some(node) => entries.insert(key.to_owned(), node.clone()),
            None => entries.remove(key),
        };
    }

    /// Lays `over` on top: tables key by key, all else by replacement. A table whose kind changes starts afresh.
    pub fn merge(&mut self, over: Node, schema: &Schema, place: &Json) {
        match (&mut self.content, over) {
            (Content::Table(below), Node { content: Content::Table(above), .. }) => {
                if let Some(tag) = schema.tag_of(place) {
                    let changes = above.get(&tag).zip(below.get(&tag)).is_some_and(|(a, b)| !a.same_as(b));
                    if changes {
                        below.clear();
                    }
                }
                for (key, node) in above {
                    let inner = schema.property(place, below, &key).unwrap_or(&ANYTHING);
                    match below.get_mut(&key) {
                        Some(existing) => existing.merge(node, schema, inner),
                        None => {
                            below.insert(key, node);
                        }
                    }
                }
            }
            (_, over) => *self = over,
        }
    }

    fn same_as(&self, other: &Node) -> bool {
        self.to_value() == other.to_value()
    }

    /// Lays `value` at an address, in which operations may be called by name.
    pub fn assign(&mut self, path: &[String], value: Node, schema: &Schema) -> Result<(), Box<Finding>> {
        self.assign_at(path, value, schema, schema.root(), "")
    }

    /// `place` is the type of this node, `so_far` its dotted key.
    fn assign_at(
        &mut self,
        path: &[String],
        value: Node,
        schema: &Schema,
        place: &Json,
        so_far: &str,
    ) -> Result<(), Box<Finding>> {
        let [part, rest @ ..] = path else {
            self.merge(value, schema, place);
            return Ok(());
        };
        match &mut self.content {
            Content::Value(found) => {
                let expected = format!("`{so_far}` is {found}: nothing lies below it");
                Err(nowhere(&join(so_far, part), value, expected, None))
            }
            Content::Array(items) => match element(items, part) {
                Ok(index) => {
                    let inner = schema.element(place, index).unwrap_or(&ANYTHING);
                    items[index].assign_at(rest, value, schema, inner, &join(so_far, &index.to_string()))
                }
                Err((expected, hint)) => Err(nowhere(&join(so_far, part), value, expected, hint)),
            },
            Content::Table(entries) => {
                let part = &schema.spelling(place, entries, part);
                let declared = schema.property(place, entries, part);
                if declared.is_none()
                    && let Some(holder) = holder_of(entries, part)
                    && let inner = schema.property(place, entries, &holder).unwrap_or(&ANYTHING)
                    && let Some(operations) = entries.get_mut(&holder)
                {
                    return operations.assign_at(path, value, schema, inner, &join(so_far, &holder));
                }
                if rest.is_empty() {
                    // As a table of one key, because the key may be the one that chooses the table's kind.
                    let mut single = Node::empty_table(value.origin.clone());
                    single.put(std::slice::from_ref(part), value);
                    self.merge(single, schema, place);
                    return Ok(());
                }
                let (inner, here) = (declared.unwrap_or(&ANYTHING), join(so_far, part));
                if let Some(existing) = entries.get_mut(part) {
                    return existing.assign_at(rest, value, schema, inner, &here);
                }
                if schema.is_array(inner) {
                    let expected = format!("`{here}` is not set, so it has no elements");
                    return Err(nowhere(&join(&here, &rest[0]), value, expected, None));
                }
                let fresh = Node::empty_table(value.origin.clone());
                entries.entry(part.clone()).or_insert(fresh).assign_at(rest, value, schema, inner, &here)
            }
        }
    }
}

/// The type of a value that the schema says nothing about.
static ANYTHING: Json = Json::Bool(true);

/// An address that leads nowhere.
fn nowhere(key: &str, value: Node, expected: String, hint: Option<String>) -> Box<Finding> {
    let finding = Finding::new(format!("there is no `{key}`"), Some(value.origin));
    Box::new(finding.at_key().expected(expected).hint(hint))
}

fn join(path: &str, part: &str) -> String {
    if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") }
}

fn name_of(node: &Node) -> Option<&str> {
    match &node.child(NAME_KEY)?.content {
        Content::Value(Value::String(name)) => Some(name),
        _ => None,
    }
}

/// The one array among `entries` that has an element named `name`.
fn holder_of(entries: &BTreeMap<String, Node>, name: &str) -> Option<String> {
    let mut holders = entries.iter().filter_map(|(key, node)| match &node.content {
        Content::Array(items) => items.iter().any(|item| name_of(item) == Some(name)).then_some(key),
        _ => None,
    });
    let only = holders.next()?;
    holders.next().is_none().then(|| only.clone())
}

/// The element of an array that an address means: by index, or by the name of its operation. Else what would
/// be right, and a hint.
fn element(items: &[Node], part: &str) -> Result<usize, (String, Option<String>)> {
    if let Ok(index) = part.parse::<usize>() {
        let expected = match items.len() {
            0 => "the array is empty".to_owned(),
            count => format!("an index in 0..={}", count - 1),
        };
        return if index < items.len() { Ok(index) } else { Err((expected, None)) };
    }
    let matches: Vec<usize> = (0..items.len()).filter(|&i| name_of(&items[i]) == Some(part)).collect();
    match matches.as_slice() {
        [index] => Ok(*index),
        [] => {
            let names: Vec<&str> = items.iter().filter_map(name_of).collect();
            let hint = hint_for(part, names.iter().copied());
            let expected = if names.is_empty() {
                "an index".to_owned()
            } else {
                format!("an index, or {}", choices(&names))
            };
            Err((expected, hint))
        }
        several => Err((format!("an index: `{part}` stands at {several:?}"), None)),
    }
}
