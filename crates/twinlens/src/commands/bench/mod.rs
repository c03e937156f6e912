//! `bench`: how fast this machine is on named cases.
//!
//! Other programs can be timed on the same work: `scripts/compare-peers` joins their figures with ours by the name of the
//! case. One kind of work a file; what they share is here.

mod epoch;
mod judging;
mod operations;
mod reading;
mod steps;
mod views;

use std::time::Instant;

use clap::ValueHint;
use serde_json::{Map, Value, json};
use twinlens_config::nearest;
use twinlens_lab::choices::matches;
use twinlens_ssl::PrecisionChoice;

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `bench`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens bench --case r18-cifar-32-b64
  twinlens bench --case 'views-*' --json
  twinlens bench --case 'operation-*-224'
  twinlens bench --case knn-12000x512-3400-k200 --steps 3
  twinlens bench --case epoch-r18-imagenet-28-b256 --data bloodmnist --limit 2048")]
pub struct BenchArgs {
    /// The case, or several by `*` and `?`; `twinlens list cases` tells which there are
    #[arg(long, value_name = "NAME")]
    pub case: Option<String>,
    /// What convolutions and linear layers multiply
    #[arg(long, value_name = "f32|bf16", default_value = "f32", value_parser = precision)]
    pub precision: PrecisionChoice,
    /// Timed repetitions [default: 5, and 1 of an epoch]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: Option<u32>,
    /// Where to compute: auto, cpu, gpu or gpu:N
    #[arg(long, value_name = "WHERE", default_value = "cpu", value_parser = super::settings::device)]
    pub device: String,
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name
    ///
    /// Epochs are timed on it, whose images must have three channels, and reading.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: Option<String>,
    /// Only the first so many training images
    ///
    /// Of epochs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

impl BenchArgs {
    fn repetitions(&self, usual: usize) -> usize {
        self.steps.map_or(usual, |steps| steps as usize)
    }
}

/// Repetitions of short work, if nothing else is asked for.
const REPETITIONS: usize = 5;

/// A case.
pub trait Work: Sync {
    /// Its name on the command line, and in the output of other programs timed on the same work.
    fn name(&self) -> &str;

    /// What is timed, in one line.
    fn what(&self) -> String;

    /// Refuses arguments that it cannot follow, before anything is timed. Most work has no choice of a device.
    ///
    /// # Errors
    /// Arguments that do not fit.
    fn check(&self, args: &BenchArgs) -> Outcome {
        let refuse = |what: &str, hint: &str| {
            Err(Failure::message(Exit::Usage, format!("{} {what}", self.name())).hint(hint))
        };
        match args.precision {
            _ if args.device.starts_with("gpu") => refuse("runs on the CPU only", "leave --device out"),
            PrecisionChoice::F32 => Ok(()),
            _ => refuse("trains nothing, so it has no precision", "leave --precision out"),
        }
    }

    /// Does the work, several times.
    ///
    /// # Errors
    /// A device or data that cannot be used.
    fn time(&self, args: &BenchArgs, terminal: &Terminal) -> Outcome<Figures>;
}

/// What was measured.
#[derive(Debug)]
pub struct Figures {
    /// Figures by name.
    document: Map<String, Value>,
    /// The same in words.
    text: String,
    /// Threads that worked.
    threads: usize,
}

impl Figures {
    /// The figures of the object `document`, measured with all threads.
    fn new(document: Value, text: String) -> Figures {
        let document = if let Value::Object(document) = document { document } else { Map::new() };
        Figures { document, text, threads: rayon::current_num_threads() }
    }
}

/// Every case.
pub fn cases() -> Vec<&'static dyn Work> {
    let steps = steps::CASES.iter().map(|case| case as &dyn Work);
    let epochs = epoch::CASES.iter().map(|case| case as &dyn Work);
    let views = views::CASES.iter().map(|case| case as &dyn Work);
    let operations = operations::CASES.iter().map(|case| case as &dyn Work);
    let judging = judging::CASES.iter().map(|case| case as &dyn Work);
    let reading = reading::CASES.iter().map(|case| case as &dyn Work);
    steps.chain(epochs).chain(reading).chain(views).chain(operations).chain(judging).collect()
}

/// Runs `bench`.
///
/// # Errors
/// An unknown case, a device that this build does not have or a precision that the case does not, data that cannot be read.
pub fn run(args: &BenchArgs, terminal: &Terminal) -> Outcome {
    let chosen = chosen(args.case.as_deref())?;
    chosen.iter().try_for_each(|case| case.check(args))?;
    if let [case] = chosen[..] {
        let (document, text) = timed(case, args, terminal)?;
        return terminal.result(&document, || text);
    }
    let mut documents = Vec::new();
    let mut texts = String::new();
    for case in chosen {
        tracing::info!("timing {}", case.name());
        let (document, text) = timed(case, args, terminal)?;
        documents.push(document);
        texts += &text;
    }
    terminal.result(&json!({ "cases": documents }), || texts)
}

