//! Some images of a set, chosen by what is known of them: a compound within one batch, as many untreated as treated.
//!
//! Three steps, in this order: [`SubsetChoice::values`] keeps images by the values of columns, [`SubsetChoice::highest`] the highest
//! values of a column in each class, and [`SubsetChoice::balance`] as many images of each class as there are of the rarest. Classes of
//! which no image is left are no classes of the set any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use twinlens_random::{Purpose, Stream};

use crate::groups::{find_column, value};
use crate::notice::Notice;
use crate::relabel::Relabelled;
use crate::store::hex;
use crate::text::{NAME, shown};
use crate::{DataError, DataSettings, ImageSource, Split};

/// What stands for the class of an image where a column is named, unless there is a column of that name.
const CLASS: &str = "class";

/// Values of a column that an error shows.
const SHOWN: usize = 20;

/// `[data_options.subset]`: which images of the set there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubsetChoice {
    /// Values that columns of the table may have, `*` for any text in them: of each column that is named an image must have one.
    /// The column `class`, or that of the labels, is the class of the image.
    #[serde(rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Vec<String>>,
    /// How many of the highest values of a column of numbers are kept of each class, such as the four highest concentrations.
    /// Where no image of a class has a number there, the class is kept whole.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub highest: BTreeMap<String, usize>,
    /// Whether as many images of each class are drawn as there are of the rarest, in each split that the set has; images without a
    /// class are left out.
    pub balance: bool,
    /// Seed of this draw.
    pub seed: u64,
}

impl SubsetChoice {
    /// Whether nothing is chosen, so that all images remain.
    pub fn is_all(&self) -> bool {
        self.values.is_empty() && self.highest.is_empty() && !self.balance
    }

    pub(crate) fn check(&self) -> Result<(), DataError> {
        let bad = |name, expected: &str, got: String| DataError::BadOption {
            name,
            expected: expected.to_owned(),
            got,
        };
        if let Some((column, _)) = self.values.iter().find(|(_, values)| values.is_empty()) {
            return Err(bad(
                "subset.where",
                "at least one value of each column",
                format!("none of {column}"),
            ));
        }
        match self.highest.iter().find(|(_, count)| **count == 0) {
            Some((column, _)) => {
                Err(bad("subset.highest", "at least 1 value of a column", format!("0 of {column}")))
            }
            None => Ok(()),
        }
    }
}

/// What is left of a set.
pub(crate) struct Selected {
    /// All its images; those that are left have their new classes.
    pub source: Arc<dyn ImageSource>,
    /// The images that are left, by part.
    pub parts: Vec<(Split, Vec<usize>)>,
    /// The classes that are left.
    pub classes: Vec<String>,
    /// What was left out.
    pub notices: Vec<Notice>,
}

/// The images of `parts` of the set called `place` that the settings leave.
///
/// # Errors
/// A column that there is not, a value that no image has, and where nothing is left.
pub(crate) fn select(
    place: &str,
    source: Arc<dyn ImageSource>,
    parts: Vec<(Split, Vec<usize>)>,
    classes: &[String],
    settings: &DataSettings,
) -> Result<Selected, DataError> {
    let choice = &settings.subset;
    let before: usize = parts.iter().map(|(_, indices)| indices.len()).sum();
    let labels = settings.labels_column.as_str();
    let mut all = Choosing { place, source: source.as_ref(), classes, labels, parts };
    for (name, values) in &choice.values {
        all.keep_values(name, values)?;
    }
    for (name, count) in &choice.highest {
        all.keep_highest(name, *count)?;
    }
    if choice.balance {
        all.balance(choice.seed)?;
    }
    let Choosing { parts, .. } = all;
    let after: usize = parts.iter().map(|(_, indices)| indices.len()).sum();
    if after == 0 {
        let reason = "no image has all the values that the subset asks for".to_owned();
        let hint = "ask for less with {where}".to_owned();
        return Err(DataError::WrongTable { place: place.into(), reason, hint });
    }
    let message = format!("the subset that was asked for has {after} of {before} images");
    let mut notices = vec![Notice::new("subset", message)];
    let (numbers, kept) = renumbered(source.as_ref(), &parts, classes);
    let left = classes.iter().zip(&numbers).filter(|(_, number)| number.is_none()).map(|(class, _)| class);
    let message = "classes have no image in the subset and are left out";
    let left = left.fold(Notice::new("subset-classes", message), Notice::about);
    notices.extend(Some(left).filter(|notice| notice.count > 0));
    let source = if kept.len() == classes.len() {
        source
    } else {
        let number = |index| numbers.get(source.label(index)?).copied().flatten();
        let labels = (0..source.len()).map(number).collect();
        Arc::new(Relabelled { source, labels })
    };
    Ok(Selected { source, parts, classes: kept, notices })
}

