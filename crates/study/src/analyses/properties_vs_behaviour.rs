//! `properties_vs_behaviour`: whether classes that rise, fall or do neither are of different kinds. See
//! [`property_vs_behaviour`](twinlens_eval::analyses::property_vs_behaviour).

use std::collections::BTreeMap;

use serde::Deserialize;
use twinlens_eval::analyses::{
    Behaviour, BehaviourRule, Property, PropertyTest, Tested, all_properties, behaviours,
    property_vs_behaviour,
};
use twinlens_eval::{EvalError, Unit};
use twinlens_report::{Block, Cell, Column, Table as Shown, TableRow};

use super::{Analysis, Draws, Findings, Labels, Measured, Table, in_words, p_text};
use crate::StudyError;

/// The properties, and the measures of the protocol `class-properties` that each is made of: those that begin so.
const PROPERTIES: [(&str, &[&str]); 4] = [
    ("intrinsic_dimension", &["intrinsic_dimension"]),
    ("spectrum", &["spectrum_"]),
    ("texture", &["contrast", "homogeneity", "energy", "correlation"]),
    ("high_frequency", &["high_frequency"]),
];

/// What all of them together are called.
const ALL: &str = "all";

/// Settings of the analysis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertiesVsBehaviour {
    /// `PROTOCOL.SPLIT.MEASURE` of every class.
    pub measure: String,
    /// The axis along which classes behave.
    pub along: String,
    /// The axis whose levels are asked one by one, and all together, such as methods.
    pub across: String,
    /// The protocol of the kind `class-properties`.
    pub properties: String,
    /// How chance is drawn.
    #[serde(default)]
    pub chance: Draws,
}

/// The name of a property, and the property or why it is not known.
type Known = (&'static str, Result<Property, String>);

/// The behaviours of all classes at a level of the axis across.
type Behaved = (String, Vec<Behaviour>);

impl Analysis for PropertiesVsBehaviour {
    fn measures(&self) -> &'static [Measured] {
        &[
            ("f", "F", Unit::Number),
            ("p", "p of F", Unit::Number),
            ("permutation_p", "p by permutation", Unit::Number),
        ]
    }

    fn sources(&self) -> Vec<&str> {
        vec![&self.measure]
    }

    fn run(&self, table: &Table<'_>) -> Result<Findings, StudyError> {
        let mut findings = Findings::default();
        let mut lines: BTreeMap<Labels, (String, Vec<String>, Vec<Behaved>)> = BTreeMap::new();
        for (at, curves) in table.curves(&self.measure, &self.along)? {
            let found = match curves {
                Ok(curves) => match behaviours(&curves.recalls.means(), BehaviourRule::default())? {
                    Tested::Tested(found) => Ok((curves, found)),
                    Tested::NotTested(reason) => Err(reason),
                },
                Err(reason) => Err(reason),
            };
            let (curves, found) = match found {
                Ok(found) => found,
                Err(reason) => {
                    findings.not_tested(&at, &reason);
                    continue;
                }
            };
            let mut common = at.clone();
            let level = common.remove(&self.across).unwrap_or_default();
            let entry = lines.entry(common).or_insert_with(|| (curves.split, curves.classes, Vec::new()));
            entry.2.push((level, found.iter().map(|class| class.behaviour).collect()));
        }
        let mut rows = Vec::new();
        for (at, (split, classes, behaved)) in lines {
            for (name, property) in self.properties(table, &classes)? {
                match property {
                    Ok(property) => {
                        self.tests(&mut findings, &mut rows, (&at, &split), (name, &property), &behaved)?;
                    }
                    Err(reason) => findings.not_tested(&at, &format!("{name}: {reason}")),
                }
            }
        }
        if !rows.is_empty() {
            findings.blocks.push(Block::Table(self.shown(rows)));
        }
        Ok(findings)
    }
}

