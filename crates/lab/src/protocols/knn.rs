//! `knn`: how often do the nearest training images agree with an image's label? See [`twinlens_eval::Knn`].

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use twinlens_eval::{Distance, Judgement, Vote};

use super::{Needs, Protocol, wrapped};
use crate::outcome::Outcome;
use crate::verdict::{Settings, plain};
use crate::{Judging, LabError};

/// The usual temperature of a vote by cosine.
pub const TEMPERATURE: f64 = 0.07;
/// The usual numbers of neighbours, as far as there are so many training images.
const USUAL: [usize; 2] = [20, 200];

/// Settings of the kNN protocol; one verdict for each number of neighbours and temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knn {
    /// Numbers of neighbours, or one; none: 20 and 200, as far as there are so many training images.
    #[serde(deserialize_with = "one_or_more")]
    pub k: Vec<usize>,
    /// How neighbours vote.
    pub vote: Vote,
    /// What makes a neighbour.
    pub distance: Distance,
    /// Temperatures of the weighted vote by cosine, or one.
    #[serde(deserialize_with = "one_or_more")]
    pub temperature: Vec<f64>,
}

impl Default for Knn {
    fn default() -> Knn {
        Knn { k: vec![], vote: Vote::Weighted, distance: Distance::Cosine, temperature: vec![TEMPERATURE] }
    }
}

impl Protocol for Knn {
    const ID: &'static str = "knn";
    const SUMMARY: &'static str = "the vote of the nearest training images";
    const NEEDS: Needs = Needs::Classes;

    fn check(&self) -> Result<(), LabError> {
        if self.temperature != [TEMPERATURE] && !self.has_temperature() {
            let reason = "only the weighted vote by cosine has a `temperature`".to_owned();
            return Err(LabError::Setting { protocol: Knn::ID, reason });
        }
        // Of how many training images the usual numbers are, does not matter here.
        Ok(self.votes_among(usize::MAX).check_settings()?)
    }

    fn run(&self, judging: &Judging<'_>, _: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let train = judging.train()?;
        let knn = self.votes_among(train.features().rows());
        let judgements = knn.run(&train, &judging.splits()?.held_out())?;
        Ok(judgements.into_iter().map(|one| wrapped(one, Outcome::Predictions)).collect())
    }

    fn title(asked: &Settings) -> String {
        let setting = |key: &str| asked.get(key).map(plain);
        let euclidean = setting("distance").is_some_and(|distance| distance == "euclidean");
        let distance = if euclidean { " euclidean" } else { "" };
        let temperature = asked.get("temperature").filter(|t| t.as_f64() != Some(TEMPERATURE));
        let temperature = temperature.map(|t| format!(" temperature {t}")).unwrap_or_default();
        let [k, vote] = ["k", "vote"].map(|key| setting(key).unwrap_or_default());
        format!("kNN k={k} {vote}{distance}{temperature}")
    }
}

impl Knn {
    fn has_temperature(&self) -> bool {
        self.vote == Vote::Weighted && self.distance == Distance::Cosine
    }

    /// The same among so many training images.
    fn votes_among(&self, images: usize) -> twinlens_eval::Knn {
        twinlens_eval::Knn {
            k: usual(&self.k, images),
            votes: vec![self.vote],
            distance: self.distance,
            temperatures: self.temperature.clone(),
        }
    }
}

/// The numbers of neighbours asked for; if none are, the usual ones, as far as there are so many images, or all of them if
/// there are fewer still.
fn usual(asked: &[usize], images: usize) -> Vec<usize> {
    let possible: Vec<usize> = match asked {
        [] => USUAL.into_iter().filter(|&k| k <= images).collect(),
        asked => asked.to_vec(),
    };
    if possible.is_empty() { vec![images] } else { possible }
}

/// A list, or a value for a list of one.
fn one_or_more<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: serde::de::DeserializeOwned,
    D: Deserializer<'de>,
{
    use serde::de::Error;
    let list = match Value::deserialize(deserializer)? {
        Value::Array(values) => values,
        value => vec![value],
    };
    list.into_iter().map(|value| serde_json::from_value(value).map_err(D::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sets_have_fewer_neighbours() {
        let usual_of = |images| usual(&[], images);
        assert_eq!((usual_of(1000), usual_of(150), usual_of(7)), (vec![20, 200], vec![20], vec![7]));
        assert_eq!(usual(&[3, 5000], 7), [3, 5000], "what is asked for is not changed");
    }

    #[test]
    fn a_setting_is_one_value_or_a_list() {
        let read = |text: &str| serde_json::from_str::<Knn>(text);
        assert_eq!(read(r#"{"k": 5}"#).unwrap().k, [5]);
        assert_eq!(read(r#"{"temperature": [0.1, 1]}"#).unwrap().temperature, [0.1, 1.0]);
        assert!(read(r#"{"k": -1}"#).is_err() && read(r#"{"neighbours": 5}"#).is_err());
    }
}
