//! The table of a study: one line for every cell, split and measure, from whatever is there.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use twinlens_eval::statistics::proportion;
use twinlens_eval::{Better, Unit};
use twinlens_lab::{MeasureRecord, Outcome, Verdict};
use twinlens_run::{csv_cell, write_atomically};

use crate::StudyError;
use crate::plan::{Plan, PlannedCell};
use crate::store::Store;

/// One number of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The protocol, by its name in the recipe.
    pub protocol: String,
    /// The label of each axis.
    pub at: BTreeMap<String, String>,
    /// The split.
    pub split: String,
    /// What was measured, and of which class or pair of classes: `accuracy`, `recall.TUM`, `confusion.STR.SM`.
    pub measure: String,
    /// What came out; none where it is undefined.
    pub value: Option<f64>,
    /// How many images it was measured on.
    pub samples: Option<usize>,
    /// The node that says so; `import` and where it came from, of numbers from outside.
    pub origin: String,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The names of the axes, in the order of the recipe.
    pub axes: Vec<String>,
    /// Its rows, in the order of the plan.
    pub rows: Vec<Row>,
    /// What its measures are, by id.
    pub measures: BTreeMap<String, MeasureRecord>,
    /// Cells whose numbers are not there: protocol, labels, why.
    pub missing: Vec<(String, BTreeMap<String, String>, String)>,
    /// The names of classes, in their order.
    pub classes: Vec<String>,
}

/// Several numbers of the same cell but for what repeats it.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The values, by the label of what repeats them.
    pub values: Vec<(String, f64)>,
    /// The images that each was measured on.
    pub samples: Option<usize>,
}

impl Summary {
    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.values.iter().map(|(_, value)| value).sum::<f64>() / self.values.len() as f64
    }

    /// Their sample standard deviation; none of one value.
    pub fn deviation(&self) -> Option<f64> {
        let (mean, count) = (self.mean(), self.values.len());
        let squares = self.values.iter().map(|(_, value)| (value - mean).powi(2)).sum::<f64>();
        (count > 1).then(|| (squares / (count - 1) as f64).sqrt())
    }

    /// Of shares of images: how far other images would move their mean. Over seeds on the same images, as if it were that of one
    /// network: the images are what is few.
    pub fn interval(&self) -> Option<[f64; 2]> {
        let samples = self.samples.filter(|samples| *samples > 0)?;
        let mean = self.mean();
        if !(0.0..=1.0).contains(&mean) {
            return None;
        }
        let found = proportion(mean, samples);
        Some([found.low, found.high])
    }
}

/// Measures that are shares of images, of which [`Summary::interval`] may speak.
pub(crate) fn is_share_of_images(measure: &str) -> bool {
    ["accuracy", "top5_accuracy", "micro_f1"].contains(&measure)
}

