//! `probe`: judge an encoder by a linear classifier on its frozen features.

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};
use twinlens_data::{DataSet, LabelAmount};
use twinlens_eval::{Labelled, LinearProbe, RidgeProbe, SvmProbe, Verdict};

use super::judge::{JudgeArgs, Judged, share};
use super::labels::{Draw, LabelsArgs};
use super::tags;
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `probe`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens probe runs/a --data blood.npz
  twinlens probe runs/a --data blood.npz --label-share 0.01,0.1 --seeds 0,1,2
  twinlens probe runs/a --data blood.npz --classifier ridge
  twinlens probe runs/a --data VOCdevkit/VOC2007 --classifier svm --seeds 0,1,2
  twinlens probe runs/a --data blood.npz --fail-under 0.9 --json")]
pub struct ProbeArgs {
    /// What is judged, on what.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// What reads the features: logistic regression, ridge regression on one-hot labels, or linear SVMs one against the rest
    ///
    /// Images that may show several classes take svm.
    #[arg(long, value_name = "logistic|ridge|svm", default_value = "logistic", hide_possible_values = true)]
    pub classifier: Classifier,
    /// Seed of all randomness
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: i64,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    /// Exit with code 1 when the test accuracy is below this
    ///
    /// Where an image may show several classes, the mean average precision counts.
    #[arg(long, value_name = "ACCURACY", value_parser = share)]
    pub fail_under: Option<f64>,
    /// Which labels.
    #[command(flatten)]
    pub labels: LabelsArgs,
}

/// What reads features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Classifier {
    /// Multinomial logistic regression.
    Logistic,
    /// Ridge regression on one-hot labels, in closed form.
    Ridge,
    /// Linear support vector machines as for VOC07, chosen by cross-validation on training images.
    Svm,
}

impl Classifier {
    /// The verdict of this classifier with the penalty that is best on validation, or in cross-validation.
    ///
    /// # Errors
    /// Labels of one class only, splits that differ.
    pub fn judge(self, train: &Labelled, held_out: &[(&str, &Labelled)]) -> Outcome<Verdict> {
        Ok(match self {
            Classifier::Logistic => LinearProbe::default().run(train, held_out)?,
            Classifier::Ridge => RidgeProbe::default().run(train, held_out)?,
            Classifier::Svm => SvmProbe::default().run(train, held_out)?,
        })
    }
}

/// Runs `probe`.
///
/// # Errors
/// An encoder or data that cannot be used, an accuracy below `--fail-under`.
pub fn run(args: &ProbeArgs, terminal: &Terminal) -> Outcome {
    let (subject, data) = args.judge.open_labelled(terminal)?;
    if data.has_tags() {
        return tags::probe(args, &subject, &data, terminal);
    }
    // Told before minutes of work.
    let mut draws = args.labels.draws(args.seed as u64)?;
    let judged = Judged::of(&subject, &data, &args.judge.computing(), terminal)?;
    if draws.is_empty() {
        let (choice, seed) = (args.labels.choice(), args.seed as u64);
        draws.push(Draw { amount: LabelAmount::Share(1.0), choice, seed });
    }
    let verdicts =
        draws.iter().map(|draw| probe(args.classifier, draw, &data, &judged)).collect::<Outcome<Vec<_>>>()?;
    args.judge.conclude(&data, verdicts, args.out.as_deref(), args.fail_under, terminal)
}

/// A classifier that learns from some of the training labels.
///
/// # Errors
/// Labels of one class only.
pub fn probe(classifier: Classifier, draw: &Draw, data: &DataSet, judged: &Judged) -> Outcome<Verdict> {
    let known = draw.known(data)?;
    let mut verdict = classifier.judge(&judged.train.subset(&known)?, &judged.held_out())?;
    draw.sign(&mut verdict);
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn a_share_of_the_labels_is_read() {
        let args: ProbeArgs =
            parse("runs/a --data b.npz --label-share 0.01 --label-choice random --seed 3").unwrap();
        assert_eq!((args.labels.amounts(), args.seed), (vec![LabelAmount::Share(0.01)], 3));
        assert_eq!(args.classifier, Classifier::Logistic);
        let args: ProbeArgs = parse("runs/a --data b.npz --classifier ridge").unwrap();
        assert_eq!(args.classifier, Classifier::Ridge);
        assert!(parse::<ProbeArgs>("runs/a --data b.npz --label-share 0").is_err());
        assert!(parse::<ProbeArgs>("runs/a --data b.npz --seed -1").is_err());
    }
}
