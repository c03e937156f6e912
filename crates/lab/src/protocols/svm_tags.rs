//! `svm-tags`: VOC07 classification itself, of images that may show several classes, see [`SvmProbe::run_tags`].

use serde::{Deserialize, Serialize};
use twinlens_eval::{Judgement, SvmProbe};

use super::{Needs, Protocol, wrapped};
use crate::outcome::Outcome;
use crate::{Judging, LabError};

/// An [`SvmProbe`] of images that may show several classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SvmTags(SvmProbe);

impl Protocol for SvmTags {
    const ID: &'static str = "svm-tags";
    const SUMMARY: &'static str =
        "linear SVMs, one a class, of images that may show several classes; mean average precision";
    const NEEDS: Needs = Needs::Tags;

    fn check(&self) -> Result<(), LabError> {
        Ok(self.0.check()?)
    }

    fn run(&self, judging: &Judging<'_>, seed: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let [train, val, test] = judging.tagged()?;
        let judgement = SvmProbe { seed, ..self.0.clone() }.run_tags(&train, &val, &test)?;
        Ok(vec![wrapped(judgement, Outcome::Tags)])
    }
}
