//! What a source found, beside what was measured.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use crate::recipe::{At, Recipe, label_of};

/// One number of a source.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The cell: a value of every axis that it depends on.
    #[serde(default)]
    pub at: At,
    /// `PROTOCOL.SPLIT.MEASURE[.CLASS]`.
    pub measure: String,
    /// The number: a share from 0 to 1 where the measure is one.
    pub value: f64,
    /// Its standard deviation.
    #[serde(default)]
    pub std: Option<f64>,
    /// Where it was read, if not in the source's own text: `arxiv`, `code`, `issue`.
    #[serde(default)]
    pub mark: Option<String>,
}

/// A number of a source that no cell of the study has: of a method that it does not train.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rival {
    /// Whose.
    pub name: String,
    /// `PROTOCOL.SPLIT.MEASURE[.CLASS]`.
    pub measure: String,
    /// The axes that it is of, if any.
    #[serde(default)]
    pub at: At,
    /// As of [`Published`].
    pub value: f64,
    /// As of [`Published`].
    #[serde(default)]
    pub mark: Option<String>,
}

/// A table of a source.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedGrid {
    /// `PROTOCOL.SPLIT.MEASURE[.CLASS]`.
    pub measure: String,
    /// The axes of its rows, such as `method, encoder`.
    pub rows: String,
    /// The axis of its columns.
    pub columns: String,
    /// What all of it is of, besides.
    #[serde(default)]
    pub at: At,
    /// The numbers are divided by this: 100 where the source prints per cent.
    #[serde(default = "one")]
    pub per: f64,
    /// The table as text: a line of columns, then lines of row labels and numbers; `-` where there is none.
    pub values: String,
    /// As of [`Published`].
    #[serde(default)]
    pub mark: Option<String>,
}

fn one() -> f64 {
    1.0
}

impl PublishedGrid {
    /// Its numbers.
    ///
    /// # Errors
    /// In words, a line that has another number of values than there are columns, or a value that is no number.
    pub fn entries(&self) -> Result<Vec<Published>, String> {
        let rows: Vec<&str> = self.rows.split(',').map(str::trim).collect();
        let mut lines = self.values.lines().map(str::trim).filter(|line| !line.is_empty());
        let heading: Vec<&str> =
            lines.next().map(|line| line.split_whitespace().collect()).unwrap_or_default();
        let mut entries = Vec::new();
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.len() != rows.len() + heading.len() {
                return Err(format!(
                    "published_grid of {}: the line `{line}` has {} words, expected {} row labels and {} numbers",
                    self.measure,
                    words.len(),
                    rows.len(),
                    heading.len()
                ));
            }
            let (labels, numbers) = words.split_at(rows.len());
            for (column, number) in heading.iter().zip(numbers).filter(|(_, number)| **number != "-") {
                let (number, std) = match number.split_once("±") {
                    Some((number, std)) => (number, Some(std)),
                    None => (*number, None),
                };
                let read = |text: &str| {
                    text.parse::<f64>().map(|value| value / self.per).map_err(|_| {
                        format!(
                            "published_grid of {}: `{text}` in the line `{line}` is no number",
                            self.measure
                        )
                    })
                };
                let mut at = self.at.clone();
                at.0.extend(
                    rows.iter()
                        .zip(labels)
                        .map(|(axis, label)| ((*axis).to_owned(), Value::String((*label).to_owned()))),
                );
                at.0.insert(self.columns.clone(), Value::String((*column).to_owned()));
                let std = std.map(read).transpose()?;
                entries.push(Published {
                    at,
                    measure: self.measure.clone(),
                    value: read(number)?,
                    std,
                    mark: self.mark.clone(),
                });
            }
        }
        Ok(entries)
    }
}

impl Published {
    /// Whether it is of the cell with these labels, repeats aside: every axis that it names has that label there, and it names
    /// every axis that the cell has.
    pub fn is_of(&self, at: &BTreeMap<String, String>) -> bool {
        let alike = |text: &str| text.parse::<f64>().ok();
        let is = |label: &String, wanted: &Value| {
            let wanted = label_of(wanted);
            *label == wanted || alike(label).is_some_and(|number| alike(&wanted) == Some(number))
        };
        self.at.0.iter().all(|(axis, wanted)| at.get(axis).is_some_and(|label| is(label, wanted)))
            && at.keys().all(|axis| self.at.0.contains_key(axis))
    }
}

impl Recipe {
    /// The published number of a measure in a cell without its repeats.
    pub fn published_in(&self, measure: &str, at: &BTreeMap<String, String>) -> Option<&Published> {
        self.published.iter().find(|entry| entry.measure == measure && entry.is_of(at))
    }

