//! How many labels are learned from, how they are drawn, and how often: what verbs that learn from labels share.

use clap::ValueEnum;
use serde_json::{Value, json};
use twinlens_data::LabelAmount;
use twinlens_eval::metrics::MEASURES;
use twinlens_eval::{Repeated, Repeats, Verdict};
pub use twinlens_lab::{Draw, repeats};

use super::judge::share;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

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
    #[arg(long, value_name = "random|stratified", hide_possible_values = true)]
    pub label_choice: Option<LabelChoice>,
    /// Repeat with each of these seeds, and tell mean and spread
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = clap::value_parser!(i64).range(0..), conflicts_with = "seed")]
    pub seeds: Vec<i64>,
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

    /// Every amount with every seed, or with `seed`; nothing where no amount is asked for.
    ///
    /// # Errors
    /// Seeds without an amount: of all labels none is drawn.
    pub fn draws(&self, seed: u64) -> Outcome<Vec<Draw>> {
        let (amounts, seeds, choice) = (self.amounts(), self.seeds(seed), self.choice());
        if amounts.is_empty() && !self.seeds.is_empty() {
            let failure =
                Failure::message(Exit::Usage, "with all labels nothing is drawn, so seeds change nothing");
            return Err(failure.hint("add --label-share or --labels-per-class, or leave --seeds out"));
        }
        let of = |amount| seeds.iter().map(move |&seed| Draw { amount, choice, seed });
        Ok(amounts.into_iter().flat_map(of).collect())
    }

    /// How labels are chosen.
    pub fn choice(&self) -> twinlens_data::LabelChoice {
        self.label_choice.unwrap_or(LabelChoice::Stratified).into()
    }
}

/// Verdicts that differ in nothing but their seeds, together, in the order in which they come.
pub fn repeated(verdicts: &[Verdict]) -> Vec<Vec<&Verdict>> {
    let mut groups: Vec<Vec<&Verdict>> = Vec::new();
    for verdict in verdicts {
        match groups.iter_mut().find(|group| group[0].repeats(verdict)) {
            Some(group) => group.push(verdict),
            None => groups.push(vec![verdict]),
        }
    }
    groups
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

/// Mean and standard deviation.
pub fn spread(of: &Repeated) -> String {
    match (of.mean, of.std) {
        (Some(mean), Some(std)) => format!("{mean:.4} +- {std:.4}"),
        (Some(mean), None) => format!("{mean:.4}"),
        (None, _) => "-".to_owned(),
    }
}

/// The repeats among `verdicts` as JSON and as a table; nothing if every verdict has one seed only.
///
/// # Errors
/// Verdicts of other images.
pub fn summary(verdicts: &[Verdict], terminal: &Terminal) -> Outcome<Option<(Value, String)>> {
    let groups = repeated(verdicts);
    if groups.iter().all(|group| group.len() < 2) {
        return Ok(None);
    }
    let (mut documents, mut lines) = (Vec::new(), Vec::new());
    for group in &groups {
        let splits = repeats(group)?;
        let first = group[0];
        let seeds: Vec<_> = group.iter().map(|verdict| &verdict.seeds).collect();
        let protocol = super::judge::protocol(first);
        for row in rows(&first.training_labels.to_string(), &splits) {
            lines.push([vec![protocol.clone()], row].concat());
        }
        documents.push(json!({
            "protocol": first.protocol,
            "settings": first.settings,
            "seeds": seeds,
            "training_labels": first.training_labels,
            "splits": splits,
        }));
    }
    let headings: Vec<&str> = std::iter::once("protocol").chain(headings()).collect();
    Ok(Some((json!(documents), terminal.table(&headings, &lines))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

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
        assert_eq!(read.choice(), twinlens_data::LabelChoice::Stratified);
        let read = labels("--labels-per-class 10,1 --seeds 3,0,3 --label-choice random").unwrap();
        assert_eq!(read.amounts(), [LabelAmount::PerClass(1), LabelAmount::PerClass(10)]);
        assert_eq!((read.seeds(7), read.choice()), (vec![3, 0], twinlens_data::LabelChoice::Random));
        let none = labels("").unwrap();
        assert_eq!((none.amounts(), none.seeds(7)), (vec![], vec![7]));
        let draws = read.draws(7).unwrap();
        let seeds: Vec<u64> = draws.iter().map(|draw| draw.seed).collect();
        assert_eq!((draws[0].amount, seeds), (LabelAmount::PerClass(1), vec![3, 0, 3, 0]));
        assert_eq!(none.draws(7).unwrap(), []);
        assert!(labels("--seeds 0,1").unwrap().draws(7).is_err());
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

    #[test]
    fn verdicts_are_repeats_where_only_seeds_and_choices_on_validation_differ() {
        let verdict = |share: f64, seed: u64, c: f64| {
            let mut verdict =
                Verdict::of_labels("linear-probe", [("c", c.into())], &[0, 1], &["a".into(), "b".into()]);
            let choice = twinlens_data::LabelChoice::Random;
            Draw { amount: LabelAmount::Share(share), choice, seed }.sign(&mut verdict);
            verdict
        };
        let verdicts = [verdict(0.1, 0, 1.0), verdict(0.1, 1, 10.0), verdict(0.2, 0, 1.0)];
        let sizes: Vec<usize> = repeated(&verdicts).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1]);
    }
}
