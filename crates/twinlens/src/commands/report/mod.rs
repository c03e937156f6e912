//! `report`: one page about a run, or several runs side by side. One section, one file.

mod classes;
mod clusters;
mod conditions;
mod health;
mod map;
mod overview;
mod published;
mod repeat;
mod results;
mod seen;
mod several;
mod shown;
mod study;
mod tags;
mod training;

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::json;
use twinlens_data::DataSet;
use twinlens_report::{Block, Page, Picture, ReportError, Section, page_html};
use twinlens_run::{RunFolder, RunRecord, names, write_atomically};

use self::seen::Seen;
use super::finetune::{Found, PLAN};
use super::run_settings::RunSettings;
use super::training::open_named;
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
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    /// A folder for the page's tables as CSV files [default: the run's tables]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub csv: Option<PathBuf>,
}

/// Runs `report`. The run's folder must not be in use, unless the report goes elsewhere.
///
/// # Errors
/// A folder that is no run or in use, several runs and no place for their page, or a file or stdout that cannot be written.
pub fn run(args: &ReportArgs, terminal: &Terminal) -> Outcome {
    let (file, tables) = match (&args.runs[..], &args.out) {
        ([study], out) if study.join(PLAN).is_file() => {
            let report = study::report(&Found::read(study)?)?;
            let file = match out {
                None => report.keep_in(study)?,
                Some(out) => report.write(out)?,
            };
            (file, report.tables()?)
        }
        ([run], None) => {
            let folder = RunFolder::open(run)?;
            let report = Report::of(&args.runs, terminal)?;
            (report.keep(&folder)?, report.tables()?)
        }
        (_, None) => {
            let message = "several runs have no folder of their own for their report";
            return Err(Failure::message(Exit::Usage, message).hint("add --out PATH"));
        }
        (runs, Some(out)) => {
            let report = Report::of(runs, terminal)?;
            (report.write(out)?, report.tables()?)
        }
    };
    if let Some(folder) = &args.csv {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::new(Exit::Environment, error).at(folder.display()))?;
        for (name, csv) in &tables {
            write_atomically(&folder.join(name), csv.as_bytes())?;
        }
    }
    terminal.result(&json!({ "report": file }), || format!("{}\n", file.display()))
}

/// Writes `plots`, `tables` and `report.html` of a run; returns where the page is.
///
/// # Errors
/// A run that cannot be read, or a folder that cannot be written. What else is missing is told on the page.
pub fn write(
    folder: &RunFolder,
    data: &DataSet,
    settings: RunSettings,
    terminal: &Terminal,
) -> Outcome<PathBuf> {
    let record = RunRecord::read(folder.path())?;
    Report::about(&Seen::new(record, settings, Ok(data)), terminal)?.keep(folder)
}

/// Writes the tables and `report.html` of a finished study; returns where the page is.
///
/// # Errors
/// A study that cannot be read, or a folder that cannot be written.
pub fn write_study(folder: &Path) -> Outcome<PathBuf> {
    study::report(&Found::read(folder)?)?.keep_in(folder)
}

/// A page and the pictures that are also kept as files.
struct Report {
    page: Page,
    plots: Vec<(String, Picture)>,
}

/// What sections leave beside their blocks.
#[derive(Default)]
struct Kept {
    /// Pictures for the folder of plots, by name.
    plots: Vec<(String, Picture)>,
    /// What a reader should know before believing the numbers.
    warnings: Vec<String>,
}

impl Kept {
    fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Keeps a picture as a file too.
    fn plot(&mut self, name: &str, picture: &Picture) {
        self.plots.push((plain_name(name), picture.clone()));
    }
}

impl Report {
    /// The report of runs whose data are opened here.
    fn of(runs: &[PathBuf], terminal: &Terminal) -> Outcome<Report> {
        let mut opened = Vec::new();
        for run in runs {
            if run.join(PLAN).is_file() {
                let failure = Failure::message(Exit::Usage, "a study is reported by itself");
                return Err(failure.at(run.display()));
            }
            let record = RunRecord::read(run)?;
            let settings = RunSettings::of(&record)?;
            let common = settings.common();
            let data = open_named(&common.data, &common.data_options, terminal);
            opened.push((record, settings, data.map_err(|failure| reason(&failure))));
        }
        let seen: Vec<Seen> = opened
            .iter()
            .map(|(record, settings, data)| {
                Seen::new(record.clone(), settings.clone(), data.as_ref().map_err(Clone::clone))
            })
            .collect();
        match &seen[..] {
            [one] => Report::about(one, terminal),
            all => several::report(all, terminal),
        }
    }

