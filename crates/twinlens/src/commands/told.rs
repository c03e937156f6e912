//! Verdicts as a terminal and `--json` tell them.

use std::path::PathBuf;

use serde_json::{Value, json};
use twinlens_eval::metrics::{MEASURES, measured};
use twinlens_eval::statistics::{Bootstrap, Interval};
use twinlens_eval::{Predictions, Repeated, Repeats, TagPredictions, shift};
use twinlens_lab::protocols::title;
use twinlens_lab::{MeasureRecord, Outcome as Found, Readings, Verdict, repeated, repeats};

use super::tags;
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// What a verb that judges says.
pub struct Told {
    /// As JSON.
    pub document: Value,
    /// As tables.
    pub text: String,
}

impl Told {
    /// Every verdict, how far test lies below validation, what repeats come to, and where pictures are.
    ///
    /// # Errors
    /// Repeats on other images.
    pub fn of(verdicts: &[Verdict], pictures: &[PathBuf], terminal: &Terminal) -> Outcome<Told> {
        let ((predictions, several), others) = (by_predictions(verdicts), others(verdicts));
        let shifts: Vec<_> = predictions.iter().map(|verdict| shift_of(&[verdict])).collect();
        let mut document =
            json!({ "verdicts": verdicts, "test_below_val": shifts.iter().map(told).collect::<Vec<_>>() });
        let mut parts = Vec::new();
        if !predictions.is_empty() {
            parts.push(table(&predictions, terminal));
            parts.push(tell_shifts(&shifts_over_seeds(&predictions)));
        }
        parts.extend(others.iter().map(|group| match &group[0].outcome {
            Found::Tags(_) => tags::told(&several, terminal),
            _ => readings_table(group, terminal),
        }));
        let mut summaries = Vec::new();
        if let Some((summary, told)) = summary(&predictions, terminal)? {
            summaries.extend(summary);
            parts.push(told);
        }
        for group in others {
            if let Some((summary, told)) = readings_summary(&group, terminal)? {
                summaries.extend(summary);
                parts.push(told);
            }
        }
        if !summaries.is_empty() {
            document["summary"] = json!(summaries);
        }
        if !pictures.is_empty() {
            document["pictures"] = json!(pictures);
            parts.push(pictures.iter().map(|path| format!("{}\n", path.display())).collect());
        }
        parts.retain(|part| !part.is_empty());
        Ok(Told { document, text: parts.join("\n") })
    }
}

/// Verdicts by predictions of one class an image, and those of several.
pub fn by_predictions(verdicts: &[Verdict]) -> (Vec<Verdict<Predictions>>, Vec<Verdict<TagPredictions>>) {
    let (mut one, mut several) = (Vec::new(), Vec::new());
    for verdict in verdicts {
        match &verdict.outcome {
            Found::Predictions(found) => one.push(verdict.clone().with(found.clone())),
            Found::Tags(found) => several.push(verdict.clone().with(found.clone())),
            _ => {}
        }
    }
    (one, several)
}

/// Verdicts by anything but predictions of one class, those with the same measures together.
fn others(verdicts: &[Verdict]) -> Vec<Vec<&Verdict>> {
    let mut groups: Vec<Vec<&Verdict>> = Vec::new();
    let other = |verdict: &&Verdict| !matches!(verdict.outcome, Found::Predictions(_) | Found::Map(_));
    for verdict in verdicts.iter().filter(other) {
        let measures = verdict.readings().measures;
        match groups.iter_mut().find(|group| group[0].readings().measures == measures) {
            Some(group) => group.push(verdict),
            None => groups.push(vec![verdict]),
        }
    }
    groups
}

/// The scores of verdicts, a line a split.
pub fn table(verdicts: &[Verdict<Predictions>], terminal: &Terminal) -> String {
    let splits = || verdicts.iter().flat_map(|verdict| &verdict.outcome.splits);
    let measures = measured(splits().map(|split| &split.scores));
    let headings: Vec<&str> =
        ["protocol", "features", "split"].into_iter().chain(measures.iter().map(|one| one.title)).collect();
    let mut rows = Vec::new();
    for verdict in verdicts {
        let features = verdict.subject.features.name().to_owned();
        for split in &verdict.outcome.splits {
            let words = [title(&verdict.protocol, &verdict.asked), features.clone(), split.split.clone()];
            let numbers = measures.iter().map(|measure| number(measure.value(&split.scores)));
            rows.push(words.into_iter().chain(numbers).collect());
        }
    }
    terminal.table(&headings, &rows)
}

/// A number in tables; `-` where it is undefined.
pub fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
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
            let words = [
                title(&verdict.protocol, &verdict.asked),
                verdict.subject.features.name().to_owned(),
                seeds(verdict),
                split,
            ];
            rows.push(words.into_iter().chain(values.into_iter().map(number)).collect());
        }
    }
    terminal.table(&headings, &rows)
}

/// Mean and deviation over seeds of verdicts that have the same measures, as JSON and as a table; nothing if every verdict
/// has one seed only.
///
/// # Errors
/// Values that are not finite.
pub fn readings_summary(verdicts: &[&Verdict], terminal: &Terminal) -> Outcome<Option<(Vec<Value>, String)>> {
    let owned: Vec<Verdict> = verdicts.iter().map(|verdict| (*verdict).clone()).collect();
    let groups: Vec<_> = repeated(&owned).into_iter().filter(|group| group.len() > 1).collect();
    let (mut documents, mut rows, mut measures) = (Vec::new(), Vec::new(), Vec::new());
    for group in &groups {
        measures = group[0].readings().measures;
        let splits = over_seeds(group)?;
        for (split, values) in &splits {
            let words = [title(&group[0].protocol, &group[0].asked), split.clone(), group.len().to_string()];
            rows.push(words.into_iter().chain(values.iter().map(spread)).collect());
        }
        documents.push(summary_document(group, &measures, &splits));
    }
    let words = ["protocol", "split", "seeds"];
    let headings: Vec<&str> =
        words.into_iter().chain(measures.iter().map(|one| one.title.as_str())).collect();
    Ok((!groups.is_empty()).then(|| (documents, terminal.table(&headings, &rows))))
}

