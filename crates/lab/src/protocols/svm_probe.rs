//! `svm-probe`: linear support vector machines as for VOC07, of images with one class each, see [`SvmProbe`].

use twinlens_eval::{Judgement, SvmProbe};

use super::{Needs, Protocol, titled, wrapped};
use crate::outcome::Outcome;
use crate::verdict::Settings;
use crate::{Judging, LabError};

impl Protocol for SvmProbe {
    const ID: &'static str = "svm-probe";
    const SUMMARY: &'static str =
        "linear SVMs, one class against the rest, their cost chosen by cross-validation";
    const NEEDS: Needs = Needs::Classes;

    fn check(&self) -> Result<(), LabError> {
        Ok(SvmProbe::check(self)?)
    }

    fn run(&self, judging: &Judging<'_>, _: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let judgement = SvmProbe::run(self, &judging.train()?, &judging.splits()?.held_out())?;
        Ok(vec![wrapped(judgement, Outcome::Predictions)])
    }

    fn title(asked: &Settings) -> String {
        titled::<Self>("linear SVM", asked)
    }
}