    /// The report of one run.
    fn about(seen: &Seen, terminal: &Terminal) -> Outcome<Report> {
        let mut kept = Kept::default();
        kept.warnings.extend(seen.warnings.iter().cloned());
        let results = results::section(seen, &mut kept)?;
        let sections = [
            results,
            tags::section(seen),
            training::section(seen, &mut kept)?,
            shown::section(seen, &mut kept)?,
            map::section(seen, &mut kept, terminal)?,
            classes::section(seen, &mut kept)?,
            clusters::section(seen, &mut kept)?,
            health::section(seen, &mut kept)?,
            repeat::section(seen),
            overview::settings(&seen.record.config),
            overview::environment(&seen.record.environment),
        ];
        // Warnings of all sections stand above the first.
        let mut all = vec![overview::section(seen, &mut kept)];
        all.extend(sections);
        let page = Page {
            title: seen.title(),
            state: seen.record.status.state.to_string(),
            message: seen.record.status.message.clone(),
            sections: all,
        };
        Ok(Report { page, plots: kept.plots })
    }

    fn html(&self) -> Outcome<String> {
        page_html(&self.page).map_err(undrawn)
    }

    /// Every table of the page as a CSV file, by the file's name.
    fn tables(&self) -> Outcome<Vec<(String, String)>> {
        let blocks = self.page.sections.iter().flat_map(|section| &section.blocks);
        let tables = blocks.filter_map(|block| match block {
            Block::Table(table) => Some((format!("{}.csv", plain_name(&table.name)), table.csv())),
            _ => None,
        });
        Ok(tables.collect())
    }

    /// Writes the page to a file of its own.
    fn write(&self, file: &Path) -> Outcome<PathBuf> {
        write_atomically(file, self.html()?.as_bytes())?;
        Ok(file.to_path_buf())
    }

    /// Writes page, pictures and tables into the folder of a study, laid out as a run's.
    fn keep_in(&self, folder: &Path) -> Outcome<PathBuf> {
        let file = |kind: &str, name: &str| -> Outcome<PathBuf> {
            let place = folder.join(kind);
            std::fs::create_dir_all(&place)
                .map_err(|error| Failure::new(Exit::Environment, error).at(place.display()))?;
            Ok(place.join(name))
        };
        for (name, picture) in &self.plots {
            let name = format!("{name}.{}", picture.extension());
            write_atomically(&file(names::PLOTS, &name)?, picture.bytes())?;
        }
        for (name, csv) in self.tables()? {
            write_atomically(&file(names::TABLES, &name)?, csv.as_bytes())?;
        }
        self.write(&folder.join(names::REPORT))
    }

    fn keep(&self, folder: &RunFolder) -> Outcome<PathBuf> {
        for (name, picture) in &self.plots {
            folder.write_plot(&format!("{name}.{}", picture.extension()), picture.bytes())?;
        }
        for (name, csv) in self.tables()? {
            folder.write_table(&name, &csv)?;
        }
        Ok(folder.write_report(&self.html()?)?)
    }
}

/// A section that may stay empty, and is then left out.
fn absent() -> Section {
    Section::default()
}

/// A name that every file system takes.
fn plain_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    name.chars().map(plain).collect()
}

/// The last part of a path; the path itself where it has none.
fn file_name_of(path: &str) -> String {
    Path::new(path).file_name().map_or(path.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The first line of what a failure says.
fn reason(failure: &Failure) -> String {
    let text = failure.render(false);
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// A picture that could not be drawn.
pub fn undrawn(error: ReportError) -> Failure {
    Failure::new(Exit::Failed, error)
}

#[cfg(test)]
mod testing;

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
    }

    #[test]
    fn a_warning_is_told_once_and_names_are_fit_for_files() {
        let mut kept = Kept::default();
        kept.warn("a");
        kept.warn("a".to_owned());
        assert_eq!(kept.warnings, ["a"]);
        assert_eq!(plain_name("kNN k=20/ä.x"), "kNN-k-20--.x");
        assert_eq!((file_name_of("a/b.npz"), file_name_of("..")), ("b.npz".into(), "..".into()));
    }
}
