//! What a study varies: every axis becomes a list of levels, and every level says what it changes.

mod cross;
mod numbers;
mod operations;

use serde::Deserialize;
use toml::{Table, Value};
use twinlens_data::LabelAmount;

use crate::recipe::{At, label_of};

pub use cross::{Cell, cells};
pub use operations::{How, OperationsAxis};

/// One axis as it is written: its name, what becomes of it on pages, and exactly one way of saying its levels.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AxisSpec {
    /// Its name: a column of the table.
    pub name: String,
    /// What it is on pages.
    #[serde(default)]
    pub role: Role,
    /// The protocol whose settings it changes; without, those of the training.
    #[serde(default)]
    pub of: Option<String>,
    /// The only cells in which it is varied, by axes before it.
    #[serde(default)]
    pub only: At,
    /// Settings that go along with every level.
    #[serde(default)]
    pub set: Table,
    /// The setting that takes the values.
    #[serde(default)]
    pub key: Option<String>,
    /// Values of `key`, or texts for `{name}`.
    #[serde(default)]
    pub values: Option<Vec<Value>>,
    /// `[low, high, count]`: numbers at equal distances.
    #[serde(default)]
    pub linspace: Option<(f64, f64, usize)>,
    /// `[low, high, count]`: numbers at equal ratios.
    #[serde(default)]
    pub geomspace: Option<(f64, f64, usize)>,
    /// Several settings at once, by name.
    #[serde(default)]
    pub sets: Option<Vec<NamedSet>>,
    /// Operations of views.
    #[serde(default)]
    pub op: Option<OperationsAxis>,
    /// Epochs after which the encoder is judged.
    #[serde(default)]
    pub checkpoints: Option<Vec<u64>>,
    /// Shares of the labels, numbers of labels a class, or files that list images whose labels are used.
    #[serde(default)]
    pub labels: Option<Vec<Value>>,
    /// What is judged or fine-tuned.
    #[serde(default)]
    pub start: Option<Vec<Start>>,
    /// Data sets to learn from and judge on; those that a protocol judges on, if it is `of` one.
    #[serde(default)]
    pub data: Option<Vec<String>>,
    /// Axes that are varied in turn, each while the others rest.
    #[serde(default)]
    pub one_of: Option<Vec<AxisSpec>>,
    /// How the best value of an axis with the role `tune` is chosen.
    #[serde(default)]
    pub choose: Option<Choose>,
}

/// What an axis is on pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Its levels are rows of a table.
    #[default]
    Row,
    /// Its levels are columns of a table.
    Column,
    /// Its levels are lines of a picture.
    Line,
    /// Its levels lie along a picture.
    X,
    /// Each level has a picture of its own.
    Panel,
    /// Its levels are the cells of a matrix.
    Matrix,
    /// Its levels repeat the same: means and deviations are over them.
    Repeat,
    /// One of its levels is chosen.
    Tune,
}

/// `sets`: settings under one name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedSet {
    /// What the level is called.
    pub name: String,
    /// The settings; `preset` among them takes another.
    pub set: Table,
}

/// `start`: what is judged or fine-tuned.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Start {
    /// By one word, under which it goes.
    Word(From),
    /// By another name.
    Named {
        /// What the level is called.
        name: String,
        /// What it is.
        #[serde(flatten)]
        from: From,
    },
}

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// The training of the study.
    Base,
    /// Random weights, which learn alike.
    Scratch,
    /// Random weights, as they are.
    Untrained,
    /// No network: the pixels.
    Pixels,
    /// A file that is given when the study is planned, by this name.
    File(String),
}

/// `choose`: by what the best level is taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choose {
    /// The measure whose largest mean over repeats wins.
    pub measure: String,
}

