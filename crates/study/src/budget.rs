//! Budgets: the same study with less of everything.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use crate::axes::{AxisSpec, OperationsAxis};
use crate::recipe::{Recipe, label_of};
use crate::resolve::taken;

/// What the budget is called that changes nothing.
pub const PAPER: &str = "paper";

/// What a smaller form of a study changes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Keys of `data` that are others.
    #[serde(default)]
    pub data: Table,
    /// Settings of the training that are others.
    #[serde(default)]
    pub base: Table,
    /// Settings, kind and data of protocols that are others, by name.
    #[serde(default)]
    pub protocols: BTreeMap<String, Table>,
    /// Which levels of an axis there are: their labels, or how many of the first. Of operations, those that are among.
    #[serde(default)]
    pub axes: BTreeMap<String, Value>,
    /// How long it takes.
    #[serde(default)]
    pub hours: Option<f64>,
    /// On which machine.
    #[serde(default)]
    pub on: Option<String>,
    /// What it cannot show, and why.
    #[serde(default)]
    pub note: Option<String>,
}

impl Recipe {
    /// The names of its budgets.
    pub fn budgets(&self) -> impl Iterator<Item = &str> {
        let own = self.budget.keys().map(String::as_str).filter(|name| *name != PAPER);
        std::iter::once(PAPER).chain(own)
    }

    /// The study within that budget.
    ///
    /// # Errors
    /// In words: a budget, axis, protocol or level that does not exist.
    pub fn within(mut self, name: &str) -> Result<Recipe, Vec<String>> {
        let Some(budget) = self.budget.get(name).cloned() else {
            if name == PAPER {
                return Ok(self);
            }
            let known: Vec<&str> = self.budgets().collect();
            return Err(vec![format!("there is no budget `{name}`; there are {}", known.join(", "))]);
        };
        let mut problems = Vec::new();
        match changed_data(&self, &budget.data) {
            Ok(data) => self.data = data,
            Err(problem) => problems.push(format!("budget {name}: {problem}")),
        }
        if !budget.base.is_empty() {
            merge(self.base.get_or_insert_default(), &budget.base);
        }
        for (protocol, settings) in &budget.protocols {
            match self.protocols.iter_mut().find(|one| one.name == *protocol) {
                Some(known) => {
                    let mut settings = settings.clone();
                    let mut take = |key: &str| {
                        let taken = taken(&mut settings, key);
                        taken.unwrap_or_else(|reason| {
                            problems.push(format!("budget {name}, protocol `{protocol}`: {reason}"));
                            None
                        })
                    };
                    known.data = take("data").or(known.data.take());
                    if let Some(kind) = take("kind") {
                        known.kind = kind;
                    }
                    merge(&mut known.settings, &settings);
                }
                None => problems
                    .push(format!("budget {name} changes the protocol `{protocol}`, which does not exist")),
            }
        }
        for (axis, fewer) in &budget.axes {
            match find(&mut self.axes, axis) {
                Some(known) => {
                    problems.extend(known.keep(fewer).err().map(|reason| format!("budget {name}: {reason}")));
                }
                None => {
                    problems.push(format!("budget {name} changes the axis `{axis}`, which does not exist"));
                }
            }
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }
}

fn changed_data(recipe: &Recipe, changes: &Table) -> Result<crate::recipe::DataSpec, String> {
    let mut data = recipe.data.clone();
    for (key, value) in changes {
        let wrong = |error: toml::de::Error| format!("data.{key}: {error}");
        match key.as_str() {
            "learn" => data.learn = value.clone().try_into().map_err(wrong)?,
            "judge" => data.judge = Some(value.clone().try_into().map_err(wrong)?),
            // An option is taken whole: a subset of other data has other columns.
            "options" => data.options.extend(value.clone().try_into::<Table>().map_err(wrong)?),
            other => return Err(format!("`data` has no key `{other}`; it has learn, judge, options")),
        }
    }
    if let [one] = data.learn.as_slice()
        && recipe.data.judge.as_ref() == recipe.data.learn.first()
        && !changes.contains_key("judge")
    {
        data.judge = Some(one.clone());
    }
    Ok(data)
}

fn find<'a>(axes: &'a mut [AxisSpec], name: &str) -> Option<&'a mut AxisSpec> {
    for axis in axes {
        if axis.name == name {
            return Some(axis);
        }
        if let Some(inner) = axis.one_of.as_mut().and_then(|axes| find(axes, name)) {
            return Some(inner);
        }
    }
    None
}

