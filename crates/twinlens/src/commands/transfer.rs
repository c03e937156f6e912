//! `transfer`: judge an encoder on other data sets than it learned from.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use twinlens_eval::metrics::{Formula, MEASURES, measured};
use twinlens_eval::statistics::Interval;
use twinlens_eval::{Measure, Predictions};
use twinlens_lab::protocols::{Knn, Protocol, find, settings, title};
use twinlens_lab::{Repeat, Settings, Verdict, by_predictions, shift_of};

use super::cells::number;
use super::judging::{JudgeArgs, write_document};
use super::probe::Classifier;
use super::tags;
use super::verdict_output::VerdictOutput;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `transfer`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    before_help = "\
Examples:
  twinlens transfer runs/a --data bloodmnist pathmnist dermamnist
  twinlens transfer runs/a --data other-clinic.npz --classifier ridge --json
  twinlens transfer runs/a --data VOCdevkit/VOC2007 bloodmnist --classifier svm",
    mut_arg("overrides", |arg| arg.value_name("DATA").help("Further data sets")))]
pub struct TransferArgs {
    /// What is judged, and on which data first.
    #[command(flatten)]
    pub judge: JudgeArgs,
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
    let (more, judge) = args.judge.without_more();
    judge.of_data_alone()?;
    let Some(first) = &judge.data else {
        let message = "no data set to judge on besides the run's own";
        return Err(Failure::message(Exit::Usage, message).hint("add --data PATH, or several paths"));
    };
    let mut judged = Vec::new();
    for name in std::iter::once(first).chain(&more) {
        let judge = JudgeArgs { data: Some(name.clone()), ..judge.clone() };
        judged.extend(of_one(args, &judge, terminal).map_err(|failure| failure.at(name))?);
    }
    let pictures = args.judge.keep(&judged)?;
    let (verdicts, several) = by_predictions(&judged);
    let shifts: Vec<_> = verdicts.iter().map(|verdict| shift_of(&[verdict])).collect();
    let document = VerdictOutput::of(&judged, &pictures, terminal)?.document;
    if let Some(out) = &args.out {
        write_document(out, &document)?;
    }
    terminal.result(&document, || {
        let several = (!several.is_empty()).then(|| tags::told(&several, terminal));
        let one = (!verdicts.is_empty()).then(|| table(&verdicts, &shifts, terminal));
        one.into_iter().chain(several).collect::<Vec<_>>().join("\n")
    })
}

/// Both protocols on one data set; support vector machines alone where an image may show several classes.
fn of_one(args: &TransferArgs, judge: &JudgeArgs, terminal: &Terminal) -> Outcome<Vec<Verdict>> {
    let (subject, data) = judge.open_labelled(terminal)?;
    let probe = args.classifier.protocol(&data)?;
    let (computing, repeat) = (judge.computing(), Repeat::default());
    let mut judging = judge.judging((&subject, &data), &computing, terminal);
    let mut verdicts = Vec::new();
    if !data.has_tags() {
        let knn = Knn { k: args.k.iter().map(|&k| k as usize).collect(), ..Knn::default() };
        verdicts.extend(judging.run(find(Knn::ID)?, &settings(&knn), &repeat)?);
    }
    verdicts.extend(judging.run(probe, &Settings::new(), &repeat)?);
    Ok(verdicts)
}

/// A line for each data set and protocol, validation and test side by side.
fn table(verdicts: &[Verdict<Predictions>], shifts: &[Option<Interval>], terminal: &Terminal) -> String {
    let splits = verdicts.iter().flat_map(|verdict| &verdict.outcome.splits);
    let measures = measured(splits.map(|split| &split.scores));
    let mut headings: Vec<String> =
        ["data", "protocol", "features", "val", "test", "test below val", "95 % interval"]
            .map(str::to_owned)
            .into();
    headings.extend(measures.iter().skip(1).map(|measure| format!("test {}", measure.title)));
    let row = |(verdict, shift): (&Verdict<Predictions>, &Option<Interval>)| {
        let data =
            Path::new(&verdict.data.path).file_name().map_or("-".into(), |name| name.to_string_lossy());
        let of =
            |split: &str, measure: &Measure<Formula>| measure.value(&verdict.outcome.split(split)?.scores);
        let words = [
            data.into_owned(),
            title(&verdict.protocol, &verdict.asked),
            verdict.subject.name(),
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
        assert!(args.judge.overrides.is_empty());
        let args: TransferArgs = parse("runs/a --data b.npz c.npz d --classifier ridge -k 5").unwrap();
        assert_eq!(
            (args.judge.data.as_deref(), args.judge.without_more().0),
            (Some("b.npz"), vec!["c.npz".to_owned(), "d".to_owned()])
        );
        assert_eq!((args.classifier, args.k), (Classifier::Ridge, vec![5]));
    }
}
