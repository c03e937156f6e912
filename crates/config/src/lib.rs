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
//! is chosen by one of its keys (a tagged enum) starts afresh when a later layer chooses another kind.
//!
//! On the right of the first `=` stands a TOML value; what is not one, or has the wrong type where a string is
//! wanted, is taken as a bare string. Nothing is ever evaluated.
//!
//! Every layer is checked against the JSON schema of the settings type, and everything that is wrong is told
//! in one [`Report`], with file, line and caret. Keys are closed: a table accepts only what its type declares,
//! also where serde alone would let unknown keys pass (unit variants, flattened structs).

mod node;
mod read;
mod report;
mod schema;
mod show;

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use node::{Content, Node};
use read::Overlay;
use schema::{Schema, Which};

pub use read::{ENVIRONMENT_PREFIX, Rank, Source};
pub use report::{Problem, Report};
pub use show::{Change, diff, differences};

pub use schema::nearest;

/// What the program fixes about its configuration of type `T`.
pub struct Spec<T> {
    /// The built-in defaults, given a preview of the top-level scalars that the user's layers set, so that a
    /// choice (a method, a named policy) can bring its own defaults.
    pub defaults: fn(&toml::Table) -> toml::Table,
    /// Presets: name and TOML text.
    pub presets: &'static [(&'static str, &'static str)],
    /// Pairs of top-level keys `(choice, detail)`: a layer that sets `choice` discards what layers before it
    /// said about `detail`, which falls back to its built-in default.
    pub supersedes: &'static [(&'static str, &'static str)],
    /// Dotted keys that were renamed: `(old, new)`. The old spelling still works, with a warning.
    pub renamed: &'static [(&'static str, &'static str)],
    /// What the front end calls the way in which assignments are given, for [`Resolved::origin`] and reports.
    pub assignment: &'static str,
    /// Checks beyond types: ranges, and settings that do not go together.
    pub validate: fn(&T) -> Vec<Problem>,
}

/// A setting with a flag of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Flag {
    /// The flag as the front end spells it.
    pub name: &'static str,
    /// The dotted key it sets.
    pub key: &'static str,
    /// Its value.
    pub value: toml::Value,
}

/// What one invocation asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The preset's name.
    pub preset: Option<String>,
    /// Files of settings, in the order given.
    pub files: Vec<PathBuf>,
    /// Environment variables; those without the prefix are passed over.
    pub environment: Vec<(String, String)>,
    /// Assignments, `key=value`, in the order given.
    pub sets: Vec<String>,
    /// Flags that were given.
    pub flags: Vec<Flag>,
}

/// A valid configuration and where each value came from.
#[derive(Debug)]
pub struct Resolved<T> {
    /// The settings.
    pub settings: T,
    /// The settings as TOML: complete, built-in defaults included.
    pub table: toml::Table,
    /// Renamed keys that were met.
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
    /// A [`Report`] of everything that is wrong in any layer. [`Spec::validate`] runs once the layers are
    /// otherwise sound.
    pub fn resolve(&self, request: &Request) -> Result<Resolved<T>, Report> {
        Resolver::<T> {
            spec: self,
            schema: Schema::new(schema::<T>()),
            report: Report::default(),
            warnings: vec![],
            settings: PhantomData,
        }
        .resolve(request)
    }
}

struct Resolver<'a, T> {
    spec: &'a Spec<T>,
    schema: Schema,
    report: Report,
    warnings: Vec<String>,
    settings: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned + JsonSchema> Resolver<'_, T> {
    fn resolve(mut self, request: &Request) -> Result<Resolved<T>, Report> {
        let overlays = self.overlays(request);
        let base = (self.spec.defaults)(&preview(&overlays));
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
        for problem in (self.spec.validate)(&settings) {
            let origin = tree.find(&problem.key).map(|node| node.origin.clone());
            self.report.push_problem(problem, origin);
        }
        if !self.report.is_empty() {
            return Err(self.report.sorted());
        }
        let table = toml::Table::try_from(&settings)
            .map_err(|error| Report::of(format!("the settings cannot be written as TOML: {error}")))?;
        Ok(Resolved { settings, table, warnings: self.warnings, tree })
    }

    /// The user's layers, weakest first. Within one rank, choices that supersede details go first, so that
    /// assignments mean the same in any order.
    fn overlays(&mut self, request: &Request) -> Vec<Overlay> {
        let mut overlays = read::overlays(request, self.spec, &mut self.report);
        for overlay in &mut overlays {
            for (old, new) in self.spec.renamed {
                if overlay.rename(old, new) {
                    let place = overlay.source().place(None);
                    self.warnings.push(format!("`{old}` is now called `{new}` ({place})"));
                }
            }
        }
        let chooses = |overlay: &Overlay| self.spec.supersedes.iter().any(|(choice, _)| overlay.sets(choice));
        overlays.sort_by_key(|overlay| (overlay.source().rank, overlay.is_single() && !chooses(overlay)));
        overlays
    }

    fn apply(&mut self, tree: &mut Node, base: &Node, overlay: Overlay) {
        for (choice, detail) in self.spec.supersedes {
            if overlay.sets(choice) {
                tree.reset(detail, base);
            }
        }
        let source = overlay.source().clone();
        match overlay {
            Overlay::Tree(node) => tree.merge(node, &self.schema, self.schema.root()),
            Overlay::Single { path, value } => {
                if let Err(finding) = tree.assign(&path, value, &self.schema) {
                    self.report.push(*finding);
                }
            }
        }
        self.schema.check(tree, Which::Layer(&source), &mut self.report);
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

/// The top-level scalars of the user's layers, the strongest winning.
fn preview(overlays: &[Overlay]) -> toml::Table {
    let mut table = toml::Table::new();
    let mut take = |key: &str, node: &Node| {
        if let Content::Value(value) = &node.content {
            table.insert(key.to_owned(), value.clone());
        }
    };
    for overlay in overlays {
        match overlay {
            Overlay::Single { path, value } => {
                if let [key] = path.as_slice() {
                    take(key, value);
                }
            }
            Overlay::Tree(node) => {
                if let Content::Table(entries) = &node.content {
                    entries.iter().for_each(|(key, node)| take(key, node));
                }
            }
        }
    }
    table
}
