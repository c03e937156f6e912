//! The SVM probe: one linear support vector machine a class, its `c` chosen by cross-validation on the training images.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{LinearSvm, LinearSvmModel, unusual_limit};
use crate::draws::{Draw, stream};
use crate::metrics::{ApRule, average_precision};
use crate::settings::{above_zero, at_least, some_of};
use crate::{EvalError, Features, Judgement, Labelled, Predictions};

/// The protocol of VOC07 classification with fixed features (Goyal et al., "Scaling and benchmarking self-supervised visual
/// representation learning", ICCV 2019, section 5.1, and its code): features of unit length, for each class against all
/// others a [`LinearSvm`] in which positive images count twice, its `c` the one with the best average precision in
/// cross-validation on the training images. What is reported is the mean average precision over classes.
///
/// Validation images have no part in the choice. The class with the largest score is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SvmProbe {
    /// Weights of the data against the penalty to choose from.
    #[serde(rename = "c_grid")]
    pub c: Vec<f64>,
    /// Parts of the training images, each held out once.
    pub folds: usize,
    /// As [`LinearSvm::positive_weight`].
    pub positive_weight: f64,
    /// As [`LinearSvm::tolerance`].
    pub tolerance: f64,
    /// As [`LinearSvm::max_iterations`], for each machine.
    pub max_iterations: usize,
    /// Seed of folds and orders; no setting, as it changes nothing of what is asked.
    #[serde(skip)]
    pub seed: u64,
}

impl Default for SvmProbe {
    /// `c` from 1e-3 to 100 in powers of ten, 3 folds, positive images twice, tolerance 1e-3, 1000 passes, seed 0.
    fn default() -> SvmProbe {
        SvmProbe {
            c: vec![1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2],
            folds: 3,
            positive_weight: 2.0,
            tolerance: 1e-3,
            max_iterations: 1000,
            seed: 0,
        }
    }
}

impl SvmProbe {
    /// Refuses settings that no data allow.
    ///
    /// # Errors
    /// [`EvalError::NoValues`] for an empty grid, [`EvalError::Setting`] for fewer than 2 folds, or a `c`, weight or tolerance
    /// that is not above 0.
    pub fn check(&self) -> Result<(), EvalError> {
        at_least("folds", 2, self.folds)?;
        some_of("c_grid", &self.c)?;
        above_zero("c", &self.c)?;
        above_zero("positive_weight", &[self.positive_weight])?;
        above_zero("tolerance", &[self.tolerance])?;
        at_least("max_iterations", 1, self.max_iterations)
    }

    /// Fits `train`, judges on every held-out split. The judgement holds the `c` chosen for each class; it warns of
    /// machines that did not converge. Same bits whatever the number of threads.
    ///
    /// # Errors
    /// No `c` or one that is not above 0, fewer than 2 folds; a class of the training images with fewer images than folds;
    /// training labels of one class only; splits whose dimensions or classes differ.
    pub fn run(
        &self,
        train: &Labelled,
        held_out: &[(&str, &Labelled)],
    ) -> Result<Judgement<Predictions>, EvalError> {
        self.check()?;
        for &(split, set) in held_out {
            train.check_comparable(split, set)?;
        }
        let folds = self.folds_of(train)?;
        let features = train.features().unit_rows();
        let classes = train.classes().len();
        let fit = |class: usize| self.machine(&features, train.labels(), class, &folds);
        let machines: Vec<Option<(f64, LinearSvmModel)>> =
            (0..classes).into_par_iter().map(fit).collect::<Result<_, EvalError>>()?;
        let chosen: Vec<Option<f64>> =
            machines.iter().map(|machine| machine.as_ref().map(|(c, _)| *c)).collect();
        let mut verdict = Judgement::of_labels(self.settings(), train.labels(), train.classes());
        verdict.found.insert("c".into(), chosen.into());
        for &(name, set) in held_out {
            verdict.judge(name, set, &scores(&machines, &set.features().unit_rows())?)?;
        }
        let late = machines.iter().flatten().filter(|(_, model)| !model.converged).count();
        verdict.warnings.extend(self.doubt(late, classes));
        Ok(verdict)
    }