/// One value of an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Level {
    /// The labels of the axes that it stands for; of an axis among several in turn, both names.
    pub labels: Vec<(String, String)>,
    /// Where it lies along an axis of numbers.
    pub number: Option<f64>,
    /// Row and column in a matrix.
    pub pair: Option<(String, String)>,
    /// The operations that its views have.
    pub operations: Vec<String>,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// What a level changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A setting of the training, or of a protocol.
    Set {
        /// The protocol.
        of: Option<String>,
        /// The dotted key.
        key: String,
        /// Its value.
        value: Value,
    },
    /// The views of the training.
    Views(ViewsChange),
    /// The epoch whose encoder is judged.
    Checkpoint(u64),
    /// The labels that a protocol learns from, or all protocols.
    Labels {
        /// The protocol.
        of: Option<String>,
        /// Which.
        labels: Labels,
    },
    /// What is judged or fine-tuned.
    Start(From),
    /// The data set: that of the training and what follows, or what a protocol judges on.
    Data {
        /// The protocol.
        of: Option<String>,
        /// Its name.
        name: String,
    },
}

/// Which labels are learned from.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// So many, drawn.
    Amount(LabelAmount),
    /// Those of the images in a list, by the name of its file.
    List(String),
}

/// What becomes of views.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewsChange {
    /// They lose the operations of these names.
    Remove(Vec<String>),
    /// They are these: the operations of each view, as tables.
    Replace(Vec<Vec<Value>>),
}

impl AxisSpec {
    /// The settings that its levels take, with the protocol that has them.
    pub(crate) fn keys(&self) -> Vec<(Option<&str>, &str)> {
        let of = self.of.as_deref();
        let labels = self.labels.as_ref().map(|_| (of, "label_share"));
        self.key.as_deref().map(|key| (of, key)).into_iter().chain(labels).collect()
    }

    /// Itself and the axes inside it.
    pub fn all(&self) -> Vec<&AxisSpec> {
        let inner = self.one_of.iter().flatten().flat_map(AxisSpec::all);
        std::iter::once(self).chain(inner).collect()
    }