/// A hash of what a subset has, from that of its set: the same images under another choice have the same.
pub(crate) fn fingerprint(of_set: &str, parts: &[(Split, Vec<usize>)]) -> String {
    let mut hash = Sha256::new_with_prefix(format!("{of_set} subset 1"));
    for (split, indices) in parts {
        hash.update(split.name());
        indices.iter().for_each(|&index| hash.update((index as u64).to_le_bytes()));
    }
    hex(&hash.finalize())
}

/// The new number of each class, and the classes that are left. Images with tags keep theirs.
fn renumbered(
    source: &dyn ImageSource,
    parts: &[(Split, Vec<usize>)],
    classes: &[String],
) -> (Vec<Option<usize>>, Vec<String>) {
    let indices = || parts.iter().flat_map(|(_, indices)| indices);
    if indices().any(|&index| source.tags(index).is_some()) {
        return ((0..classes.len()).map(Some).collect(), classes.to_vec());
    }
    let present: BTreeSet<usize> = indices().filter_map(|&index| source.label(index)).collect();
    let numbers = (0..classes.len()).map(|class| present.iter().position(|&kept| kept == class)).collect();
    let kept = present.iter().filter_map(|&class| classes.get(class).cloned()).collect();
    (numbers, kept)
}

/// The images that are left so far.
struct Choosing<'a> {
    place: &'a str,
    source: &'a dyn ImageSource,
    classes: &'a [String],
    /// The column that the classes come from, where it was named: it is no other column of the set.
    labels: &'a str,
    parts: Vec<(Split, Vec<usize>)>,
}

/// What is looked at of an image.
#[derive(Clone, Copy)]
enum Column {
    Class,
    Table(usize),
}

impl<'a> Choosing<'a> {
    fn column(&self, name: &str) -> Result<Column, DataError> {
        let columns = self.source.columns();
        let is_class = [CLASS, self.labels].contains(&name);
        if is_class && !columns.iter().any(|column| column == name) {
            return Ok(Column::Class);
        }
        Ok(Column::Table(find_column(self.place, columns, name, "{where}")?))
    }

