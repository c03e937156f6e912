//! `difference`: how far the numbers of some cells lie above those of others, in pairs of the same repeat and the same other labels. See
//! [`difference`](twinlens_eval::analyses::difference).

use std::collections::BTreeMap;

use serde::Deserialize;
use twinlens_eval::Unit;
use twinlens_eval::analyses::{Tested, difference};
use twinlens_report::{Block, Cell, Column, Table as Shown, TableRow};

use super::{Analysis, Findings, Labels, Measured, Table, in_words, p_text};
use crate::StudyError;
use crate::recipe::At;
use crate::table::parts;

/// The level of intervals.
const LEVEL: f64 = 0.95;

/// Settings of the analysis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// `PROTOCOL.SPLIT.MEASURE[.CLASS]`.
    pub measure: String,
    /// These cells.
    pub a: At,
    /// Less those.
    pub b: At,
}

impl Analysis for Difference {
    fn measures(&self) -> &'static [Measured] {
        &[("difference", "paired difference", Unit::Number), ("p", "p of no difference", Unit::Number)]
    }

    fn sources(&self) -> Vec<&str> {
        vec![&self.measure]
    }

    fn run(&self, table: &Table<'_>) -> Result<Findings, StudyError> {
        let mut findings = Findings::default();
        let split = parts(&self.measure).map_or("", |(_, split, _)| split);
        // By what is the same on both sides: the pairs of each repeat.
        let mut sides: BTreeMap<Labels, BTreeMap<String, [Option<f64>; 2]>> = BTreeMap::new();
        for (side, cells) in [&self.a, &self.b].into_iter().enumerate() {
            let chosen = |at: &Labels| table.at.has(at) && cells.has(at);
            for (mut at, summary) in table.results.summaries(&self.measure, table.over, &chosen) {
                self.a.0.keys().chain(self.b.0.keys()).for_each(|axis| drop(at.remove(axis)));
                let pairs = sides.entry(at).or_default();
                for (repeat, value) in summary.values {
                    pairs.entry(repeat).or_default()[side] = Some(value);
                }
            }
        }
        let mut rows = Vec::new();
        for (at, pairs) in sides {
            let both: Vec<(f64, f64)> = pairs.into_values().filter_map(|[a, b]| Some((a?, b?))).collect();
            let (a, b): (Vec<f64>, Vec<f64>) = both.into_iter().unzip();
            match difference(&a, &b, LEVEL)? {
                Tested::Tested(found) => {
                    let interval = found.difference;
                    findings.number(&at, split, "difference", interval.value);
                    findings.number(&at, split, "p", found.p_value);
                    rows.push(TableRow::new(vec![
                        Cell::Text(in_words(&at)),
                        Cell::Count(a.len() as u64),
                        Cell::Text(format!(
                            "{:+.4} [{:+.4}, {:+.4}]",
                            interval.value, interval.low, interval.high
                        )),
                        Cell::Text(p_text(found.p_value)),
                    ]));
                }
                Tested::NotTested(reason) => findings.not_tested(&at, &reason),
            }
        }
        if !rows.is_empty() {
            let columns = vec![
                Column::text("of"),
                Column::number("pairs"),
                Column::number("difference"),
                Column::number("p"),
            ];
            let words = |at: &At| at.0.values().map(crate::recipe::label_of).collect::<Vec<_>>().join(", ");
            let caption = format!(
                "{}: {} less {}, repeat by repeat; 95 % t interval, and the p of the paired t-test.",
                self.measure,
                words(&self.a),
                words(&self.b)
            );
            findings.blocks.push(Block::Table(Shown { name: "difference".into(), caption, columns, rows }));
        }
        Ok(findings)
    }
}
