//! Layered configuration.
//!
//! A setting may be given in six places. The later in this list wins:
//!
//! 1. built-in defaults ([`Spec::defaults`]),
//! 2. a preset, by name ([`Spec::presets`]),
//! 3. files of settings, in the order given,
//! 4. environment variables: `TWINLENS_OPTIM__LR=0.1` sets `optim.lr` (two underscores part the
//!    levels, one may stand for a hyphen),
//! 5. assignments, `optim.lr=0.1`, in the order given,
//! 6. a flag of its own.
//!
//! The front end says what assignments ([`Spec::assignment`]) and flags ([`Flag::name`]) are called where it is told
//! where a value came from.
//!
//! Tables are merged key by key. An array replaces the array below it; single elements are addressed by index
//! (`views.0.operations.1.p=0.5`). An element that is a table with an `op` key may also be addressed by that
//! name, and the level that holds it may then be left out: `views.0.color_jitter.hue=0.3`. A table whose kind
//! is chosen by one of its keys (a tagged enum) starts afresh when a later layer chooses another kind: what layers below
//! said of the old kind is dropped, unless both kinds have the same keys, and the defaults of the new one hold. A kind
//! that a command line's layer chooses holds for all of that layer's keys, in whatever order they stand. A key that the
//! chosen kind does not have is a mistake.
//!
//! A layer in an older form of the settings is read by [`Spec::moved`], with one warning.
//!
//! On the right of the first `=` stands a TOML value; what is not one, or has the wrong type where a string is
//! wanted, is taken as a bare string. Nothing is ever evaluated.
//!
//! Every layer is checked against the JSON schema of the settings type, and everything that is wrong is told
//! in one [`Report`], with file, line and caret. Keys are closed: a table accepts only what its type declares,
//! also where serde alone would let unknown keys pass (unit variants, flattened structs).

mod node;
mod old;
mod origin;
mod read;
mod reference;
mod report;
mod request;
mod schema;
mod show;

use std::marker::PhantomData;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use node::{Node, Place};
use old::{Leaf, Older, Warning};
use origin::{Origin, Rank};
use read::Overlay;
use schema::{Schema, Which};

pub use old::Moved;
pub use origin::Source;
pub use read::{ENVIRONMENT_PREFIX, read_settings};
pub use reference::{Setting, reference};
pub use report::{Problem, Report};
pub use request::{Flag, Request};
pub use show::{Change, diff, differences};

pub use schema::nearest;

/// What the program fixes about its configuration of type `T`.
pub struct Spec<T> {
    /// The built-in defaults, given a preview of what the user's layers set, so that a choice (a method, a named
    /// policy) can bring its own defaults.
    pub defaults: fn(&toml::Table) -> toml::Table,
    /// Presets: name and TOML text.
    pub presets: &'static [(&'static str, &'static str)],
    /// Pairs of top-level keys `(choice, detail)`: a layer that sets `choice` discards what layers before it
    /// said about `detail`, which falls back to its built-in default.
    pub supersedes: &'static [(&'static str, &'static str)],
    /// Where settings of older forms are now.
    pub moved: Moved,
    /// What the front end calls the way in which assignments are given, for [`Resolved::origin`] and reports.
    pub assignment: &'static str,
    /// Checks beyond types: ranges, and settings that do not go together.
    pub validate: fn(&T) -> Vec<Problem>,
}

/// A valid configuration and where each value came from.
#[derive(Debug)]
pub struct Resolved<T> {
    /// The settings.
    pub settings: T,
    /// The settings as TOML: complete, built-in defaults included.
    pub table: toml::Table,
    /// What should be said of the layers: one warning of all that is of an older form.
    pub warnings: Vec<String>,
    tree: Node,
}

impl<T> Resolved<T> {
    /// Where the value at a dotted key came from: `built-in`, `preset NAME`, `FILE:LINE`, a variable's name,
    /// [`Spec::assignment`], or a flag.
    pub fn origin(&self, key: &str) -> String {
        self.tree.origin_of(key)
    }

    /// The settings as TOML that can be used as a configuration file, each value with its origin in a comment.
    pub fn to_toml_with_origins(&self) -> String {
        show::render(&self.table, Some(&|key| self.origin(key)))
    }

    /// The settings as plain TOML.
    pub fn to_toml(&self) -> String {
        show::render(&self.table, None)
    }

    /// Every final value by its dotted key, with its origin.
    pub fn values(&self) -> Vec<(String, toml::Value, String)> {
        let mut values = Vec::new();
        for (key, value) in show::flatten(&self.table) {
            let origin = self.origin(&key);
            values.push((key, value, origin));
        }
        values
    }
}

