//! `probe`: judge an encoder by a linear classifier on its frozen features.

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};
use twinlens_data::LabelShare;
use twinlens_eval::{Labelled, LinearProbe, RidgeProbe, SvmProbe, Verdict};

use super::judge::{JudgeArgs, share};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `probe`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens probe runs/a --data blood.npz
  twinlens probe runs/a --data blood.npz --label-share 0.01 --label-choice stratified --seed 1
  twinlens probe runs/a --data blood.npz --classifier ridge
  twinlens probe runs/a --data blood.npz --fail-under 0.9 --json")]
pub struct ProbeArgs {
    /// What is judged, on what.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// What reads the features: logistic regression, ridge regression on one-hot labels, or linear SVMs one against the rest
    #[arg(long, value_name = "logistic|ridge|svm", default_value = "logistic", hide_possible_values = true)]
    pub classifier: Classifier,
    /// Share of the training labels that are used
    #[arg(long, value_name = "P", default_value = "1", value_parser = share)]
    pub label_share: f64,
    /// How those labels are chosen
    #[arg(long, value_name = "random|stratified", default_value = "stratified", hide_possible_values = true)]
    pub label_choice: LabelChoice,
    /// Seed of all randomness
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: i64,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    /// Exit with code 1 when the test accuracy is below this
    #[arg(long, value_name = "ACCURACY", value_parser = share)]
    pub fail_under: Option<f64>,
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
    pub fn judge(self, train: &Labelled, val: &Labelled, test: &Labelled) -> Outcome<Verdict> {
        Ok(match self {
            Classifier::Logistic => LinearProbe::default().run(train, val, test)?,
            Classifier::Ridge => RidgeProbe::default().run(train, val, test)?,
            Classifier::Svm => SvmProbe::default().run(train, &[("val", val), ("test", test)])?,
        })
    }
}

/// How a share of the labels is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabelChoice {
    /// Any images alike.
    Random,
    /// The same share of every class.
    Stratified,
}

impl From<LabelChoice> for twinlens_data::LabelChoice {
    fn from(choice: LabelChoice) -> twinlens_data::LabelChoice {
        match choice {
            LabelChoice::Random => twinlens_data::LabelChoice::Random,
            LabelChoice::Stratified => twinlens_data::LabelChoice::Stratified,
        }
    }
}

/// Runs `probe`.
///
/// # Errors
/// An encoder or data that cannot be used, an accuracy below `--fail-under`.
pub fn run(args: &ProbeArgs, terminal: &Terminal) -> Outcome {
    let (data, [train, val, test]) = args.judge.splits(terminal)?;
    let source = data.splits.train.clone();
    let source = source.ok_or_else(|| Failure::message(Exit::Data, "no training images"))?;
    let known =
        LabelShare::new(source, args.label_share, args.label_choice.into(), args.seed as u64)?.known();
    let mut verdict = args.classifier.judge(&train.subset(&known)?, &val, &test)?;
    verdict.settings.insert("label_share".into(), args.label_share.into());
    let choice = args.label_choice.to_possible_value().map(|value| value.get_name().to_owned());
    verdict.settings.insert("label_choice".into(), choice.into());
    verdict.seeds.insert("labels".into(), args.seed as u64);
    args.judge.conclude(&data, vec![verdict], args.out.as_deref(), args.fail_under, terminal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn a_share_of_the_labels_is_read() {
        let args: ProbeArgs =
            parse("runs/a --data b.npz --label-share 0.01 --label-choice random --seed 3").unwrap();
        assert_eq!((args.label_share, args.label_choice, args.seed), (0.01, LabelChoice::Random, 3));
        assert_eq!(args.classifier, Classifier::Logistic);
        let args: ProbeArgs = parse("runs/a --data b.npz --classifier ridge").unwrap();
        assert_eq!(args.classifier, Classifier::Ridge);
        assert!(parse::<ProbeArgs>("runs/a --data b.npz --label-share 0").is_err());
        assert!(parse::<ProbeArgs>("runs/a --data b.npz --seed -1").is_err());
    }
}
