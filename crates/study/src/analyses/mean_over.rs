//! `mean_over`: one number of a whole axis: the mean over repeats at each of its values, then mean and deviation over the values.
//! See [`mean_over`](twinlens_eval::analyses::mean_over).

use std::collections::BTreeMap;

use serde::Deserialize;
use twinlens_eval::Unit;
use twinlens_eval::analyses::{Tested, mean_over};
use twinlens_report::{Block, Cell, Column, Table as Shown, TableRow};

use super::{Analysis, Findings, Labels, Measured, Table, in_words};
use crate::StudyError;
use crate::table::parts;

/// The level of intervals.
const LEVEL: f64 = 0.95;

/// Settings of the analysis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanOver {
    /// `PROTOCOL.SPLIT.MEASURE[.CLASS]`.
    pub measure: String,
    /// The axis.
    pub over: String,
}

impl Analysis for MeanOver {
    fn measures(&self) -> &'static [Measured] {
        &[("mean", "mean over values", Unit::Number), ("deviation", "deviation over values", Unit::Number)]
    }

    fn sources(&self) -> Vec<&str> {
        vec![&self.measure]
    }

    fn run(&self, table: &Table<'_>) -> Result<Findings, StudyError> {
        let mut findings = Findings::default();
        let split = parts(&self.measure).map_or("", |(_, split, _)| split);
        let mut groups: BTreeMap<Labels, Vec<Vec<f64>>> = BTreeMap::new();
        for (mut at, summary) in table.results.summaries(&self.measure, table.over, &|at| table.at.has(at)) {
            if table.axis_in(&self.over, &at).and_then(|axis| at.remove(&axis)).is_some() {
                groups
                    .entry(at)
                    .or_default()
                    .push(summary.values.into_iter().map(|(_, value)| value).collect());
            }
        }
        let mut rows = Vec::new();
        for (at, values) in groups {
            match mean_over(&values, LEVEL)? {
                Tested::Tested(found) => {
                    findings.number(&at, split, "mean", found.mean);
                    findings.number(&at, split, "deviation", found.std);
                    rows.push(TableRow::new(vec![
                        Cell::Text(in_words(&at)),
                        Cell::Count(values.len() as u64),
                        Cell::Text(format!("{:.4} ± {:.4}", found.mean, found.std)),
                    ]));
                }
                Tested::NotTested(reason) => findings.not_tested(&at, &reason),
            }
        }
        if !rows.is_empty() {
            let columns = vec![
                Column::text("of"),
                Column::number(format!("values of {}", self.over)),
                Column::number("mean ± deviation"),
            ];
            let caption = format!(
                "{}: the mean over repeats at each value of {}, then mean and deviation over the values.",
                self.measure, self.over
            );
            findings.blocks.push(Block::Table(Shown { name: "mean-over".into(), caption, columns, rows }));
        }
        Ok(findings)
    }
}