    /// What is wrong with it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let name = &self.name;
        let kinds = [
            ("values", self.values.is_some()),
            ("linspace", self.linspace.is_some()),
            ("geomspace", self.geomspace.is_some()),
            ("sets", self.sets.is_some()),
            ("op", self.op.is_some()),
            ("checkpoints", self.checkpoints.is_some()),
            ("labels", self.labels.is_some()),
            ("start", self.start.is_some()),
            ("data", self.data.is_some()),
            ("one_of", self.one_of.is_some()),
        ];
        let given: Vec<&str> = kinds.iter().filter(|(_, given)| *given).map(|(kind, _)| *kind).collect();
        let mut problems = Vec::new();
        match given.as_slice() {
            [] => {
                let kinds: Vec<&str> = kinds.iter().map(|(kind, _)| *kind).collect();
                problems.push(format!("axis `{name}` has no levels: give one of {}", kinds.join(", ")));
            }
            [one] => {
                let numbers = ["linspace", "geomspace"].contains(one);
                if numbers && self.key.is_none() {
                    problems.push(format!("axis `{name}` has `{one}`, but no `key` that takes the numbers"));
                }
                if self.key.is_some() && !numbers && *one != "values" {
                    problems.push(format!("axis `{name}` has a `key`, which `{one}` does not take"));
                }
            }
            several => problems.push(format!(
                "axis `{name}` says its levels in {} ways: {}; give one of them",
                several.len(),
                several.join(", ")
            )),
        }
        if (self.role == Role::Tune) != self.choose.is_some() {
            problems.push(format!("axis `{name}`: `choose` and the role `tune` belong together"));
        }
        let levels = if problems.is_empty() { self.levels() } else { Ok(vec![]) };
        match levels {
            Ok(levels) if levels.is_empty() && problems.is_empty() => {
                problems.push(format!("axis `{name}` has no levels"));
            }
            Ok(levels) => {
                let twice = |at: usize| levels[..at].iter().any(|one| one.labels == levels[at].labels);
                if let Some(at) = (0..levels.len()).find(|&at| twice(at)) {
                    let label = levels[at].labels.last().map_or("", |(_, label)| label.as_str());
                    problems.push(format!("axis `{name}` has the level `{label}` twice"));
                }
            }
            Err(reason) => problems.push(format!("axis `{name}`: {reason}")),
        }
        problems
    }

    /// Its levels.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn levels(&self) -> Result<Vec<Level>, String> {
        let levels = if let Some(axes) = &self.one_of {
            let inner = |axis: &AxisSpec| {
                let levels = axis.levels()?.into_iter();
                let outer = (self.name.clone(), axis.name.clone());
                Ok(levels.map(move |mut level| {
                    level.labels.insert(0, outer.clone());
                    level
                }))
            };
            axes.iter().map(inner).collect::<Result<Vec<_>, String>>()?.into_iter().flatten().collect()
        } else if let Some(op) = &self.op {
            operations::levels(&self.name, op)?
        } else if let Some(sets) = &self.sets {
            sets.iter().map(|set| self.level(&set.name, self.settings(&set.set))).collect()
        } else if let Some(epochs) = &self.checkpoints {
            let level = |epoch: &u64| Level {
                number: Some(*epoch as f64),
                ..self.level(&epoch.to_string(), vec![Change::Checkpoint(*epoch)])
            };
            epochs.iter().map(level).collect()
        } else if let Some(labels) = &self.labels {
            labels.iter().map(|value| self.of_labels(value)).collect::<Result<_, _>>()?
        } else if let Some(starts) = &self.start {
            starts.iter().map(|start| self.of_start(start)).collect()
        } else if let Some(sets) = &self.data {
            let of_set = |name: &String| Change::Data { of: self.of.clone(), name: name.clone() };
            sets.iter().map(|name| self.level(name, vec![of_set(name)])).collect()
        } else {
            self.values()?.iter().map(|value| self.of_value(value)).collect()
        };
        let along = self.settings(&self.set);
        let with = |level: Level| Level { changes: [along.clone(), level.changes].concat(), ..level };
        Ok(levels.into_iter().map(with).collect())
    }

    fn level(&self, label: &str, changes: Vec<Change>) -> Level {
        Level { labels: vec![(self.name.clone(), label.to_owned())], changes, ..Level::default() }
    }

    fn values(&self) -> Result<Vec<Value>, String> {
        if let Some(values) = &self.values {
            return Ok(values.clone());
        }
        let numbers = match (self.linspace, self.geomspace) {
            (Some(range), _) => numbers::linspace(range)?,
            (None, Some(range)) => numbers::geomspace(range)?,
            (None, None) => Vec::new(),
        };
        Ok(numbers.into_iter().map(Value::Float).collect())
    }

    fn of_value(&self, value: &Value) -> Level {
        let set = self.key.iter().map(|key| self.change(key, value.clone()));
        Level { number: number_of(value), ..self.level(&label_of(value), set.collect()) }
    }

    fn of_labels(&self, value: &Value) -> Result<Level, String> {
        let labels = match value {
            Value::Float(share) if *share > 0.0 && *share <= 1.0 => {
                Labels::Amount(LabelAmount::Share(*share))
            }
            Value::Integer(1..) => {
                Labels::Amount(LabelAmount::PerClass(value.as_integer().unwrap_or_default() as usize))
            }
            Value::String(file) => Labels::List(file.clone()),
            other => {
                return Err(format!(
                    "{other} is no amount of labels: give a share such as 0.1, a number a class, or a list of images"
                ));
            }
        };
        let changes = vec![Change::Labels { of: self.of.clone(), labels }];
        Ok(Level { number: number_of(value), ..self.level(&label_of(value), changes) })
    }

    fn of_start(&self, start: &Start) -> Level {
        let (name, from) = match start {
            Start::Word(from) => (from.name(), from),
            Start::Named { name, from } => (name.clone(), from),
        };
        self.level(&name, vec![Change::Start(from.clone())])
    }

    /// The settings of a table, tables in it by dotted keys.
    fn settings(&self, table: &Table) -> Vec<Change> {
        flat(table).into_iter().map(|(key, value)| self.change(&key, value)).collect()
    }

    fn change(&self, key: &str, value: Value) -> Change {
        Change::Set { of: self.of.clone(), key: key.to_owned(), value }
    }
}

impl From {
    fn name(&self) -> String {
        match self {
            From::Base => "base".to_owned(),
            From::Scratch => "scratch".to_owned(),
            From::Untrained => "untrained".to_owned(),
            From::Pixels => "pixels".to_owned(),
            From::File(name) => name.clone(),
        }
    }
}

