//! `probe`: judge an encoder by a linear classifier on its frozen features.

use clap::ValueEnum;
use twinlens_data::DataSet;
use twinlens_eval::{LinearProbe, RidgeProbe, SvmProbe};
use twinlens_lab::Settings;
use twinlens_lab::protocols::{Protocol, ProtocolSpec, SvmTags, find};

use super::judging::{JudgeArgs, ResultArgs, explained};
use super::labels::LabelsArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `probe`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    before_help = "\
Examples:
  twinlens probe runs/a --data blood.npz
  twinlens probe runs/a --data blood.npz --label-share 0.01,0.1 --seeds 0,1,2
  twinlens probe runs/a --data blood.npz --classifier ridge
  twinlens probe runs/a --data VOCdevkit/VOC2007 --classifier svm --seeds 0,1,2
  twinlens probe runs/a --data blood.npz --fail-under 0.9 --json",
    mut_args(|arg| explained(arg, "Where an image may show several classes, the mean average precision counts."))
)]
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
    /// What becomes of verdicts.
    #[command(flatten)]
    pub result: ResultArgs,
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
    /// The protocol of that classifier on `data`.
    ///
    /// # Errors
    /// Images that may show several classes, and a classifier that predicts one.
    pub fn protocol(self, data: &DataSet) -> Outcome<&'static ProtocolSpec> {
        self.protocol_of(data.has_tags()).map_err(|failure| failure.at(&data.name))
    }

    fn protocol_of(self, several_classes: bool) -> Outcome<&'static ProtocolSpec> {
        let id = match self {
            Classifier::Svm if several_classes => SvmTags::ID,
            Classifier::Logistic | Classifier::Ridge if several_classes => {
                let message = "an image may show several classes, and this classifier predicts one";
                return Err(Failure::message(Exit::Usage, message).hint("add --classifier svm"));
            }
            Classifier::Logistic => LinearProbe::ID,
            Classifier::Ridge => RidgeProbe::ID,
            Classifier::Svm => SvmProbe::ID,
        };
        Ok(find(id)?)
    }
}

/// Runs `probe`.
///
/// # Errors
/// An encoder or data that cannot be used, an accuracy below `--fail-under`.
pub fn run(args: &ProbeArgs, terminal: &Terminal) -> Outcome {
    let (subject, data) = args.judge.open_labelled(terminal)?;
    let protocol = args.classifier.protocol(&data)?;
    args.all_labels(&data)?;
    let repeat = args.labels.asked(args.seed as u64).repeat(protocol)?;
    let settings = args.judge.over(Settings::new())?;
    let computing = args.judge.computing();
    let mut judging = args.judge.judging((&subject, &data), &computing, terminal);
    let verdicts = judging.run(protocol, &settings, &repeat)?;
    args.judge.conclude(&verdicts, &args.result, terminal)
}

impl ProbeArgs {
    /// Refuses a share of the labels where an image may show several classes: seeds draw the folds of cross-validation, and all
    /// labels are used.
    fn all_labels(&self, data: &DataSet) -> Outcome {
        if !data.has_tags() || self.labels.amounts().is_empty() {
            return Ok(());
        }
        let message = format!("an image of {} may show several classes: all labels are used", data.name);
        Err(Failure::message(Exit::Usage, message).hint("leave --label-share and --labels-per-class out"))
    }
}

#[cfg(test)]
mod tests {
    use twinlens_data::LabelAmount;

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

    #[test]
    fn classifiers_of_one_class_are_refused_before_work() {
        let checked = |line: &str| {
            let args: ProbeArgs = parse(&format!("runs/a --data chest.npz {line}")).unwrap();
            args.classifier.protocol_of(true).map_err(|failure| (failure.exit(), failure.render(false)))
        };
        for line in ["", "--classifier ridge", "--classifier logistic"] {
            let (exit, text) = checked(line).unwrap_err();
            assert!(exit == Exit::Usage && text.contains("--classifier svm"), "{text}");
        }
        assert_eq!(checked("--classifier svm --seeds 0,1").unwrap().id, "svm-tags");
    }
}
