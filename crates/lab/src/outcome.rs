//! What protocols come to: a few shapes of outcome, each of which says its numbers the same way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twinlens_eval::clustering::{AGREEMENT_MEASURES, CLUSTER_MEASURES, Clusters};
use twinlens_eval::health::{HEALTH_MEASURES, Health};
use twinlens_eval::metrics::{MEASURES, TAG_MEASURES};
use twinlens_eval::retrieval::{RETRIEVAL_MEASURES, Retrieval};
use twinlens_eval::{Better, Measure, MeasureOf, Predictions, TagPredictions, Unit};

use crate::maps::FeatureMap;

/// The outcome of a protocol. What judges by predictions, by tags, by retrieval or by clusters has every table, picture and statistic of
/// its kind; any other protocol gives [`Measured`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// One class predicted for each image.
    Predictions(Predictions),
    /// A score of every class for each image.
    Tags(TagPredictions),
    /// Images nearest to images.
    Retrieval(Retrieval),
    /// Groups of images.
    Clusters(Clusters),
    /// What features say about themselves.
    Health(Health),
    /// A map of features.
    Map(FeatureMap),
    /// Any other numbers.
    Measured(Measured),
}

/// Numbers of a protocol's own, with what they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was measured, in the order of tables.
    pub measures: Vec<MeasureRecord>,
    /// What came out, per split.
    pub splits: Vec<MeasuredSplit>,
}

/// What a measure is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureRecord {
    /// Its name in JSON and CSV.
    pub id: String,
    /// Its name in tables.
    pub title: String,
    /// What its values are.
    pub unit: Unit,
    /// Which values are better.
    pub better: Better,
}

/// What was measured of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredSplit {
    /// Name of the split.
    pub split: String,
    /// How many images it has.
    pub samples: usize,
    /// Each measure by its id; `None` where it is undefined.
    pub values: BTreeMap<String, Option<f64>>,
}

impl Measured {
    /// That of a table of measures on `(split, samples, what is measured)`.
    pub fn of<'a, S: 'a>(
        measures: &[MeasureOf<S>],
        splits: impl IntoIterator<Item = (&'a str, usize, &'a S)>,
    ) -> Measured {
        let split = |(split, samples, of): (&str, usize, &S)| MeasuredSplit {
            split: split.to_owned(),
            samples,
            values: measures.iter().map(|one| (one.id.to_owned(), (one.of)(of))).collect(),
        };
        Measured {
            measures: measures.iter().map(MeasureRecord::of).collect(),
            splits: splits.into_iter().map(split).collect(),
        }
    }
}

impl MeasureRecord {
    fn of<F>(measure: &Measure<F>) -> MeasureRecord {
        let Measure { id, title, unit, better, .. } = measure;
        MeasureRecord { id: (*id).to_owned(), title: (*title).to_owned(), unit: *unit, better: *better }
    }
}

/// What an outcome says in numbers: measures, and their values on each split, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Readings {
    /// The measures that it has.
    pub measures: Vec<MeasureRecord>,
    /// The splits, each with as many values.
    pub splits: Vec<(String, Vec<Option<f64>>)>,
}

impl Outcome {
    /// All numbers; `part` names the images of an outcome that does not split them.
    pub fn readings(&self, part: &str) -> Readings {
        match self {
            Outcome::Predictions(found) => {
                let splits = found.splits.iter().map(|split| {
                    let values = MEASURES.iter().map(|one| one.value(&split.scores)).collect();
                    (split.split.clone(), values)
                });
                readings(&MEASURES, splits.collect())
            }
            Outcome::Tags(found) => {
                let splits = found.splits.iter().map(|split| {
                    let values = TAG_MEASURES.iter().map(|one| (one.of)(&split.scores)).collect();
                    (split.split.clone(), values)
                });
                readings(&TAG_MEASURES, splits.collect())
            }
            Outcome::Retrieval(found) => {
                let splits = found.splits.iter().map(|split| {
                    let value = |id: &str| split.measures.get(id).copied().flatten();
                    (split.split.clone(), RETRIEVAL_MEASURES.iter().map(|one| value(one.id)).collect())
                });
                readings(&RETRIEVAL_MEASURES, splits.collect())
            }
            Outcome::Clusters(found) => clusters(part, found),
            Outcome::Health(found) => of_whole(&HEALTH_MEASURES, part, found),
            Outcome::Map(_) => Readings { measures: Vec::new(), splits: Vec::new() },
            Outcome::Measured(found) => Readings {
                measures: found.measures.clone(),
                splits: found.splits.iter().map(|split| (split.split.clone(), found.values(split))).collect(),
            },
        }
    }
}

impl Measured {
    fn values(&self, split: &MeasuredSplit) -> Vec<Option<f64>> {
        self.measures.iter().map(|measure| split.values.get(&measure.id).copied().flatten()).collect()
    }
}

fn readings<F>(measures: &[Measure<F>], splits: Vec<(String, Vec<Option<f64>>)>) -> Readings {
    Readings { measures: measures.iter().map(MeasureRecord::of).collect(), splits }
}

/// Measures of clusters, and those against each column, which are called `ami.plate`.
fn clusters(part: &str, found: &Clusters) -> Readings {
    let mut readings = of_whole(&CLUSTER_MEASURES, part, found);
    for (column, agreement) in &found.against {
        for measure in &AGREEMENT_MEASURES {
            let MeasureRecord { id, title, unit, better } = MeasureRecord::of(measure);
            let (id, title) = (format!("{id}.{column}"), format!("{title}, against {column}"));
            readings.measures.push(MeasureRecord { id, title, unit, better });
            readings.splits.iter_mut().for_each(|(_, values)| values.push((measure.of)(agreement)));
        }
    }
    readings
}

fn of_whole<S>(measures: &[MeasureOf<S>], part: &str, found: &S) -> Readings {
    readings(measures, vec![(part.to_owned(), measures.iter().map(|one| (one.of)(found)).collect())])
}