/// Every split of verdicts that differ in their seeds: each measure over seeds.
fn over_seeds(group: &[&Verdict]) -> Outcome<Vec<(String, Vec<Repeated>)>> {
    let all: Vec<Readings> = group.iter().map(|verdict| verdict.readings()).collect();
    let value = |readings: &Readings, split: &str, at: usize| {
        let (_, values) = readings.splits.iter().find(|(name, _)| name == split)?;
        values.get(at).copied().flatten()
    };
    let of_split = |split: &str| {
        let over = |at: usize| Ok(Repeated::of(all.iter().map(|one| value(one, split, at)).collect())?);
        Ok((split.to_owned(), (0..all[0].measures.len()).map(over).collect::<Outcome<_>>()?))
    };
    all[0].splits.iter().map(|(split, _)| of_split(split)).collect()
}

fn summary_document(
    group: &[&Verdict],
    measures: &[MeasureRecord],
    splits: &[(String, Vec<Repeated>)],
) -> Value {
    let split = |(split, values): &(String, Vec<Repeated>)| {
        let named = measures.iter().zip(values).map(|(measure, value)| (measure.id.clone(), json!(value)));
        Value::Object(std::iter::once(("split".to_owned(), json!(split))).chain(named).collect())
    };
    let seeds: Vec<_> = group.iter().map(|verdict| &verdict.seeds).collect();
    let splits: Vec<Value> = splits.iter().map(split).collect();
    json!({ "protocol": group[0].protocol, "asked": group[0].asked, "seeds": seeds, "splits": splits })
}

/// How far verdicts that differ in seeds alone fall from validation to test; `None` where that cannot be said.
pub fn shift_of(verdicts: &[&Verdict<Predictions>]) -> Option<Interval> {
    let outcomes: Vec<&Predictions> = verdicts.iter().map(|verdict| &verdict.outcome).collect();
    shift(&outcomes, &Bootstrap::default()).ok().flatten()
}

fn told(shift: &Option<Interval>) -> Option<Value> {
    shift.map(|found| json!({ "value": found.value, "low": found.low, "high": found.high }))
}

/// [`shift_of`] the verdicts of each condition, beside the first of them.
fn shifts_over_seeds(verdicts: &[Verdict<Predictions>]) -> Vec<(&Verdict<Predictions>, Option<Interval>)> {
    repeated(verdicts).into_iter().map(|group| (group[0], shift_of(&group))).collect()
}

/// The same in words, a line each.
fn tell_shifts(shifts: &[(&Verdict<Predictions>, Option<Interval>)]) -> String {
    let line = |(verdict, found): &(&Verdict<Predictions>, Option<Interval>)| {
        let Interval { value, low, high } = (*found)?;
        let points = |share: f64| {
            let side = if share < 0.0 { "above" } else { "below" };
            format!("{:.1} points {side}", 100.0 * share.abs())
        };
        let [value, low, high] = [value, low, high].map(points);
        let (protocol, features) =
            (title(&verdict.protocol, &verdict.asked), verdict.subject.features.name());
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

/// Mean and standard deviation.
pub fn spread(of: &Repeated) -> String {
    match (of.mean, of.std) {
        (Some(mean), Some(std)) => format!("{mean:.4} +- {std:.4}"),
        (Some(mean), None) => format!("{mean:.4}"),
        (None, _) => "-".to_owned(),
    }
}

/// The repeats among `verdicts` as JSON and as a table; nothing if every verdict has one seed only.
fn summary(verdicts: &[Verdict<Predictions>], terminal: &Terminal) -> Outcome<Option<(Vec<Value>, String)>> {
    let groups = repeated(verdicts);
    if groups.iter().all(|group| group.len() < 2) {
        return Ok(None);
    }
    let (mut documents, mut lines) = (Vec::new(), Vec::new());
    for group in &groups {
        let splits = repeats(group)?;
        let first = group[0];
        let seeds: Vec<_> = group.iter().map(|verdict| &verdict.seeds).collect();
        let protocol = title(&first.protocol, &first.asked);
        for row in rows(&first.outcome.training_labels.to_string(), &splits) {
            lines.push([vec![protocol.clone()], row].concat());
        }
        documents.push(json!({
            "protocol": first.protocol,
            "asked": first.asked,
            "seeds": seeds,
            "training_labels": first.outcome.training_labels,
            "splits": splits,
        }));
    }
    let headings: Vec<&str> = std::iter::once("protocol").chain(headings()).collect();
    Ok(Some((documents, terminal.table(&headings, &lines))))
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
        let found = Interval { value: 0.0512, low: -0.004, high: 0.1 };
        let expected = "kNN k=5 weighted, trained: test is 5.1 points below validation (95 % of draws: 0.4 points above to \
                        10.0 points below)\n";
        assert_eq!(tell_shifts(&[(&verdict, Some(found))]), expected);
        assert_eq!(tell_shifts(&[(&verdict, None)]), "");
    }
}
