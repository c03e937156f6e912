//! `report`: one page about a run, or several runs side by side.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::json;
use twinlens_data::{DataSet, Notice, SkippedSample};
use twinlens_lab::Lab;
use twinlens_lab::assessment::NextStep;
use twinlens_lab::reports::{FrontEnd, Report, RunView, keep_shown};
use twinlens_lab::study::{ExistingStudy, PLAN};
use twinlens_run::{RunError, RunFolder, names};

use super::run_settings::RunSettings;
use super::{next, notices, repeat};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `report`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens report runs/a
  twinlens report runs/a --out a.html --csv tables
  twinlens report runs/a runs/b runs/c --out compared.html")]
pub struct ReportArgs {
    /// The run's folder; several are reported side by side
    #[arg(value_name = "RUN", required = true, num_args = 1.., value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = page)]
    pub out: Option<PathBuf>,
    /// A folder for the page's tables as CSV files [default: the run's tables]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub csv: Option<PathBuf>,
}

/// The name of a page, so that nothing else is written over.
fn page(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_page = path.extension().is_some_and(|extension| extension == "html" || extension == "htm");
    if is_page { Ok(path) } else { Err("expected a name that ends in .html".to_owned()) }
}

/// Runs `report`. Of a run that is going on, it shows how far it is.
///
/// # Errors
/// A folder that is no run, several runs and no place for their page, or a file or stdout that cannot be written.
pub fn run(args: &ReportArgs, terminal: &Terminal) -> Outcome {
    if let Some(file) = args.csv.as_deref().filter(|folder| folder.is_file()) {
        let message = "the tables go into a folder, one file each; this is a file";
        return Err(Failure::message(Exit::Usage, message).at(file.display()));
    }
    let (file, report) = match (&args.runs[..], &args.out) {
        ([study], out) if study.join(PLAN).is_file() => {
            let report = Report::of_study(&ExistingStudy::read(study)?, &CommandLine)?;
            let file = match out {
                None => report.keep_in_study(study)?,
                Some(out) => report.write(out)?,
            };
            (file, report)
        }
        ([run], None) => {
            let report = Report::of_runs(&args.runs, &CommandLine)?;
            let file = match RunFolder::open(run) {
                Ok(folder) => report.keep_in_run(&folder)?,
                // A run that goes on has no report of its own yet: this one shows how far it is.
                Err(RunError::Locked { .. }) => report.write(&run.join(names::REPORT))?,
                Err(error) => return Err(error.into()),
            };
            (file, report)
        }
        (_, None) => {
            let message = "several runs have no folder of their own for their report";
            return Err(Failure::message(Exit::Usage, message).hint("add --out PATH"));
        }
        (runs, Some(out)) => {
            let report = Report::of_runs(runs, &CommandLine)?;
            (report.write(out)?, report)
        }
    };
    if let Some(folder) = &args.csv {
        report.write_tables(folder)?;
    }
    terminal.result(&json!({ "report": file }), || format!("{}\n", file.display()))
}

/// Keeps with a run that has ended what its report shows of the data, and writes `tables` and `report.html`; returns where the
/// page is.
///
/// # Errors
/// A run that cannot be read, or a folder that cannot be written. What else is missing is told in the log.
pub fn write(folder: &RunFolder, data: &DataSet, settings: &RunSettings, lab: &Lab<'_>) -> Outcome<PathBuf> {
    keep_shown(folder, data, settings, lab)?;
    let view = RunView::read(folder.path())?;
    Ok(Report::of_run(&view, &CommandLine)?.keep_in_run(folder)?)
}

/// Writes the tables and `report.html` of a finished study; returns where the page is.
///
/// # Errors
/// A study that cannot be read, or a folder that cannot be written.
pub fn write_study(folder: &Path) -> Outcome<PathBuf> {
    Ok(Report::of_study(&ExistingStudy::read(folder)?, &CommandLine)?.keep_in_study(folder)?)
}

/// The command line as pages speak of it.
struct CommandLine;

impl FrontEnd for CommandLine {
    fn notice(&self, notice: &Notice) -> String {
        notices::notice(notice)
    }

    fn skipped(&self, skipped: &SkippedSample) -> String {
        notices::reason(skipped)
    }

    fn next(&self, run: &RunView, step: NextStep) -> String {
        next::command(step, &run.record.path)
    }

    fn repeat(&self, run: &RunView) -> Vec<String> {
        repeat::commands(run)
    }

    fn report(&self, folders: &[&Path]) -> String {
        repeat::report(folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn one_run_is_enough_and_several_are_taken() {
        assert_eq!(parse::<ReportArgs>("runs/a").unwrap().runs, [PathBuf::from("runs/a")]);
        let args = parse::<ReportArgs>("runs/a runs/b --out x.html --csv t").unwrap();
        assert_eq!((args.runs.len(), args.csv), (2, Some(PathBuf::from("t"))));
        assert!(parse::<ReportArgs>("").is_err());
        assert!(parse::<ReportArgs>("runs/a --out runs/a/config.toml").is_err(), "no page");
    }
}
