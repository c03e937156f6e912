//! `tsne`: features in the plane, neighbours beside neighbours. See [`Tsne`].

use serde::{Deserialize, Serialize};
use twinlens_eval::maps::Tsne;
use twinlens_eval::{EvalError, Judgement};

use super::{Needs, Protocol, map};
use crate::maps::Layout;
use crate::outcome::Outcome;
use crate::{Exhibit, Judging, LabError};

/// Settings of a t-SNE map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TsneMap {
    /// How many neighbours count; 0 takes 30, or less where there are few images.
    pub perplexity: f64,
    /// Steps.
    pub iterations: usize,
}

impl Default for TsneMap {
    fn default() -> TsneMap {
        TsneMap { perplexity: 0.0, iterations: Tsne::default().iterations }
    }
}

impl TsneMap {
    /// The layout of so many images.
    pub fn layout(&self, images: usize) -> Layout {
        match Layout::usual(images) {
            Layout::Tsne(usual) => {
                let perplexity = if self.perplexity == 0.0 { usual.perplexity } else { self.perplexity };
                Layout::Tsne(Tsne { perplexity, iterations: self.iterations, ..usual })
            }
            other => other,
        }
    }
}

impl Protocol for TsneMap {
    const ID: &'static str = "tsne";
    const SUMMARY: &'static str = "a map on which near images have similar features (t-SNE)";
    const NEEDS: Needs = Needs::Images;

    fn check(&self) -> Result<(), LabError> {
        if self.iterations == 0 {
            let expected = "choose at least 1".to_owned();
            return Err(EvalError::Setting { setting: "iterations", value: 0.0, expected }.into());
        }
        if self.perplexity >= 0.0 && self.perplexity.is_finite() {
            return Ok(());
        }
        let expected = "choose a number above 0, or 0 for the usual".to_owned();
        Err(EvalError::Setting { setting: "perplexity", value: self.perplexity, expected }.into())
    }

    fn run(&self, judging: &Judging<'_>, seed: u64) -> Result<Vec<Judgement<Outcome>>, LabError> {
        let mut judgement = map::run(judging, seed, |images| self.layout(images))?;
        judgement.asked.insert("perplexity".into(), self.perplexity.into());
        judgement.asked.insert("iterations".into(), self.iterations.into());
        Ok(vec![judgement])
    }

    fn exhibits(judging: &Judging<'_>, found: &Judgement<Outcome>) -> Result<Vec<Exhibit>, LabError> {
        map::exhibits(judging, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perplexity_and_iterations_are_those_asked_for() {
        let layout = TsneMap { perplexity: 12.0, iterations: 50 }.layout(100);
        let Layout::Tsne(tsne) = layout else { panic!("t-SNE was asked for") };
        assert_eq!((tsne.perplexity, tsne.iterations), (12.0, 50));
        assert_eq!(TsneMap::default().layout(100), Layout::usual(100));
    }
}