fn precision(name: &str) -> Result<PrecisionChoice, String> {
    match name {
        "f32" => Ok(PrecisionChoice::F32),
        "bf16" => Ok(PrecisionChoice::Bf16),
        _ => Err("expected f32 or bf16".to_owned()),
    }
}

/// The cases called `name`, or matched by it.
fn chosen(name: Option<&str>) -> Outcome<Vec<&'static dyn Work>> {
    let all = cases();
    let known = || all.iter().map(|case| case.name());
    let list = || format!("known: {}", known().collect::<Vec<_>>().join(", "));
    let Some(name) = name else {
        let failure = Failure::message(Exit::Usage, "which case? --case NAME says what to time");
        return Err(failure.hint(list()));
    };
    let found: Vec<_> = all.iter().copied().filter(|case| matches(name, case.name())).collect();
    if found.is_empty() {
        let near = nearest(name, known());
        let hint = near.map_or_else(list, |near| format!("did you mean `{near}`?"));
        return Err(Failure::message(Exit::Usage, format!("unknown case `{name}`")).hint(hint));
    }
    Ok(found)
}

/// The figures of a case with all that they hang on, and a line for people.
fn timed(case: &dyn Work, args: &BenchArgs, terminal: &Terminal) -> Outcome<(Value, String)> {
    let Figures { mut document, text, threads } = case.time(args, terminal)?;
    document.insert("case".to_owned(), json!(case.name()));
    document.insert("mode".to_owned(), json!(args.precision));
    document.insert("device".to_owned(), json!(args.device));
    document.insert("threads".to_owned(), json!(threads));
    document.insert("twinlens".to_owned(), json!(crate::VERSION));
    Ok((Value::Object(document), format!("{}: {text}\n", case.name())))
}

/// The seconds of each of `times` repetitions of `work`, after `warm_up` of them in which buffers are made and caches filled.
fn repeat(warm_up: usize, times: usize, mut work: impl FnMut() -> Outcome) -> Outcome<Vec<f64>> {
    let once = |_| {
        let start = Instant::now();
        work()?;
        Ok(start.elapsed().as_secs_f64())
    };
    let mut seconds = (0..warm_up + times).map(once).collect::<Outcome<Vec<f64>>>()?;
    Ok(seconds.split_off(warm_up))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    fn names(pattern: &str) -> Vec<&'static str> {
        chosen(Some(pattern)).unwrap().iter().map(|case| case.name()).collect()
    }

    fn refusal(name: Option<&str>) -> String {
        let failure = chosen(name).err().unwrap();
        assert_eq!(failure.exit(), Exit::Usage);
        failure.render(false)
    }

    #[test]
    fn the_line_that_scripts_use_is_read() {
        let args: BenchArgs = parse("--case r18-cifar-32-b64 --precision bf16 --steps 2").unwrap();
        assert_eq!(
            (args.case.as_deref(), args.precision, args.repetitions(7)),
            (Some("r18-cifar-32-b64"), PrecisionChoice::Bf16, 2)
        );
        let args: BenchArgs = parse("--case x --data blood.npz --limit 64").unwrap();
        assert_eq!((args.data.as_deref(), args.limit, args.repetitions(7)), (Some("blood.npz"), Some(64), 7));
        for line in
            ["--case x --precision f16", "--case x --steps 0", "--case x --limit 0", "--case x --device x"]
        {
            assert!(parse::<BenchArgs>(line).is_err(), "{line}");
        }
    }

    #[test]
    fn names_choose_one_case_and_wildcards_several() {
        assert_eq!(names("views-barlow-32"), ["views-barlow-32"]);
        assert_eq!(names("views-*-224"), ["views-simclr-224", "views-barlow-224"]);
        let mut all = names("*");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), cases().len(), "two cases of one name");
    }

    #[test]
    fn what_is_no_case_is_told_with_what_there_is() {
        assert!(refusal(Some("views-simclr-23")).contains("did you mean `views-simclr-32`?"));
        for name in [None, Some("something else"), Some("epochs-*-of-mine")] {
            let text = refusal(name);
            assert!(text.contains("r18-cifar-32-b64") && text.contains("tsne-3400x512"), "{text}");
        }
    }

    #[test]
    fn only_networks_have_a_choice_of_devices() {
        let args: BenchArgs = parse("--case x --device gpu:1 --data x").unwrap();
        let refused = |pattern| chosen(Some(pattern)).unwrap().iter().all(|case| case.check(&args).is_err());
        assert!(refused("views-*") && refused("knn-*") && refused("tsne-*"));
        assert!(!refused("r50-*") && !refused("epoch-*"));
    }

    #[test]
    fn warm_ups_do_not_count() {
        let mut done = 0;
        let seconds = repeat(2, 3, || {
            done += 1;
            Ok(())
        });
        assert_eq!((seconds.unwrap().len(), done), (3, 5));
    }

    #[test]
    fn half_of_the_values_lie_on_each_side_of_the_median() {
        assert_eq!(median(vec![9.0, 1.0, 5.0, 3.0, 100.0]), 5.0);
        assert_eq!((round(1.23456, 2), round(-1.5, 0)), (1.23, -2.0));
    }
}
