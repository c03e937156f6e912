//! How many labels are learned from, how they are drawn, and how often: what verbs that learn from labels share.

use clap::builder::TypedValueParser;
use twinlens_data::{LabelAmount, LabelChoice};
use twinlens_lab::LabelsAsked;

use super::judging::share;
use super::one_of;

/// How many labels, drawn how, how often.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Labels")]
pub struct LabelsArgs {
    /// Shares of the training labels that are used, such as 0.01,0.1 [default: 1]
    #[arg(long, value_name = "P,..", value_delimiter = ',', value_parser = share, conflicts_with = "labels_per_class")]
    pub label_share: Vec<f64>,
    /// So many labels of every class instead, such as 1,5,10
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub labels_per_class: Vec<u32>,
    /// How those labels are chosen [default: stratified]
    #[arg(long, value_name = "random|stratified|by-group", hide_possible_values = true, value_parser = choice())]
    pub label_choice: Option<LabelChoice>,
    /// Repeat with each of these seeds, and tell mean and spread
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = clap::value_parser!(i64).range(0..), conflicts_with = "seed")]
    pub seeds: Vec<i64>,
}

/// How a share of the labels is chosen.
fn choice() -> impl TypedValueParser<Value = LabelChoice> {
    one_of([
        ("random", "Any images alike", LabelChoice::Random),
        ("stratified", "The same share of every class", LabelChoice::Stratified),
        ("by-group", "Those of whole groups (--group)", LabelChoice::ByGroup),
    ])
}

impl LabelsArgs {
    /// The amounts asked for, each once, from few to many; nothing where none is.
    pub fn amounts(&self) -> Vec<LabelAmount> {
        let (mut shares, mut counts) = (self.label_share.clone(), self.labels_per_class.clone());
        shares.sort_by(f64::total_cmp);
        shares.dedup();
        counts.sort_unstable();
        counts.dedup();
        let counts = counts.into_iter().map(|count| LabelAmount::PerClass(count as usize));
        shares.into_iter().map(LabelAmount::Share).chain(counts).collect()
    }

    /// The seeds asked for, each once, or `one`.
    pub fn seeds(&self, one: u64) -> Vec<u64> {
        each_once(&self.seeds, one)
    }

    /// The labels asked for; `seed` is the only one where no others are named.
    pub fn asked(&self, seed: u64) -> LabelsAsked {
        LabelsAsked {
            amounts: self.amounts(),
            choice: self.label_choice.unwrap_or(LabelChoice::Stratified),
            seeds: if self.seeds.is_empty() { Vec::new() } else { self.seeds(seed) },
            seed,
        }
    }
}

/// The `seeds` asked for, each once, or `one`.
pub fn each_once(seeds: &[i64], one: u64) -> Vec<u64> {
    let mut once: Vec<u64> = Vec::new();
    for seed in seeds.iter().map(|&seed| seed as u64) {
        if !once.contains(&seed) {
            once.push(seed);
        }
    }
    if once.is_empty() { vec![one] } else { once }
}

#[cfg(test)]
mod tests {
    use twinlens_lab::LabelDraw;

    use super::*;
    use crate::commands::testing::parse;
    use crate::exit::{Exit, Failure};

    #[derive(clap::Args)]
    struct Verb {
        #[command(flatten)]
        labels: LabelsArgs,
        #[arg(long)]
        seed: Option<i64>,
    }

    fn labels(line: &str) -> Result<LabelsArgs, clap::Error> {
        parse::<Verb>(line).map(|verb| {
            assert!(verb.seed.is_none());
            verb.labels
        })
    }

    #[test]
    fn amounts_are_sorted_and_each_is_there_once() {
        let read = labels("--label-share 0.5,0.01,0.5").unwrap();
        assert_eq!(read.amounts(), [LabelAmount::Share(0.01), LabelAmount::Share(0.5)]);
        assert_eq!(read.asked(7).choice, LabelChoice::Stratified);
        let read = labels("--labels-per-class 10,1 --seeds 3,0,3 --label-choice random").unwrap();
        assert_eq!(read.amounts(), [LabelAmount::PerClass(1), LabelAmount::PerClass(10)]);
        let asked = read.asked(7);
        assert_eq!((asked.seeds, asked.choice), (vec![3, 0], LabelChoice::Random));
        let none = labels("").unwrap();
        assert_eq!((none.amounts(), none.seeds(7)), (vec![], vec![7]));
        assert_eq!(none.asked(7).draws().unwrap(), [LabelDraw::ALL]);
        let refused = Failure::from(labels("--seeds 0,1").unwrap().asked(7).draws().unwrap_err());
        assert_eq!(refused.exit(), Exit::Usage);
        let told = refused.render(false);
        let hint = "hint: add --label-share or --labels-per-class, or leave --seeds out";
        assert!(told.contains(hint), "{told}");
        for bad in [
            "--label-share 0",
            "--label-share 1.5",
            "--labels-per-class 0",
            "--label-share 0.1 --labels-per-class 3",
            "--seeds 1 --seed 2",
            "--seeds -1",
        ] {
            assert!(labels(bad).is_err(), "{bad}");
        }
    }
}
