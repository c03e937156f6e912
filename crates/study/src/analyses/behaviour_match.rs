//! `behaviour_match`: whether classes behave alike in two analyses of opposed classes, such as after linear evaluation and
//! fine-tuning. See [`behaviour_match`](twinlens_eval::analyses::behaviour_match).

use serde::Deserialize;
use twinlens_eval::Unit;
use twinlens_eval::analyses::{MatchRate, Tested, behaviour_match};
use twinlens_report::{Block, Cell, Column, Table as Shown, TableRow};

use super::{Analysis, Classes, Findings, Measured, Table, in_words};
use crate::StudyError;

/// The level of intervals.
const LEVEL: f64 = 0.95;

/// Settings of the analysis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviourMatch {
    /// Two analyses of opposed classes before it.
    pub of: [String; 2],
}

impl Analysis for BehaviourMatch {
    fn measures(&self) -> &'static [Measured] {
        &[
            ("opposed_in_both", "classes opposed in both", Unit::Number),
            ("match_of_opposed", "same behaviour, of classes opposed in both", Unit::Share),
            ("match_of_all", "same behaviour, of all classes", Unit::Share),
            ("match_by_chance", "same behaviour by chance, of all classes", Unit::Share),
        ]
    }

    fn sources(&self) -> Vec<&str> {
        Vec::new()
    }

    fn run(&self, table: &Table<'_>) -> Result<Findings, StudyError> {
        let mut findings = Findings::default();
        let of = |name: &String| table.found.get(name).map_or(&[][..], |found| &found.classes);
        let mut rows = Vec::new();
        for first in of(&self.of[0]) {
            let same = |other: &&Classes| other.at == first.at && other.names == first.names;
            let Some(second) = of(&self.of[1]).iter().find(same) else {
                findings.not_tested(&first.at, "the other analysis has no such cells");
                continue;
            };
            let both = [first, second].map(|one| (&one.has_partner[..], &one.behaviours[..]));
            let found = behaviour_match(both, LEVEL)?;
            let (at, split) = (&first.at, &first.split);
            findings.number(at, split, "opposed_in_both", found.opposed.len() as f64);
            let opposed = share(&mut findings, first, "match_of_opposed", &found.among_opposed);
            let all = share(&mut findings, first, "match_of_all", &found.among_all);
            let chance = found.among_all.tested().map(|rate| rate.chance);
            findings.number(at, split, "match_by_chance", chance);
            rows.push(TableRow::new(vec![
                Cell::Text(in_words(at)),
                Cell::Count(found.opposed.len() as u64),
                Cell::Text(opposed),
                Cell::Text(all),
                Cell::Text(chance.map_or("–".to_owned(), |chance| format!("{:.1}", 100.0 * chance))),
            ]));
        }
        if !rows.is_empty() {
            let names = ["opposed in both", "same, of these, %", "same, of all, %", "by chance, of all, %"];
            let columns = std::iter::once(Column::text("of")).chain(names.map(Column::number)).collect();
            let caption = format!(
                "Whether classes rise, fall or do neither alike in {} and {}; 95 % intervals over classes.",
                self.of[0], self.of[1]
            );
            findings.blocks.push(Block::Table(Shown {
                name: "behaviour-match".into(),
                caption,
                columns,
                rows,
            }));
        }
        Ok(findings)
    }
}

/// A share with its interval in words; it joins the numbers.
fn share(findings: &mut Findings, of: &Classes, measure: &str, found: &Tested<MatchRate>) -> String {
    findings.number(&of.at, &of.split, measure, found.tested().map(|rate| rate.share.value));
    match found {
        Tested::Tested(MatchRate { share, .. }) => {
            let [value, low, high] = [share.value, share.low, share.high].map(|share| 100.0 * share);
            format!("{value:.1} [{low:.1}, {high:.1}]")
        }
        Tested::NotTested(_) => "not tested".to_owned(),
    }
}
