//! `behaviour`: which classes gain along an axis, and which lose. See [`behaviours`](twinlens_eval::analyses::behaviours).

use serde::Deserialize;
use twinlens_eval::Unit;
use twinlens_eval::analyses::{Behaviour, BehaviourRule, ClassBehaviour, Tested, behaviours};
use twinlens_report::{Block, Cell, Column, Table as Shown, TableRow};

use super::{Analysis, Findings, Measured, Table, in_words, p_text};
use crate::StudyError;

/// Settings of the analysis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviours {
    /// `PROTOCOL.SPLIT.MEASURE` of every class.
    pub measure: String,
    /// The axis.
    pub along: String,
    /// A slope with a p-value below this is no chance.
    #[serde(default = "usual_p")]
    pub p: f64,
}

fn usual_p() -> f64 {
    BehaviourRule::default().p
}

impl Analysis for Behaviours {
    fn measures(&self) -> &'static [Measured] {
        &[
            ("rising", "classes that rise", Unit::Number),
            ("falling", "classes that fall", Unit::Number),
            ("random", "classes that do neither", Unit::Number),
            ("slope", "slope", Unit::Number),
        ]
    }

    fn sources(&self) -> Vec<&str> {
        vec![&self.measure]
    }

    fn run(&self, table: &Table<'_>) -> Result<Findings, StudyError> {
        let mut findings = Findings::default();
        for (at, curves) in table.curves(&self.measure, &self.along)? {
            let curves = match curves {
                Ok(curves) => curves,
                Err(reason) => {
                    findings.not_tested(&at, &reason);
                    continue;
                }
            };
            let rule = BehaviourRule { p: self.p, ..BehaviourRule::default() };
            let found = match behaviours(&curves.recalls.means(), rule)? {
                Tested::Tested(found) => found,
                Tested::NotTested(reason) => {
                    findings.not_tested(&at, &reason);
                    continue;
                }
            };
            let names = ["rising", "falling", "random"];
            for (name, wanted) in names.into_iter().zip(Behaviour::ALL) {
                let count = found.iter().filter(|class| class.behaviour == wanted).count();
                findings.number(&at, &curves.split, name, count as f64);
            }
            for (class, found) in curves.classes.iter().zip(&found) {
                findings.number(&at, &curves.split, &format!("slope.{class}"), found.slope.value);
            }
            let title = format!(
                "Every class{}",
                Some(in_words(&at)).filter(|at| !at.is_empty()).map_or(String::new(), |at| format!(": {at}"))
            );
            findings.blocks.push(Block::Folded(title, shown(&curves.axis, &curves.classes, &found)));
        }
        Ok(findings)
    }
}

fn shown(axis: &str, names: &[String], found: &[ClassBehaviour]) -> Shown {
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|&a, &b| found[b].slope.value.total_cmp(&found[a].slope.value));
    let row = |&class: &usize| {
        let ClassBehaviour { behaviour, slope, p_value, constant } = found[class];
        let does = match behaviour {
            Behaviour::Rising => "rises",
            Behaviour::Falling => "falls",
            Behaviour::Random if constant => "never changes",
            Behaviour::Random => "neither",
        };
        TableRow::new(vec![
            Cell::Text(names[class].clone()),
            Cell::Text(does.to_owned()),
            Cell::Text(format!("{:+.3} [{:+.3}, {:+.3}]", slope.value, slope.low, slope.high)),
            Cell::Text(p_text(p_value)),
        ])
    };
    let columns =
        vec![Column::text("class"), Column::text("its recall"), Column::number("slope"), Column::number("p")];
    Shown {
        name: "behaviour".into(),
        caption: format!(
            "The least-squares slope of recall along {axis} (means over repeats), its 95 % interval, and the p of a slope of 0. Of classes \
             that do nothing one in twenty is called rising or falling."
        ),
        columns,
        rows: order.iter().map(row).collect(),
    }
}