    /// What judgements say of the settings.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&'static str, serde_json::Value)> {
        let asked = [
            ("c_grid", self.c.clone().into()),
            ("folds", self.folds.into()),
            ("positive_weight", self.positive_weight.into()),
            ("tolerance", self.tolerance.into()),
        ];
        asked.into_iter().chain(unusual_limit(self.max_iterations, SvmProbe::default().max_iterations))
    }

    /// A warning of the machines that did not converge.
    pub(super) fn doubt(&self, late: usize, machines: usize) -> Option<String> {
        let passes = self.max_iterations;
        (late > 0).then(|| {
            format!(
                "{late} of {machines} machines stopped after {passes} passes before they converged: raise max_iterations"
            )
        })
    }

    /// The fold of every row: classes are dealt out evenly, in an order drawn from the seed.
    fn folds_of(&self, train: &Labelled) -> Result<Vec<usize>, EvalError> {
        let labels = train.labels();
        if labels.iter().all(|&label| label == labels[0]) {
            return Err(EvalError::OneClass { class: labels[0], rows: labels.len() });
        }
        let (folds, dealt) = self.deal(labels, train.classes().len());
        match dealt.iter().find(|&&count| count > 0 && count < self.folds) {
            Some(&got) => Err(EvalError::TooFew {
                what: "training images of a class, for the folds",
                expected: self.folds,
                got,
            }),
            None => Ok(folds),
        }
    }

    /// The fold of every row, and how many rows each of the `count` groups has: each group is dealt out evenly, in an order
    /// drawn from the seed.
    pub(super) fn deal(&self, groups: &[usize], count: usize) -> (Vec<usize>, Vec<usize>) {
        let mut dealt = vec![0; count];
        let mut folds = vec![0; groups.len()];
        for row in stream(self.seed, Draw::Fold, 0).permutation(groups.len()) {
            folds[row] = dealt[groups[row]] % self.folds;
            dealt[groups[row]] += 1;
        }
        (folds, dealt)
    }

    /// The machine of a class with the `c` that is best in cross-validation (of several the smallest); `None` for a class
    /// without training images.
    fn machine(
        &self,
        features: &Features,
        labels: &[usize],
        class: usize,
        folds: &[usize],
    ) -> Result<Option<(f64, LinearSvmModel)>, EvalError> {
        let positive: Vec<bool> = labels.iter().map(|&label| label == class).collect();
        if !positive.contains(&true) {
            return Ok(None);
        }
        let all: Vec<usize> = (0..labels.len()).collect();
        let c = self.choose(features, &all, &positive, folds)?;
        Ok(Some((c, self.with(c).fit(features, &positive)?)))
    }

    /// The `c` that is best in cross-validation (of several the smallest) on some `rows` of the features; `positive` and
    /// `folds` are of these rows.
    pub(super) fn choose(
        &self,
        features: &Features,
        rows: &[usize],
        positive: &[bool],
        folds: &[usize],
    ) -> Result<f64, EvalError> {
        let mut grid = self.c.clone();
        grid.sort_by(f64::total_cmp);
        let mut sums = vec![0.0; grid.len()];
        if grid.len() > 1 {
            for fold in 0..self.folds {
                let precisions = self.precisions(features, rows, positive, &grid, |at| folds[at] == fold)?;
                sums.iter_mut().zip(precisions).for_each(|(sum, precision)| *sum += precision);
            }
        }
        let best = (0..grid.len()).reduce(|best, at| if sums[at] > sums[best] { at } else { best });
        best.map(|at| grid[at]).ok_or(EvalError::NoValues { setting: "c_grid" })
    }

    /// The average precision on the rows held out by machines fitted to the others, for each `c`.
    pub(super) fn precisions(
        &self,
        features: &Features,
        rows: &[usize],
        positive: &[bool],
        grid: &[f64],
        is_held_out: impl Fn(usize) -> bool,
    ) -> Result<Vec<f64>, EvalError> {
        let part = |held_out: bool| -> (Vec<usize>, Vec<bool>) {
            let places = (0..rows.len()).filter(|&at| is_held_out(at) == held_out);
            places.map(|at| (rows[at], positive[at])).unzip()
        };
        let ((train, train_positive), (test, test_positive)) = (part(false), part(true));
        let mut latest: Option<LinearSvmModel> = None;
        let mut precisions = Vec::new();
        for &c in grid {
            let model = self.with(c).fit_from(features, &train, &train_positive, latest.as_ref())?;
            let scores: Vec<f64> = test.iter().map(|&row| model.score(features.row(row))).collect();
            let precision = average_precision(&test_positive, &scores, ApRule::Step)?;
            precisions.push(precision.unwrap_or(0.0));
            latest = Some(model);
        }
        Ok(precisions)
    }

    pub(super) fn with(&self, c: f64) -> LinearSvm {
        LinearSvm {
            c,
            positive_weight: self.positive_weight,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
            seed: self.seed,
        }
    }
}

