//! Judgements of images that may show several classes, as a terminal tells them.

use std::path::Path;

use twinlens_eval::TagPredictions;
use twinlens_eval::metrics::TAG_MEASURES;
use twinlens_lab::Verdict;

use super::cells::number;
use crate::terminal::Terminal;

/// The classes of the first verdict, a line each, and then every split of each.
pub fn told(verdicts: &[Verdict<TagPredictions>], terminal: &Terminal) -> String {
    let classes = verdicts.first().map(|verdict| classes(&verdict.outcome, terminal)).unwrap_or_default();
    format!("{classes}\n{}", table(verdicts, terminal))
}

/// A line for each split of each verdict.
fn table(verdicts: &[Verdict<TagPredictions>], terminal: &Terminal) -> String {
    let mut headings = vec!["data", "features", "seed", "split", "learned from"];
    headings.extend(TAG_MEASURES.iter().map(|measure| measure.title));
    headings.push("95 % interval of mAP");
    let mut rows = Vec::new();
    for verdict in verdicts {
        let data =
            Path::new(&verdict.data.path).file_name().map_or("-".into(), |name| name.to_string_lossy());
        let seed = verdict.seeds.get("folds").map(u64::to_string).unwrap_or_default();
        for split in &verdict.outcome.splits {
            let features = verdict.subject.name();
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
    terminal.table(&headings, &rows)
}

/// A line for each class.
fn classes(verdict: &TagPredictions, terminal: &Terminal) -> String {
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
