//! The number by which weights are compared on validation images: the loss, or any measure of predictions.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use twinlens_eval::metrics::{Formula, MEASURES};
use twinlens_eval::{Better, Measure, Scores};

/// The name of the mean cross-entropy, of which smaller values are better.
const LOSS: &str = "loss";

/// A number by which weights are compared on validation images.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Metric {
    /// The mean cross-entropy.
    Loss,
    /// One of [`MEASURES`].
    Measure(&'static Measure<Formula>),
}

impl Metric {
    /// The metric called `id`: `loss`, or the id of one of [`MEASURES`].
    pub fn named(id: &str) -> Option<Metric> {
        let measure = || MEASURES.iter().find(|measure| measure.id == id).map(Metric::Measure);
        if id == LOSS { Some(Metric::Loss) } else { measure() }
    }

    /// Its name.
    pub fn id(self) -> &'static str {
        match self {
            Metric::Loss => LOSS,
            Metric::Measure(measure) => measure.id,
        }
    }

    /// A number that is the greater the better; NaN where it is undefined.
    pub(super) fn goodness(self, loss: f64, scores: &Scores) -> f64 {
        match self {
            Metric::Loss => -loss,
            Metric::Measure(measure) => {
                let value = measure.value(scores).unwrap_or(f64::NAN);
                if measure.better == Better::Higher { value } else { -value }
            }
        }
    }

    /// The names of all.
    fn ids() -> impl Iterator<Item = &'static str> {
        std::iter::once(LOSS).chain(MEASURES.iter().map(|measure| measure.id))
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Metric) -> bool {
        self.id() == other.id()
    }
}

impl From<Metric> for &'static str {
    fn from(metric: Metric) -> &'static str {
        metric.id()
    }
}

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(id: String) -> Result<Metric, String> {
        let known = || Metric::ids().collect::<Vec<_>>().join(", ");
        Metric::named(&id).ok_or_else(|| format!("`{id}` is no metric; known: {}", known()))
    }
}

impl JsonSchema for Metric {
    fn schema_name() -> Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number by which weights are compared on validation images.",
            "type": "string",
            "enum": Metric::ids().collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_survive_their_names_and_smaller_errors_are_better() {
        for id in Metric::ids() {
            assert_eq!(Metric::try_from(id.to_owned()).unwrap().id(), id);
        }
        assert!(Metric::try_from("acuracy".to_owned()).unwrap_err().contains("accuracy"));
        // Sure of three right ones, sure of a wrong one.
        let scores =
            Scores::new(&[0, 0, 1, 1], &[0, 0, 1, 0], &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2).unwrap();
        let of = |id: &str| Metric::named(id).unwrap().goodness(2.5, &scores);
        assert_eq!((of("loss"), of("accuracy"), of("calibration_error")), (-2.5, 0.75, -0.25));
        assert!(of("top5_accuracy").is_nan());
    }
}
