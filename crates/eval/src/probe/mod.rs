//! Linear read-outs of frozen features.

mod lbfgs;
mod linear_svm;
mod logistic_regression;
mod ridge;
mod ridge_probe;
mod standardise;
mod svm_probe;
mod svm_tags;

pub use linear_svm::{LinearSvm, LinearSvmModel};
pub use logistic_regression::{LogisticModel, LogisticRegression};
pub use ridge::{Ridge, RidgeModel};
pub use ridge_probe::RidgeProbe;
pub use standardise::Standardiser;
pub use svm_probe::SvmProbe;

use serde::{Deserialize, Serialize};

use crate::settings::{above_zero, at_least, some_of};
use crate::{EvalError, Features, Judgement, Labelled, Predictions};

/// The linear probe: logistic regression on standardised features, its penalty chosen on validation.
///
/// Features are standardised by the training rows' mean and standard deviation. Of the penalties in `c`
/// the one with the best validation accuracy is kept (of several, the strongest penalty), and that model is
/// judged on validation and on test. Validation numbers are therefore slightly optimistic; test numbers
/// are not. To learn from a share of the labels, pass [`Labelled::subset`] of the training split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearProbe {
    /// Weights of the data against the penalty to choose from (see [`LogisticRegression::c`]).
    #[serde(rename = "c_grid")]
    pub c: Vec<f64>,
    /// As [`LogisticRegression::tolerance`].
    pub tolerance: f64,
    /// As [`LogisticRegression::max_iterations`], for each `c`.
    pub max_iterations: usize,
}

impl Default for LinearProbe {
    /// `c` from 1e-5 to 10 in powers of ten; tolerance and iterations as [`LogisticRegression`]'s.
    fn default() -> LinearProbe {
        let LogisticRegression { tolerance, max_iterations, .. } = LogisticRegression::default();
        LinearProbe { c: vec![1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0], tolerance, max_iterations }
    }
}

/// A probe that was fitted: what tells the classes of other features.
#[derive(Clone, Debug)]
pub struct FittedProbe {
    standardiser: Standardiser,
    model: LogisticModel,
    /// The weight of the data against the penalty that was chosen.
    pub c: f64,
}

impl FittedProbe {
    /// The probability of every class for every row, `[rows, classes]`.
    ///
    /// # Errors
    /// Features of another width.
    pub fn probabilities(&self, features: &Features) -> Result<Vec<f64>, EvalError> {
        self.model.probabilities(&self.standardiser.apply(features)?)
    }
}

impl LinearProbe {
    /// Fits `train` and chooses on the split called `val`, as [`LinearProbe::run`].
    ///
    /// # Errors
    /// As [`LinearProbe::run`].
    pub fn fit(&self, train: &Labelled, held_out: &[(&str, &Labelled)]) -> Result<FittedProbe, EvalError> {
        self.check()?;
        let (fitted, held_out) = standardised(train, held_out)?;
        let val = to_choose_by(&held_out, ("c_grid", self.c.len()))?;
        let (c, model) = self.choose(&fitted, val)?;
        Ok(FittedProbe { standardiser: Standardiser::fit(train.features()), model, c })
    }

    /// Refuses settings that no data allow.
    ///
    /// # Errors
    /// [`EvalError::NoValues`] for an empty grid, [`EvalError::Setting`] for a `c` or a tolerance that is not above 0.
    pub fn check(&self) -> Result<(), EvalError> {
        some_of("c_grid", &self.c)?;
        above_zero("c", &self.c)?;
        above_zero("tolerance", &[self.tolerance])?;
        at_least("max_iterations", 1, self.max_iterations)
    }

    /// Fits `train`, chooses on the split called `val`, judges on all that are held out, by their names. The judgement holds the chosen
    /// `c`; it warns of a choice at the edge of the grid and of a fit that did not converge.
    ///
    /// # Errors
    /// No split called `val`, unless the grid has one value, which leaves nothing to choose; an empty grid or a `c` that is not
    /// above 0; training labels of one class only; splits whose dimensions or classes differ.
    pub fn run(
        &self,
        train: &Labelled,
        held_out: &[(&str, &Labelled)],
    ) -> Result<Judgement<Predictions>, EvalError> {
        let fitted = self.fit(train, held_out)?;
        let FittedProbe { model, c, .. } = &fitted;
        let asked = [("c_grid", self.c.clone().into()), ("tolerance", self.tolerance.into())];
        let asked = asked
            .into_iter()
            .chain(unusual_limit(self.max_iterations, LinearProbe::default().max_iterations));
        let found = [
            ("c", (*c).into()),
            ("iterations", model.iterations.into()),
            ("converged", model.converged.into()),
        ];
        let mut verdict = Judgement::of_labels(asked, train.labels(), train.classes()).finding(found);
        for (name, set) in held_out {
            verdict.judge(name, set, &fitted.probabilities(set.features())?)?;
        }
        verdict.warnings.extend(self.doubts(*c, model));
        Ok(verdict)
    }

