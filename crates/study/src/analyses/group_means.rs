//! `group_means`: the mean over the classes of each group along an axis. See
//! [`group_means`](twinlens_eval::analyses::group_means).

use std::collections::BTreeMap;

use serde::Deserialize;
use twinlens_eval::Unit;
use twinlens_eval::analyses::group_means;
use twinlens_report::{Axis, Block, Hue, Line, LinePoint, Lines, Plate, Values, lines};

use super::curves::Curves;
use super::{Analysis, Findings, Measured, Table, in_words};
use crate::StudyError;

/// The level of intervals.
const LEVEL: f64 = 0.95;

/// Settings of the analysis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupMeans {
    /// `PROTOCOL.SPLIT.MEASURE` of every class.
    pub measure: String,
    /// The axis.
    pub along: String,
    /// The classes of each group, by their names.
    pub groups: BTreeMap<String, Vec<String>>,
}

impl Analysis for GroupMeans {
    fn measures(&self) -> &'static [Measured] {
        &[("mean", "mean over classes", Unit::Share)]
    }

    fn sources(&self) -> Vec<&str> {
        vec![&self.measure]
    }

    fn run(&self, table: &Table<'_>) -> Result<Findings, StudyError> {
        let mut findings = Findings::default();
        let mut plates = Vec::new();
        for (at, curves) in table.curves(&self.measure, &self.along)? {
            match curves
                .map_err(|reason| vec![reason])
                .and_then(|curves| Ok((self.numbers(&curves)?, curves)))
            {
                Ok((groups, curves)) => plates.push(self.drawn(&mut findings, &curves, &groups)?),
                Err(reasons) => reasons.iter().for_each(|reason| findings.not_tested(&at, reason)),
            }
        }
        if !plates.is_empty() {
            findings.blocks.push(Block::Plates(plates));
        }
        Ok(findings)
    }
}

impl GroupMeans {
    /// The group of every class by its number, in the order of names.
    fn numbers(&self, curves: &Curves) -> Result<Vec<usize>, Vec<String>> {
        let group = |class: &String| {
            let found = self.groups.values().position(|classes| classes.contains(class));
            found.ok_or_else(|| format!("the class {class} is in no group"))
        };
        let (found, missing): (Vec<_>, Vec<_>) = curves.classes.iter().map(group).partition(Result::is_ok);
        if missing.is_empty() {
            Ok(found.into_iter().flatten().collect())
        } else {
            Err(missing.into_iter().filter_map(Result::err).collect())
        }
    }

    fn drawn(&self, findings: &mut Findings, curves: &Curves, groups: &[usize]) -> Result<Plate, StudyError> {
        let names: Vec<&String> = self.groups.keys().collect();
        let mut drawn = Vec::new();
        for found in group_means(&curves.recalls, groups, LEVEL)? {
            let name = names[found.group];
            let mut points = Vec::new();
            for (&value, summary) in curves.recalls.values().iter().zip(&found.at) {
                let mut at = curves.at.clone();
                at.insert("group".to_owned(), name.clone());
                at.insert(curves.axis.clone(), value.to_string());
                findings.number(&at, &curves.split, "mean", summary.mean);
                points.push(LinePoint { at: value, values: vec![summary.mean], interval: summary.interval });
            }
            drawn.push(Line {
                name: format!("{name} ({})", found.classes),
                hue: Hue::number(drawn.len()),
                points,
            });
        }
        let place = in_words(&curves.at);
        let heading = if place.is_empty() {
            "Groups of classes".to_owned()
        } else {
            format!("Groups of classes: {place}")
        };
        let picture = Lines {
            measure: heading.clone(),
            values: Values::Shares,
            axis: Axis::Numbers(curves.axis.clone()),
            note: format!("bands: 95 % interval over {} repeats", curves.recalls.seeds()),
            lines: drawn,
            reference: None,
        };
        let [svg, _] = lines(&picture)?;
        Ok(Plate::new(
            heading.clone(),
            "In brackets: how many classes a group has.",
            format!("{heading} along {}", curves.axis),
            svg,
        ))
    }
}
