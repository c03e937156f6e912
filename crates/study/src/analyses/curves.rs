//! The numbers of every class along an axis.

use std::collections::{BTreeMap, BTreeSet};

use twinlens_eval::analyses::Recalls;

use super::{Labels, Table};
use crate::StudyError;
use crate::table::parts;

/// A measure of every class along an axis, in cells that differ in that axis and in repeats alone.
pub(super) struct Curves {
    /// What these cells have in common.
    pub at: Labels,
    /// The split.
    pub split: String,
    /// The axis.
    pub axis: String,
    /// The classes, in their order.
    pub classes: Vec<String>,
    /// Their numbers, at values of the axis that all repeats have.
    pub recalls: Recalls,
}

/// What cells have in common, and their curves or why there are none.
type Asked = (Labels, Result<Curves, String>);

/// The numbers of one line: by class, value of the axis and repeat.
#[derive(Default)]
struct Line {
    axis: String,
    values: Vec<f64>,
    repeats: BTreeSet<String>,
    numbers: BTreeMap<(String, usize, String), f64>,
    classes: BTreeSet<String>,
}

impl Table<'_> {
    /// The measure `PROTOCOL.SPLIT.MEASURE` of every class along the axis `along`, or why there is none: for each combination of the
    /// other axes.
    pub(super) fn curves(&self, measure: &str, along: &str) -> Result<Vec<Asked>, StudyError> {
        let Some((protocol, split, id)) = parts(measure) else { return Ok(Vec::new()) };
        let prefix = format!("{id}.");
        let mut lines: BTreeMap<Labels, Line> = BTreeMap::new();
        let mut places: BTreeMap<String, BTreeMap<&str, f64>> = BTreeMap::new();
        let rows = self.results.rows.iter().filter(|row| row.protocol == protocol && row.split == split);
        for row in rows.filter(|row| self.at.has(&row.at)) {
            let (Some(class), Some(value)) = (row.measure.strip_prefix(&prefix), row.value) else { continue };
            let Some(axis) = self.axis_in(along, &row.at) else { continue };
            let of_axis = places.entry(axis.clone()).or_insert_with(|| self.places(&axis));
            let place = row.at.get(&axis).and_then(|label| of_axis.get(label.as_str()).copied());
            let Some(place) = place else { continue };
            let mut at = row.at.clone();
            at.remove(&axis);
            let repeat: Vec<String> = self.over.iter().filter_map(|axis| at.remove(axis)).collect();
            lines.entry(at).or_default().add(axis, (class, place, repeat.join(" ")), value);
        }
        let curves = |(at, line): (Labels, Line)| {
            let found = line.curves(&self.results.classes, at.clone(), split)?;
            Ok((at, found))
        };
        lines.into_iter().map(curves).collect()
    }
}

impl Line {
    fn add(&mut self, axis: String, (class, place, repeat): (&str, f64, String), value: f64) {
        self.axis = axis;
        let known = self.values.iter().position(|&known| known == place);
        let at = known.unwrap_or_else(|| {
            self.values.push(place);
            self.values.len() - 1
        });
        self.classes.insert(class.to_owned());
        self.repeats.insert(repeat.clone());
        self.numbers.insert((class.to_owned(), at, repeat), value);
    }

    fn curves(self, order: &[String], at: Labels, split: &str) -> Result<Result<Curves, String>, StudyError> {
        let place = |class: &String| order.iter().position(|known| known == class).unwrap_or(usize::MAX);
        let mut classes: Vec<String> = self.classes.iter().cloned().collect();
        classes.sort_by_key(place);
        let number = |class: &String, at: usize, repeat: &String| {
            self.numbers.get(&(class.clone(), at, repeat.clone())).copied()
        };
        let whole = |&at: &usize| {
            classes.iter().all(|class| self.repeats.iter().all(|repeat| number(class, at, repeat).is_some()))
        };
        let mut kept: Vec<usize> = (0..self.values.len()).filter(whole).collect();
        kept.sort_by(|&a, &b| self.values[a].total_cmp(&self.values[b]));
        if kept.is_empty() {
            let reason = format!("no value of {} has the numbers of all repeats and classes", self.axis);
            return Ok(Err(reason));
        }
        let of = |class: &String| -> Vec<f64> {
            let runs = |&at: &usize| self.repeats.iter().filter_map(move |repeat| number(class, at, repeat));
            kept.iter().flat_map(runs).collect()
        };
        let recalls = classes.iter().map(of).collect();
        let values = kept.iter().map(|&at| self.values[at]).collect();
        let recalls = Recalls::new(values, self.repeats.len(), recalls)?;
        let (split, axis) = (split.to_owned(), self.axis.clone());
        Ok(Ok(Curves { at, split, axis, classes, recalls }))
    }
}