    /// What stands in the column for image `index`; nothing where that is no value.
    fn text(&self, column: Column, index: usize) -> Option<&'a str> {
        match column {
            Column::Class => self.classes.get(self.source.label(index)?).map(String::as_str),
            Column::Table(column) => value(self.source.metadata(index), column),
        }
    }

    fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        self.parts.iter_mut().for_each(|(_, indices)| indices.retain(|&index| keep(index)));
    }

    fn indices(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().flat_map(|(_, indices)| indices.iter().copied())
    }

    fn keep_values(&mut self, name: &str, patterns: &[String]) -> Result<(), DataError> {
        let column = self.column(name)?;
        // Of the whole set: that another column leaves none of them is no misspelling.
        let known: BTreeSet<&str> =
            (0..self.source.len()).filter_map(|index| self.text(column, index)).collect();
        let unmatched = |pattern: &&String| !known.iter().any(|value| matches(pattern, value));
        if let Some(pattern) = patterns.iter().find(unmatched) {
            return Err(self.no_value(name, pattern, &known));
        }
        let wanted: BTreeSet<&str> = known
            .into_iter()
            .filter(|value| patterns.iter().any(|pattern| matches(pattern, value)))
            .collect();
        let kept: BTreeSet<usize> = self
            .indices()
            .filter(|&index| self.text(column, index).is_some_and(|value| wanted.contains(value)))
            .collect();
        self.retain(|index| kept.contains(&index));
        Ok(())
    }

    fn no_value(&self, name: &str, pattern: &str, known: &BTreeSet<&str>) -> DataError {
        let more = if known.len() > SHOWN { ", ..." } else { "" };
        let values: Vec<String> = known.iter().take(SHOWN).map(|value| shown(value, NAME)).collect();
        DataError::WrongTable {
            place: self.place.into(),
            reason: format!(
                "no image has {pattern:?} in the column {name:?}, whose {} values are {}{more}",
                known.len(),
                values.join(", ")
            ),
            hint: "say one of these with {where}; a * stands for any text".into(),
        }
    }

    fn keep_highest(&mut self, name: &str, count: usize) -> Result<(), DataError> {
        let column = self.column(name)?;
        let number =
            |index: usize| self.text(column, index)?.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        let mut values: BTreeMap<Option<usize>, Vec<f64>> = BTreeMap::new();
        for index in self.indices() {
            values.entry(self.source.label(index)).or_default().extend(number(index));
        }
        if values.values().all(Vec::is_empty) {
            return Err(DataError::WrongTable {
                place: self.place.into(),
                reason: format!("the column {name:?} holds no numbers, so that none are the highest"),
                hint: "name a column of numbers, such as concentrations".into(),
            });
        }
        // Of each class the lowest value that is kept; none where it has no numbers.
        let lowest: BTreeMap<Option<usize>, Option<f64>> = values
            .into_iter()
            .map(|(class, mut values)| {
                values.sort_by(|a, b| b.total_cmp(a));
                values.dedup();
                values.truncate(count);
                (class, values.last().copied())
            })
            .collect();
        let high = |index: &usize| match lowest.get(&self.source.label(*index)).copied().flatten() {
            Some(lowest) => number(*index).is_some_and(|value| value >= lowest),
            None => true,
        };
        let kept: BTreeSet<usize> = self.indices().filter(high).collect();
        self.retain(|index| kept.contains(&index));
        Ok(())
    }

    /// Draws as many images of each class as of the rarest, part by part.
    fn balance(&mut self, seed: u64) -> Result<(), DataError> {
        let classes: BTreeSet<usize> = self.indices().filter_map(|index| self.source.label(index)).collect();
        if classes.len() < 2 {
            let found = format!("{} in the images of {} that are left", classes.len(), self.place);
            let expected = "no, as only labels of at least two classes can be balanced".to_owned();
            return Err(DataError::BadOption { name: "subset.balance", expected, got: found });
        }
        for (at, (_, indices)) in self.parts.iter_mut().enumerate() {
            let mut members: BTreeMap<usize, Vec<usize>> =
                classes.iter().map(|&class| (class, Vec::new())).collect();
            for &index in indices.iter() {
                if let Some(label) = self.source.label(index) {
                    members.entry(label).or_default().push(index);
                }
            }
            let rarest = members.values().map(Vec::len).min().unwrap_or(0);
            let mut drawn = Vec::new();
            for (class, mut members) in members {
                Stream::new(seed, Purpose::Images, [class as u32, at as u32, 1]).shuffle(&mut members);
                drawn.extend_from_slice(&members[..rarest]);
            }
            drawn.sort_unstable();
            *indices = drawn;
        }
        Ok(())
    }
}

/// Whether `value` is `pattern`, in which `*` stands for any text; numbers are compared as such (`0.30` is `0.3`).
fn matches(pattern: &str, value: &str) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == value || number(pattern).is_some_and(|wanted| number(value) == Some(wanted));
    };
    let Some(mut left) = value.strip_prefix(head) else { return false };
    // Texts between stars are taken as early as they come, the last one at the end.
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, value, expected) in [
            ("Week4_27801", "Week4_27801", true),
            ("Week4_*", "Week4_27801", true),
            ("Week4_*", "Week40", false),
            ("*_27801", "Week4_27801", true),
            ("W*_*1", "Week4_27801", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("a*b*b", "abxb", true),
            ("0.3", "0.30", true),
            ("0.3", "0.31", false),
            ("week4_*", "Week4_1", false),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} of {value}");
        }
    }
}