/// The score of every class for every row; a class without machine has one below all others.
fn scores(machines: &[Option<(f64, LinearSvmModel)>], features: &Features) -> Result<Vec<f64>, EvalError> {
    let of = |machine: &Option<(f64, LinearSvmModel)>| match machine {
        Some((_, model)) => model.scores(features).map(Some),
        None => Ok(None),
    };
    let columns: Vec<Option<Vec<f64>>> = machines.iter().map(of).collect::<Result<_, EvalError>>()?;
    let least = columns.iter().flatten().flatten().copied().fold(0.0, f64::min) - 1.0;
    let row =
        |row: usize| columns.iter().map(move |column| column.as_ref().map_or(least, |scores| scores[row]));
    Ok((0..features.rows()).flat_map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{blobs, on_threads};

    #[test]
    fn classes_that_lie_apart_are_told_apart() {
        let (train, test) = (blobs(90, 3, 12, 0.8, 1), blobs(90, 3, 12, 0.8, 2));
        let run = || SvmProbe::default().run(&train, &[("val", &test), ("test", &test)]).unwrap();
        let verdict = run();
        let scores = &verdict.outcome.split("test").unwrap().scores;
        assert!(
            scores.measures["macro_average_precision"].unwrap() > 0.97 && scores.accuracy() > 0.93,
            "{scores:?}"
        );
        assert_eq!(scores.measures["calibration_error"], None);
        assert_eq!(verdict.found["c"].as_array().unwrap().len(), 3);
        assert_eq!(verdict, on_threads(1, run));
        assert_eq!(verdict, on_threads(3, run));
    }

    #[test]
    fn the_c_is_that_of_the_best_cross_validation() {
        let train = blobs(60, 2, 40, 3.0, 5);
        let probe = SvmProbe { c: vec![10.0, 1e-3, 0.1], ..SvmProbe::default() };
        let (features, folds) = (train.features().unit_rows(), probe.folds_of(&train).unwrap());
        let positive: Vec<bool> = train.labels().iter().map(|&label| label == 1).collect();
        let mean = |c: f64| -> f64 {
            let of_fold = |fold: usize| {
                let (held_out, kept): (Vec<usize>, Vec<usize>) = (0..60).partition(|&row| folds[row] == fold);
                let of = |rows: &[usize]| rows.iter().map(|&row| positive[row]).collect::<Vec<bool>>();
                let model = probe.with(c).fit(&features.subset(&kept).unwrap(), &of(&kept)).unwrap();
                let scores = model.scores(&features.subset(&held_out).unwrap()).unwrap();
                average_precision(&of(&held_out), &scores, ApRule::Step).unwrap().unwrap()
            };
            (0..3).map(of_fold).sum()
        };
        let (chosen, _) = probe.machine(&features, train.labels(), 1, &folds).unwrap().unwrap();
        let best = probe.c.iter().copied().map(mean).fold(0.0, f64::max);
        assert!((mean(chosen) - best).abs() < 1e-9, "{chosen}");
        assert!(probe.c.iter().any(|&c| mean(c) < best - 1e-3), "the choice must matter");
    }

    #[test]
    fn folds_hold_every_class_alike() {
        let train = blobs(31, 3, 4, 1.0, 1);
        let folds = SvmProbe::default().folds_of(&train).unwrap();
        for class in 0..3 {
            let count = |fold: usize| {
                (0..31).filter(|&row| train.labels()[row] == class && folds[row] == fold).count()
            };
            let counts = [0, 1, 2].map(count);
            assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
        }
    }

    #[test]
    fn what_cannot_be_probed_is_refused_and_absent_classes_are_never_predicted() {
        let train = blobs(30, 3, 4, 1.0, 1);
        let refuse = |probe: SvmProbe, train: &Labelled| probe.run(train, &[("test", train)]).unwrap_err();
        let usual = SvmProbe::default();
        assert!(matches!(
            refuse(SvmProbe { c: vec![], ..usual.clone() }, &train),
            EvalError::NoValues { setting: "c_grid" }
        ));
        assert!(matches!(
            refuse(SvmProbe { folds: 1, ..usual.clone() }, &train),
            EvalError::Setting { setting: "folds", .. }
        ));
        let rare = train.subset(&[0, 1, 3, 4, 6, 7, 9, 2]).unwrap();
        assert!(matches!(refuse(usual.clone(), &rare), EvalError::TooFew { expected: 3, got: 1, .. }));
        let two: Vec<usize> = (0..30).filter(|row| row % 3 != 2).collect();
        let verdict = usual.run(&train.subset(&two).unwrap(), &[("test", &train)]).unwrap();
        assert!(verdict.outcome.splits[0].predictions.iter().all(|&class| class != 2));
        assert!(verdict.found["c"][2].is_null() && verdict.warnings[0].contains("never be predicted"));
    }
}
