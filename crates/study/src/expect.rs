//! Shapes that a study is expected to show, tested on every repeat and on the mean.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::PlannedCell;
use crate::recipe::{At, label_of};
use crate::table::{Results, Summary};

/// One shape.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Expectation {
    /// What is said, in a sentence.
    #[serde(default)]
    pub says: String,
    /// `PROTOCOL.SPLIT.MEASURE[.CLASS]`; without, that of the first page.
    #[serde(default)]
    pub measure: Option<String>,
    /// The cells that it is about; `all` of an axis tests every level of it.
    #[serde(default)]
    pub at: At,
    /// An absolute level says something on the source's data alone.
    #[serde(default)]
    pub absolute: bool,
    /// The shape.
    #[serde(flatten)]
    pub shape: Shape,
}

/// The kinds of shapes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// The largest mean lies at this value of an axis, or within a factor of it.
    PeakAt {
        /// The axis, of numbers.
        along: String,
        /// Where.
        value: f64,
        /// How far away it may lie, as a ratio.
        #[serde(default = "exactly")]
        within: f64,
    },
    /// The mean of some cells lies above that of others.
    Above {
        /// These.
        a: Side,
        /// Those.
        b: Side,
        /// By at least so much.
        #[serde(default)]
        by: f64,
    },
    /// The mean of some cells lies below that of others.
    Below {
        /// These.
        a: Side,
        /// Those.
        b: Side,
        /// By at least so much.
        #[serde(default)]
        by: f64,
    },
    /// The last value lies above the first.
    Rises {
        /// The axis, of numbers.
        along: String,
        /// From this value on.
        #[serde(default)]
        from: Option<f64>,
        /// Up to this one.
        #[serde(default)]
        to: Option<f64>,
        /// By at least so much.
        #[serde(default)]
        by: f64,
    },
    /// The last value lies below the first.
    Falls {
        /// The axis, of numbers.
        along: String,
        /// From this value on.
        #[serde(default)]
        from: Option<f64>,
        /// Up to this one.
        #[serde(default)]
        to: Option<f64>,
        /// By at least so much.
        #[serde(default)]
        by: f64,
    },
    /// The largest and the smallest value lie no further apart than that.
    Flat {
        /// The axis, of numbers.
        along: String,
        /// From this value on.
        #[serde(default)]
        from: Option<f64>,
        /// Up to this one.
        #[serde(default)]
        to: Option<f64>,
        /// How far apart.
        by: f64,
    },
    /// The levels of an axis come in this order, the largest first.
    Order {
        /// The axis.
        along: String,
        /// Its levels.
        values: Vec<toml::Value>,
    },
    /// A share of the cells lies above or below a value.
    Share {
        /// The cells whose views have this operation.
        #[serde(default)]
        with: Option<String>,
        /// The cells whose views do not.
        #[serde(default)]
        without: Option<String>,
        /// Above this.
        #[serde(default)]
        above: Option<f64>,
        /// Below this.
        #[serde(default)]
        below: Option<f64>,
        /// At least so many of them.
        at_least: f64,
    },
    /// The value of a cell is near a number.
    Close {
        /// The number.
        value: f64,
        /// How near.
        within: f64,
    },
}

/// Cells on one side of a comparison: by operations of their views, or by levels of axes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Side {
    /// Cells whose views have this operation.
    #[serde(default)]
    pub with: Option<String>,
    /// Cells whose views do not.
    #[serde(default)]
    pub without: Option<String>,
    /// Levels of axes.
    #[serde(flatten)]
    pub at: BTreeMap<String, toml::Value>,
}

fn exactly() -> f64 {
    1.0
}

/// What became of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The mean has it.
    Held,
    /// The mean does not.
    NotHeld,
    /// A cell is missing, or the data are not the source's.
    NotTested,
}

/// A shape and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tested {
    /// What is expected, in words.
    pub says: String,
    /// Whether it is so of the mean.
    pub finding: Finding,
    /// Of how many repeats it is so, and of how many it was tested.
    pub repeats: Option<(usize, usize)>,
    /// What was found, or why nothing was.
    pub detail: String,
}

