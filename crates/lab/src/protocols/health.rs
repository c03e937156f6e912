//! `health`: what features say about themselves, without labels. See [`HealthProtocol`].

use twinlens_eval::health::HealthProtocol;
use twinlens_eval::{EvalError, Judgement};
use twinlens_report::{Spectrum, spectrum};

use super::{Needs, Protocol, wrapped};
use crate::outcome::Outcome;
use crate::{Exhibit, Judging, LabError};

impl Protocol for HealthProtocol {
    const ID: &'static str = "health";
    const SUMMARY: &'static str = "rank, spectrum, alignment, uniformity and dimension of the features";
    const NEEDS: Needs = Needs::Views;

    fn check(&self) -> Result<(), LabError> {
        Ok(HealthProtocol::check(self)?)
    }

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

    /// A picture of the covariance spectrum; none of features that are all the same.
    fn exhibits(judging: &Judging<'_>, outcome: &Outcome) -> Result<Vec<Exhibit>, LabError> {
        let Outcome::Health(found) = outcome else { return Ok(Vec::new()) };
        if found.spectrum.iter().all(|value| *value == 0.0) {
            return Ok(Vec::new());
        }
        let name = judging.subject.kind().name().to_owned();
        let picture =
            spectrum(&[Spectrum { name, variances: found.spectrum.clone(), ..Spectrum::default() }])?;
        Ok(vec![Exhibit { extension: "svg", bytes: picture.bytes().to_vec() }])
    }
}
