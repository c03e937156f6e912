//! `study run` and `study report`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueHint;
use serde_json::json;
use toml::Value;
use twinlens_study::StudyError;
use twinlens_study::node::Kind;
use twinlens_study::page;
use twinlens_study::plan::{PLAN, Plan};
use twinlens_study::recipe::At;
use twinlens_study::schedule::{Unit, read_level};
use twinlens_study::store::Store;
use twinlens_study::worker::{Options, Tally, Worker};

use super::plan::AskedArgs;
use super::{in_words, open};
use crate::commands::training::{Signals, lab};
use crate::exit::{Exit, Failure, Outcome};
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// Arguments of `study run`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study run studies/batch
  twinlens study run p/figure-14 --budget small --data-at blood_28=blood.npz --out studies/batch
  twinlens study run studies/batch --level 0 --nth 3 --stop-after 3h50m")]
pub struct RunArgs {
    /// The folder of a planned study; or a study of this program, or a file, which is planned first
    #[arg(value_name = "DIR|ID", value_hint = ValueHint::AnyPath)]
    pub study: PathBuf,
    /// Where to write
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// What is asked of its plan.
    #[command(flatten)]
    pub asked: AskedArgs,
    /// Only this training or judgement
    #[arg(long, value_name = "ID", conflicts_with_all = ["level", "kind", "only"])]
    pub node: Option<String>,
    /// Only this level of the plan, from 0
    #[arg(long, value_name = "N", requires = "nth")]
    pub level: Option<usize>,
    /// Only this job of the level, from 0
    #[arg(long, value_name = "N", requires = "level")]
    pub nth: Option<usize>,
    /// Only work of this kind
    #[arg(long, value_name = "KIND", value_parser = ["train", "finetune", "judge"])]
    pub kind: Option<String>,
    /// Only cells with this level of an axis, and what they need: method=simclr
    #[arg(long, value_name = "AXIS=LEVEL")]
    pub only: Vec<String>,
    /// Where to compute: auto, cpu, gpu or gpu:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// Save and stop after this time, such as 3h50m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub stop_after: Option<Duration>,
    /// Wait for what other workers are making
    #[arg(long)]
    pub wait: bool,
}

/// Arguments of `study report`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study report studies/batch
  twinlens study report studies/batch --json")]
pub struct ReportArgs {
    /// The folder of the study
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub study: PathBuf,
}