/// The tests of a study.
pub(crate) struct Tests<'a> {
    pub results: &'a Results,
    pub cells: &'a [PlannedCell],
    /// The axes that repeat.
    pub over: &'a [String],
    /// Whether the data are the source's.
    pub own_data: bool,
    /// The measure where a shape names none.
    pub usual: &'a str,
}

/// Means of cells, and what each repeat has there.
type Cells = Vec<(BTreeMap<String, String>, Summary)>;

impl Tests<'_> {
    /// Tests a shape: once, or for every level of the axes that are to be tested whole.
    pub fn test(&self, expected: &Expectation) -> Vec<Tested> {
        let measure = expected.measure.as_deref().unwrap_or(self.usual);
        let says = |at: &str| {
            let said =
                if expected.says.is_empty() { in_words(&expected.shape) } else { expected.says.clone() };
            if at.is_empty() { said } else { format!("{said} ({at})") }
        };
        let untested = |detail: String| {
            vec![Tested { says: says(""), finding: Finding::NotTested, repeats: None, detail }]
        };
        if expected.absolute && !self.own_data {
            return untested("the data are not the source's, so that a level says nothing".to_owned());
        }
        let mut whole: Vec<String> = Vec::new();
        let mut fixed = At::default();
        for (axis, value) in &expected.at.0 {
            if value.as_str() == Some("all") {
                whole.push(axis.clone());
            } else {
                fixed.0.insert(axis.clone(), value.clone());
            }
        }
        let all = self.results.summaries(measure, self.over, &|at| fixed.has(at));
        if all.is_empty() {
            return untested(format!("there is no number of {measure} yet"));
        }
        let mut parts: Vec<(Vec<String>, Cells)> = Vec::new();
        for (at, summary) in all {
            let part: Vec<String> =
                whole.iter().map(|axis| at.get(axis).cloned().unwrap_or_default()).collect();
            match parts.iter_mut().find(|(known, _)| *known == part) {
                Some((_, cells)) => cells.push((at, summary)),
                None => parts.push((part, vec![(at, summary)])),
            }
        }
        let test = |(part, cells): (Vec<String>, Cells)| {
            let place: Vec<String> =
                whole.iter().zip(&part).map(|(axis, label)| format!("{axis} = {label}")).collect();
            self.test_part(&expected.shape, &says(&place.join(", ")), &cells)
        };
        parts.into_iter().map(test).collect()
    }

    fn test_part(&self, shape: &Shape, says: &str, cells: &Cells) -> Tested {
        let of_mean: Vec<(&BTreeMap<String, String>, f64)> =
            cells.iter().map(|(at, summary)| (at, summary.mean())).collect();
        let (finding, detail) = match self.holds(shape, &of_mean) {
            Ok((true, detail)) => (Finding::Held, detail),
            Ok((false, detail)) => (Finding::NotHeld, detail),
            Err(reason) => {
                return Tested {
                    says: says.to_owned(),
                    finding: Finding::NotTested,
                    repeats: None,
                    detail: reason,
                };
            }
        };
        let mut labels: Vec<&String> =
            cells.iter().flat_map(|(_, summary)| summary.values.iter().map(|(label, _)| label)).collect();
        labels.sort();
        labels.dedup();
        let of_repeat = |label: &String| -> Vec<(&BTreeMap<String, String>, f64)> {
            let value = |summary: &Summary| {
                summary.values.iter().find(|(one, _)| one == label).map(|(_, value)| *value)
            };
            cells.iter().filter_map(|(at, summary)| Some((at, value(summary)?))).collect()
        };
        let tested: Vec<bool> = labels
            .iter()
            .map(|label| of_repeat(label))
            .filter(|repeat| repeat.len() == cells.len())
            .filter_map(|repeat| self.holds(shape, &repeat).ok())
            .map(|(held, _)| held)
            .collect();
        let repeats = (tested.len() > 1).then(|| (tested.iter().filter(|held| **held).count(), tested.len()));
        Tested { says: says.to_owned(), finding, repeats, detail }
    }

    /// Whether values have the shape, and what was found.
    fn holds(
        &self,
        shape: &Shape,
        cells: &[(&BTreeMap<String, String>, f64)],
    ) -> Result<(bool, String), String> {
        match shape {
            Shape::PeakAt { along, value, within } => {
                let line = self.line(along, None, None, cells)?;
                let (first, last) = (line[0].0, line[line.len() - 1].0);
                if !(first..=last).contains(value) {
                    return Err(format!("{along} goes from {first} to {last} only"));
                }
                let peak = line.iter().fold(line[0], |best, one| if one.1 > best.1 { *one } else { best });
                let ratio = if peak.0 > *value { peak.0 / value } else { value / peak.0 };
                Ok((
                    ratio <= *within + 1e-9,
                    format!("the largest, {}, at {along} = {}", shown(peak.1), peak.0),
                ))
            }
            Shape::Above { a, b, by } => self.apart(a, b, *by, cells),
            Shape::Below { a, b, by } => self.apart(b, a, *by, cells),
            Shape::Rises { along, from, to, by } => {
                let line = self.line(along, *from, *to, cells)?;
                let (first, last) = (line[0], line[line.len() - 1]);
                Ok((last.1 - first.1 > *by, between(first, last, along)))
            }
            Shape::Falls { along, from, to, by } => {
                let line = self.line(along, *from, *to, cells)?;
                let (first, last) = (line[0], line[line.len() - 1]);
                Ok((first.1 - last.1 > *by, between(first, last, along)))
            }
            Shape::Flat { along, from, to, by } => {
                let line = self.line(along, *from, *to, cells)?;
                let values = line.iter().map(|(_, value)| *value);
                let (low, high) =
                    (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
                Ok((high - low <= *by, format!("from {} to {}", shown(low), shown(high))))
            }
            Shape::Order { along, values } => {
                let level = |value: &toml::Value| {
                    let label = label_of(value);
                    let found = mean(
                        cells.iter().filter(|(at, _)| at.get(along) == Some(&label)).map(|(_, value)| *value),
                    );
                    found
                        .map(|found| (label.clone(), found))
                        .ok_or_else(|| format!("{along} = {label} is missing"))
                };
                let found: Vec<(String, f64)> = values.iter().map(level).collect::<Result<_, _>>()?;
                let held = found.windows(2).all(|two| two[0].1 > two[1].1);
                let told: Vec<String> =
                    found.iter().map(|(label, value)| format!("{label} {}", shown(*value))).collect();
                Ok((held, told.join(", ")))
            }
            Shape::Share { with, without, above, below, at_least } => {
                let side = Side { with: with.clone(), without: without.clone(), at: BTreeMap::new() };
                let values = self.side(&side, cells);
                if values.is_empty() {
                    return Err("none of these cells is there".to_owned());
                }
                let counts = |value: &&f64| {
                    above.is_none_or(|above| **value > above) && below.is_none_or(|below| **value < below)
                };
                let share = values.iter().filter(counts).count() as f64 / values.len() as f64;
                Ok((share >= *at_least, format!("{:.0} % of {} cells", 100.0 * share, values.len())))
            }
            Shape::Close { value, within } => {
                let found = mean(cells.iter().map(|(_, value)| *value)).ok_or("there is no such cell")?;
                Ok((
                    (found - value).abs() <= *within,
                    format!("{}, expected {} within {}", shown(found), shown(*value), shown(*within)),
                ))
            }
        }
    }

    fn apart(
        &self,
        a: &Side,
        b: &Side,
        by: f64,
        cells: &[(&BTreeMap<String, String>, f64)],
    ) -> Result<(bool, String), String> {
        let [high, low] = [a, b].map(|side| {
            mean(self.side(side, cells).into_iter())
                .ok_or_else(|| format!("no cell with {} is there", side.name()))
        });
        let (high, low) = (high?, low?);
        let told = format!("{} {}, {} {}", a.name(), shown(high), b.name(), shown(low));
        Ok((high - low > by, told))
    }

    fn side(&self, side: &Side, cells: &[(&BTreeMap<String, String>, f64)]) -> Vec<f64> {
        let at = At(side.at.clone());
        let fits = |labels: &BTreeMap<String, String>| {
            let planned =
                |cell: &&PlannedCell| labels.iter().all(|(axis, label)| cell.at.get(axis) == Some(label));
            let operations =
                self.cells.iter().find(planned).map(|cell| cell.operations.as_slice()).unwrap_or_default();
            let has = |name: &String| operations.contains(name);
            at.has(labels) && side.with.as_ref().is_none_or(has) && !side.without.as_ref().is_some_and(has)
        };
        cells.iter().filter(|(labels, _)| fits(labels)).map(|(_, value)| *value).collect()
    }

    /// The means along an axis of numbers, in its order.
    fn line(
        &self,
        along: &str,
        from: Option<f64>,
        to: Option<f64>,
        cells: &[(&BTreeMap<String, String>, f64)],
    ) -> Result<Vec<(f64, f64)>, String> {
        let number =
            |at: &BTreeMap<String, String>| at.get(along).and_then(|label| label.parse::<f64>().ok());
        let inside = |number: &f64| {
            from.is_none_or(|from| *number >= from - 1e-9) && to.is_none_or(|to| *number <= to + 1e-9)
        };
        let mut places: Vec<f64> = cells.iter().filter_map(|(at, _)| number(at)).filter(inside).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        if places.len() < 2 {
            return Err(format!("{} values along {along} are too few", places.len()));
        }
        if let Some(end) = [from, to]
            .into_iter()
            .flatten()
            .find(|end| !places.iter().any(|place| (place - end).abs() < 1e-9))
        {
            return Err(format!("{along} = {end} is missing"));
        }
        let at = |place: f64| {
            let values = cells.iter().filter(|(at, _)| number(at) == Some(place)).map(|(_, value)| *value);
            (place, mean(values).unwrap_or(f64::NAN))
        };
        Ok(places.into_iter().map(at).collect())
    }
}