    /// The `c` with the best validation accuracy, and its model. Fits run from the strongest penalty to the
    /// weakest, each starting where the one before ended.
    fn choose(&self, train: &Labelled, val: Option<&Labelled>) -> Result<(f64, LogisticModel), EvalError> {
        let mut grid = self.c.clone();
        grid.sort_by(f64::total_cmp);
        let mut latest: Option<LogisticModel> = None;
        let mut best: Option<(usize, f64, LogisticModel)> = None;
        for c in grid {
            let settings =
                LogisticRegression { c, tolerance: self.tolerance, max_iterations: self.max_iterations };
            let model = settings.fit_from(train, latest.as_ref())?;
            let hits = val.map_or(Ok(0), |val| model.hits(val))?;
            if best.as_ref().is_none_or(|best| hits > best.0) {
                best = Some((hits, c, model.clone()));
            }
            latest = Some(model);
        }
        let (_, c, model) = best.ok_or(EvalError::NoValues { setting: "c_grid" })?;
        Ok((c, model))
    }

    fn doubts(&self, c: f64, model: &LogisticModel) -> Vec<String> {
        let mut doubts = Vec::new();
        doubts.extend(edge_of_grid("c", &self.c, c));
        if !model.converged {
            doubts.push(format!(
                "the fit stopped after {} iterations before it converged (largest gradient {:.1e}, \
                 tolerance {:.1e}): raise max_iterations",
                model.iterations, model.largest_gradient, self.tolerance
            ));
        }
        doubts
    }
}

/// Splits with their names.
type Named<'a> = Vec<(&'a str, Labelled)>;

/// All splits standardised by the training rows' mean and standard deviation.
fn standardised<'a>(
    train: &Labelled,
    held_out: &[(&'a str, &Labelled)],
) -> Result<(Labelled, Named<'a>), EvalError> {
    let standardiser = Standardiser::fit(train.features());
    let standardised = |set: &Labelled| set.with_features(standardiser.apply(set.features())?);
    let one = |&(name, set): &(&'a str, &Labelled)| {
        train.check_comparable(name, set)?;
        Ok((name, standardised(set)?))
    };
    Ok((standardised(train)?, held_out.iter().map(one).collect::<Result<_, EvalError>>()?))
}

/// The split that a penalty is chosen by: `val`. It may be missing where the grid, `setting`, has one value.
fn to_choose_by<'a>(
    held_out: &'a Named<'_>,
    (setting, values): (&'static str, usize),
) -> Result<Option<&'a Labelled>, EvalError> {
    let val = held_out.iter().find(|(name, _)| *name == "val").map(|(_, set)| set);
    match val {
        None if values > 1 => Err(EvalError::NothingToChooseBy { setting, values }),
        val => Ok(val),
    }
}

/// A warning if the choice from a grid lies at its edge, where a better one may lie beyond.
fn edge_of_grid(name: &str, grid: &[f64], chosen: f64) -> Option<String> {
    let above = grid.iter().any(|&other| other > chosen);
    let below = grid.iter().any(|&other| other < chosen);
    let edge = grid.len() > 1 && !(above && below);
    edge.then(|| format!("{name} = {chosen} was chosen at the edge of the grid: widen it"))
}

