//! `knn`: judge an encoder by its nearest neighbours.

use clap::ValueEnum;
use clap::builder::TypedValueParser;
use twinlens_eval::Vote;
use twinlens_lab::protocols::{Knn, Protocol, find, settings};

use super::judging::{JudgeArgs, ResultArgs, positive};
use super::labels::LabelsArgs;
use super::one_of;
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `knn`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens knn runs/a --data blood.npz
  twinlens knn runs/a --data blood.npz -k 20,200 --vote plain --json
  twinlens knn runs/a --data blood.npz --labels-per-class 5,20 --seeds 0,1,2
  twinlens knn runs/a --data blood.npz --temperature 0.02,0.07,0.2
  twinlens knn runs/a --data blood.npz --fail-under 0.9")]
pub struct KnnArgs {
    /// What is judged, on what.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Numbers of neighbours [default: 20 and 200, as far as there are so many training images]
    #[arg(short, long, value_name = "K", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub k: Vec<u32>,
    /// How neighbours vote
    #[arg(long, value_name = "weighted|plain", default_value = "weighted", hide_possible_values = true, value_parser = vote())]
    pub vote: Vote,
    /// What makes rows of features near
    #[arg(long, value_name = "cosine|euclidean", default_value = "cosine", hide_possible_values = true)]
    pub distance: Distance,
    /// Temperatures of the weighted vote by cosine
    #[arg(long, value_name = "T", value_delimiter = ',', default_value = "0.07", value_parser = positive)]
    pub temperature: Vec<f64>,
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

/// How neighbours vote.
fn vote() -> impl TypedValueParser<Value = Vote> {
    one_of([
        ("weighted", "By exp(cosine / temperature), or by 1 / distance", Vote::Weighted),
        ("plain", "One neighbour, one vote", Vote::Majority),
    ])
}

/// What makes rows of features near.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Distance {
    /// The angle between them.
    Cosine,
    /// The length of their difference.
    Euclidean,
}

impl From<Distance> for twinlens_eval::Distance {
    fn from(distance: Distance) -> twinlens_eval::Distance {
        match distance {
            Distance::Cosine => twinlens_eval::Distance::Cosine,
            Distance::Euclidean => twinlens_eval::Distance::Euclidean,
        }
    }
}

impl KnnArgs {
    fn protocol(&self) -> Knn {
        Knn {
            k: self.k.iter().map(|&k| k as usize).collect(),
            vote: self.vote,
            distance: self.distance.into(),
            temperature: self.temperature.clone(),
        }
    }
}

/// Runs `knn`.
///
/// # Errors
/// An encoder or data that cannot be used, a k beyond the training images, an accuracy below `--fail-under`.
pub fn run(args: &KnnArgs, terminal: &Terminal) -> Outcome {
    let protocol = find(Knn::ID)?;
    // Told before minutes of work.
    let repeat = args.labels.asked(args.seed as u64).repeat(protocol)?;
    let settings = args.judge.over(settings(&args.protocol()))?;
    protocol.check(&settings)?;
    let (subject, data) = args.judge.open_labelled(terminal)?;
    let computing = args.judge.computing();
    let mut judging = args.judge.judging((&subject, &data), &computing, terminal);
    let verdicts = judging.run(protocol, &settings, &repeat)?;
    args.judge.conclude(&verdicts, &args.result, terminal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinlens_lab::protocols::TEMPERATURE;

    use crate::commands::testing::parse;

    #[test]
    fn neighbours_and_votes_are_read() {
        let args: KnnArgs = parse("runs/a --data b.npz -k 1,5 --vote plain --distance euclidean").unwrap();
        assert_eq!((args.k, args.vote, args.distance), (vec![1, 5], Vote::Majority, Distance::Euclidean));
        let args: KnnArgs = parse("runs/a --data b.npz").unwrap();
        assert_eq!((args.k, args.vote, args.temperature), (vec![], Vote::Weighted, vec![TEMPERATURE]));
        let args: KnnArgs = parse("runs/a --data b.npz --temperature 0.02,0.5").unwrap();
        assert_eq!(args.temperature, [0.02, 0.5]);
        assert_eq!(parse::<KnnArgs>("runs/a").unwrap().judge.data, None, "the run's own");
        for line in ["--data b.npz", "runs/a --data b.npz -k 0", "runs/a --data b.npz --temperature 0"] {
            assert!(parse::<KnnArgs>(line).is_err(), "{line}");
        }
    }
}
