//! `opposed_classes`: of which classes one loses where the other gains, and how many would by chance. See
//! [`opposed_classes`](twinlens_eval::analyses::opposed_classes).

use serde::Deserialize;
use twinlens_eval::Unit;
use twinlens_eval::analyses::{
    Behaviour, BehaviourRule, Coefficient, Opposed, OpposedPair, OpposedRule, OpposedSettings, Tested,
    behaviours, opposed_classes,
};
use twinlens_report::{
    Axis, Bar, Block, Cell, Column, Comparison, Group, Hue, Line, LinePoint, Lines, Plate, Table as Shown,
    TableRow, Values, comparison, lines,
};

use super::curves::Curves;
use super::{Analysis, Classes, Draws, Findings, Labels, Measured, Table, in_words, p_text};
use crate::StudyError;

/// How many of the most opposed pairs are drawn.
const DRAWN: usize = 1;

/// What a class is correlated over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Points {
    /// Means over repeats.
    #[default]
    Means,
    /// Every repeat.
    Seeds,
}

/// Settings of the analysis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpposedClasses {
    /// `PROTOCOL.SPLIT.MEASURE` of every class, such as `linear.test.recall`.
    pub measure: String,
    /// The axis along which classes gain and lose.
    pub along: String,
    /// Coefficients of which one has to say so.
    #[serde(default = "all")]
    pub coefficients: Vec<Coefficient>,
    /// It must be below this.
    #[serde(default = "usual_below")]
    pub below: f64,
    /// Its p-value must be below this.
    #[serde(default = "usual_p")]
    pub p: f64,
    /// What is correlated.
    #[serde(default)]
    pub points: Points,
    /// The share of false discoveries, where these are controlled.
    #[serde(default)]
    pub q: Option<f64>,
    /// How chance is drawn.
    #[serde(default)]
    pub chance: Draws,
}

fn all() -> Vec<Coefficient> {
    Coefficient::ALL.to_vec()
}

fn usual_below() -> f64 {
    OpposedRule::default().below
}

fn usual_p() -> f64 {
    OpposedRule::default().p
}

impl Analysis for OpposedClasses {
    fn measures(&self) -> &'static [Measured] {
        &[
            ("opposed_share", "share of classes with an opposed partner", Unit::Share),
            ("opposed_share_by_chance", "the same by chance", Unit::Share),
            ("opposed_pairs", "opposed pairs", Unit::Number),
            ("opposed_pairs_by_chance", "opposed pairs by chance", Unit::Number),
            ("p_of_share", "p of that share", Unit::Number),
            ("p_of_pairs", "p of that number of pairs", Unit::Number),
        ]
    }

    fn sources(&self) -> Vec<&str> {
        vec![&self.measure]
    }

    fn run(&self, table: &Table<'_>) -> Result<Findings, StudyError> {
        let mut findings = Findings::default();
        let mut rows: Vec<(Labels, Opposed)> = Vec::new();
        let mut plates = Vec::new();
        for (at, curves) in table.curves(&self.measure, &self.along)? {
            let curves = match curves {
                Ok(curves) => curves,
                Err(reason) => {
                    findings.not_tested(&at, &reason);
                    continue;
                }
            };
            let recalls = match self.points {
                Points::Means => curves.recalls.means(),
                Points::Seeds => curves.recalls.clone(),
            };
            let opposed = match opposed_classes(&recalls, &self.settings())? {
                Tested::Tested(found) => found,
                Tested::NotTested(reason) => {
                    findings.not_tested(&at, &reason);
                    continue;
                }
            };
            numbers(&mut findings, &curves, &opposed);
            if let Tested::Tested(found) = behaviours(&recalls, BehaviourRule::default())? {
                let behaviours: Vec<Behaviour> = found.iter().map(|class| class.behaviour).collect();
                let has_partner = opposed.has_partner.clone();
                let (at, split, names) = (at.clone(), curves.split.clone(), curves.classes.clone());
                findings.classes.push(Classes { at, split, names, has_partner, behaviours });
            }
            for pair in most_opposed(&opposed).into_iter().take(DRAWN) {
                plates.push(plate(&curves, pair)?);
            }
            rows.push((at, opposed));
        }
        if !rows.is_empty() {
            findings.blocks.push(Block::Plates(vec![bars(&rows)?]));
            findings.blocks.push(Block::Table(self.shown(table, &rows)));
        }
        if !plates.is_empty() {
            findings.blocks.push(Block::Plates(plates));
        }
        Ok(findings)
    }
}

impl OpposedClasses {
    fn settings(&self) -> OpposedSettings {
        let (coefficients, below, p) = (self.coefficients.clone(), self.below, self.p);
        let rule = OpposedRule { coefficients, below, p };
        OpposedSettings { rule, permutations: self.chance.into(), q: self.q }
    }