impl Side {
    fn name(&self) -> String {
        let mut parts: Vec<String> =
            self.at.iter().map(|(axis, value)| format!("{axis} = {}", label_of(value))).collect();
        parts.extend(self.with.iter().map(|name| format!("with {name}")));
        parts.extend(self.without.iter().map(|name| format!("without {name}")));
        parts.join(", ")
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn between(first: (f64, f64), last: (f64, f64), along: &str) -> String {
    format!("{} at {along} = {}, {} at {}", shown(first.1), first.0, shown(last.1), last.0)
}

fn shown(value: f64) -> String {
    format!("{value:.3}")
}

fn in_words(shape: &Shape) -> String {
    let apart = |a: &Side, b: &Side, by: f64, word: &str| {
        let by = if by == 0.0 { String::new() } else { format!(" by more than {by}") };
        format!("{} {word} {}{by}", a.name(), b.name())
    };
    match shape {
        Shape::PeakAt { along, value, within } if *within == 1.0 => {
            format!("the peak along {along} is at {value}")
        }
        Shape::PeakAt { along, value, within } => {
            format!("the peak along {along} is within a factor {within} of {value}")
        }
        Shape::Above { a, b, by } => apart(a, b, *by, "above"),
        Shape::Below { a, b, by } => apart(a, b, *by, "below"),
        Shape::Rises { along, by, .. } => format!("rises along {along} by more than {by}"),
        Shape::Falls { along, by, .. } => format!("falls along {along} by more than {by}"),
        Shape::Flat { along, by, .. } => format!("flat along {along}, within {by}"),
        Shape::Order { along, values } => {
            format!("{along}: {}", values.iter().map(label_of).collect::<Vec<_>>().join(" > "))
        }
        Shape::Share { with, without, above, below, at_least } => {
            let side = Side { with: with.clone(), without: without.clone(), at: BTreeMap::new() };
            let level = above
                .map(|above| format!("above {above}"))
                .or_else(|| below.map(|below| format!("below {below}")));
            format!(
                "at least {:.0} % of cells {} are {}",
                100.0 * at_least,
                side.name(),
                level.unwrap_or_default()
            )
        }
        Shape::Close { value, within } => format!("{value} within {within}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Row;

    /// Accuracies by batch and seed, and by operations.
    fn results(rows: &[(&str, &str, f64)]) -> Results {
        let row = |(batch, seed, value): &(&str, &str, f64)| Row {
            protocol: "linear".into(),
            at: [("batch".to_owned(), (*batch).to_owned()), ("seed".to_owned(), (*seed).to_owned())].into(),
            split: "test".into(),
            measure: "accuracy".into(),
            value: Some(*value),
            samples: None,
            origin: format!("{batch} {seed}"),
        };
        Results {
            axes: vec!["batch".into(), "seed".into()],
            rows: rows.iter().map(row).collect(),
            ..Results::default()
        }
    }

    fn test(results: &Results, text: &str) -> Tested {
        let over = ["seed".to_owned()];
        let tests =
            Tests { results, cells: &[], over: &over, own_data: false, usual: "linear.test.accuracy" };
        tests.test(&toml::from_str(text).unwrap()).remove(0)
    }

    #[test]
    fn shapes_are_held_by_the_mean_and_counted_by_repeat() {
        let found = results(&[
            ("32", "0", 0.5),
            ("32", "1", 0.6),
            ("128", "0", 0.8),
            ("128", "1", 0.55),
            ("512", "0", 0.4),
            ("512", "1", 0.5),
        ]);
        let cases = [
            ("kind = 'peak_at'\nalong = 'batch'\nvalue = 128", Finding::Held, Some((1, 2))),
            ("kind = 'peak_at'\nalong = 'batch'\nvalue = 256\nwithin = 2", Finding::Held, Some((1, 2))),
            ("kind = 'peak_at'\nalong = 'batch'\nvalue = 32", Finding::NotHeld, Some((1, 2))),
            ("kind = 'peak_at'\nalong = 'batch'\nvalue = 1024\nwithin = 8", Finding::NotTested, None),
            ("kind = 'rises'\nalong = 'batch'\nto = 128", Finding::Held, Some((1, 2))),
            ("kind = 'falls'\nalong = 'batch'\nfrom = 128\nby = 0.05", Finding::Held, Some((1, 2))),
            ("kind = 'falls'\nalong = 'batch'\nfrom = 64", Finding::NotTested, None),
            ("kind = 'flat'\nalong = 'batch'\nby = 0.3", Finding::Held, Some((1, 2))),
            ("kind = 'flat'\nalong = 'batch'\nby = 0.1", Finding::NotHeld, Some((1, 2))),
            ("kind = 'order'\nalong = 'batch'\nvalues = [128, 32, 512]", Finding::Held, Some((1, 2))),
            ("kind = 'order'\nalong = 'batch'\nvalues = [128, 64]", Finding::NotTested, None),
            (
                "kind = 'above'\na = { batch = 128 }\nb = { batch = 32 }\nby = 0.1",
                Finding::Held,
                Some((1, 2)),
            ),
            ("kind = 'below'\na = { batch = 512 }\nb = { batch = 32 }", Finding::Held, Some((2, 2))),
            ("kind = 'share'\nabove = 0.5\nat_least = 0.6", Finding::Held, None),
            ("kind = 'close'\nvalue = 0.8\nwithin = 0.01\nabsolute = true", Finding::NotTested, None),
        ];
        for (text, finding, repeats) in cases {
            let tested = test(&found, text);
            assert_eq!(tested.finding, finding, "{text}: {tested:?}");
            if repeats.is_some() {
                // The flat line is held by one repeat in either case, as are most.
                assert!(tested.repeats.is_some(), "{text}: {tested:?}");
            }
        }
        let peak = test(&found, "kind = 'peak_at'\nalong = 'batch'\nvalue = 128");
        assert_eq!(peak.repeats, Some((1, 2)));
    }

    #[test]
    fn an_axis_that_is_tested_whole_has_a_line_for_each_level() {
        let found = results(&[("32", "0", 0.5), ("128", "0", 0.8)]);
        let over = ["seed".to_owned()];
        let tests =
            Tests { results: &found, cells: &[], over: &over, own_data: true, usual: "linear.test.accuracy" };
        let expected =
            toml::from_str("kind = 'close'\nvalue = 0.5\nwithin = 0.1\nat = { batch = 'all' }").unwrap();
        let tested = tests.test(&expected);
        assert_eq!(tested.len(), 2);
        assert_eq!((tested[0].finding, tested[1].finding), (Finding::Held, Finding::NotHeld));
        assert!(tested[1].says.ends_with("(batch = 128)"), "{}", tested[1].says);
    }
}
