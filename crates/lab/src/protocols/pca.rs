//! `pca`: the two directions in which features vary most. See [`twinlens_eval::maps::Pca`].

use serde::{Deserialize, Serialize};
use twinlens_eval::Judgement;

use super::{Needs, Protocol, map};
use crate::maps::Layout;
use crate::outcome::Outcome;
use crate::{Exhibit, Judging, LabError};

/// A map of the first two principal components; it has no settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcaMap {}

impl Protocol for PcaMap {
    const ID: &'static str = "pca";
    const SUMMARY: &'static str = "a map of the two directions in which features vary most";
    const NEEDS: Needs = Needs::Images;

    fn run(&self, judging: &Judging<'_>, seed: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        Ok(vec![map::run(judging, seed, |_| Layout::Pca)?])
    }

    fn exhibits(judging: &Judging<'_>, found: &Judgement<Outcome>) -> Result<Vec<Exhibit>, LabError> {
        map::exhibits(judging, found)
    }
}