/// The number that a value is.
fn number_of(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

/// The values of a table by dotted keys; a table whose kind is chosen by its `name` stays whole, as does an empty one.
pub(crate) fn flat(table: &Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() && !inner.contains_key("name") => {
                let inner = flat(inner).into_iter();
                all.extend(inner.map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            value => all.push((key.clone(), value.clone())),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(text: &str) -> AxisSpec {
        toml::from_str(text).unwrap()
    }

    fn labels(axis: &AxisSpec) -> Vec<String> {
        let levels = axis.levels().unwrap();
        levels.iter().map(|level| level.labels.last().unwrap().1.clone()).collect()
    }

    #[test]
    fn every_kind_of_axis_says_its_levels() {
        let cases: [(&str, &[&str]); 9] = [
            (
                "name = 'hue'\nkey = 'views.0.color_jitter.hue'\nlinspace = [0.0, 0.5, 3]",
                &["0", "0.25", "0.5"],
            ),
            ("name = 'w'\nkey = 'a.b'\ngeomspace = [1, 100, 3]", &["1", "10", "100"]),
            ("name = 'method'\nvalues = ['simclr', 'vicreg']", &["simclr", "vicreg"]),
            ("name = 'v'\nsets = [{ name = 'strong', set = { batch = 2 } }]", &["strong"]),
            ("name = 'e'\ncheckpoints = [1, 10]", &["1", "10"]),
            ("name = 'l'\nlabels = [0.01, 1.0, 5]", &["0.01", "1", "5"]),
            (
                "name = 's'\nstart = ['base', 'scratch', { name = 'imagenet', file = 'r18' }]",
                &["base", "scratch", "imagenet"],
            ),
            ("name = 'd'\ndata = ['a', 'b']", &["a", "b"]),
            ("name = 'o'\nop = { how = 'remove', among = ['grayscale'] }", &["all", "grayscale"]),
        ];
        for (text, expected) in cases {
            let axis = axis(text);
            assert_eq!(axis.problems(), Vec::<String>::new(), "{text}");
            assert_eq!(labels(&axis), expected, "{text}");
        }
    }

    #[test]
    fn axes_in_turn_keep_both_names() {
        let axis = axis(
            "name = 'parameter'\none_of = [{ name = 'hue', key = 'h', values = [0.1] }, { name = 'p', key = 'p', values = [0.5, 1.0] }]",
        );
        let levels = axis.levels().unwrap();
        assert_eq!(levels.len(), 3);
        let of = |at: usize| levels[at].labels.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>();
        assert_eq!((of(0), of(2)), (vec!["hue", "0.1"], vec!["p", "1"]));
    }

    #[test]
    fn an_axis_that_cannot_be_is_refused() {
        let cases = [
            ("name = 'a'", "no levels"),
            ("name = 'a'\nvalues = [1]\nlabels = [0.1]", "in 2 ways"),
            ("name = 'a'\nlinspace = [0, 1, 2]", "no `key`"),
            ("name = 'a'\nlabels = [1.5]", "no amount of labels"),
            ("name = 'a'\nvalues = [1, 1]", "twice"),
            ("name = 'a'\nvalues = []", "no levels"),
            ("name = 'a'\nkey = 'b'\nlinspace = [0, 1, 0]", "at least 1"),
            ("name = 'a'\nkey = 'b'\ngeomspace = [0, 1, 3]", "above 0"),
            ("name = 'a'\nrole = 'tune'\nvalues = [1]", "`choose`"),
        ];
        for (text, told) in cases {
            let problems = axis(text).problems().join("; ");
            assert!(problems.contains(told), "{text}: {problems}");
        }
    }

    #[test]
    fn settings_that_go_along_come_first() {
        let axis = axis("name = 'p'\nkey = 'v.p'\nvalues = [0.5]\nset = { v = { hue = 0.1 } }");
        let keys: Vec<String> = axis.levels().unwrap()[0]
            .changes
            .iter()
            .map(|change| match change {
                Change::Set { key, .. } => key.clone(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(keys, ["v.hue", "v.p"]);
    }
}