impl Results {
    /// What is there of a plan.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn collect(plan: &Plan, store: &Store, axes: Vec<String>) -> Result<Results, StudyError> {
        let states = store.states(plan)?;
        let at = plan.numbers();
        let mut results = Results { axes, ..Results::default() };
        let mut read: BTreeMap<usize, Vec<Verdict>> = BTreeMap::new();
        for cell in &plan.cells {
            let Some(&number) = at.get(cell.node.as_str()) else { continue };
            let (node, state) = (&plan.nodes[number], &states[number]);
            if !state.is_there() {
                results.missing.push((cell.protocol.clone(), cell.at.clone(), state.name().to_owned()));
                continue;
            }
            let verdicts = match read.entry(number) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(store.verdicts(node)?),
            };
            for verdict in verdicts.iter() {
                results.add(cell, verdict);
            }
        }
        Ok(results)
    }

    fn add(&mut self, cell: &PlannedCell, verdict: &Verdict) {
        let readings = verdict.readings();
        let mut push = |split: &str, measure: String, value: Option<f64>, samples: Option<usize>| {
            let (protocol, at, origin) = (cell.protocol.clone(), cell.at.clone(), cell.node.clone());
            self.rows.push(Row { protocol, at, split: split.to_owned(), measure, value, samples, origin });
        };
        for (split, values) in &readings.splits {
            let samples = samples(&verdict.outcome, split);
            for (measure, value) in readings.measures.iter().zip(values) {
                push(split, measure.id.clone(), *value, samples);
            }
        }
        if let Outcome::Retrieval(found) = &verdict.outcome {
            for split in &found.splits {
                for (class, of_class) in found.classes.iter().zip(&split.per_class) {
                    for (measure, value) in &of_class.measures {
                        push(&split.split, format!("{measure}.{class}"), *value, Some(of_class.samples));
                    }
                }
            }
        }
        if let Outcome::Predictions(found) = &verdict.outcome {
            for split in &found.splits {
                for (class, of_class) in
                    found.classes.iter().zip(by_class(&split.labels, &split.predictions, found.classes.len()))
                {
                    let total: usize = of_class.iter().sum();
                    let share = |count: usize| (total > 0).then(|| count as f64 / total as f64);
                    for (predicted, count) in found.classes.iter().zip(&of_class) {
                        let measure = if predicted == class {
                            format!("recall.{class}")
                        } else {
                            format!("confusion.{class}.{predicted}")
                        };
                        // Where groups are known an interval of counts alone would be too narrow.
                        let samples = Some(total).filter(|_| split.groups.is_none());
                        push(&split.split, measure, share(*count), samples);
                    }
                }
            }
            if self.classes.is_empty() {
                self.classes.clone_from(&found.classes);
            }
        }
        for measure in readings.measures {
            self.measures.entry(measure.id.clone()).or_insert(measure);
        }
    }

    /// Reads numbers from outside: a CSV with the axes as columns, `protocol`, `split`, `measure`, `value`, `origin`.
    ///
    /// # Errors
    /// In words, the line that is wrong.
    pub fn import(&mut self, text: &str) -> Result<usize, String> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let columns: Vec<String> =
            reader.headers().map_err(|error| error.to_string())?.iter().map(str::to_owned).collect();
        let known = |name: &String| {
            self.axes.contains(name)
                || ["protocol", "split", "measure", "value", "origin"].contains(&name.as_str())
        };
        if let Some(unknown) = columns.iter().find(|name| !known(name)) {
            return Err(format!(
                "line 1: the study has no axis `{unknown}`; columns are its axes ({}), protocol, split, measure, value, origin",
                self.axes.join(", ")
            ));
        }
        let mut count = 0;
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            let of = |name: &str| {
                columns
                    .iter()
                    .position(|column| column == name)
                    .map(|at| record[at].to_owned())
                    .unwrap_or_default()
            };
            let value: f64 = of("value")
                .parse()
                .map_err(|_| format!("line {line}: value is `{}`, expected a number", of("value")))?;
            let at = columns
                .iter()
                .zip(&record)
                .filter(|(column, value)| self.axes.contains(column) && !value.is_empty());
            self.rows.push(Row {
                protocol: of("protocol"),
                at: at.map(|(column, value)| (column.clone(), value.to_owned())).collect(),
                split: of("split"),
                measure: of("measure"),
                value: Some(value),
                samples: None,
                origin: format!("import {}", of("origin")),
            });
            count += 1;
        }
        Ok(count)
    }

    /// The rows as CSV (RFC 4180, with line feeds). The same results give the same bytes, whoever made them in whatever order.
    pub fn csv(&self) -> String {
        let heading = ["protocol"].into_iter().chain(self.axes.iter().map(String::as_str));
        let heading = heading.chain(["split", "measure", "value", "samples", "origin"]);
        let mut text = heading.map(csv_cell).collect::<Vec<_>>().join(",") + "\n";
        for row in &self.rows {
            let axis = |name: &String| row.at.get(name).map(|label| csv_cell(label)).unwrap_or_default();
            let mut cells = vec![csv_cell(&row.protocol)];
            cells.extend(self.axes.iter().map(axis));
            cells.extend([csv_cell(&row.split), csv_cell(&row.measure)]);
            cells.push(row.value.map(|value| value.to_string()).unwrap_or_default());
            cells.push(row.samples.map(|samples| samples.to_string()).unwrap_or_default());
            cells.push(csv_cell(&row.origin));
            text += &(cells.join(",") + "\n");
        }
        text
    }

    /// Writes the table into the folder of the study.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), StudyError> {
        Ok(write_atomically(&path.join("table.csv"), self.csv().as_bytes())?)
    }

    /// Keeps, in each cell, the level of `axis` whose mean of `measure` over the axes `over` is the best, and says which it was.
    /// Cells without that measure stay as they are.
    pub fn choose(&mut self, axis: &str, measure: &str, over: &[String]) -> Vec<(String, String)> {
        let lower = self.lower_is_better(measure);
        let better = |new: f64, old: f64| if lower { new < old } else { new > old };
        let mut chosen: Vec<(BTreeMap<String, String>, String, f64)> = Vec::new();
        for (mut at, summary) in self.summaries(measure, over, &|at| at.contains_key(axis)) {
            let Some(level) = at.remove(axis) else { continue };
            let mean = summary.mean();
            match chosen.iter_mut().find(|(known, ..)| *known == at) {
                Some((_, best, value)) if better(mean, *value) => (*best, *value) = (level, mean),
                Some(_) => {}
                None => chosen.push((at, level, mean)),
            }
        }
        // A cell of another protocol may have further axes: it belongs to the choice that its labels agree with.
        let of = |row: &Row| {
            let agrees = |(known, ..): &&(BTreeMap<String, String>, String, f64)| {
                known.iter().all(|(axis, label)| row.at.get(axis) == Some(label))
            };
            chosen.iter().find(agrees).map(|(_, level, _)| level.clone())
        };
        self.rows.retain(|row| match (row.at.get(axis), of(row)) {
            (Some(level), Some(best)) => *level == best,
            _ => true,
        });
        self.rows.iter_mut().for_each(|row| drop(row.at.remove(axis)));
        let told = |(at, level, _): (BTreeMap<String, String>, String, f64)| {
            (at.values().cloned().collect::<Vec<_>>().join(", "), level)
        };
        chosen.into_iter().map(told).collect()
    }

    /// The numbers of a measure, named `PROTOCOL.SPLIT.MEASURE[.CLASS]`, in cells that `fits` takes: those that differ in the
    /// axes `over` alone are together. Numbers of one node count once, as often as its cell is repeated.
    pub fn summaries(
        &self,
        measure: &str,
        over: &[String],
        fits: &dyn Fn(&BTreeMap<String, String>) -> bool,
    ) -> Vec<(BTreeMap<String, String>, Summary)> {
        let mut groups: Vec<(BTreeMap<String, String>, Summary, BTreeSet<&str>)> = Vec::new();
        let Some((protocol, split, id)) = parts(measure) else { return Vec::new() };
        let rows = self
            .rows
            .iter()
            .filter(|row| row.protocol == protocol && row.split == split && row.measure == id);
        for row in rows.filter(|row| fits(&row.at)) {
            let Some(value) = row.value.filter(|value| value.is_finite()) else { continue };
            let mut at = row.at.clone();
            let repeat: Vec<String> = over.iter().filter_map(|axis| at.remove(axis)).collect();
            let entry = (repeat.join(" "), value);
            match groups.iter_mut().find(|(known, ..)| *known == at) {
                Some((_, summary, nodes)) => {
                    if nodes.insert(&row.origin) {
                        summary.values.push(entry);
                    }
                }
                None => {
                    let samples = row.samples.filter(|_| is_share_of_images(id) || id.starts_with("recall."));
                    let summary = Summary { values: vec![entry], samples };
                    groups.push((at, summary, [row.origin.as_str()].into()));
                }
            }
        }
        groups.into_iter().map(|(at, summary, _)| (at, summary)).collect()
    }

    /// What tables and axes call a measure, and whether its values are shown in per cent.
    pub fn title(&self, measure: &str) -> (String, bool) {
        let Some((protocol, split, id)) = parts(measure) else { return (measure.to_owned(), false) };
        // That of clusters against a column is known by its whole name.
        let whole = self.measures.get(id).map(|_| (id, ""));
        let (name, class) = whole.or_else(|| id.split_once('.')).unwrap_or((id, ""));
        let known = self.measures.get(name);
        let title = match (known, name) {
            (Some(measure), _) => measure.title.clone(),
            (None, "confusion") => {
                let (truth, predicted) = class.split_once('.').unwrap_or((class, ""));
                return (format!("{protocol}, {split}: {truth} called {predicted}"), true);
            }
            (None, other) => other.to_owned(),
        };
        let of = if class.is_empty() { String::new() } else { format!(" of {class}") };
        let share = known.is_some_and(|measure| measure.unit == Unit::Share) || name == "recall";
        (format!("{protocol}, {split}: {title}{of}"), share)
    }

    /// Whether lower values of a measure are better.
    pub fn lower_is_better(&self, measure: &str) -> bool {
        let id = parts(measure).map_or("", |(_, _, id)| id);
        self.measures.get(id).is_some_and(|measure| measure.better == Better::Lower)
    }

    /// Whether any row has that measure.
    pub fn has(&self, measure: &str) -> bool {
        parts(measure).is_some_and(|(protocol, split, id)| {
            self.rows.iter().any(|row| row.protocol == protocol && row.split == split && row.measure == id)
        })
    }
}

