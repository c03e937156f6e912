//! `transfer`: judge an encoder on other data sets than it learned from.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::{Value, json};
use twinlens_data::DataSet;
use twinlens_eval::metrics::{Formula, MEASURES, measured};
use twinlens_eval::statistics::Interval;
use twinlens_eval::{Knn, Measure, TagVerdict, Verdict, Vote};

use super::judge::{JudgeArgs, document, number, protocol, shifts, write_document};
use super::knn::usual;
use super::probe::Classifier;
use super::tags;
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `transfer`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens transfer runs/a --data bloodmnist pathmnist dermamnist
  twinlens transfer runs/a --data other-clinic.npz --classifier ridge --json
  twinlens transfer runs/a --data VOCdevkit/VOC2007 bloodmnist --classifier svm")]
pub struct TransferArgs {
    /// What is judged, and on which data first.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Further data sets
    #[arg(value_name = "DATA", value_hint = ValueHint::AnyPath)]
    pub more: Vec<String>,
    /// Numbers of neighbours [default: 20 and 200, as far as there are so many training images]
    #[arg(short, long, value_name = "K", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub k: Vec<u32>,
    /// What reads the features: logistic regression, ridge regression on one-hot labels, or linear SVMs one against the rest
    #[arg(long, value_name = "logistic|ridge|svm", default_value = "logistic", hide_possible_values = true)]
    pub classifier: Classifier,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
}

/// Runs `transfer`: nearest neighbours and a linear probe on each data set, in one table. All data sets are judged before
/// anything is told or kept.
///
/// # Errors
/// An encoder or data that cannot be used; the data set concerned is named.
pub fn run(args: &TransferArgs, terminal: &Terminal) -> Outcome {
    let mut judged = Vec::new();
    for name in std::iter::once(&args.judge.data).chain(&args.more) {
        let judge = JudgeArgs { data: name.clone(), ..args.judge.clone() };
        judged.push(of_one(args, judge, terminal).map_err(|failure| failure.at(name))?);
    }
    let (mut verdicts, mut tagged) = (Vec::new(), Vec::new());
    for Judged { judge, data, verdicts: mut found, tagged: of_several } in judged {
        judge.sign(&data, &mut found)?;
        tags::keep_all(&judge, &of_several)?;
        verdicts.extend(found);
        tagged.extend(of_several);
    }
    let shifts = shifts(&verdicts);
    let mut document = document(&verdicts, &shifts);
    document["tag_verdicts"] = json!(tagged);
    if let Some(out) = &args.out {
        write_document(out, &document)?;
    }
    terminal.result(&document, || {
        let several = (!tagged.is_empty()).then(|| tags::table(&tagged, &[], terminal));
        let one = (!verdicts.is_empty()).then(|| table(&verdicts, &shifts, terminal));
        one.into_iter().chain(several).collect::<Vec<_>>().join("\n")
    })
}

/// One data set and what was found on it.
struct Judged {
    judge: JudgeArgs,
    data: DataSet,
    verdicts: Vec<Verdict>,
    /// Instead, where an image may show several classes.
    tagged: Vec<TagVerdict>,
}

/// Both protocols on one data set; support vector machines alone where an image may show several classes.
fn of_one(args: &TransferArgs, judge: JudgeArgs, terminal: &Terminal) -> Outcome<Judged> {
    let (subject, data) = judge.open_labelled(terminal)?;
    if data.has_tags() {
        tags::check(args.classifier, &data)?;
        let tagged = tags::verdicts(&judge, &[0], &subject, &data, terminal)?;
        return Ok(Judged { judge, data, verdicts: Vec::new(), tagged });
    }
    let images = super::judge::Judged::of(&subject, &data, &judge.computing(), terminal)?;
    let k = usual(&args.k, images.train.features().rows());
    let knn = Knn { k, votes: vec![Vote::Weighted], ..Knn::default() };
    let mut verdicts = knn.run(&images.train, &images.held_out())?;
    let mut probe = args.classifier.judge(&images.train, &images.held_out())?;
    probe.settings.insert("label_share".into(), 1.0.into());
    verdicts.push(probe);
    Ok(Judged { judge, data, verdicts, tagged: Vec::new() })
}

/// A line for each data set and protocol, validation and test side by side.
fn table(verdicts: &[Verdict], shifts: &[Option<Interval>], terminal: &Terminal) -> String {
    let splits = verdicts.iter().flat_map(|verdict| &verdict.splits);
    let measures = measured(splits.map(|split| &split.scores));
    let mut headings: Vec<String> =
        ["data", "protocol", "features", "val", "test", "test below val", "95 % interval"]
            .map(str::to_owned)
            .into();
    headings.extend(measures.iter().skip(1).map(|measure| format!("test {}", measure.title)));
    let row = |(verdict, shift): (&Verdict, &Option<Interval>)| {
        let text = |key: &str| verdict.settings.get(key).and_then(Value::as_str).unwrap_or("-");
        let data = Path::new(text("data")).file_name().map_or("-".into(), |name| name.to_string_lossy());
        let of = |split: &str, measure: &Measure<Formula>| measure.value(&verdict.split(split)?.scores);
        let words = [
            data.into_owned(),
            protocol(verdict),
            text("features").to_owned(),
            number(of("val", &MEASURES[0])),
            number(of("test", &MEASURES[0])),
            number(shift.map(|shift| shift.value)),
            shift.map_or("-".to_owned(), |shift| format!("{:.4} to {:.4}", shift.low, shift.high)),
        ];
        words.into_iter().chain(measures.iter().skip(1).map(|one| number(of("test", one)))).collect()
    };
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    terminal.table(&headings, &verdicts.iter().zip(shifts).map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn one_data_set_or_several_are_taken() {
        let args: TransferArgs = parse("runs/a --data b.npz").unwrap();
        assert!(args.more.is_empty());
        let args: TransferArgs = parse("runs/a --data b.npz c.npz d --classifier ridge -k 5").unwrap();
        assert_eq!(
            (args.judge.data.as_str(), args.more),
            ("b.npz", vec!["c.npz".to_owned(), "d".to_owned()])
        );
        assert_eq!((args.classifier, args.k), (Classifier::Ridge, vec![5]));
        assert!(parse::<TransferArgs>("runs/a").is_err());
    }
}