/// A time such as `3h50m`, `90s`, `45m`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 3h50m, 45m or 90s".to_owned();
    let (mut seconds, mut digits) = (0.0, String::new());
    for letter in text.chars() {
        if letter.is_ascii_digit() || letter == '.' {
            digits.push(letter);
            continue;
        }
        let unit = match letter {
            'h' => 3600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => return Err(wrong()),
        };
        seconds += unit * digits.parse::<f64>().map_err(|_| wrong())?;
        digits.clear();
    }
    if !digits.is_empty() || seconds <= 0.0 {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// Runs `study run`.
///
/// # Errors
/// A recipe, data or a folder that cannot be used; work that fails or is stopped.
pub fn run(args: &RunArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    let path = planned(args, invocation, terminal)?;
    let (plan, _, store) = open(&path)?;
    let quiet = lab(invocation, terminal);
    let signals = Signals::listen()?;
    let heard = signals.heard_in(&quiet);
    let worker = Worker::new(&plan, &store, &heard, options(args)?);
    let done = match (&args.node, args.level, args.nth) {
        (Some(node), ..) => worker.make(node).map(|made| single(made, terminal)),
        (None, Some(level), Some(nth)) => {
            let units = read_level(&path, level)?;
            let count = units.len();
            let unit = units.get(nth).ok_or(StudyError::NoUnit { level, count, nth })?;
            worker.make_unit(unit).map(|made| single(made, terminal))
        }
        _ => worker.run().map(|_| Ok(())),
    };
    if let Err(StudyError::Interrupted) = &done {
        let failure = Failure::from(StudyError::Interrupted).ending(signals.exit());
        return Err(failure.hint(format!("go on with `twinlens study run {}`", path.display())));
    }
    let whole = args.node.is_none() && args.level.is_none();
    match done {
        // What failed is told at the end, after what is there was drawn.
        Err(error @ StudyError::Failed { .. }) if whole => {
            drawn(&path, &plan, &store, terminal)?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
        Ok(told) if whole => told.and_then(|()| drawn(&path, &plan, &store, terminal)),
        Ok(told) => told,
    }
}

/// The folder of the plan, which is made first where a study is named.
fn planned(args: &RunArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome<PathBuf> {
    if args.study.join(PLAN).is_file() {
        return Ok(args.study.clone());
    }
    let Some(out) = &args.out else {
        let failure = if args.study.is_dir() {
            Failure::from(StudyError::NoPlan { path: args.study.clone() })
        } else {
            Failure::message(Exit::Usage, "no folder for the study").hint("add --out DIR")
        };
        return Err(failure);
    };
    super::plan::make(&args.study.to_string_lossy(), &args.asked, out, Unit::Tree, invocation, terminal)?;
    Ok(out.clone())
}

fn options(args: &RunArgs) -> Outcome<Options> {
    let mut only = At::default();
    for text in &args.only {
        let Some((axis, level)) = text.split_once('=') else {
            return Err(Failure::message(Exit::Usage, format!("--only {text}: expected AXIS=LEVEL")));
        };
        only.0.insert(axis.to_owned(), Value::String(level.to_owned()));
    }
    Ok(Options {
        device: args.device.clone(),
        places: args.asked.data_at.iter().cloned().collect(),
        kind: args.kind.as_ref().and_then(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name)),
        only,
        until: args.stop_after.map(|time| Instant::now() + time),
        wait: args.wait,
    })
}

fn single(made: bool, terminal: &Terminal) -> Outcome {
    terminal.result(&json!({ "made": made }), || if made { "made\n" } else { "done already\n" }.to_owned())
}

/// Runs `study report`.
///
/// # Errors
/// A folder without a plan; files that cannot be read or written.
pub fn report(args: &ReportArgs, terminal: &Terminal) -> Outcome {
    let (plan, _, store) = open(&args.study)?;
    drawn(&args.study, &plan, &store, terminal)
}

/// Draws the page of a study, and tells what it came to.
fn drawn(path: &Path, plan: &Plan, store: &Store, terminal: &Terminal) -> Outcome {
    let mut commands = vec![format!("twinlens study plan {} --budget {} --out DIR", plan.study, plan.budget)];
    for (axis, levels) in &plan.axes {
        commands[0] +=
            &format!(" --axis '{axis}={}'", levels.trim_matches(['[', ']']).replace(['"', ' '], ""));
    }
    commands.push("twinlens study run DIR".to_owned());
    let outcome = page::report(path, store, commands)?;
    let mut document = json!(outcome);
    document["table"] = json!(path.join("table.csv"));
    document["report"] = json!(path.join("report.html"));
    terminal.result(&document, || {
        let rows: Vec<Vec<String>> = outcome
            .expected
            .iter()
            .map(|tested| {
                let finding = json!(tested.finding).as_str().unwrap_or_default().replace('-', " ");
                let repeats =
                    tested.repeats.map(|(held, all)| format!("in {held} of {all}")).unwrap_or_default();
                vec![tested.says.clone(), finding, repeats, tested.detail.clone()]
            })
            .collect();
        let shapes = if rows.is_empty() {
            String::new()
        } else {
            terminal.table(&["expected", "found", "repeats", "detail"], &rows) + "\n"
        };
        let differs = if outcome.differences.is_empty() {
            String::new()
        } else {
            format!("not the source's set-up: {}\n", outcome.differences.join("; "))
        };
        let tally: &Tally = &outcome.tally;
        format!("{shapes}{differs}{}\nThe page: {}\n", in_words(tally), path.join("report.html").display())
    })
}
