//! What a study found: for every condition and amount of labels, a few numbers over seeds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use twinlens_data::{LabelAmount, Split};
use twinlens_eval::metrics::MEASURES;
use twinlens_eval::{Predictions, Repeats};
use twinlens_report::{Axis, Hue, Line, LinePoint, Lines, Values};
use twinlens_run::csv_cell;

use super::plan::{PIXELS_PROBE, UNTRAINED_PROBE};
use crate::{LabError, Verdict, repeats};

/// What one condition came to with one amount of labels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// The condition.
    pub name: String,
    /// How many labels, as asked for.
    pub amount: LabelAmount,
    /// How many labels there were.
    pub training_labels: usize,
    /// Validation and test, over seeds.
    pub splits: Vec<Repeats>,
    /// What any of its verdicts warns of.
    pub warnings: BTreeSet<String>,
}

impl Point {
    /// Verdicts that differ in seeds alone.
    ///
    /// # Errors
    /// Verdicts of other images.
    pub fn of(
        name: &str,
        amount: LabelAmount,
        verdicts: &[&Verdict<Predictions>],
    ) -> Result<Point, LabError> {
        Ok(Point {
            name: name.to_owned(),
            amount,
            training_labels: verdicts.first().map_or(0, |verdict| verdict.outcome.training_labels),
            splits: repeats(verdicts)?,
            warnings: verdicts.iter().flat_map(|verdict| verdict.warnings.iter().cloned()).collect(),
        })
    }

    /// The split called `name`.
    pub fn split(&self, name: &str) -> Option<&Repeats> {
        self.splits.iter().find(|split| split.split == name)
    }
}

/// A row for every point, split and measure; empty where a number is undefined.
pub fn csv(points: &[Point]) -> String {
    let mut text =
        "encoder,label_share,labels_per_class,training_labels,split,measure,seeds,mean,std,low,high\n"
            .to_owned();
    let cell = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for point in points {
        let amount = match point.amount {
            LabelAmount::Share(share) => format!("{share},"),
            LabelAmount::PerClass(count) => format!(",{count}"),
        };
        for split in &point.splits {
            for (measure, of) in MEASURES.iter().filter_map(|one| Some((one.id, split.get(one.id)?))) {
                let [low, high] = of.interval.map_or([None; 2], |ends| ends.map(Some));
                let numbers = [of.mean, of.std, low, high].map(cell).join(",");
                let (labels, seeds) = (point.training_labels, of.values.len());
                let (name, split) = (csv_cell(&point.name), &split.split);
                text += &format!("{name},{amount},{labels},{split},{measure},{seeds},{numbers}\n");
            }
        }
    }
    text
}

/// The curves of points on the test images of `data`, of whose labels the most frequent class has the share `majority`.
pub fn label_curves(points: &[Point], data: &str, majority: Option<f64>) -> Lines {
    let mut lines: Vec<Line> = Vec::new();
    for point in points {
        let Some(drawn) = drawn(point) else { continue };
        match lines.iter_mut().find(|line| line.name == point.name) {
            Some(line) => line.points.push(drawn),
            None => {
                let hue = hue_of_condition(&point.name, lines.len());
                lines.push(Line { name: point.name.clone(), hue, points: vec![drawn] });
            }
        }
    }
    let counted = matches!(points.first(), Some(Point { amount: LabelAmount::PerClass(_), .. }));
    let seeds = lines.iter().flat_map(|line| &line.points).map(|point| point.values.len()).max();
    let dots =
        seeds.filter(|seeds| *seeds > 1).map_or(String::new(), |seeds| format!("; dots: {seeds} seeds"));
    let axis = if counted { Axis::Ratios("labels of each class".to_owned()) } else { Axis::LabelShares };
    Lines {
        measure: format!("Accuracy on the test images of {data}"),
        values: Values::Shares,
        axis,
        lines,
        reference: majority.map(|share| (share, "always the most frequent class".to_owned())),
        note: format!("bands: 95 % bootstrap interval over the images{dots}"),
    }
}

/// The colour of the condition number `number`: what others are compared with has the same as on every page.
pub fn hue_of_condition(name: &str, number: usize) -> Hue {
    match name {
        UNTRAINED_PROBE => Hue::GREY,
        PIXELS_PROBE => Hue::BROWN,
        _ => Hue::number(number),
    }
}

fn drawn(point: &Point) -> Option<LinePoint> {
    let accuracy = point.split(Split::Test.name())?.get("accuracy")?;
    Some(LinePoint {
        at: match point.amount {
            LabelAmount::Share(share) => share,
            LabelAmount::PerClass(count) => count as f64,
        },
        values: accuracy.values.iter().copied().flatten().collect(),
        interval: accuracy.interval,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinlens_eval::Repeated;

    #[test]
    fn the_table_has_a_row_for_every_measure() {
        let measure = |mean| Repeated { values: vec![mean], mean, std: None, interval: Some([0.25, 0.75]) };
        let split = Repeats {
            split: "test".into(),
            samples: 4,
            groups: None,
            measures: [
                ("accuracy".to_owned(), measure(Some(0.5))),
                ("macro_auc".to_owned(), Repeated { interval: None, ..measure(None) }),
            ]
            .into(),
        };
        let (name, amount) = ("a, b".to_owned(), LabelAmount::PerClass(3));
        let warnings = BTreeSet::new();
        let text = csv(&[Point { name, amount, training_labels: 24, splits: vec![split], warnings }]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], "\"a, b\",,3,24,test,accuracy,1,0.5,,0.25,0.75");
        assert_eq!(lines[2], "\"a, b\",,3,24,test,macro_auc,1,,,,");
    }
}
