//! The SVM probe of images that may show several classes.

use rayon::prelude::*;

use super::{LinearSvmModel, SvmProbe};
use crate::metrics::TagScores;
use crate::statistics::Bootstrap;
use crate::{EvalError, Features, Judgement, TagPredictions, TagSplit, Tagged};

/// The machines of one class.
struct Machines {
    c: f64,
    /// Fitted to the training and the validation images; it judges test images.
    whole: LinearSvmModel,
    /// Fitted to the training images alone; it judges validation images. `None` if all or none of these show the class.
    of_train: Option<LinearSvmModel>,
}

impl SvmProbe {
    /// The protocol of VOC07 classification itself (see [`SvmProbe`]), where training and validation images together are
    /// VOC's `trainval`: for each class the images judged for it are dealt into folds, those that show it and the others
    /// evenly; the `c` with the best average precision ([`crate::metrics::ApRule::Step`]) in cross-validation is kept, a
    /// machine with it is fitted to all of these images and judged on the test images. Validation images are judged by
    /// machines with the same `c` fitted to the training images alone; as the choice looked at them, trust the test numbers.
    ///
    /// A class with fewer images that show it, or that do not, than folds has no machine and is left out of the means, with
    /// a warning. Same bits whatever the number of threads.
    ///
    /// # Errors
    /// No `c` or one that is not above 0, fewer than 2 folds, splits whose dimensions or classes differ, no class with enough
    /// images.
    pub fn run_tags(
        &self,
        train: &Tagged,
        val: &Tagged,
        test: &Tagged,
    ) -> Result<Judgement<TagPredictions>, EvalError> {
        self.check()?;
        train.check_comparable("test", test)?;
        let all = train.joined("val", val)?;
        let (features, known) = (all.features().unit_rows(), train.features().rows());
        let machines: Vec<Option<Machines>> = (0..all.classes().len())
            .into_par_iter()
            .map(|class| self.machines(&features, &all, class, known))
            .collect::<Result<_, EvalError>>()?;
        if machines.iter().all(Option::is_none) {
            let reason = format!(
                "no class has {} training and validation images that show it and as many that do not, one of each for \
                 every fold",
                self.folds
            );
            return Err(EvalError::Undefined { what: "the mean average precision", reason });
        }
        let chosen: Vec<Option<f64>> =
            machines.iter().map(|machines| machines.as_ref().map(|machines| machines.c)).collect();
        let outcome = TagPredictions { classes: all.classes().to_vec(), splits: Vec::new() };
        let mut verdict = Judgement::new(self.settings(), outcome).finding([("c", chosen.into())]);
        verdict.seeds.insert("folds".into(), self.seed);
        verdict.warnings = self.warnings(&machines, all.classes());
        let parts = [
            (
                "val",
                val,
                known,
                &["train"][..],
                Machines::of_train as fn(&Machines) -> Option<&LinearSvmModel>,
            ),
            ("test", test, all.features().rows(), &["train", "val"], Machines::whole),
        ];
        for (name, set, training_images, learned_from, of) in parts {
            let features = set.features().unit_rows();
            let scores = |machines: &Option<Machines>| {
                machines.as_ref().and_then(of).map(|model| model.scores(&features)).transpose()
            };
            let scores: Vec<Option<Vec<f64>>> =
                machines.iter().map(scores).collect::<Result<_, EvalError>>()?;
            let scores = TagScores::new(set, &scores, &Bootstrap::default())?;
            let absent = scores.per_class.iter().zip(all.classes()).filter(|(class, _)| class.present == 0);
            verdict.warnings.extend(absent.map(|(_, class)| {
                format!("no image of split `{name}` shows class `{class}`: its average precision is undefined and the means \
                         leave it out")
            }));
            let (split, learned_from) =
                (name.to_string(), learned_from.iter().map(ToString::to_string).collect());
            verdict.outcome.splits.push(TagSplit { split, learned_from, training_images, scores });
        }
        Ok(verdict)
    }