impl PropertiesVsBehaviour {
    /// Every property of the classes, or why it is not known, and all together.
    fn properties(&self, table: &Table<'_>, classes: &[String]) -> Result<Vec<Known>, StudyError> {
        let rows: Vec<_> = table.results.rows.iter().filter(|row| row.protocol == self.properties).collect();
        let of_class = |class: &String, begins: &[&str]| -> Option<Vec<f64>> {
            let is = |measure: &str| begins.iter().any(|begin| measure.starts_with(begin));
            let own = rows.iter().filter(|row| row.split == *class && is(&row.measure));
            // Another network may have measured them too: the first counts.
            let origin = own.clone().next()?.origin.clone();
            own.filter(|row| row.origin == origin).map(|row| row.value).collect()
        };
        let mut found = Vec::new();
        for (name, begins) in PROPERTIES {
            let values = classes.iter().map(|class| of_class(class, begins)).collect();
            found.push((name, known(Property::new(values))?));
        }
        let each: Vec<Property> = found.iter().filter_map(|(_, property)| property.clone().ok()).collect();
        if each.len() == PROPERTIES.len() {
            found.push((ALL, known(all_properties(&each))?));
        }
        Ok(found)
    }

    /// Tests one property at every level of the axis across, and at all of them pooled.
    fn tests(
        &self,
        findings: &mut Findings,
        rows: &mut Vec<TableRow>,
        (at, split): (&Labels, &str),
        (name, property): (&str, &Property),
        behaved: &[Behaved],
    ) -> Result<(), StudyError> {
        let pooled = (ALL.to_owned(), behaved.iter().map(|(_, list)| list.clone()).collect::<Vec<_>>());
        let single = behaved.iter().map(|(level, list)| (level.clone(), vec![list.clone()]));
        for (level, lists) in single.chain((behaved.len() > 1).then_some(pooled)) {
            let mut place = at.clone();
            place.insert(self.across.clone(), level.clone());
            place.insert("property".to_owned(), name.to_owned());
            let tested = property_vs_behaviour(property, &lists, &self.chance.into())?;
            let PropertyTest { f, p_value, permutation_p, groups, left_out, .. } = match tested {
                Tested::Tested(found) => found,
                Tested::NotTested(reason) => {
                    findings.not_tested(&place, &reason);
                    continue;
                }
            };
            for (measure, value) in [("f", f), ("p", p_value), ("permutation_p", permutation_p)] {
                findings.number(&place, split, measure, value);
            }
            rows.push(TableRow::new(vec![
                Cell::Text(in_words(at)),
                Cell::Text(level),
                Cell::Text(name.replace('_', " ")),
                Cell::Text(format!("{f:.2}{}", stars(p_value))),
                Cell::Text(p_text(p_value)),
                Cell::Text(p_text(permutation_p)),
                Cell::Text(groups.map(|count| count.to_string()).join(" / ")),
                Cell::Count(left_out as u64),
            ]));
        }
        Ok(())
    }

    fn shown(&self, rows: Vec<TableRow>) -> Shown {
        let words = ["of", self.across.as_str(), "property"].map(Column::text);
        let numbers = ["F", "p", "p by permutation", "rise / fall / neither", "classes without"];
        Shown {
            name: "properties-vs-behaviour".into(),
            caption: "Whether a property differs between classes that rise, fall and do neither: F of an analysis of variance, of vectors \
                      Rao's F for Wilks' lambda. * p < 0.05, ** p < 0.01, *** p < 0.001. Pooled (all) a class stands there several times, so \
                      that this p is too small; that by permutation of whole classes is not."
                .into(),
            columns: words.into_iter().chain(numbers.map(Column::number)).collect(),
            rows,
        }
    }
}

/// A property, or the reason why these data have none.
fn known(property: Result<Property, EvalError>) -> Result<Result<Property, String>, StudyError> {
    match property {
        Ok(property) => Ok(Ok(property)),
        Err(error @ EvalError::Empty { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn stars(p: f64) -> &'static str {
    match p {
        p if p < 0.001 => "***",
        p if p < 0.01 => "**",
        p if p < 0.05 => "*",
        _ => "",
    }
}
