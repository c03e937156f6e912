//! The report of a run, of several runs side by side, or of a study: what stands on the page. One section, one file.
//!
//! A page is drawn from folders alone. What its sections show of the data was kept there when a run ended
//! ([`keep_shown`]), and every number is a verdict that was saved.

mod classes;
mod clusters;
mod conditions;
mod health;
mod map;
mod measured;
mod overview;
mod published;
mod results;
mod retrieval;
mod run_view;
mod several;
mod shown;
mod study;
mod tags;
mod training;
mod whose;

use std::path::{Path, PathBuf};

use twinlens_data::{Notice, SkippedSample};
use twinlens_report::{Block, Page, Picture, Section, page_html};
use twinlens_run::{RunFolder, names, write_atomically};

use crate::LabError;
use crate::assessment::{Assessment, NextStep};
use crate::study::ExistingStudy;

pub use run_view::RunView;
pub use shown::{SHEET, keep_sheet, keep_shown};

/// What a page leaves to the program that makes it: how that program is asked to do things.
pub trait FrontEnd {
    /// A notice with its hint, whose `{name}` stand for arguments and actions.
    fn notice(&self, notice: &Notice) -> String;

    /// Why an image was left out, with its hint.
    fn skipped(&self, skipped: &SkippedSample) -> String;

    /// The command of a step that is worth taking with a run.
    fn next(&self, run: &RunView, step: NextStep) -> String;

    /// The commands that train a run, judge it and report it.
    fn repeat(&self, run: &RunView) -> Vec<String>;

    /// The command that reports a run or a study, or several runs side by side.
    fn report(&self, folders: &[&Path]) -> String;
}

/// A page and the pictures that are also kept as files.
#[derive(Debug)]
pub struct Report {
    page: Page,
    plots: Vec<(String, Picture)>,
}

/// What sections leave beside their blocks.
#[derive(Default)]
struct Extras {
    /// Pictures for the folder of plots, by name.
    plots: Vec<(String, Picture)>,
    /// What a reader should know before believing the numbers.
    warnings: Vec<String>,
}

impl Extras {
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
    /// The report of one run, or of several side by side.
    ///
    /// # Errors
    /// A folder that is no run or holds settings that cannot be read, a study among them, or a picture that cannot be drawn.
    pub fn of_runs(runs: &[PathBuf], front_end: &dyn FrontEnd) -> Result<Report, LabError> {
        let views = runs.iter().map(|run| RunView::read(run)).collect::<Result<Vec<_>, _>>()?;
        match &views[..] {
            [one] => Report::of_run(one, front_end),
            all => several::report(all, front_end),
        }
    }

    /// The report of one run.
    ///
    /// # Errors
    /// A picture that cannot be drawn.
    pub fn of_run(run: &RunView, front_end: &dyn FrontEnd) -> Result<Report, LabError> {
        let mut extras = Extras::default();
        extras.warnings.extend(run.warnings.iter().cloned());
        let (courses, training) = training::of_run(run, &mut extras)?;
        let sections = [
            results::section(run, courses, &mut extras)?,
            tags::section(run),
            classes::section(run, &mut extras)?,
            shown::section(run),
            map::section(run, &mut extras)?,
            retrieval::section(run),
            clusters::section(run),
            health::section(run, &mut extras)?,
            measured::section(run),
            training,
            to_repeat(front_end.repeat(run)),
            overview::settings(&run.record.config, &overview::usual(&run.settings)?),
            overview::environment(&run.record.environment),
        ];
        let Assessment { sentences, next, .. } = Assessment::of(&run.record, &run.settings, &run.verdicts)?;
        let next = next.into_iter().map(|step| front_end.next(run, step)).collect();
        // Warnings of all sections stand above the first.
        let mut all = vec![Section::verdict(sentences, next), overview::section(run, &mut extras, front_end)];
        all.extend(sections);
        let page = Page {
            title: run.title(),
            state: run.record.status.state.to_string(),
            message: run.record.status.message.clone(),
            sections: all,
        };
        Ok(Report { page, plots: extras.plots })
    }

    /// The report of a finished study.
    ///
    /// # Errors
    /// Verdicts that do not compare, or a picture that cannot be drawn.
    pub fn of_study(study: &ExistingStudy, front_end: &dyn FrontEnd) -> Result<Report, LabError> {
        study::report(study, front_end)
    }

    fn html(&self) -> Result<String, LabError> {
        Ok(page_html(&self.page)?)
    }

    /// Every table of the page as a CSV file, by the file's name.
    pub fn tables(&self) -> Vec<(String, String)> {
        let tables = self.page.sections.iter().flat_map(Section::tables);
        tables.map(|table| (format!("{}.csv", plain_name(&table.name)), table.csv())).collect()
    }

    /// Writes the page to a file of its own.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, file: &Path) -> Result<PathBuf, LabError> {
        write_atomically(file, self.html()?.as_bytes())?;
        Ok(file.to_path_buf())
    }

    /// Writes every table of the page into `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write_tables(&self, folder: &Path) -> Result<(), LabError> {
        for (name, csv) in self.tables() {
            write_into(folder, &name, csv.as_bytes())?;
        }
        Ok(())
    }

    /// Writes page, pictures and tables into the folder of a study, laid out as a run's; returns where the page is.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn keep_in_study(&self, folder: &Path) -> Result<PathBuf, LabError> {
        for (name, picture) in &self.plots {
            write_into(&folder.join(names::PLOTS), &file_of(name, picture), picture.bytes())?;
        }
        self.write_tables(&folder.join(names::TABLES))?;
        self.write(&folder.join(names::REPORT))
    }

    /// Writes page, pictures and tables into a run's folder; returns where the page is.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn keep_in_run(&self, folder: &RunFolder) -> Result<PathBuf, LabError> {
        for (name, picture) in &self.plots {
            folder.write_plot(&file_of(name, picture), picture.bytes())?;
        }
        for (name, csv) in self.tables() {
            folder.write_table(&name, &csv)?;
        }
        Ok(folder.write_report(&self.html()?)?)
    }
}

fn write_into(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), LabError> {
    std::fs::create_dir_all(folder).map_err(|error| LabError::io(folder, error))?;
    Ok(write_atomically(&folder.join(name), bytes)?)
}

fn file_of(name: &str, picture: &Picture) -> String {
    format!("{name}.{}", picture.extension())
}

/// The commands that do the same again.
fn to_repeat(commands: Vec<String>) -> Section {
    Section::new("To repeat this", vec![Block::Commands(commands)])
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

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_told_once_and_names_are_fit_for_files() {
        let mut extras = Extras::default();
        extras.warn("a");
        extras.warn("a".to_owned());
        assert_eq!(extras.warnings, ["a"]);
        assert_eq!(plain_name("kNN k=20/ä.x"), "kNN-k-20--.x");
        assert_eq!((file_name_of("a/b.npz"), file_name_of("..")), ("b.npz".into(), "..".into()));
    }
}