    /// The machines of a class, of which the first `known` rows of the features are training images.
    fn machines(
        &self,
        features: &Features,
        all: &Tagged,
        class: usize,
        known: usize,
    ) -> Result<Option<Machines>, EvalError> {
        let (rows, positive) = all.judged(class);
        let groups: Vec<usize> = positive.iter().map(|&positive| usize::from(positive)).collect();
        let (folds, dealt) = self.deal(&groups, 2);
        if dealt.iter().any(|&count| count < self.folds) {
            return Ok(None);
        }
        let c = self.choose(features, &rows, &positive, &folds)?;
        let whole = self.with(c).fit_from(features, &rows, &positive, None)?;
        let of_train = rows.partition_point(|&row| row < known);
        let of_train = match self.with(c).fit_from(features, &rows[..of_train], &positive[..of_train], None) {
            Err(EvalError::OneClass { .. }) => None,
            fitted => Some(fitted?),
        };
        Ok(Some(Machines { c, whole, of_train }))
    }

    fn warnings(&self, machines: &[Option<Machines>], classes: &[String]) -> Vec<String> {
        let without = machines.iter().zip(classes).filter(|(machines, _)| machines.is_none());
        let mut warnings: Vec<String> = without
            .map(|(_, class)| {
                format!(
                    "fewer than {} training and validation images show class `{class}`, or fewer do not: it has no machine \
                     and the means leave it out",
                    self.folds
                )
            })
            .collect();
        let models = machines.iter().flatten().map(|machines| &machines.whole);
        warnings.extend(self.doubt(models.filter(|model| !model.converged).count(), classes.len()));
        warnings
    }
}

impl Machines {
    fn whole(&self) -> Option<&LinearSvmModel> {
        Some(&self.whole)
    }

