//! `shared_classes`: classes with an opposed partner at several levels of an axis, such as methods. See
//! [`shared_classes`](twinlens_eval::analyses::shared_classes).

use std::collections::BTreeMap;

use serde::Deserialize;
use twinlens_eval::Unit;
use twinlens_eval::analyses::{Tested, shared_classes};
use twinlens_report::{Block, Cell, Column, Table as Shown, TableRow};

use super::{Analysis, Classes, Draws, Findings, Labels, Measured, Table, in_words, p_text};
use crate::StudyError;

/// Settings of the analysis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedClasses {
    /// The analysis of opposed classes before it.
    pub of: String,
    /// The axis whose levels share classes.
    pub across: String,
    /// With at least so many of its levels.
    pub at_least: Vec<usize>,
    /// How chance is drawn.
    #[serde(default)]
    pub chance: Draws,
}

impl Analysis for SharedClasses {
    fn measures(&self) -> &'static [Measured] {
        &[
            ("classes", "shared classes", Unit::Number),
            ("classes_by_chance", "shared classes by chance", Unit::Number),
            ("p", "p of that number", Unit::Number),
        ]
    }

    fn sources(&self) -> Vec<&str> {
        Vec::new()
    }

    fn run(&self, table: &Table<'_>) -> Result<Findings, StudyError> {
        let mut findings = Findings::default();
        let mut groups: BTreeMap<Labels, Vec<&Classes>> = BTreeMap::new();
        for classes in table.found.get(&self.of).map_or(&[][..], |found| &found.classes) {
            let mut at = classes.at.clone();
            at.remove(&self.across);
            groups.entry(at).or_default().push(classes);
        }
        let mut rows = Vec::new();
        for (at, methods) in groups {
            let members: Vec<Vec<bool>> = methods.iter().map(|one| one.has_partner.clone()).collect();
            let found = shared_classes(&members, &self.at_least, &self.chance.into())?;
            for (&m, found) in self.at_least.iter().zip(found) {
                let mut place = at.clone();
                place.insert("at_least".to_owned(), m.to_string());
                let found = match found {
                    Tested::Tested(found) => found,
                    Tested::NotTested(reason) => {
                        findings.not_tested(&place, &reason);
                        continue;
                    }
                };
                let split = &methods[0].split;
                findings.number(&place, split, "classes", found.classes.len() as f64);
                findings.number(&place, split, "classes_by_chance", found.expected);
                findings.number(&place, split, "p", found.chance.p_value);
                let names: Vec<&str> =
                    found.classes.iter().map(|&class| methods[0].names[class].as_str()).collect();
                let [low, high] = found.chance.interval;
                rows.push(TableRow::new(vec![
                    Cell::Text(in_words(&at)),
                    Cell::Text(format!("{m} of {}", methods.len())),
                    Cell::Count(found.classes.len() as u64),
                    Cell::Text(format!("{:.1} [{low}, {high}]", found.expected)),
                    Cell::Text(p_text(found.chance.p_value)),
                    Cell::Text(names.join(", ")),
                ]));
            }
        }
        if !rows.is_empty() {
            let columns = vec![
                Column::text("of"),
                Column::text(format!("at least so many of {}", self.across)),
                Column::number("classes"),
                Column::number("by chance"),
                Column::number("p"),
                Column::text("which"),
            ];
            let caption = "Classes with an opposed partner at so many levels. By chance: if each chose as many classes at random; \
                           the range holds 95 % of the draws."
                .to_owned();
            findings.blocks.push(Block::Table(Shown {
                name: "shared-classes".into(),
                caption,
                columns,
                rows,
            }));
        }
        Ok(findings)
    }
}
