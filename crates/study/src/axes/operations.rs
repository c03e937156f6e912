//! Axes over the operations of views: which are there, alone or in pairs.

use serde::Deserialize;
use toml::Value;

use super::{Change, Level, ViewsChange};
use crate::recipe::label_of;

/// `op`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationsAxis {
    /// What is done with them.
    pub how: How,
    /// The operations: their names, or tables with their parameters.
    #[serde(default)]
    pub among: Vec<Value>,
    /// Of `per_view`: each pair once, for losses that do not change when views are exchanged.
    #[serde(default)]
    pub half: bool,
    /// Of `remove_progressively`: what goes, step by step.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// A step of `remove_progressively`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What the level is called.
    pub name: String,
    /// The operations that go, beside those of the steps before.
    pub remove: Vec<String>,
}

/// What is done with operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// None is removed, then each alone.
    Remove,
    /// Each alone is there.
    Only,
    /// One, then another, on both views; one with itself is that one alone.
    Compose,
    /// One on the first view, another on the second.
    PerView,
    /// The first, the first two, ...
    Prefix,
    /// More and more are removed.
    RemoveProgressively,
}

/// What a level without removed operations is called.
const ALL: &str = "all";

/// The levels of the axis `name`.
pub(super) fn levels(name: &str, axis: &OperationsAxis) -> Result<Vec<Level>, String> {
    if axis.half && axis.how != How::PerView {
        return Err("`half` is for `per_view`".to_owned());
    }
    if axis.steps.is_empty() != (axis.how != How::RemoveProgressively) {
        return Err("`steps` and `remove_progressively` belong together".to_owned());
    }
    if axis.how != How::RemoveProgressively && axis.among.is_empty() {
        return Err("`among` names no operations".to_owned());
    }
    let among: Vec<(String, Value)> =
        axis.among.iter().map(|value| (label_of(value), of_table(value))).collect();
    let replace = |label: &str, views: [&[usize]; 2], pair: Option<(usize, usize)>| {
        let view = |numbers: &[usize]| numbers.iter().map(|&at| among[at].1.clone()).collect::<Vec<_>>();
        let mut operations: Vec<String> = views.concat().iter().map(|&at| among[at].0.clone()).collect();
        operations.sort();
        operations.dedup();
        let change = Change::Views(ViewsChange::Replace(views.map(view).to_vec()));
        Level {
            pair: pair.map(|(row, column)| (among[row].0.clone(), among[column].0.clone())),
            operations,
            ..level(name, label, vec![change])
        }
    };
    let count = among.len();
    let pairs =
        |least: fn(usize) -> usize| (0..count).flat_map(move |i| (least(i)..count).map(move |j| (i, j)));
    Ok(match axis.how {
        How::Remove => {
            let removed = |(label, _): &(String, Value)| removing(name, label, vec![label.clone()]);
            std::iter::once(level(name, ALL, vec![])).chain(among.iter().map(removed)).collect()
        }
        How::RemoveProgressively => {
            let mut gone = Vec::new();
            let step = |step: &Step| {
                gone.extend(step.remove.iter().cloned());
                removing(name, &step.name, gone.clone())
            };
            axis.steps.iter().map(step).collect()
        }
        How::Only => (0..count).map(|at| replace(&among[at].0, [&[at], &[at]], None)).collect(),
        How::Prefix => {
            let first: Vec<usize> = (0..count).collect();
            let prefix = |last: usize| replace(&format!("to {}", among[last].0), [&first[..=last]; 2], None);
            (0..count).map(prefix).collect()
        }
        How::Compose => pairs(|_| 0)
            .map(|(i, j)| {
                let views: &[usize] = if i == j { &[i] } else { &[i, j] };
                replace(&format!("{}, then {}", among[i].0, among[j].0), [views, views], Some((i, j)))
            })
            .collect(),
        How::PerView => pairs(if axis.half { |i| i } else { |_| 0 })
            .map(|(i, j)| replace(&format!("{} | {}", among[i].0, among[j].0), [&[i], &[j]], Some((i, j))))
            .collect(),
    })
}

fn level(name: &str, label: &str, changes: Vec<Change>) -> Level {
    Level { labels: vec![(name.to_owned(), label.to_owned())], changes, ..Level::default() }
}

fn removing(name: &str, label: &str, removed: Vec<String>) -> Level {
    let changes = if removed.is_empty() { vec![] } else { vec![Change::Views(ViewsChange::Remove(removed))] };
    level(name, label, changes)
}

/// An operation as a table, also where only its name is given.
fn of_table(value: &Value) -> Value {
    match value {
        Value::String(name) => {
            Value::Table([("op".to_owned(), Value::String(name.clone()))].into_iter().collect())
        }
        table => table.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(text: &str) -> Vec<Level> {
        levels("pair", &toml::from_str(text).unwrap()).unwrap()
    }

    fn names(levels: &[Level]) -> Vec<&str> {
        levels.iter().map(|level| level.labels[0].1.as_str()).collect()
    }

    #[test]
    fn pairs_are_all_or_half() {
        let all = axis("how = 'per_view'\namong = ['a', 'b']");
        assert_eq!(names(&all), ["a | a", "a | b", "b | a", "b | b"]);
        let half = axis("how = 'per_view'\nhalf = true\namong = ['a', 'b']");
        assert_eq!(names(&half), ["a | a", "a | b", "b | b"]);
        assert_eq!(half[1].operations, ["a", "b"]);
        let composed = axis("how = 'compose'\namong = [{ op = 'a', p = 0.5 }, 'b']");
        assert_eq!(names(&composed), ["a, then a", "a, then b", "b, then a", "b, then b"]);
        let Change::Views(ViewsChange::Replace(alone)) = &composed[0].changes[0] else { panic!("no views") };
        assert_eq!(
            alone.iter().map(Vec::len).collect::<Vec<_>>(),
            [1, 1],
            "one with itself is that one alone"
        );
        assert_eq!(alone[0][0]["p"].as_float(), Some(0.5));
    }

    #[test]
    fn operations_go_alone_or_one_after_the_other() {
        let removed = axis("how = 'remove'\namong = ['a', 'b']");
        assert_eq!(names(&removed), ["all", "a", "b"]);
        assert!(removed[0].changes.is_empty());
        let steps = axis(
            "how = 'remove_progressively'\nsteps = [{ name = 'all', remove = [] }, { name = 'no a', remove = ['a'] }, { name = 'no b', remove = ['b'] }]",
        );
        assert_eq!(steps[2].changes, [Change::Views(ViewsChange::Remove(vec!["a".into(), "b".into()]))]);
        assert_eq!(names(&axis("how = 'prefix'\namong = ['a', 'b']")), ["to a", "to b"]);
    }
}