    fn of_train(&self) -> Option<&LinearSvmModel> {
        self.of_train.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use twinlens_data::Tag;
    use twinlens_golden::Case;

    use super::*;
    use crate::testing::{doubles, features_of, on_threads, random_features};

    /// Tags of random rows: class `k` is shown where feature `k` and some noise are large; every fifth tag is left open.
    fn made(rows: usize, classes: usize, seed: u64) -> Tagged {
        let (features, noise) = (random_features(rows, 6, seed), random_features(rows, classes, !seed));
        let tag = |at: usize| {
            let (row, class) = (at / classes, at % classes);
            match features.row(row)[class] + 0.5 * noise.row(row)[class] > 0.4 {
                _ if at % 5 == 4 => Tag::NotJudged,
                true => Tag::Present,
                false => Tag::Absent,
            }
        };
        let names = (0..classes).map(|class| class.to_string()).collect();
        Tagged::new(features.clone(), (0..rows * classes).map(tag).collect(), names).unwrap()
    }

    fn with_tags(set: &Tagged, of: impl Fn(usize, usize, Tag) -> Tag) -> Tagged {
        let classes = set.classes().len();
        let columns: Vec<Vec<Tag>> = (0..classes).map(|class| set.of_class(class).collect()).collect();
        let tag = |at: usize| of(at / classes, at % classes, columns[at % classes][at / classes]);
        let tags = (0..set.features().rows() * classes).map(tag).collect();
        Tagged::new(set.features().clone(), tags, set.classes().to_vec()).unwrap()
    }

    #[test]
    fn classes_that_features_tell_are_found_on_both_splits() {
        let sets = [1, 2, 3].map(|seed| made(90, 3, seed));
        let probe = SvmProbe { max_iterations: 100_000, ..SvmProbe::default() };
        let run = || probe.run_tags(&sets[0], &sets[1], &sets[2]).unwrap();
        let verdict = run();
        for (split, images) in [("val", 90), ("test", 180)] {
            let found = verdict.outcome.split(split).unwrap();
            let scores = &found.scores;
            assert!(scores.mean_average_precision.step.unwrap() > 0.8, "{split}: {scores:?}");
            assert_eq!(found.training_images, images);
            let [low, high] = scores.interval.unwrap();
            assert!(low < high && scores.macro_auc.unwrap() > 0.85);
        }
        assert_eq!(verdict.outcome.split("test").unwrap().learned_from, ["train", "val"]);
        assert_eq!(verdict.warnings, Vec::<String>::new());
        assert_eq!(verdict, on_threads(1, run));
        assert_eq!(verdict, on_threads(3, run));
        let json = serde_json::to_string(&verdict.outcome).unwrap();
        assert_eq!(serde_json::from_str::<TagPredictions>(&json).unwrap(), verdict.outcome);
        let other = SvmProbe { seed: 1, ..probe.clone() }.run_tags(&sets[0], &sets[1], &sets[2]).unwrap();
        assert!(verdict.asked == other.asked && verdict.seeds != other.seeds);
    }

    #[test]
    fn images_left_open_for_a_class_change_nothing_of_it() {
        let sets = [1, 2, 3].map(|seed| made(60, 2, seed));
        let probe = SvmProbe { c: vec![0.1], ..SvmProbe::default() };
        let verdict = probe.run_tags(&sets[0], &sets[1], &sets[2]).unwrap();
        // Without the rows that are left open for class 0, it comes to the same.
        let of_class = |set: &Tagged| {
            let (rows, positive) = set.judged(0);
            let tags = positive.iter().map(|&positive| if positive { Tag::Present } else { Tag::Absent });
            let features = set.features().subset(&rows).unwrap();
            Tagged::new(features, tags.collect(), vec!["0".into()]).unwrap()
        };
        let alone = probe.run_tags(&of_class(&sets[0]), &of_class(&sets[1]), &of_class(&sets[2])).unwrap();
        for split in ["val", "test"] {
            let ap = |verdict: &Judgement<TagPredictions>| {
                verdict.outcome.split(split).unwrap().scores.per_class[0].average_precision
            };
            assert_eq!(ap(&verdict), ap(&alone), "{split}");
        }
    }

    #[test]
    fn classes_shown_by_too_few_or_by_nearly_all_images_are_left_out_and_named() {
        let sets = [1, 2, 3].map(|seed| made(60, 3, seed));
        let rare = |set: &Tagged| {
            with_tags(set, |row, class, tag| match class {
                0 if row > 0 => Tag::Absent,
                1 if row > 0 => Tag::Present,
                _ => tag,
            })
        };
        let [train, val] = [rare(&sets[0]), rare(&sets[1])];
        let verdict = SvmProbe::default().run_tags(&train, &val, &sets[2]).unwrap();
        let named = |class: &str| verdict.warnings.iter().any(|w| w.contains(&format!("class `{class}`")));
        assert!(named("0") && named("1") && !named("2"), "{:?}", verdict.warnings);
        let scores = &verdict.outcome.split("test").unwrap().scores;
        let steps: Vec<bool> =
            scores.per_class.iter().map(|class| class.average_precision.step.is_some()).collect();
        assert_eq!(steps, [false, false, true]);
        assert_eq!(scores.mean_average_precision.step, scores.per_class[2].average_precision.step);
        assert!(verdict.found["c"][0].is_null() && verdict.found["c"][2].is_number());
    }

    #[test]
    fn classes_absent_from_a_split_are_left_out_of_its_means_and_named() {
        let sets = [1, 2, 3].map(|seed| made(60, 2, seed));
        let without =
            |set: &Tagged| with_tags(set, |_, class, tag| if class == 0 { Tag::Absent } else { tag });
        let verdict = SvmProbe::default().run_tags(&sets[0], &sets[1], &without(&sets[2])).unwrap();
        assert!(
            verdict.warnings[0].starts_with("no image of split `test` shows class `0`"),
            "{:?}",
            verdict.warnings
        );
        let scores = &verdict.outcome.split("test").unwrap().scores;
        assert_eq!(scores.per_class[0].average_precision.step, None);
        assert_eq!(scores.mean_average_precision.step, scores.per_class[1].average_precision.step);
        // Shown by validation images only: no machine of training images alone.
        let verdict = SvmProbe::default().run_tags(&without(&sets[0]), &sets[1], &sets[2]).unwrap();
        assert_eq!(verdict.outcome.split("val").unwrap().scores.per_class[0].average_precision.step, None);
        assert!(verdict.outcome.split("test").unwrap().scores.per_class[0].average_precision.step.is_some());
    }

    #[test]
    fn what_cannot_be_probed_is_refused() {
        let set = made(30, 2, 1);
        let refuse = |probe: SvmProbe, train: &Tagged| probe.run_tags(train, &set, &set).unwrap_err();
        let usual = SvmProbe::default();
        assert!(matches!(refuse(SvmProbe { folds: 1, ..usual.clone() }, &set), EvalError::Setting { .. }));
        assert!(matches!(
            refuse(SvmProbe { c: vec![], ..usual.clone() }, &set),
            EvalError::NoValues { setting: "c_grid" }
        ));
        let zero = SvmProbe { c: vec![0.0], ..usual.clone() };
        assert!(matches!(refuse(zero, &set), EvalError::Setting { setting: "c", .. }));
        assert!(matches!(refuse(usual.clone(), &made(30, 3, 1)), EvalError::SplitsDiffer { .. }));
        let nothing = with_tags(&set, |_, _, _| Tag::NotJudged);
        let error = usual.run_tags(&nothing, &nothing, &set).unwrap_err();
        assert!(
            error.to_string().starts_with("the mean average precision is undefined: no class has 3"),
            "{error}"
        );
    }

    /// The tags `key` of a case: 1, -1, and 0 for those left open.
    fn tagged(case: &Case, features: &str, tags: &str) -> Tagged {
        let tag = |&tag: &i64| match tag {
            1 => Tag::Present,
            -1 => Tag::Absent,
            _ => Tag::NotJudged,
        };
        let names = (0..case.shape(tags)[1]).map(|class| class.to_string()).collect();
        Tagged::new(features_of(case, features), case.i64(tags).iter().map(tag).collect(), names).unwrap()
    }

    fn tight(c: Vec<f64>, case: &Case) -> SvmProbe {
        SvmProbe {
            c,
            folds: case.count("folds"),
            positive_weight: case.number("positive_weight"),
            tolerance: 1e-9,
            max_iterations: 200_000,
            ..SvmProbe::default()
        }
    }

    #[test]
    fn golden_svm_tags() {
        for case in twinlens_golden::cases("probe/svm_tags") {
            let [train, val, test] = ["train", "val", "test"]
                .map(|split| tagged(&case, &format!("in.{split}_x"), &format!("in.{split}_tags")));
            let verdict = tight(vec![case.number("c")], &case).run_tags(&train, &val, &test).unwrap();
            for split in ["val", "test"] {
                let scores = &verdict.outcome.split(split).unwrap().scores;
                let check = |name: &str, value: fn(&crate::metrics::TagClassScores) -> Option<f64>| {
                    let values: Vec<f64> =
                        scores.per_class.iter().map(|class| value(class).unwrap()).collect();
                    case.check(&format!("out.{split}_{name}"), &values);
                };
                check("ap_step", |class| class.average_precision.step);
                check("ap_area", |class| class.average_precision.area);
                check("ap_voc07", |class| class.average_precision.voc07);
                check("auc", |class| class.auc);
                let mean = scores.mean_average_precision;
                let means = [mean.step, mean.area, mean.voc07, scores.macro_auc].map(Option::unwrap);
                case.check(&format!("out.{split}_means"), &means);
            }
        }
    }

    /// The choice of `c` with the folds of the case.
    #[test]
    fn golden_svm_tags_choose_c() {
        for case in twinlens_golden::cases("probe/svm_tags") {
            let grid = doubles(&case, "in.c_grid");
            let probe = tight(grid.clone(), &case);
            let [train, val] = ["train", "val"]
                .map(|split| tagged(&case, &format!("in.{split}_x"), &format!("in.{split}_tags")));
            let all = train.joined("val", &val).unwrap();
            let (features, classes) = (all.features().unit_rows(), all.classes().len());
            let (mut precisions, mut chosen) = (Vec::new(), Vec::new());
            for class in 0..classes {
                let (rows, positive) = all.judged(class);
                let fold = |row: &usize| case.i64("in.folds")[row * classes + class] as usize;
                let folds: Vec<usize> = rows.iter().map(fold).collect();
                for fold in 0..probe.folds {
                    let held_out = |at: usize| folds[at] == fold;
                    precisions
                        .extend(probe.precisions(&features, &rows, &positive, &grid, held_out).unwrap());
                }
                chosen.push(probe.choose(&features, &rows, &positive, &folds).unwrap());
            }
            case.check("out.precisions", &precisions);
            case.check("out.c", &chosen);
        }
    }
}
