//! `predict`: the classes of new images.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;
use twinlens_data::{DataSettings, SplitPolicy};
use twinlens_lab::predict::Classifier;
use twinlens_lab::reading_for;
use twinlens_run::write_atomically;

use super::reading::ReadingArgs;
use super::training::{lab, open_named};
use crate::exit::Outcome;
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// Arguments of `predict`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens predict runs/fine-tuned new/ --out classes.csv
  twinlens predict runs/a new.npz --out classes.csv")]
pub struct PredictArgs {
    /// The folder of a run
    ///
    /// The head of a run that was fine-tuned tells the classes. Of a run that learned without labels, a linear probe does, which is
    /// fitted now to the labels of the run's own data set.
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// The new images: a file or folder (`twinlens list formats`); labels that they have are passed over
    #[arg(value_name = "NEW", value_hint = ValueHint::AnyPath)]
    pub new: String,
    /// Where to write
    ///
    /// A table (CSV): name, likeliest class, how probable it is, and the probability of every class. Without this it goes to
    /// stdout.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    /// Where to compute: auto, cpu, gpu or gpu:N
    #[arg(long, value_name = "WHERE", default_value = "auto", value_parser = super::settings::device)]
    pub device: String,
    /// How the new images are read; where nothing is said, as the run read its own.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Runs `predict`.
///
/// # Errors
/// A run without a classifier and without labels to fit one to, images that cannot be used, a file that cannot be written.
pub fn run(args: &PredictArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    let computing = super::computing(0, &args.device);
    let classifier = Classifier::of_run(&args.run, &computing, &lab(invocation, terminal))?;
    // All images are new, however their folder is divided.
    let read = reading_for(&args.run, classifier.encoder(), &args.new);
    let settings = args.reading.over(&DataSettings { splits: SplitPolicy::Defined, ..read })?;
    let data = open_named(&args.new, &settings, terminal)?;
    let table = classifier.predict(&data, &computing, terminal)?;
    if let Some(out) = &args.out {
        write_atomically(out, table.csv().as_bytes())?;
    }
    let counts: Vec<_> = table.classes.iter().zip(table.counts()).collect();
    let document = json!({
        "file": args.out,
        "images": table.names.len(),
        "classes": counts.iter().map(|(name, count)| json!({ "name": name, "images": count })).collect::<Vec<_>>(),
        "predicted": table.predicted(),
        "names": table.names,
    });
    terminal.result(&document, || match &args.out {
        Some(out) => format!("{}\n{}\n", out.display(), described(&counts, terminal)),
        None => table.csv(),
    })
}

/// How many images each class has.
fn described(counts: &[(&String, usize)], terminal: &Terminal) -> String {
    let row = |(name, count): &(&String, usize)| vec![(*name).clone(), count.to_string()];
    let rows: Vec<_> = counts.iter().map(row).collect();
    terminal.table(&["class", "images"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn a_run_and_new_images_are_taken() {
        let args: PredictArgs = parse("runs/a new/ --out c.csv").unwrap();
        assert_eq!((args.run, args.new.as_str(), args.out), ("runs/a".into(), "new/", Some("c.csv".into())));
        assert!(parse::<PredictArgs>("runs/a").is_err());
    }
}
