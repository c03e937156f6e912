//! `health`: what features say about themselves, without labels. See [`HealthProtocol`].

use twinlens_eval::health::HealthProtocol;
use twinlens_eval::{EvalError, Judgement};

use super::{Needs, Protocol, wrapped};
use crate::outcome::Outcome;
use crate::{Judging, LabError};

impl Protocol for HealthProtocol {
    const ID: &'static str = "health";
    const SUMMARY: &'static str = "rank, spectrum, alignment, uniformity and dimension of the features";
    const NEEDS: Needs = Needs::Views;

    fn run(&self, judging: &Judging<'_>, seed: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let views = judging.views(2, seed)?;
        let pair = match views.as_deref() {
            Some([one, other]) => Some((one, other)),
            Some(views) => {
                return Err(EvalError::TooFew { what: "views", expected: 2, got: views.len() }.into());
            }
            None => None,
        };
        let mut judgement = HealthProtocol::run(self, judging.features()?, pair, seed)?;
        let policy = judging.views.as_ref().map_or("none", |(name, _)| name);
        judgement.asked.insert("split".into(), judging.part.name().into());
        judgement.asked.insert("policy".into(), policy.into());
        // One seed for the sample and the views.
        judgement.seeds = [("views".to_owned(), seed)].into();
        Ok(vec![wrapped(judgement, Outcome::Health)])
    }
}
