//! `judge`: any protocol by name, with any of its settings.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use twinlens_data::DataSet;
use twinlens_lab::protocols::{Needs, PROTOCOLS, ProtocolSpec, find};
use twinlens_lab::{Part, Settings, Subject};

use super::health::policy;
use super::judging::{JudgeArgs, ResultArgs, explained};
use super::labels::LabelsArgs;
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `judge`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    before_help = "\
Examples:
  twinlens judge runs/a --protocol knn --data blood.npz
  twinlens judge runs/a --protocol knn --data blood.npz k=5 vote=majority
  twinlens judge runs/a --protocol cluster --data blood.npz --split all k=8 restarts=50 --seeds 0,1,2
  twinlens judge runs/a --protocol ridge-probe --data blood.npz --label-share 0.01,0.1 --seeds 0,1,2",
    mut_args(|arg| explained(arg, "Of other protocols, their first measure counts."))
)]
pub struct JudgeVerbArgs {
    /// What is judged, on what.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// The protocol, by its name in `twinlens list protocols`
    #[arg(long, value_name = "NAME", value_parser = protocol(), hide_possible_values = true)]
    pub protocol: &'static str,
    /// Which images
    ///
    /// The test images unless said otherwise. Protocols that learn from the training images are measured on all others.
    #[arg(long, value_name = "all|train|val|test", hide_possible_values = true, value_parser = super::part())]
    pub split: Option<Part>,
    /// Views by the name of their policy (`twinlens list augmentations`)
    ///
    /// Their features are compared for alignment; `none` leaves that out. Without it, the run's own views.
    #[arg(long, value_name = "NAME|none")]
    pub policy: Option<String>,
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

fn protocol() -> impl TypedValueParser<Value = &'static str> {
    PossibleValuesParser::new(PROTOCOLS.map(|spec| spec.id))
        .try_map(|name| PROTOCOLS.iter().map(|spec| spec.id).find(|id| *id == name).ok_or("no protocol"))
}

/// Runs `judge`.
///
/// # Errors
/// Settings that the protocol does not have, an encoder or data that cannot be used, a measure below `--fail-under`.
pub fn run(args: &JudgeVerbArgs, terminal: &Terminal) -> Outcome {
    let protocol = find(args.protocol)?;
    protocol.heeds(args.split.is_some(), args.policy.is_some())?;
    let (settings, repeat) =
        (args.judge.over(Settings::new())?, args.labels.asked(args.seed as u64).repeat(protocol)?);
    protocol.check(&settings)?;
    let (subject, data) = args.open(protocol, terminal)?;
    let computing = args.judge.computing();
    let mut judging = args.judge.judging((&subject, &data), &computing, terminal);
    judging.part = args.split.unwrap_or(judging.part);
    if protocol.needs == Needs::Views {
        judging.views = policy(&args.judge, args.policy.as_deref())?;
    }
    let verdicts = judging.run(protocol, &settings, &repeat)?;
    args.judge.conclude(&verdicts, &args.result, terminal)
}

impl JudgeVerbArgs {
    fn open(&self, protocol: &ProtocolSpec, terminal: &Terminal) -> Outcome<(Subject, DataSet)> {
        match protocol.needs {
            Needs::Classes | Needs::Tags => self.judge.open_labelled(terminal),
            Needs::Images | Needs::Views => self.judge.open(terminal),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::testing::parse;
    use crate::exit::{Exit, Failure};

    #[test]
    fn settings_are_values_or_text() {
        let args: JudgeVerbArgs =
            parse("runs/a --protocol knn --data b.npz k=5 vote=majority temperature=[0.1,0.2]").unwrap();
        let expected = [("k", json!(5)), ("temperature", json!([0.1, 0.2])), ("vote", json!("majority"))];
        let settings = |args: &JudgeVerbArgs| args.judge.over(Settings::new());
        assert_eq!(settings(&args).unwrap(), expected.map(|(key, value)| (key.to_owned(), value)).into());
        let args: JudgeVerbArgs = parse("runs/a --protocol knn --data b.npz k").unwrap();
        assert_eq!(settings(&args).unwrap_err().exit(), Exit::Usage);
        assert!(parse::<JudgeVerbArgs>("runs/a --protocol nearest --data b.npz").is_err());
        for (id, line, hint) in [
            ("knn", "--split val", Some("leave --split out")),
            ("svm-tags", "--split test", Some("leave --split out")),
            ("cluster", "--policy simclr", Some("leave --policy out")),
            ("health", "--split val --policy simclr", None),
        ] {
            let args: JudgeVerbArgs = parse(&format!("runs/a --protocol {id} --data b.npz {line}")).unwrap();
            let protocol = find(id).unwrap();
            let failure =
                protocol.heeds(args.split.is_some(), args.policy.is_some()).err().map(Failure::from);
            assert_eq!(failure.as_ref().map(Failure::exit), hint.map(|_| Exit::Usage), "{id} {line}");
            let told = failure.map(|failure| failure.render(false)).unwrap_or_default();
            assert!(told.contains(hint.unwrap_or_default()), "{told}");
        }
        let args: JudgeVerbArgs = parse("runs/a --protocol health --data b.npz --label-share 0.1").unwrap();
        let error = args.labels.asked(0).repeat(find("health").unwrap()).unwrap_err();
        assert_eq!(Failure::from(error).exit(), Exit::Usage);
    }
}
