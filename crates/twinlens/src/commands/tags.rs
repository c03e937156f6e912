//! Images that may show several classes: support vector machines, judged by average precision. What `probe` and `transfer`
//! do with such data.

use std::path::Path;

use serde_json::{Value, json};
use twinlens_data::{DataSet, Split};
use twinlens_eval::metrics::{TAG_MEASURES, TagScores};
use twinlens_eval::{MeasureOf, Repeated, SvmProbe, TagVerdict};
use twinlens_lab::{Subject, tagged};

use super::judge::{JudgeArgs, keep, name_of, write_document};
use super::labels::spread;
use super::probe::{Classifier, ProbeArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// The protocol in verdicts.
pub const PROTOCOL: &str = "svm-tags";

/// `probe` of such data.
///
/// # Errors
/// A classifier or labels that do not fit them, data without all three splits, a test mAP below `--fail-under`.
pub fn probe(args: &ProbeArgs, subject: &Subject, data: &DataSet, terminal: &Terminal) -> Outcome {
    check(args.classifier, data)?;
    if !args.labels.amounts().is_empty() {
        let message = format!("an image of {} may show several classes: all labels are used", data.name);
        let failure = Failure::message(Exit::Usage, message);
        return Err(failure.hint("leave --label-share and --labels-per-class out"));
    }
    let seeds = args.labels.seeds(args.seed as u64);
    let verdicts = verdicts(&args.judge, &seeds, subject, data, terminal)?;
    keep_all(&args.judge, &verdicts)?;
    let summary = summary(&verdicts)?;
    let over_seeds = |(split, values): &Summary| {
        let named =
            TAG_MEASURES.iter().zip(values).map(|(measure, value)| (measure.title.to_owned(), json!(value)));
        json!({ "split": split, "measures": named.collect::<serde_json::Map<_, _>>() })
    };
    let document =
        json!({ "verdicts": verdicts, "summary": summary.iter().map(over_seeds).collect::<Vec<_>>() });
    if let Some(out) = &args.out {
        write_document(out, &document)?;
    }
    terminal.result(&document, || {
        let classes = verdicts.first().map(|verdict| classes(verdict, terminal)).unwrap_or_default();
        format!("{classes}\n{}", table(&verdicts, &summary, terminal))
    })?;
    let test = |verdict: &TagVerdict| verdict.split("test")?.scores.mean_average_precision.step;
    let worst = verdicts.iter().filter_map(test).fold(f64::INFINITY, f64::min);
    match args.fail_under {
        Some(least) if worst < least => {
            let message = format!("test mean average precision {worst:.4} is below {least}");
            Err(Failure::message(Exit::Failed, message))
        }
        _ => Ok(()),
    }
}

/// Refuses classifiers that predict one class an image.
///
/// # Errors
/// Any but support vector machines.
pub fn check(classifier: Classifier, data: &DataSet) -> Outcome {
    if classifier == Classifier::Svm {
        return Ok(());
    }
    let message = format!("an image of {} may show several classes, this classifier predicts one", data.name);
    Err(Failure::message(Exit::Usage, message).hint("add --classifier svm"))
}

/// A signed verdict for each seed.
///
/// # Errors
/// A missing split or label, an encoder that does not fit, no class that can be judged.
pub fn verdicts(
    judge: &JudgeArgs,
    seeds: &[u64],
    subject: &Subject,
    data: &DataSet,
    terminal: &Terminal,
) -> Outcome<Vec<TagVerdict>> {
    let computing = judge.computing();
    let of = |split| Ok::<_, Failure>(tagged(subject, data, split, &computing, terminal)?);
    let [train, val, test] = [of(Split::Train)?, of(Split::Val)?, of(Split::Test)?];
    let judged = |&seed: &u64| {
        let mut verdict = SvmProbe { seed, ..SvmProbe::default() }.run_tags(&train, &val, &test)?;
        let TagVerdict { settings, seeds, .. } = &mut verdict;
        judge.features.sign(settings, seeds, judge.untrained_seed, &judge.data, data);
        Ok(verdict)
    };
    seeds.iter().map(judged).collect()
}

/// Tells the warnings of verdicts, and keeps these with the run if the encoder is one's.
///
/// # Errors
/// A folder that is in use or cannot be written.
pub fn keep_all(judge: &JudgeArgs, verdicts: &[TagVerdict]) -> Outcome {
    for verdict in verdicts {
        for warning in &verdict.warnings {
            tracing::warn!("{warning}");
        }
        if judge.encoder.is_dir() {
            let name = name_of(&verdict.protocol, &verdict.settings, &verdict.seeds);
            keep(&judge.encoder, &name, verdict)?;
        }
    }
    Ok(())
}

/// A split over seeds: its name, and each of [`TAG_MEASURES`].
pub type Summary = (String, Vec<Repeated>);

/// Every split over seeds, where there are several.
fn summary(verdicts: &[TagVerdict]) -> Outcome<Vec<Summary>> {
    let splits =
        verdicts.first().filter(|_| verdicts.len() > 1).map_or(&[][..], |verdict| verdict.splits.as_slice());
    let over_seeds = |split: &str, measure: &MeasureOf<TagScores>| {
        let value = |verdict: &TagVerdict| (measure.of)(&verdict.split(split)?.scores);
        Repeated::of(verdicts.iter().map(value).collect())
    };
    let of = |split: &String| {
        let all = TAG_MEASURES.iter().map(|measure| over_seeds(split, measure));
        Ok((split.clone(), all.collect::<Result<_, _>>()?))
    };
    splits.iter().map(|split| of(&split.split)).collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}

/// A line for each split of each verdict, then those over seeds.
pub fn table(verdicts: &[TagVerdict], summary: &[Summary], terminal: &Terminal) -> String {
    let mut headings = vec!["data", "features", "seed", "split", "learned from"];
    headings.extend(TAG_MEASURES.iter().map(|measure| measure.title));
    headings.push("95 % interval of mAP");
    let mut rows = Vec::new();
    for verdict in verdicts {
        let text = |key: &str| verdict.settings.get(key).and_then(Value::as_str).unwrap_or("-");
        let data = Path::new(text("data")).file_name().map_or("-".into(), |name| name.to_string_lossy());
        let seed = verdict.seeds.get("folds").map(u64::to_string).unwrap_or_default();
        for split in &verdict.splits {
            let features = text("features").to_owned();
            let mut row = vec![
                data.to_string(),
                features,
                seed.clone(),
                split.split.clone(),
                split.learned_from.join(" and "),
            ];
            row.extend(TAG_MEASURES.iter().map(|measure| number((measure.of)(&split.scores))));
            let interval = split.scores.interval.map(|[low, high]| format!("{low:.4} to {high:.4}"));
            row.push(interval.unwrap_or("-".to_owned()));
            rows.push(row);
        }
    }
    for (split, measures) in summary {
        let mut row = ["", "", "all", split, ""].map(str::to_owned).to_vec();
        row.extend(measures.iter().map(spread));
        rows.push(row);
    }
    terminal.table(&headings, &rows)
}

/// A line for each class.
fn classes(verdict: &TagVerdict, terminal: &Terminal) -> String {
    let (Some(val), Some(test)) = (verdict.split("val"), verdict.split("test")) else { return String::new() };
    let row = |(class, name): (usize, &String)| {
        let (val, test) = (val.scores.per_class.get(class)?, test.scores.per_class.get(class)?);
        let ap = test.average_precision;
        let values = [val.average_precision.step, ap.step, ap.area, ap.voc07, test.auc];
        let head = vec![name.clone(), test.present.to_string()];
        Some(head.into_iter().chain(values.map(number)).collect())
    };
    let headings = ["class", "test images", "val AP", "test AP", "area", "11 points", "test AUC"];
    let rows: Vec<Vec<String>> = verdict.classes.iter().enumerate().filter_map(row).collect();
    terminal.table(&headings, &rows)
}

#[cfg(test)]
mod tests {
    use twinlens_eval::TagSplit;
    use twinlens_eval::metrics::ByRule;

    use super::*;
    use crate::commands::testing::parse;
    use crate::terminal::{OutputArgs, Surroundings};

    /// A verdict of this mAP on both splits.
    fn verdict(seed: u64, step: f64) -> TagVerdict {
        let mean_average_precision = ByRule { step: Some(step), area: Some(step), voc07: None };
        let scores = TagScores {
            samples: 4,
            mean_average_precision,
            interval: None,
            macro_auc: None,
            per_class: vec![],
        };
        let split = |name: &str| TagSplit {
            split: name.to_owned(),
            learned_from: vec!["train".to_owned()],
            training_images: 8,
            scores: scores.clone(),
        };
        TagVerdict {
            schema_version: 1,
            protocol: PROTOCOL.to_owned(),
            settings: [("data".to_owned(), "x/chest.npz".into())].into(),
            seeds: [("folds".to_owned(), seed)].into(),
            classes: vec![],
            splits: vec![split("val"), split("test")],
            warnings: vec![],
        }
    }

    #[test]
    fn seeds_have_a_line_each_and_one_together() {
        let verdicts = [verdict(0, 0.5), verdict(3, 0.7)];
        let terminal =
            Terminal::writing_to(Box::new(std::io::sink()), &OutputArgs::default(), &Surroundings::default());
        let told = table(&verdicts, &summary(&verdicts).unwrap(), &terminal);
        assert_eq!(told.lines().count(), 1 + 4 + 2, "{told}");
        assert!(told.contains("chest.npz") && told.contains("0.6000 +- 0.1414"), "{told}");
        assert!(summary(&verdicts[..1]).unwrap().is_empty());
    }

    #[test]
    fn classifiers_of_one_class_are_refused_before_work() {
        let data = DataSet {
            name: "chest.npz".into(),
            format: "npz",
            splits: Default::default(),
            split_origin: twinlens_data::SplitOrigin::Defined,
            classes: vec!["a".into(), "b".into()],
            skipped: Default::default(),
            notices: Vec::new(),
            range: twinlens_data::PixelRange {
                pixel_type: twinlens_data::PixelType::U8,
                channels: vec![[0.0, 255.0]],
                origin: twinlens_data::RangeOrigin::Type,
            },
            fingerprint: String::new(),
            bytes_in_memory: 0,
        };
        let checked = |line: &str| {
            let args: ProbeArgs = parse(&format!("runs/a --data chest.npz {line}")).unwrap();
            check(args.classifier, &data).map_err(|failure| (failure.exit(), failure.render(false)))
        };
        for line in ["", "--classifier ridge", "--classifier logistic"] {
            let (exit, text) = checked(line).unwrap_err();
            assert!(exit == Exit::Usage && text.contains("--classifier svm"), "{text}");
        }
        assert!(checked("--classifier svm --seeds 0,1").is_ok());
    }
}
