//! `study views-for`: which views for my question?

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;
use toml::Table;
use twinlens_data::{DataSettings, Split};
use twinlens_study::StudyError;
use twinlens_study::page;
use twinlens_study::plan::{PLAN, Plan, Request};
use twinlens_study::recipe::Recipe;
use twinlens_study::schedule::Unit;
use twinlens_study::views_for::{Answer, Change, IMAGES, Question, Verdict};
use twinlens_study::worker::{Options, Worker};
use twinlens_views::BuildContext;

use super::open;
use crate::commands::reading::ReadingArgs;
use crate::commands::training::{Signals, lab};
use crate::exit::{Exit, Failure, Outcome};
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// Arguments of `study views-for`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study views-for --data cells.zip --labels cells.csv --labels-column moa --keep class --ignore plate --out views
  twinlens study views-for --data blood.npz --keep class --ignore brightness --out views")]
pub struct ViewsForArgs {
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: String,
    /// What is to be told apart: a column of the table, class, or brightness
    #[arg(long, value_name = "COLUMN")]
    pub keep: Option<String>,
    /// What is not to be told apart
    #[arg(long, value_name = "COLUMN")]
    pub ignore: Option<String>,
    /// Where to write
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Ready-made settings (`twinlens list presets`)
    #[arg(long, value_name = "NAME", default_value = "medmnist/simclr")]
    pub preset: String,
    /// How often every training image is seen
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub epochs: u64,
    /// Repeat with each of these seeds, and tell mean and spread
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [0, 1, 2])]
    pub seeds: Vec<u64>,
    /// How the data set is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Images in a batch, where there are so many.
const BATCH: usize = 128;

/// Runs `study views-for`.
///
/// # Errors
/// Data or columns that cannot be used; a folder of something else; work that fails or is stopped.
pub fn run(args: &ViewsForArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    let mut question = question(args)?;
    if !args.out.join(PLAN).is_file() {
        plan(args, &mut question, invocation, terminal)?;
    }
    let (plan, _, store) = open(&args.out)?;
    let quiet = lab(invocation, terminal);
    let signals = Signals::listen()?;
    let heard = signals.heard_in(&quiet);
    match Worker::new(&plan, &store, &heard, Options::default()).run() {
        Err(StudyError::Interrupted) => {
            let failure = Failure::from(StudyError::Interrupted).ending(signals.exit());
            return Err(failure.hint("give the same command again: it goes on"));
        }
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    page::report(&args.out, &store, vec![format!("twinlens study run {}", args.out.display())])?;
    let answer = question.answer(&args.out, &store)?;
    let mut document = json!(answer);
    document["policy"] = json!(args.out.join("policy.toml"));
    document["report"] = json!(args.out.join("report.html"));
    terminal.result(&document, || in_words(&answer, args, terminal))
}

fn question(args: &ViewsForArgs) -> Outcome<Question> {
    let settings = args.reading.over(&DataSettings::default())?;
    let mut options =
        Table::try_from(&settings).map_err(|error| Failure::message(Exit::Usage, error.to_string()))?;
    let usual = Table::try_from(DataSettings::default()).unwrap_or_default();
    options.retain(|key, value| usual.get(key) != Some(value));
    Ok(Question {
        keep: args.keep.clone(),
        ignore: args.ignore.clone(),
        preset: args.preset.clone(),
        epochs: args.epochs as usize,
        batch: BATCH,
        seeds: args.seeds.clone(),
        options,
    })
}

fn plan(
    args: &ViewsForArgs,
    question: &mut Question,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Outcome {
    let lab = lab(invocation, terminal);
    let settings = args.reading.over(&DataSettings::default())?;
    let data = lab.open(&args.data, &settings)?;
    let source = Split::ALL.into_iter().find_map(|split| data.splits.get(split));
    let image = source.map(|source| source.image(0)).transpose()?;
    let channels = image.as_ref().map_or(3, |image| image.channels);
    let pixel_type = image.map_or(twinlens_data::PixelType::U8, |image| image.pixel_type());
    question.batch = BATCH.min(data.splits.train.as_ref().map_or(BATCH, |train| train.len()));
    let mean = vec![0.5; channels];
    let context = BuildContext { size: 32, channels, pixel_type, std: mean.clone(), mean };
    let text = question.recipe(&context)?;
    let recipe = Recipe::parse("views-for", &text)?;
    let places = [(IMAGES.to_owned(), args.data.clone())].into();
    let request = Request { places, ..Request::default() };
    let plan = Plan::make(&recipe, &text, &request, &lab)?;
    plan.write(&args.out, &text)?;
    Ok(plan.write_levels(&args.out, Unit::Tree)?)
}

fn in_words(answer: &Answer, args: &ViewsForArgs, terminal: &Terminal) -> String {
    let change = |change: Option<Change>| {
        change.map_or("-".to_owned(), |Change { value, low, high }| {
            let [value, low, high] = [value, low, high].map(|share| 100.0 * share);
            format!("{value:+.1} [{low:+.1}, {high:+.1}]")
        })
    };
    let verdict = |verdict: Verdict| match verdict {
        Verdict::Recommended => "recommended",
        Verdict::Costs => "costs what is to be kept",
        Verdict::NotToldApart => "no effect that these seeds tell",
    };
    let rows: Vec<Vec<String>> = answer
        .operations
        .iter()
        .map(|one| {
            vec![one.name.clone(), change(one.keep), change(one.ignore), verdict(one.verdict).to_owned()]
        })
        .collect();
    let heading = |name: &str, column: &Option<String>| {
        column.as_ref().map_or_else(|| name.to_owned(), |column| format!("{name}: {column}"))
    };
    let headings = [
        "operation".to_owned(),
        heading("keep", &answer.keep),
        heading("ignore", &answer.ignore),
        String::new(),
    ];
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let added =
        if answer.recommended.is_empty() { "nothing".to_owned() } else { answer.recommended.join(", ") };
    format!(
        "Points of balanced accuracy that an operation adds to a crop and a flip, with 95 % intervals over {} seeds:\n\n{}\n\
         To a crop and a flip comes: {added}.\nThe policy: {}\nThe evidence: {}\n",
        answer.seeds,
        terminal.table(&headings, &rows),
        args.out.join("policy.toml").display(),
        args.out.join("report.html").display()
    )
}
