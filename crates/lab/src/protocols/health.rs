//! `health`: what features say about themselves, without labels. See [`HealthProtocol`].

use twinlens_eval::health::{CorrelationMeans, CrossCorrelation, Health, HealthProtocol};
use twinlens_eval::{EvalError, Judgement};
use twinlens_report::{CorrelationMatrix, Spectrum, correlation_matrix, spectrum};

use super::{Needs, Protocol, wrapped};
use crate::outcome::Outcome;
use crate::verdict::plain;
use crate::{Exhibit, Judging, LabError};

/// What the seed of views is called in verdicts.
const VIEWS: &str = "views";

impl Protocol for HealthProtocol {
    const ID: &'static str = "health";
    const SUMMARY: &'static str = "rank, spectrum, alignment, uniformity and dimension of the features";
    const NEEDS: Needs = Needs::Views;

    fn check(&self) -> Result<(), LabError> {
        Ok(HealthProtocol::check(self)?)
    }

    fn run(&self, judging: &Judging<'_>, seed: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let views = judging.views(2, seed)?;
        let pair = match views.as_ref().map(|views| views.as_slice()) {
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
        judgement.seeds = [(VIEWS.to_owned(), seed)].into();
        Ok(vec![wrapped(judgement, Outcome::Health)])
    }

    /// Pictures of the covariance spectrum (none of features that are all the same) and, where there are views, of their
    /// cross-correlation.
    fn exhibits(judging: &Judging<'_>, found: &Judgement<Outcome>) -> Result<Vec<Exhibit>, LabError> {
        let Outcome::Health(health) = &found.outcome else { return Ok(Vec::new()) };
        if health.spectrum.iter().all(|value| *value == 0.0) {
            return Ok(Vec::new());
        }
        let name = judging.subject.kind().name().to_owned();
        let picture =
            spectrum(&[Spectrum { name, variances: health.spectrum.clone(), ..Spectrum::default() }])?;
        let mut exhibits = vec![Exhibit { extension: "svg", bytes: picture.bytes().to_vec() }];
        exhibits.extend(correlation(judging, found, health)?);
        Ok(exhibits)
    }
}

/// The cross-correlation of the two views that were compared.
fn correlation(
    judging: &Judging<'_>,
    found: &Judgement<Outcome>,
    health: &Health,
) -> Result<Option<Exhibit>, LabError> {
    let (Some(means), Some(seed)) = (health.cross_correlation, found.seeds.get(VIEWS)) else {
        return Ok(None);
    };
    let Some(views) = judging.views(2, *seed)? else { return Ok(None) };
    let matrix = CrossCorrelation::new(&views[0], &views[1])?;
    let policy = found.asked.get("policy").map(plain).unwrap_or_default();
    let drawn = CorrelationMatrix {
        title: format!("Features of two views ({policy}), {}", judging.subject.kind().name()),
        values: matrix.values().to_vec(),
        side: matrix.dim(),
        note: in_words(means),
    };
    let picture = correlation_matrix(&drawn)?;
    Ok(Some(Exhibit { extension: "png", bytes: picture.bytes().to_vec() }))
}

/// The means of a cross-correlation: `diagonal 0.912, off it 0.004 (size 0.083)`.
fn in_words(means: CorrelationMeans) -> String {
    let CorrelationMeans { diagonal, off_diagonal, off_diagonal_size } = means;
    format!("means: diagonal {diagonal:.3}, off it {off_diagonal:.3} (size {off_diagonal_size:.3})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_told_beside_the_picture() {
        let means = CorrelationMeans { diagonal: 0.9123, off_diagonal: -0.004, off_diagonal_size: 0.083 };
        assert_eq!(in_words(means), "means: diagonal 0.912, off it -0.004 (size 0.083)");
    }
}
