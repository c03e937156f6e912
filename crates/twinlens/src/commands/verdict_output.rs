//! Verdicts as a terminal and `--json` tell them.

use std::path::PathBuf;

use serde_json::{Value, json};
use twinlens_eval::metrics::{MEASURES, measured};
use twinlens_eval::statistics::Interval;
use twinlens_eval::{Predictions, Repeated, Repeats};
use twinlens_lab::protocols::title;
use twinlens_lab::{
    MeasureSummary, Outcome as Found, PredictionSummary, Readings, Summary, Verdict, by_measures,
    by_predictions, shift_of, shifts_over_seeds,
};

use super::cells::{number, spread};
use super::tags;
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// What a verb that judges says.
pub struct VerdictOutput {
    /// As JSON.
    pub document: Value,
    /// As tables.
    pub text: String,
}

impl VerdictOutput {
    /// Every verdict, how far test lies below validation, what repeats come to, and where pictures are.
    ///
    /// # Errors
    /// Repeats on other images.
    pub fn of(verdicts: &[Verdict], pictures: &[PathBuf], terminal: &Terminal) -> Outcome<VerdictOutput> {
        let ((predictions, several), others) = (by_predictions(verdicts), by_measures(verdicts));
        let shifts: Vec<_> = predictions.iter().map(|verdict| told(shift_of(&[verdict]))).collect();
        let mut document = json!({ "verdicts": verdicts, "test_below_val": shifts });
        let mut parts = Vec::new();
        if !predictions.is_empty() {
            parts.push(table(&predictions, terminal));
            parts.push(tell_shifts(&shifts_over_seeds(&predictions)));
        }
        parts.extend(others.iter().map(|group| match &group[0].outcome {
            Found::Tags(_) => tags::told(&several, terminal),
            _ => readings_table(group, terminal),
        }));
        let over_seeds = PredictionSummary::of_all(&predictions)?;
        parts.push(prediction_summaries(&over_seeds, terminal));
        let mut summaries: Vec<Summary> = over_seeds.into_iter().map(Summary::Predictions).collect();
        for group in others {
            let over_seeds = MeasureSummary::of_all(&group)?;
            parts.push(measure_summaries(&over_seeds, terminal));
            summaries.extend(over_seeds.into_iter().map(Summary::Measures));
        }
        if !summaries.is_empty() {
            document["summary"] = json!(summaries);
        }
        if !pictures.is_empty() {
            document["pictures"] = json!(pictures);
            parts.push(pictures.iter().map(|path| format!("{}\n", path.display())).collect());
        }
        parts.insert(0, sentences(verdicts));
        parts.retain(|part| !part.is_empty());
        Ok(VerdictOutput { document, text: parts.join("\n") })
    }
}

/// More verdicts than this are read in a table.
const MOST_SENTENCES: usize = 4;

/// Each verdict in a sentence, a line each, where they are few.
pub fn sentences(verdicts: &[Verdict]) -> String {
    let line = |verdict: &Verdict| verdict.summary() + "\n";
    if verdicts.len() > MOST_SENTENCES { String::new() } else { verdicts.iter().map(line).collect() }
}

/// The scores of verdicts, a line a split.
pub fn table(verdicts: &[Verdict<Predictions>], terminal: &Terminal) -> String {
    let splits = || verdicts.iter().flat_map(|verdict| &verdict.outcome.splits);
    let measures = measured(splits().map(|split| &split.scores));
    let headings: Vec<&str> =
        ["protocol", "features", "split"].into_iter().chain(measures.iter().map(|one| one.title)).collect();
    let mut rows = Vec::new();
    for verdict in verdicts {
        let features = verdict.subject.name();
        for split in &verdict.outcome.splits {
            let words = [title(&verdict.protocol, &verdict.asked), features.clone(), split.split.clone()];
            let numbers = measures.iter().map(|measure| number(measure.value(&split.scores)));
            rows.push(words.into_iter().chain(numbers).collect());
        }
    }
    terminal.table(&headings, &rows)
}