/// A limit of iterations as a judgement says it: only where it is not the usual one, as it decides nothing of a fit that
/// converged, and judgements of earlier versions do not say it.
fn unusual_limit(limit: usize, usual: usize) -> Option<(&'static str, serde_json::Value)> {
    (limit != usual).then(|| ("max_iterations", limit.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::blobs;

    #[test]
    fn judges_on_val_and_test_with_the_c_that_is_best_on_val() {
        let (train, val, test) =
            (blobs(60, 3, 30, 4.0, 1), blobs(300, 3, 30, 4.0, 2), blobs(300, 3, 30, 4.0, 3));
        let probe = LinearProbe::default();
        let verdict = probe.run(&train, &[("val", &val), ("test", &test)]).unwrap();
        let accuracy = |verdict: &Judgement<Predictions>, split: &str| {
            verdict.outcome.split(split).unwrap().scores.accuracy()
        };
        assert!(accuracy(&verdict, "test") > 0.5, "{}", accuracy(&verdict, "test"));
        // What is fitted for other rows is what was judged.
        let fitted = probe.fit(&train, &[("val", &val)]).unwrap();
        let predicted = crate::metrics::predictions(&fitted.probabilities(test.features()).unwrap(), 3);
        let hits =
            predicted.iter().zip(test.labels()).filter(|(predicted, label)| predicted == label).count();
        assert_eq!(hits as f64 / 300.0, accuracy(&verdict, "test"));
        let alone: Vec<f64> = probe
            .c
            .iter()
            .map(|&c| {
                let probe = LinearProbe { c: vec![c], ..probe.clone() };
                accuracy(&probe.run(&train, &[("val", &val), ("test", &test)]).unwrap(), "val")
            })
            .collect();
        let best = alone.iter().copied().fold(0.0, f64::max);
        assert!(alone.iter().any(|&accuracy| accuracy < best), "the grid must matter: {alone:?}");
        let chosen = verdict.found["c"].as_f64().unwrap();
        let place = probe.c.iter().position(|&c| c == chosen).unwrap();
        // Warm and cold starts end within the tolerance of each other, not at the same bits.
        assert!(alone[place] >= best - 0.01, "{alone:?} chose {chosen}");
    }

    #[test]
    fn shifting_and_scaling_columns_changes_nothing() {
        let sets = [1, 2, 3].map(|seed| blobs(60, 3, 4, 2.0, seed));
        let moved = sets.clone().map(|set| {
            let values = set.features().iter().flat_map(|row| {
                row.iter()
                    .enumerate()
                    .map(|(column, value)| 8.0 * column as f32 + value * (column + 1) as f32)
            });
            set.with_features(Features::new(60, 4, values.collect()).unwrap()).unwrap()
        });
        let run = |sets: &[Labelled; 3]| {
            LinearProbe::default().run(&sets[0], &[("val", &sets[1]), ("test", &sets[2])]).unwrap()
        };
        let (mut plain, mut moved) = (run(&sets).outcome.splits, run(&moved).outcome.splits);
        for (plain, moved) in plain.iter_mut().zip(&mut moved) {
            // Made of the probabilities themselves, which have other roundings.
            let errors = [&mut *plain, &mut *moved].map(|split| {
                split.draws.remove("calibration_error");
                split.scores.measures.remove("calibration_error").unwrap().unwrap()
            });
            assert!((errors[0] - errors[1]).abs() < 1e-9, "{errors:?}");
        }
        assert_eq!(plain, moved);
    }

    #[test]
    fn doubts_are_told() {
        let (train, val) = (blobs(60, 3, 10, 3.0, 1), blobs(60, 3, 10, 3.0, 2));
        let hasty = LinearProbe { c: vec![1.0], max_iterations: 1, ..LinearProbe::default() };
        let verdict = hasty.run(&train, &[("val", &val), ("test", &val)]).unwrap();
        assert!(verdict.warnings.iter().any(|w| w.contains("before it converged")), "{:?}", verdict.warnings);
        assert_eq!(verdict.found["converged"], false);
        assert_eq!(verdict.asked["max_iterations"], 1, "another limit is another request");
        let easy = (blobs(60, 3, 10, 0.01, 1), blobs(60, 3, 10, 0.01, 2));
        let verdict = LinearProbe::default().run(&easy.0, &[("val", &easy.1), ("test", &easy.1)]).unwrap();
        assert_eq!(verdict.found["c"], 1e-5, "of equal accuracies the strongest penalty");
        assert!(verdict.warnings[0].contains("edge of the grid"));
        assert!(!verdict.asked.contains_key("max_iterations"), "the usual limit is not said");
    }

    #[test]
    fn one_penalty_is_no_choice_and_needs_no_validation_images() {
        let (train, val, test) =
            (blobs(60, 3, 10, 3.0, 1), blobs(60, 3, 10, 3.0, 2), blobs(60, 3, 10, 3.0, 3));
        let one = LinearProbe { c: vec![0.1], ..LinearProbe::default() };
        let without = one.run(&train, &[("test", &test)]).unwrap();
        let with = one.run(&train, &[("val", &val), ("test", &test)]).unwrap();
        assert_eq!(without.found["c"], 0.1);
        assert!(without.outcome.split("val").is_none());
        assert_eq!(without.outcome.split("test"), with.outcome.split("test"));
    }

    #[test]
    fn what_cannot_be_probed_is_refused() {
        let (train, val) = (blobs(60, 3, 10, 3.0, 1), blobs(60, 3, 10, 3.0, 2));
        let none = LinearProbe { c: vec![], ..LinearProbe::default() };
        assert!(matches!(
            none.run(&train, &[("val", &val), ("test", &val)]),
            Err(EvalError::NoValues { setting: "c_grid" })
        ));
        let error = LinearProbe::default().run(&train, &[("test", &val)]).unwrap_err();
        assert_eq!(error, EvalError::NothingToChooseBy { setting: "c_grid", values: 7 });
        assert!(error.to_string().contains("c_grid=[VALUE]"), "{error}");
        let wide = blobs(60, 3, 11, 3.0, 2);
        let error = LinearProbe::default().run(&train, &[("val", &val), ("test", &wide)]).unwrap_err();
        assert_eq!(error.to_string(), "split `test` has 11 features per row, the training split has 10");
        let one_class = train.subset(&[0, 3, 6]).unwrap();
        let error = LinearProbe::default().run(&one_class, &[("val", &val), ("test", &val)]).unwrap_err();
        assert_eq!(error, EvalError::OneClass { class: 0, rows: 3 });
    }
}
