//! A configuration tree whose every value knows where it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;
use toml::Value;

use super::origin::{Origin, Source};
use super::report::Finding;
use super::schema::{Schema, choices, hint_for};

/// Where a node of the tree stands: what the schema says of it, and what the defaults hold there.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    schema: &'a Schema,
    kind: &'a Json,
    base: Option<&'a Node>,
    /// Whether a table whose kind changes keeps all that its new kind has too.
    keeps: bool,
}

impl<'a> Place<'a> {
    pub fn root(schema: &'a Schema, base: &'a Node, keeps: bool) -> Place<'a> {
        Place { schema, kind: schema.root(), base: Some(base), keeps }
    }

    /// The value at `key` of a table with these entries, where the schema knows one.
    fn declared(self, entries: &BTreeMap<String, Node>, key: &str) -> Option<Place<'a>> {
        let kind = self.schema.property(self.kind, entries, key)?;
        Some(Place { kind, base: self.base.and_then(|base| base.child(key)), ..self })
    }

    fn at(self, entries: &BTreeMap<String, Node>, key: &str) -> Place<'a> {
        self.declared(entries, key).unwrap_or(Place { kind: &ANYTHING, base: None, ..self })
    }

    fn element(self, index: usize) -> Place<'a> {
        Place { kind: self.schema.element(self.kind, index).unwrap_or(&ANYTHING), base: None, ..self }
    }

    /// Before `above` is laid over `below`: where it changes the kind of a tagged table, the new kind's values take the
    /// place of the old ones. Kinds with the same keys share their values; else these are those of the defaults, where the
    /// defaults are of the new kind, or none.
    fn change_kind(self, below: &mut BTreeMap<String, Node>, above: &BTreeMap<String, Node>) {
        let Some(tag) = self.schema.tag_of(self.kind) else { return };
        let Some((new, old)) = above.get(&tag).zip(below.get(&tag)) else { return };
        if new.same_as(old) || self.schema.are_alike(self.kind, [old, new]) {
            return;
        }
        let base = self.base.filter(|base| base.child(&tag).is_some_and(|kind| kind.same_as(new)));
        match base.map(|base| &base.content) {
            Some(Content::Table(entries)) => below.clone_from(entries),
            _ if self.keeps => {
                below.retain(|key, _| *key != tag && self.schema.kind_has(self.kind, new, key));
            }
            _ => below.clear(),
        }
    }
}

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
    pub fn take(&mut self, path: &[impl AsRef<str>]) -> Option<Node> {
        let Content::Table(entries) = &mut self.content else { return None };
        match path {
            [] => None,
            [key] => entries.remove(key.as_ref()),
            [key, rest @ ..] => entries.get_mut(key.as_ref())?.take(rest),
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

    /// The same without some of its entries.
    pub fn without(&self, keys: &BTreeSet<String>) -> Node {
        let mut rest = self.clone();
        if let Content::Table(entries) = &mut rest.content {
            entries.retain(|key, _| !keys.contains(key));
        }
        rest
    }

    /// Returns the top-level `key` to what `base` says about it.
    pub fn reset(&mut self, key: &str, base: &Node) {
        let Content::Table(entries) = &mut self.content else { return };
        match base.child(key) {
            Some(node) => entries.insert(key.to_owned(), node.clone()),
            None => entries.remove(key),
        };
    }

    /// Lays `over` on top: tables key by key, all else by replacement. A table whose kind changes starts afresh, see
    /// [`Place::change_kind`].
    pub fn merge(&mut self, over: Node, place: Place<'_>) {
        match (&mut self.content, over) {
            (Content::Table(below), Node { content: Content::Table(above), .. }) => {
                place.change_kind(below, &above);
                for (key, node) in above {
                    let inner = place.at(below, &key);
                    match below.get_mut(&key) {
                        Some(existing) => existing.merge(node, inner),
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
    pub fn assign(&mut self, path: &[String], value: Node, place: Place<'_>) -> Result<(), Box<Finding>> {
        self.assign_at(path, value, place, "")
    }

    /// `so_far` is the dotted key of this node.
    fn assign_at(
        &mut self,
        path: &[String],
        value: Node,
        place: Place<'_>,
        so_far: &str,
    ) -> Result<(), Box<Finding>> {
        let [part, rest @ ..] = path else {
            self.merge(value, place);
            return Ok(());
        };
        match &mut self.content {
            Content::Value(found) => {
                let expected = format!("`{so_far}` is {found}: nothing lies below it");
                Err(nowhere(&join(so_far, part), value, expected, None))
            }
            Content::Array(items) => match element(items, part) {
                Ok(index) => items[index].assign_at(
                    rest,
                    value,
                    place.element(index),
                    &join(so_far, &index.to_string()),
                ),
                Err((expected, hint)) => Err(nowhere(&join(so_far, part), value, expected, hint)),
            },
            Content::Table(entries) => {
                let part = &place.schema.spelling(place.kind, entries, part);
                let declared = place.declared(entries, part);
                if declared.is_none()
                    && let Some(holder) = holder_of(entries, part)
                    && let inner = place.at(entries, &holder)
                    && let Some(operations) = entries.get_mut(&holder)
                {
                    return operations.assign_at(path, value, inner, &join(so_far, &holder));
                }
                if rest.is_empty() {
                    // As a table of one key, because the key may be the one that chooses the table's kind.
                    let mut single = Node::empty_table(value.origin.clone());
                    single.put(std::slice::from_ref(part), value);
                    self.merge(single, place);
                    return Ok(());
                }
                let (inner, here) = (place.at(entries, part), join(so_far, part));
                if let Some(existing) = entries.get_mut(part) {
                    return existing.assign_at(rest, value, inner, &here);
                }
                if place.schema.is_array(inner.kind) {
                    let expected = format!("`{here}` is not set, so it has no elements");
                    return Err(nowhere(&join(&here, &rest[0]), value, expected, None));
                }
                let fresh = Node::empty_table(value.origin.clone());
                entries.entry(part.clone()).or_insert(fresh).assign_at(rest, value, inner, &here)
            }
        }
    }

    /// All values and arrays in this node's tables, with the keys that lead to them.
    pub fn leaves(&self) -> Vec<(Vec<String>, Node)> {
        let Content::Table(entries) = &self.content else { return vec![(vec![], self.clone())] };
        let of_entry = |(key, node): (&String, &Node)| {
            let inner = node.leaves().into_iter();
            inner
                .map(|(path, leaf)| (std::iter::once(key.clone()).chain(path).collect(), leaf))
                .collect::<Vec<_>>()
        };
        entries.iter().flat_map(of_entry).collect()
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