/// The JSON schema of the settings, for editors.
pub fn schema<T: JsonSchema>() -> serde_json::Value {
    schemars::schema_for!(T).to_value()
}

impl<T: Serialize + DeserializeOwned + JsonSchema> Spec<T> {
    /// Merges the layers, checks them and reads the settings.
    ///
    /// # Errors
    /// A [`Report`] of everything that is wrong in any layer. Where a layer has mistakes that leave nothing to check,
    /// [`Spec::validate`] sees the settings without them, and is heard only of what a layer says.
    pub fn resolve(&self, request: &Request) -> Result<Resolved<T>, Report> {
        let mut resolver = Resolver::of(self);
        let overlays = read::overlays(request, self, &mut resolver.report);
        match resolver.resolve(overlays) {
            Ok(resolved) => {
                let mut report = Report::default();
                for (problem, origin) in self.problems(&resolved.settings, &resolved.tree) {
                    report.push_problem(problem, origin);
                }
                if report.is_empty() { Ok(resolved) } else { Err(report.sorted()) }
            }
            Err(mut report) => {
                // What could not be read is in the report already.
                let overlays = read::overlays(request, self, &mut Report::default());
                if let Some((settings, tree)) = Resolver::of(self).without_mistakes(overlays) {
                    let said = |(_, origin): &(Problem, Option<Origin>)| {
                        origin.as_ref().is_some_and(|origin| origin.source.rank > Rank::BuiltIn)
                    };
                    for (problem, origin) in self.problems(&settings, &tree).into_iter().filter(said) {
                        report.push_problem(problem, origin);
                    }
                }
                Err(report.sorted())
            }
        }
    }

    /// What [`Spec::validate`] says, with where it was written.
    fn problems(&self, settings: &T, tree: &Node) -> Vec<(Problem, Option<Origin>)> {
        let place = |key: &str| tree.find(key).map(|node| node.origin.clone());
        (self.validate)(settings).into_iter().map(|problem| (problem.clone(), place(&problem.key))).collect()
    }

    /// Reads settings that were saved, perhaps in an older form: the TOML `text` of a file called `name`. They were checked
    /// when they were used, so [`Spec::validate`] does not run.
    ///
    /// # Errors
    /// A [`Report`] of everything that is wrong.
    pub fn read(&self, name: &str, text: &str) -> Result<Resolved<T>, Report> {
        let mut resolver = Resolver::of(self);
        let layer = read::toml_text(Rank::File, name.to_owned(), text.to_owned(), &mut resolver.report);
        resolver.resolve(layer.into_iter().collect())
    }
}

struct Resolver<'a, T> {
    spec: &'a Spec<T>,
    schema: Schema,
    report: Report,
    warning: Warning,
    settings: PhantomData<T>,
}