    fn shown(&self, table: &Table<'_>, rows: &[(Labels, Opposed)]) -> Shown {
        let axes: Vec<&String> =
            table.results.axes.iter().filter(|axis| rows[0].0.contains_key(*axis)).collect();
        let mut columns: Vec<Column> = axes.iter().map(|axis| Column::text((*axis).clone())).collect();
        let names = ["classes", "with a partner, %", "by chance, %", "p", "pairs", "by chance", "p"];
        columns.extend(names.map(Column::number));
        columns.extend(self.q.map(|q| Column::number(format!("with a partner at q = {q}, %"))));
        let row = |(at, found): &(Labels, Opposed)| {
            let mut cells: Vec<Cell> =
                axes.iter().map(|axis| Cell::Text(at.get(*axis).cloned().unwrap_or_default())).collect();
            let [low, high] = found.chance.interval.map(|end| 100.0 * end);
            let [few, many] = found.pairs_by_chance.interval;
            cells.extend([
                Cell::Count(found.classes as u64),
                Cell::Text(format!("{:.1}", 100.0 * found.ratio)),
                Cell::Text(format!("{:.1} [{low:.1}, {high:.1}]", 100.0 * found.chance.mean)),
                Cell::Text(p_text(found.chance.p_value)),
                Cell::Count(found.pairs.len() as u64),
                Cell::Text(format!("{:.1} [{few}, {many}]", found.pairs_by_chance.mean)),
                Cell::Text(p_text(found.pairs_by_chance.p_value)),
            ]);
            if let Some(controlled) = &found.controlled {
                cells.push(Cell::Text(format!("{:.1}", 100.0 * controlled.ratio)));
            }
            TableRow::new(cells)
        };
        let points = match self.points {
            Points::Means => "means over repeats",
            Points::Seeds => "single repeats",
        };
        Shown {
            name: "opposed-classes".into(),
            caption: format!(
                "Classes are opposed when a correlation of their recalls along {} ({points}) is below {} with p below {}. By chance: the \
                 same with the values of {} permuted within each class, mean and the range that holds 95 % of {} draws; p is the \
                 share of draws with as many. Of many classes nearly all have a partner by chance: then look at the pairs.",
                self.along, self.below, self.p, self.along, self.chance.permutations
            ),
            columns,
            rows: rows.iter().map(row).collect(),
        }
    }
}

fn numbers(findings: &mut Findings, Curves { at, split, .. }: &Curves, found: &Opposed) {
    for (measure, value) in [
        ("opposed_share", found.ratio),
        ("opposed_share_by_chance", found.chance.mean),
        ("opposed_pairs", found.pairs.len() as f64),
        ("opposed_pairs_by_chance", found.pairs_by_chance.mean),
        ("p_of_share", found.chance.p_value),
        ("p_of_pairs", found.pairs_by_chance.p_value),
    ] {
        findings.number(at, split, measure, value);
    }
}

/// Pairs by their most negative coefficient.
fn most_opposed(found: &Opposed) -> Vec<&OpposedPair> {
    let least = |pair: &&OpposedPair| {
        pair.correlations.iter().map(|one| one.coefficient).fold(f64::INFINITY, f64::min)
    };
    let mut pairs: Vec<&OpposedPair> = found.pairs.iter().collect();
    pairs.sort_by(|a, b| least(a).total_cmp(&least(b)).then(a.classes.cmp(&b.classes)));
    pairs
}

/// Shares of classes with a partner, and what chance gives.
fn bars(rows: &[(Labels, Opposed)]) -> Result<Plate, StudyError> {
    let group = |(number, (at, found)): (usize, &(Labels, Opposed))| {
        let hue = Hue::number(number % 2);
        let bars = vec![
            Bar { name: "found".into(), hue, values: vec![found.ratio], interval: None },
            Bar {
                name: "by chance".into(),
                hue: Hue::number(7),
                values: vec![found.chance.mean],
                interval: Some(found.chance.interval),
            },
        ];
        Group { name: in_words(at), bars }
    };
    let measure = "share of classes with an opposed partner".to_owned();
    let groups = rows.iter().enumerate().map(group).collect();
    let picture = comparison(&Comparison { measure: measure.clone(), groups, reference: None })?;
    let caption = "By chance: the mean of the draws, and the range that holds 95 % of them.";
    Ok(Plate::new("Classes with an opposed partner", caption, measure, picture))
}

/// The recalls of two classes along the axis.
fn plate(curves: &Curves, pair: &OpposedPair) -> Result<Plate, StudyError> {
    let line = |(number, &class): (usize, &usize)| {
        let runs = curves.recalls.classes()[class].chunks_exact(curves.recalls.seeds());
        let points = curves.recalls.values().iter().zip(runs);
        let points = points.map(|(&at, runs)| LinePoint { at, values: runs.to_vec(), interval: None });
        Line { name: curves.classes[class].clone(), hue: Hue::number(number), points: points.collect() }
    };
    let place = in_words(&curves.at);
    let heading = if place.is_empty() { String::new() } else { format!(": {place}") };
    let picture = Lines {
        measure: format!("recall of the most opposed pair{heading}"),
        values: Values::Shares,
        axis: Axis::Numbers(curves.axis.clone()),
        note: format!("dots: {} repeats", curves.recalls.seeds()),
        lines: pair.classes.iter().enumerate().map(line).collect(),
        reference: None,
    };
    let [svg, _] = lines(&picture)?;
    let said: Vec<String> = pair.correlations.iter().map(|one| format!("{:.2}", one.coefficient)).collect();
    let names = pair.classes.map(|class| curves.classes[class].clone()).join(" and ");
    let caption =
        format!("{names}: correlations {}. Chosen for its opposition, so partly by chance.", said.join(", "));
    Ok(Plate::new(
        format!("The most opposed pair{heading}"),
        caption,
        format!("{names} along {}", curves.axis),
        svg,
    ))
}