    /// What differs between what the source states of its set-up and what was resolved, in words.
    pub fn differences(&self, resolved: &Table, data: &[String]) -> Vec<String> {
        let mut told = Vec::new();
        for (key, stated) in crate::axes::flat(&self.setup) {
            let found = match key.as_str() {
                "data" => {
                    let names: Vec<&str> = data.iter().map(String::as_str).collect();
                    if names.iter().any(|name| is_same_data(&label_of(&stated), name)) {
                        continue;
                    }
                    names.join(", ")
                }
                key => match value_at(resolved, key) {
                    Some(found) if label_of(found) != label_of(&stated) => label_of(found),
                    Some(_) => continue,
                    None => "not set".to_owned(),
                },
            };
            told.push(format!("{key} {found}, not {}", label_of(&stated)));
        }
        told
    }
}

/// Whether a name of data is that of the source's, in whatever size.
fn is_same_data(stated: &str, name: &str) -> bool {
    let plain = |name: &str| {
        let name = name.split(['@', '.']).next().unwrap_or_default().to_lowercase();
        match name.rsplit_once('_') {
            Some((set, size)) if size.parse::<usize>().is_ok() => set.to_owned(),
            _ => name,
        }
    };
    plain(stated) == plain(name)
}

/// The value at a dotted key; a list is entered by number, or by the `op` of its tables. A table with a `name` is called by it.
fn value_at<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut words = key.split('.');
    let mut value = table.get(words.next()?)?;
    for word in words {
        value = match value {
            Value::Table(inner) => match inner.get("operations").filter(|_| !inner.contains_key(word)) {
                Some(operations) => element(operations, word)?,
                None => inner.get(word)?,
            },
            list => element(list, word)?,
        };
    }
    match value {
        Value::Table(inner) => inner.get("name").or(Some(value)),
        value => Some(value),
    }
}

fn element<'a>(list: &'a Value, word: &str) -> Option<&'a Value> {
    let list = list.as_array()?;
    match word.parse::<usize>() {
        Ok(at) => list.get(at),
        Err(_) => list.iter().find(|value| value.get("op").and_then(Value::as_str) == Some(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "id = 'a'\ntitle = 't'\nsetup = { data = 'pathmnist', epochs = 100, \"views.0.color_jitter.hue\" = 0.1, encoder = 'resnet18' }\n\
        data = { learn = ['bundled'] }\nbase = {}\naxes = [{ name = 'views', values = ['strong', 'light'] }, { name = 'share', labels = [0.01, 1.0] }]\nprotocols = [{ name = 'tuned', kind = 'finetune' }]\n\
        published = [{ at = { views = 'strong', share = 0.01 }, measure = 'tuned.test.accuracy', value = 0.767 }]\n\
        [[published_grid]]\nmeasure = 'tuned.test.accuracy'\nrows = 'views'\ncolumns = 'share'\nper = 100\nvalues = '''\n 0.01 1\n light 52.9 94.8±0.5\n strong - 94.8\n'''\n";

    fn at(views: &str, share: &str) -> BTreeMap<String, String> {
        [("views".to_owned(), views.to_owned()), ("share".to_owned(), share.to_owned())].into()
    }

    #[test]
    fn a_number_stands_beside_its_own_cell_alone() {
        let recipe = Recipe::parse("a.toml", TEXT).unwrap();
        assert_eq!(recipe.published.len(), 4);
        let found = |views: &str, share: &str| recipe.published_in("tuned.test.accuracy", &at(views, share));
        assert_eq!(found("strong", "0.01").unwrap().value, 0.767);
        let light = found("light", "1").unwrap();
        assert!((light.value - 0.948).abs() < 1e-12 && (light.std.unwrap() - 0.005).abs() < 1e-12);
        // Another measure, split or axis is another number.
        assert_eq!(recipe.published_in("tuned.val.accuracy", &at("strong", "0.01")), None);
        let mut more = at("strong", "0.01");
        more.insert("batch".into(), "32".into());
        assert_eq!(recipe.published_in("tuned.test.accuracy", &more), None);
    }

    #[test]
    fn what_differs_from_the_source_is_told() {
        let recipe = Recipe::parse("a.toml", TEXT).unwrap();
        let resolved: Table = toml::from_str(
            "epochs = 10\nencoder = { name = 'resnet18', stem = 'cifar' }\nviews = [{ count = 2, operations = [{ op = 'color_jitter', hue = 0.1 }] }]",
        )
        .unwrap();
        assert_eq!(
            recipe.differences(&resolved, &["blood_28".into()]),
            ["data blood_28, not pathmnist", "epochs 10, not 100"]
        );
        for same in ["pathmnist@64", "pathmnist_64.npz", "PathMNIST"] {
            assert_eq!(recipe.differences(&resolved, &[same.into()]), ["epochs 10, not 100"]);
        }
        assert_eq!(recipe.differences(&resolved, &["pathmnist_jpeg".into()]).len(), 2);
    }

    #[test]
    fn a_grid_with_a_hole_is_told() {
        let hole = TEXT.replace(" light 52.9 94.8±0.5", " light 52.9");
        assert!(Recipe::parse("a.toml", &hole).unwrap_err().to_string().contains("has 2 words"));
    }
}