/// Protocol, split and measure of a name.
pub(crate) fn parts(measure: &str) -> Option<(&str, &str, &str)> {
    let (protocol, rest) = measure.split_once('.')?;
    let (split, id) = rest.split_once('.')?;
    Some((protocol, split, id))
}

/// How many images a split has; nothing where their groups are known, as an interval of counts alone would be too narrow.
fn samples(outcome: &Outcome, split: &str) -> Option<usize> {
    match outcome {
        Outcome::Predictions(found) => {
            let found = found.splits.iter().find(|one| one.split == split);
            found.filter(|one| one.groups.is_none()).map(|one| one.labels.len())
        }
        Outcome::Measured(found) => found.splits.iter().find(|one| one.split == split).map(|one| one.samples),
        _ => None,
    }
}

/// `[truth][prediction]`: how many.
fn by_class(labels: &[usize], predictions: &[usize], classes: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (&label, &prediction) in labels.iter().zip(predictions) {
        if label < classes && prediction < classes {
            counts[label][prediction] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seed: &str, hue: &str, value: f64, origin: &str) -> Row {
        let at = [("seed".to_owned(), seed.to_owned()), ("hue".to_owned(), hue.to_owned())].into();
        let (protocol, split, measure) = ("knn".into(), "test".into(), "accuracy".into());
        Row { protocol, at, split, measure, value: Some(value), samples: Some(100), origin: origin.into() }
    }

    fn results(rows: Vec<Row>) -> Results {
        Results { axes: vec!["hue".into(), "seed".into()], rows, ..Results::default() }
    }

    #[test]
    fn repeats_are_together_and_one_node_counts_once() {
        let found = results(vec![
            row("0", "0.1", 0.5, "a"),
            row("1", "0.1", 0.7, "b"),
            row("0", "0.2", 0.9, "c"),
            row("1", "0.2", 0.9, "c"),
        ]);
        let summaries = found.summaries("knn.test.accuracy", &["seed".into()], &|_| true);
        assert_eq!(summaries.len(), 2);
        let first = &summaries[0].1;
        assert!((first.mean() - 0.6).abs() < 1e-12 && (first.deviation().unwrap() - 0.141).abs() < 1e-3);
        let [low, high] = first.interval().unwrap();
        assert!(
            low > 0.49 && low < 0.52 && high > 0.68 && high < 0.71,
            "Wilson's for 60 of 100: {low} {high}"
        );
        assert_eq!((summaries[1].1.values.len(), summaries[1].1.deviation()), (1, None));
    }

    #[test]
    fn the_best_level_of_a_tuned_axis_is_taken_by_its_mean() {
        let mut found = results(vec![
            row("0", "0.1", 0.5, "a"),
            row("1", "0.1", 0.9, "b"),
            row("0", "0.2", 0.8, "c"),
            row("1", "0.2", 0.8, "d"),
        ]);
        let chosen = found.choose("hue", "knn.test.accuracy", &["seed".into()]);
        assert_eq!(chosen, [(String::new(), "0.2".to_owned())]);
        let left = found.summaries("knn.test.accuracy", &["seed".into()], &|_| true);
        assert_eq!((left.len(), left[0].1.values.len()), (1, 2));
        assert!(left[0].0.is_empty(), "a chosen axis is no axis of the page");
    }

    #[test]
    fn numbers_from_outside_come_in_with_their_origin() {
        let mut found = results(vec![row("0", "0.1", 0.5, "a")]);
        let count = found
            .import("hue,protocol,split,measure,value,origin\n0.1,voc,test,ap50,81.2,\"detectron2, 24k\"\n")
            .unwrap();
        assert_eq!((count, found.rows[1].origin.as_str()), (1, "import detectron2, 24k"));
        assert!(
            found.csv().ends_with("voc,0.1,,test,ap50,81.2,,\"import detectron2, 24k\"\n"),
            "{}",
            found.csv()
        );
        for (bad, told) in [
            ("huge,value\n1,2\n", "no axis `huge`"),
            ("hue,value\n1\n", "1 fields"),
            ("value\nx\n", "expected a number"),
        ] {
            assert!(found.import(bad).unwrap_err().contains(told), "{bad}");
        }
    }
}