/// The seeds of a verdict in words.
fn seeds(verdict: &Verdict) -> String {
    let words: Vec<String> = verdict.seeds.iter().map(|(what, seed)| format!("{what} {seed}")).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// The numbers of verdicts that have the same measures, a line a split.
pub fn readings_table(verdicts: &[&Verdict], terminal: &Terminal) -> String {
    let Some(first) = verdicts.first() else { return String::new() };
    let Readings { measures, .. } = first.readings();
    let words = ["protocol", "features", "seeds", "split"];
    let headings: Vec<&str> =
        words.into_iter().chain(measures.iter().map(|one| one.title.as_str())).collect();
    let mut rows = Vec::new();
    for verdict in verdicts {
        for (split, values) in verdict.readings().splits {
            let words =
                [title(&verdict.protocol, &verdict.asked), verdict.subject.name(), seeds(verdict), split];
            rows.push(words.into_iter().chain(values.into_iter().map(number)).collect());
        }
    }
    terminal.table(&headings, &rows)
}

/// Mean and deviation over seeds, a line a split; empty where nothing has several seeds.
pub fn measure_summaries(summaries: &[MeasureSummary], terminal: &Terminal) -> String {
    let Some(first) = summaries.first() else { return String::new() };
    let words = ["protocol", "split", "seeds"];
    let headings: Vec<&str> =
        words.into_iter().chain(first.measures.iter().map(|one| one.title.as_str())).collect();
    let mut rows = Vec::new();
    for summary in summaries {
        for split in &summary.splits {
            let seeds = summary.seeds.len().to_string();
            let words = [title(&summary.protocol, &summary.asked), split.split.clone(), seeds];
            let values = summary.measures.iter().map(|measure| spread(&split.values[&measure.id]));
            rows.push(words.into_iter().chain(values).collect());
        }
    }
    terminal.table(&headings, &rows)
}

fn told(shift: Option<Interval>) -> Option<Value> {
    shift.map(|found| json!({ "value": found.value, "low": found.low, "high": found.high }))
}

/// The same in words, a line each.
fn tell_shifts(shifts: &[(&Verdict<Predictions>, Option<Interval>)]) -> String {
    let line = |(verdict, found): &(&Verdict<Predictions>, Option<Interval>)| {
        let Interval { value, low, high, .. } = (*found)?;
        let points = |share: f64| {
            let side = if share < 0.0 { "above" } else { "below" };
            format!("{:.1} points {side}", 100.0 * share.abs())
        };
        let [value, low, high] = [value, low, high].map(points);
        let (protocol, features) = (title(&verdict.protocol, &verdict.asked), verdict.subject.name());
        Some(format!("{protocol}, {features}: test is {value} validation (95 % of draws: {low} to {high})\n"))
    };
    shifts.iter().filter_map(line).collect()
}

/// The columns of [`rows`].
pub fn headings() -> impl Iterator<Item = &'static str> {
    let measures = MEASURES.iter().flat_map(|measure| [measure.title, "95 % interval"]);
    ["labels", "split", "seeds"].into_iter().chain(measures)
}

/// A line for each split.
pub fn rows(training_labels: &str, splits: &[Repeats]) -> Vec<Vec<String>> {
    let row = |of: &Repeats| {
        let words = [training_labels.to_owned(), of.split.clone(), of.seeds().to_string()];
        let interval = |of: &Repeated| of.interval.map(|[low, high]| format!("{low:.4} to {high:.4}"));
        let numbers = MEASURES.iter().flat_map(|measure| match of.get(measure.id) {
            Some(of) => [spread(of), interval(of).unwrap_or("-".to_owned())],
            None => ["-", "-"].map(str::to_owned),
        });
        words.into_iter().chain(numbers).collect()
    };
    splits.iter().map(row).collect()
}

/// Repeats over seeds with their intervals, a line a split; empty where nothing has several seeds.
fn prediction_summaries(summaries: &[PredictionSummary], terminal: &Terminal) -> String {
    if summaries.is_empty() {
        return String::new();
    }
    let headings: Vec<&str> = std::iter::once("protocol").chain(headings()).collect();
    let mut lines = Vec::new();
    for summary in summaries {
        let protocol = title(&summary.protocol, &summary.asked);
        for row in rows(&summary.training_labels.to_string(), &summary.splits) {
            lines.push([vec![protocol.clone()], row].concat());
        }
    }
    terminal.table(&headings, &lines)
}

#[cfg(test)]
mod tests {
    use twinlens_lab::{DataRecord, FeaturesKind, SubjectRecord};

    use super::*;

    #[test]
    fn test_is_above_or_below_validation_in_words() {
        let asked = [("k", 5.into()), ("vote", "weighted".into())];
        let judgement = twinlens_eval::Judgement::of_labels(asked, &[0], &["a".to_owned()]);
        let subject = SubjectRecord::of(FeaturesKind::Trained);
        let verdict = Verdict::new("knn", judgement, subject, DataRecord::default());
        let found = Interval { value: 0.0512, low: -0.004, high: 0.1, groups: None };
        let expected = "kNN k=5 weighted, trained: test is 5.1 points below validation (95 % of draws: 0.4 points above to \
                        10.0 points below)\n";
        assert_eq!(tell_shifts(&[(&verdict, Some(found))]), expected);
        assert_eq!(tell_shifts(&[(&verdict, None)]), "");
    }
}