impl<'a, T: Serialize + DeserializeOwned + JsonSchema> Resolver<'a, T> {
    fn of(spec: &'a Spec<T>) -> Resolver<'a, T> {
        Resolver {
            spec,
            schema: Schema::of::<T>(),
            report: Report::default(),
            warning: Warning::default(),
            settings: PhantomData,
        }
    }

    fn resolve(mut self, mut overlays: Vec<Overlay>) -> Result<Resolved<T>, Report> {
        self.sort(&mut overlays);
        let base = (self.spec.defaults)(&self.preview(&overlays));
        let base = Node::from_table(base, &Arc::new(Source::built_in()));
        let mut tree = base.clone();
        for overlay in overlays {
            self.apply(&mut tree, &base, overlay);
        }
        self.schema.check(&mut tree, Which::Missing, &mut self.report);
        if !self.report.is_empty() {
            return Err(self.report.sorted());
        }
        let settings = self.deserialize(&tree)?;
        let table = toml::Table::try_from(&settings)
            .map_err(|error| Report::of(format!("the settings cannot be written as TOML: {error}")))?;
        let warnings = self.warning.told().into_iter().collect();
        Ok(Resolved { settings, table, warnings, tree })
    }

    /// The settings that come of everything in the layers that is sound by itself, and their tree; nothing where even that
    /// cannot be read.
    fn without_mistakes(mut self, mut overlays: Vec<Overlay>) -> Option<(T, Node)> {
        self.sort(&mut overlays);
        let base = (self.spec.defaults)(&self.preview(&overlays));
        let base = Node::from_table(base, &Arc::new(Source::built_in()));
        let mut tree = base.clone();
        for overlay in overlays {
            for (choice, detail) in self.spec.supersedes {
                if overlay.sets(choice) {
                    tree.reset(detail, &base);
                }
            }
            let mut leaves = overlay.leaves();
            leaves.sort_by_key(|(path, node)| !old::chooses(path, node, self.spec.moved, &self.schema));
            for (path, node) in leaves {
                let (mut tried, mut found) = (tree.clone(), Report::default());
                if tried.assign(&path, node, Place::root(&self.schema, &base, false)).is_ok() {
                    self.schema.check(&mut tried, Which::Layer(overlay.source()), &mut found);
                    if found.is_empty() {
                        tree = tried;
                    }
                }
            }
        }
        self.schema.check(&mut tree, Which::Missing, &mut self.report);
        let settings = self.report.is_empty().then(|| self.deserialize(&tree).ok())??;
        Some((settings, tree))
    }

    /// Puts the user's layers in their order, weakest first. Of the environment and of the command line, choices go first,
    /// so that neither depends on an order.
    fn sort(&self, overlays: &mut [Overlay]) {
        overlays.sort_by_key(|overlay| {
            let rank = overlay.source().rank.min(Rank::Set);
            (rank, overlay.is_single() && !self.chooses(overlay))
        });
    }

    /// Whether one value decides what others mean.
    fn chooses(&self, overlay: &Overlay) -> bool {
        let supersedes = self.spec.supersedes.iter().any(|(choice, _)| overlay.sets(choice));
        let kind =
            |(path, node): &(Vec<String>, Node)| old::chooses(path, node, self.spec.moved, &self.schema);
        supersedes || overlay.leaves().iter().any(kind)
    }

    /// What the user's layers set, the strongest winning.
    fn preview(&self, overlays: &[Overlay]) -> toml::Table {
        let mut table = toml::Table::new();
        for (path, node) in overlays.iter().flat_map(Overlay::leaves) {
            let value = node.to_value();
            match (self.spec.moved)(&path.join("."), &value, &table) {
                Some(now) => {
                    now.into_iter().for_each(|(key, value)| put(&mut table, &read::path_of(&key), value));
                }
                None => put(&mut table, &path, value),
            }
        }
        table
    }

    fn apply(&mut self, tree: &mut Node, base: &Node, overlay: Overlay) {
        for (choice, detail) in self.spec.supersedes {
            if overlay.sets(choice) {
                tree.reset(detail, base);
            }
        }
        let source = overlay.source().clone();
        let place = Place::root(&self.schema, base, false);
        match (Older::of(&overlay, self.spec.moved, tree, &self.schema), overlay) {
            (Some(older), _) => self.apply_older(tree, base, older),
            (None, Overlay::Tree(node)) => tree.merge(node, place),
            (None, Overlay::Single { path, value }) => {
                if let Err(finding) = tree.assign(&path, value, place) {
                    self.report.push(*finding);
                }
            }
        }
        self.schema.check(tree, Which::Layer(&source), &mut self.report);
    }

    /// A layer in an older form, in which kinds were flat: a new kind kept what the old one had, and keys that the
    /// chosen one does not have meant nothing.
    fn apply_older(&mut self, tree: &mut Node, base: &Node, older: Older) {
        self.apply_leaves(tree, base, older.choices);
        if let Some(rest) = older.rest {
            let leaves = rest.leaves();
            tree.merge(rest, Place::root(&self.schema, base, true));
            for (path, _) in leaves {
                if self.schema.is_of_another_kind(tree, &path) {
                    tree.take(&path);
                }
            }
        }
        self.apply_leaves(tree, base, older.others);
    }

    fn apply_leaves(&mut self, tree: &mut Node, base: &Node, leaves: Vec<Leaf>) {
        for leaf in leaves {
            let now = leaf.now(self.spec.moved, tree);
            self.warning.tell(&leaf, &now);
            for (path, node) in now {
                if self.schema.is_of_another_kind(tree, &path) {
                    continue;
                }
                if let Err(finding) = tree.assign(&path, node, Place::root(&self.schema, base, true)) {
                    self.report.push(*finding);
                }
            }
        }
    }

    fn deserialize(&self, tree: &Node) -> Result<T, Report> {
        tree.to_value().try_into().map_err(|error: toml::de::Error| {
            let text = error.to_string();
            let key = text.rsplit_once("in `").and_then(|(_, rest)| rest.split('`').next());
            let origin = key.and_then(|key| tree.find(key)).map(|node| node.origin.clone());
            let mut report = Report::default();
            report.push(report::Finding::new(text.trim_end().replace('\n', " "), origin));
            report
        })
    }
}

/// Puts a value at an address, making the tables that lead there. What leads into an array or a scalar is passed over.
fn put(table: &mut toml::Table, path: &[String], value: toml::Value) {
    match path {
        [] => {}
        [key] => drop(table.insert(key.clone(), value)),
        [key, rest @ ..] => {
            let inner = table.entry(key).or_insert_with(|| toml::Table::new().into());
            if let Some(inner) = inner.as_table_mut() {
                put(inner, rest, value);
            }
        }
    }
}
