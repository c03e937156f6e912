//! The ridge probe: a linear read-out in closed form, its penalty chosen on validation.

use serde::{Deserialize, Serialize};

use super::{Ridge, RidgeModel, edge_of_grid, standardised, to_choose_by};
use crate::metrics::predictions;
use crate::settings::{above_zero, some_of};
use crate::{EvalError, Judgement, Labelled, Predictions};

/// [`Ridge`] regression of one-hot labels on standardised features; the class with the largest score is predicted. Its
/// penalty is chosen and its verdict made as those of [`super::LinearProbe`]: faster, with scores that are no
/// probabilities, so that no calibration error is defined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RidgeProbe {
    /// Weights of the penalty to choose from (see [`Ridge::alpha`]).
    #[serde(rename = "alpha_grid")]
    pub alpha: Vec<f64>,
}

impl Default for RidgeProbe {
    /// `alpha` from 0.01 to 1e5 in powers of ten.
    fn default() -> RidgeProbe {
        RidgeProbe { alpha: vec![1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, 1e5] }
    }
}

impl RidgeProbe {
    /// Refuses settings that no data allow.
    ///
    /// # Errors
    /// [`EvalError::NoValues`] for an empty grid, [`EvalError::Setting`] for an `alpha` that is not above 0.
    pub fn check(&self) -> Result<(), EvalError> {
        some_of("alpha_grid", &self.alpha)?;
        above_zero("alpha", &self.alpha)
    }

    /// Fits `train`, chooses on the split called `val` (of several the strongest penalty), judges on all that are held out. The judgement
    /// holds the chosen `alpha`; it warns of a choice at the edge of the grid.
    ///
    /// # Errors
    /// No split called `val`, unless the grid has one value, which leaves nothing to choose; an empty grid or an `alpha` that is not
    /// above 0; training labels of one class only; splits whose dimensions or classes differ; [`EvalError::Numeric`] when an `alpha`
    /// is too small for these features.
    pub fn run(
        &self,
        train: &Labelled,
        held_out: &[(&str, &Labelled)],
    ) -> Result<Judgement<Predictions>, EvalError> {
        self.check()?;
        let (fitted, held_out) = standardised(train, held_out)?;
        let val = to_choose_by(&held_out, ("alpha_grid", self.alpha.len()))?;
        let (alpha, model) = self.choose(&fitted, val)?;
        let asked = [("alpha_grid", self.alpha.clone().into())];
        let mut verdict = Judgement::of_labels(asked, train.labels(), train.classes());
        verdict.found.insert("alpha".into(), alpha.into());
        for (name, set) in &held_out {
            verdict.judge(name, set, &model.scores(set.features())?)?;
        }
        // They sum to 1, but are no probabilities even where all happen to lie between 0 and 1.
        verdict.outcome.splits.iter_mut().for_each(|split| split.undefine("calibration_error"));
        verdict.warnings.extend(edge_of_grid("alpha", &self.alpha, alpha));
        Ok(verdict)
    }

    fn choose(&self, train: &Labelled, val: Option<&Labelled>) -> Result<(f64, RidgeModel), EvalError> {
        let mut grid = self.alpha.clone();
        grid.sort_by(|a, b| b.total_cmp(a));
        let mut best: Option<(usize, f64, RidgeModel)> = None;
        for alpha in grid {
            let model = Ridge { alpha }.fit(train)?;
            let hits = val.map_or(Ok(0), |val| hits(&model, val))?;
            if best.as_ref().is_none_or(|best| hits > best.0) {
                best = Some((hits, alpha, model));
            }
        }
        let (_, alpha, model) = best.ok_or(EvalError::NoValues { setting: "alpha_grid" })?;
        Ok((alpha, model))
    }
}

/// How many rows of `set` get their own class.
fn hits(model: &RidgeModel, set: &Labelled) -> Result<usize, EvalError> {
    let predicted = predictions(&model.scores(set.features())?, set.classes().len());
    Ok(predicted.iter().zip(set.labels()).filter(|(predicted, label)| predicted == label).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{blobs, on_threads};

    #[test]
    fn the_alpha_that_is_best_on_val_is_kept_and_judged() {
        let sets = [blobs(50, 3, 30, 4.0, 1), blobs(300, 3, 30, 4.0, 2), blobs(300, 3, 30, 4.0, 3)];
        let run = |alpha: &[f64]| {
            RidgeProbe { alpha: alpha.to_vec() }
                .run(&sets[0], &[("val", &sets[1]), ("test", &sets[2])])
                .unwrap()
        };
        let accuracy =
            |verdict: &Judgement<Predictions>| verdict.outcome.split("val").unwrap().scores.accuracy();
        let grid = RidgeProbe::default().alpha;
        let alone: Vec<f64> = grid.iter().map(|&alpha| accuracy(&run(&[alpha]))).collect();
        let best = alone.iter().copied().fold(0.0, f64::max);
        assert!(alone.iter().any(|&accuracy| accuracy < best), "the grid must matter: {alone:?}");
        let verdict = run(&grid);
        assert_eq!(accuracy(&verdict), best);
        // Of several the strongest penalty.
        let strongest = grid.iter().zip(&alone).rfind(|(_, accuracy)| **accuracy == best).unwrap().0;
        assert_eq!(verdict.found["alpha"].as_f64(), Some(*strongest));
        assert_eq!(verdict.outcome.splits[1], run(&[*strongest]).outcome.splits[1]);
        assert_eq!(verdict.outcome.split("test").unwrap().scores.measures["calibration_error"], None);
        assert_eq!(on_threads(1, || run(&grid)), on_threads(3, || run(&grid)));
    }

    #[test]
    fn doubts_and_refusals_are_told() {
        let easy = [1, 2].map(|seed| blobs(60, 3, 10, 0.01, seed));
        let verdict = RidgeProbe::default().run(&easy[0], &[("val", &easy[1]), ("test", &easy[1])]).unwrap();
        assert!(
            verdict.warnings[0].starts_with("alpha = ") && verdict.warnings[0].contains("edge of the grid")
        );
        let none = RidgeProbe { alpha: vec![] }.run(&easy[0], &[("val", &easy[1]), ("test", &easy[1])]);
        assert!(matches!(none, Err(EvalError::NoValues { setting: "alpha_grid" })));
        let fixed = RidgeProbe { alpha: vec![10.0] }.run(&easy[0], &[("test", &easy[1])]).unwrap();
        assert_eq!((fixed.found["alpha"].as_f64(), fixed.outcome.splits.len()), (Some(10.0), 1));
        let unchosen = RidgeProbe::default().run(&easy[0], &[("test", &easy[1])]).unwrap_err();
        assert_eq!(unchosen, EvalError::NothingToChooseBy { setting: "alpha_grid", values: 8 });
        let bad = RidgeProbe { alpha: vec![0.0] }.run(&easy[0], &[("val", &easy[1]), ("test", &easy[1])]);
        assert!(matches!(bad, Err(EvalError::Setting { setting: "alpha", .. })));
    }
}
