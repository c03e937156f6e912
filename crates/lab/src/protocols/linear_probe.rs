//! `linear-probe`: multinomial logistic regression on frozen features, see [`LinearProbe`].

use twinlens_eval::{Judgement, LinearProbe};

use super::{Needs, Protocol, titled, wrapped};
use crate::outcome::Outcome;
use crate::verdict::Settings;
use crate::{Judging, LabError};

impl Protocol for LinearProbe {
    const ID: &'static str = "linear-probe";
    const SUMMARY: &'static str = "logistic regression on frozen features, its penalty chosen on validation";
    const NEEDS: Needs = Needs::Classes;

    fn check(&self) -> Result<(), LabError> {
        Ok(LinearProbe::check(self)?)
    }

    fn run(&self, judging: &Judging<'_>, _: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let judgement = LinearProbe::run(self, &judging.train()?, &judging.splits()?.held_out())?;
        Ok(vec![wrapped(judgement, Outcome::Predictions)])
    }

    fn title(asked: &Settings) -> String {
        titled::<Self>("linear probe", asked)
    }
}