impl AxisSpec {
    /// Keeps some of its levels: those with these labels, or so many of the first. Numbers may be others than those before.
    ///
    /// # Errors
    /// In words: a label that it does not have.
    pub fn keep(&mut self, fewer: &Value) -> Result<(), String> {
        if let Value::Integer(count) = fewer {
            let count = usize::try_from(*count).unwrap_or_default();
            return self.keep_first(count);
        }
        let wanted: Vec<Value> = match fewer {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        let labels: Vec<String> = wanted.iter().map(label_of).collect();
        let name = &self.name;
        let missing = |label: &str, known: &[String]| {
            format!("axis `{name}` has no level `{label}`; it has {}", known.join(", "))
        };
        let check = |known: Vec<String>| match labels.iter().find(|label| !known.contains(label)) {
            Some(label) => Err(missing(label, &known)),
            None => Ok(()),
        };
        let kept = |label: &str| labels.iter().any(|one| one == label);
        if let Some(sets) = &mut self.sets {
            check(sets.iter().map(|set| set.name.clone()).collect())?;
            sets.retain(|set| kept(&set.name));
        } else if let Some(OperationsAxis { among, steps, .. }) = &mut self.op {
            check(among.iter().map(label_of).chain(steps.iter().map(|step| step.name.clone())).collect())?;
            among.retain(|value| kept(&label_of(value)));
            steps.retain(|step| kept(&step.name));
        } else if let Some(axes) = &mut self.one_of {
            check(axes.iter().map(|axis| axis.name.clone()).collect())?;
            axes.retain(|axis| kept(&axis.name));
        } else if self.start.is_some() {
            let levels = self.levels()?;
            let known: Vec<String> = levels.iter().map(|level| level.labels[0].1.clone()).collect();
            check(known.clone())?;
            let mut known = known.iter();
            self.start
                .iter_mut()
                .for_each(|starts| starts.retain(|_| known.next().is_some_and(|label| kept(label))));
        } else if self.checkpoints.is_some() {
            let epoch = |value: &Value| value.as_integer().and_then(|epoch| u64::try_from(epoch).ok());
            let epochs: Option<Vec<u64>> = wanted.iter().map(epoch).collect();
            self.checkpoints =
                Some(epochs.ok_or_else(|| format!("axis `{name}` takes epochs, whole numbers"))?);
        } else if self.labels.is_some() {
            self.labels = Some(wanted);
        } else if self.data.is_some() {
            self.data = Some(labels);
        } else {
            // A value is a value: those of a smaller budget need not be among the others.
            (self.linspace, self.geomspace) = (None, None);
            self.values = Some(wanted);
        }
        Ok(())
    }

    fn keep_first(&mut self, count: usize) -> Result<(), String> {
        if let Some(OperationsAxis { among, steps, .. }) = &mut self.op {
            among.truncate(count);
            steps.truncate(count);
            return Ok(());
        }
        let known = match &self.one_of {
            Some(axes) => axes.iter().map(|axis| Value::String(axis.name.clone())).collect(),
            None if self.key.is_some() || self.values.is_some() => return self.keep_values(count),
            None => {
                let levels = self.levels()?;
                levels.iter().map(|level| self.value_of(&level.labels[0].1)).collect::<Vec<_>>()
            }
        };
        self.keep(&Value::Array(known.into_iter().take(count).collect()))
    }

    fn keep_values(&mut self, count: usize) -> Result<(), String> {
        let mut numbers = self.values.clone().unwrap_or_default();
        if numbers.is_empty() {
            let levels = self.levels()?;
            numbers = levels.iter().filter_map(|level| level.number.map(Value::Float)).collect();
        }
        numbers.truncate(count);
        (self.linspace, self.geomspace, self.values) = (None, None, Some(numbers));
        Ok(())
    }

    /// The value with that label, of kinds whose levels are numbers.
    fn value_of(&self, label: &str) -> Value {
        let number = label.parse().map(Value::Integer).ok();
        let share = self.labels.iter().flatten().find(|value| label_of(value) == label);
        match (&self.checkpoints, share) {
            (Some(_), _) => number.unwrap_or_else(|| Value::String(label.to_owned())),
            (None, Some(share)) => share.clone(),
            (None, None) => Value::String(label.to_owned()),
        }
    }
}

/// Lays `above` over `below`, key by key; a table with another `name` or `preset` is another table.
pub(crate) fn merge(below: &mut Table, above: &Table) {
    for (key, value) in above {
        match (below.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above))
                if above.get("name").is_none_or(|name| below.get("name") == Some(name)) =>
            {
                merge(below, above);
            }
            _ => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axes::cells;

    const TEXT: &str = "id = 'a'\ntitle = 't'\ndata = { learn = ['big'] }\nbase = { epochs = 100, optim = { lr = 0.1 } }\n\
        axes = [{ name = 'pair', op = { how = 'per_view', among = ['a', 'b', 'c'] } }, { name = 'hue', key = 'h', linspace = [0.0, 1.0, 20] },\n\
        { name = 'share', of = 'tuned', labels = [0.1, 1.0] }, { name = 'from', start = ['base', 'scratch'] }]\n\
        protocols = [{ name = 'tuned', kind = 'finetune', batch = 128 }]\n\
        [budget.tiny]\ndata = { learn = ['bundled'] }\nbase = { epochs = 1 }\naxes = { pair = 2, hue = [0.0], share = [1.0], from = ['scratch'] }\nprotocols = { tuned = { batch = 8 } }\n\
        [budget.bad]\naxes = { pear = 2, from = ['imagenet'] }\ndata = { split = 1 }\n";

    #[test]
    fn a_budget_has_less_of_everything() {
        let recipe = Recipe::parse("a.toml", TEXT).unwrap();
        let paper = recipe.clone().within(PAPER).unwrap();
        assert_eq!(cells(&paper, paper.protocol("tuned"), 1000).unwrap().len(), 9 * 20 * 2 * 2);
        let tiny = recipe.clone().within("tiny").unwrap();
        assert_eq!(cells(&tiny, tiny.protocol("tuned"), 1000).unwrap().len(), 4);
        assert_eq!(tiny.data.judged(), "bundled");
        let base = tiny.base.clone().unwrap();
        assert_eq!((base["epochs"].as_integer(), base["optim"]["lr"].as_float()), (Some(1), Some(0.1)));
        assert_eq!(tiny.protocols[0].settings["batch"].as_integer(), Some(8));
        let problems = recipe.clone().within("bad").unwrap_err().join("; ");
        for told in ["`pear`", "no level `imagenet`", "no key `split`"] {
            assert!(problems.contains(told), "{problems}");
        }
        assert!(recipe.within("huge").unwrap_err()[0].contains("there are paper, bad, tiny"));
    }
}
