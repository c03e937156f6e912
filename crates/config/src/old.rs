//! Layers in an older form of the settings.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::node::{Content, Node};
use super::read::{Overlay, path_of};
use super::schema::Schema;

/// Where a dotted key of an older form of the settings is now, with what value, given the settings so far: at one key or
/// at several, or nowhere, where what was chosen has no use for it. Nothing for a key that is of no older form.
pub type Moved = fn(&str, &Value, &Table) -> Option<Vec<(String, Value)>>;

/// A value of a layer, under the key that the layer calls it by.
pub(super) struct Leaf {
    path: Vec<String>,
    node: Node,
    old: bool,
}

impl Leaf {
    /// The keys at which it is now, given the settings so far.
    pub fn now(&self, moved: Moved, so_far: &Node) -> Vec<(Vec<String>, Node)> {
        let value = self.node.to_value();
        let Some(now) = moved(&self.path.join("."), &value, &table(so_far)) else {
            return vec![(self.path.clone(), self.node.clone())];
        };
        let located = |(key, moved): (String, Value)| {
            let mut node = self.node.clone();
            if moved != value {
                node = Node::from_value(moved, &self.node.origin.source);
                node.locate(&self.node.origin);
            }
            (path_of(&key), node)
        };
        now.into_iter().map(located).collect()
    }

    fn has_tables(&self) -> bool {
        let Content::Array(items) = &self.node.content else { return false };
        items.iter().any(|item| matches!(item.content, Content::Table(_)))
    }
}

/// Whether the value at an address, perhaps of an older form, chooses the kind of a table.
pub(super) fn chooses(path: &[String], node: &Node, moved: Moved, schema: &Schema) -> bool {
    let now = moved(&path.join("."), &node.to_value(), &Table::new());
    match now.as_deref() {
        Some([(key, _), ..]) => schema.chooses(&path_of(key)),
        Some([]) => false,
        None => schema.chooses(path),
    }
}

/// A layer of an older form, in the order in which its parts are to be laid over those below.
pub(super) struct Older {
    /// What chooses kinds.
    pub choices: Vec<Leaf>,
    /// The tables and values that are where they were.
    pub rest: Option<Node>,
    /// What is elsewhere now, lists before what is said of their elements.
    pub others: Vec<Leaf>,
}

impl Older {
    /// The parts of a layer, if it is of an older form.
    pub fn of(layer: &Overlay, moved: Moved, so_far: &Node, schema: &Schema) -> Option<Older> {
        let so_far = table(so_far);
        let leaf = |(path, node): (Vec<String>, Node)| {
            let old = moved(&path.join("."), &node.to_value(), &so_far).is_some();
            Leaf { path, node, old }
        };
        let mut leaves: Vec<Leaf> = layer.leaves().into_iter().map(leaf).collect();
        let tables: BTreeSet<String> =
            leaves.iter().filter(|leaf| leaf.old).map(|leaf| leaf.path[0].clone()).collect();
        if tables.is_empty() {
            return None;
        }
        leaves.retain(|leaf| tables.contains(&leaf.path[0]));
        let (choices, mut others): (Vec<Leaf>, Vec<Leaf>) =
            leaves.into_iter().partition(|leaf| chooses(&leaf.path, &leaf.node, moved, schema));
        others.sort_by_key(|leaf| !leaf.has_tables());
        let rest = match layer {
            Overlay::Tree(node) => Some(node.without(&tables)),
            Overlay::Single { .. } => None,
        };
        Some(Older { choices, rest, others })
    }
}

fn table(node: &Node) -> Table {
    match node.to_value() {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}

/// Everything of an older form that was met.
#[derive(Default)]
pub(super) struct Warning {
    places: Vec<String>,
    moved: Vec<(String, String)>,
    dropped: Vec<String>,
}

impl Warning {
    /// Takes note of where a leaf is now.
    pub fn tell(&mut self, leaf: &Leaf, now: &[(Vec<String>, Node)]) {
        if !leaf.old {
            return;
        }
        let place = leaf.node.origin.source.place(None);
        if !self.places.contains(&place) {
            self.places.push(place);
        }
        match now.first() {
            Some((path, _)) => {
                let [old, new] = heads(&leaf.path, path);
                if !self.moved.contains(&(old.clone(), new.clone())) {
                    self.moved.push((old, new));
                }
            }
            None => self.dropped.push(leaf.path.join(".")),
        }
    }

    /// All of it in one sentence.
    pub fn told(self) -> Option<String> {
        let moved: Vec<String> =
            self.moved.iter().map(|(old, new)| format!("`{old}` is now called `{new}`")).collect();
        // What means nothing here is worth a word only where nothing else is.
        let what = match (moved.as_slice(), self.dropped.as_slice()) {
            ([], []) => return None,
            ([], dropped) => format!("`{}` means nothing to what was chosen", dropped.join("`, `")),
            (moved, _) => moved.join(", "),
        };
        Some(format!("settings in an older form ({}): {what}", self.places.join(", ")))
    }
}

/// Two addresses without the end that they share, but for their first part.
fn heads(old: &[String], new: &[String]) -> [String; 2] {
    let shared = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let shared = shared.min(old.len() - 1).min(new.len() - 1);
    [&old[..old.len() - shared], &new[..new.len() - shared]].map(|parts| parts.join("."))
}
