//! `ridge-probe`: ridge regression of one-hot labels on frozen features, see [`RidgeProbe`].

use twinlens_eval::{Judgement, RidgeProbe};

use super::{Needs, Protocol, titled, wrapped};
use crate::outcome::Outcome;
use crate::verdict::Settings;
use crate::{Judging, LabError};

impl Protocol for RidgeProbe {
    const ID: &'static str = "ridge-probe";
    const SUMMARY: &'static str =
        "ridge regression on one-hot labels in closed form, its penalty chosen on validation";
    const NEEDS: Needs = Needs::Classes;

    fn check(&self) -> Result<(), LabError> {
        Ok(RidgeProbe::check(self)?)
    }

    fn run(&self, judging: &Judging<'_>, _: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let judgement = RidgeProbe::run(self, &judging.train()?, &judging.splits()?.held_out())?;
        Ok(vec![wrapped(judgement, Outcome::Predictions)])
    }

    fn title(asked: &Settings) -> String {
        titled::<Self>("ridge probe", asked)
    }
}
