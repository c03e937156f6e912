//! The report: one HTML file that needs nothing else.

use askama::Template;

use crate::curves::Panel;
use crate::style::{deviation, mean};
use crate::{Picture, ReportError};

/// Everything that [`report_html`] puts on the page. A part that is left empty is left out, or said to be
/// missing where readers would look for it. All texts are plain text.
#[derive(Clone, Debug, Default)]
pub struct ReportInput {
    /// The heading: what was trained on what.
    pub title: String,
    /// The state of the run: done, failed, interrupted, running.
    pub state: String,
    /// The reason for the state; may be empty.
    pub message: String,
    /// What was trained, on what and how, in a few lines.
    pub about: Vec<Fact>,
    /// What a reader should know before believing the numbers.
    pub warnings: Vec<String>,
    /// How many files of the data were left out; `None` if the data are not files.
    pub skipped: Option<Skipped>,
    /// The conditions compared, on the validation and on the test part.
    pub results: Vec<ResultTable>,
    /// Pictures of the same.
    pub comparisons: Vec<Plate>,
    /// The training curves, from [`crate::training_panels`].
    pub curves: Vec<Panel>,
    /// The contact sheet, from [`crate::contact_sheet`].
    pub views: Option<Plate>,
    /// Maps of the features.
    pub maps: Vec<Plate>,
    /// Confusion matrices.
    pub confusions: Vec<Plate>,
    /// Precision and recall per class.
    pub classes: Vec<ClassTable>,
    /// The resolved settings, key by key.
    pub settings: Vec<Fact>,
    /// The exact commands that repeat the run and its evaluation, in order.
    pub commands: Vec<String>,
    /// What may come out differently on another machine.
    pub may_differ: Vec<String>,
    /// The machine and the program.
    pub environment: Vec<Fact>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The name.
    pub name: String,
    /// The value, unit included.
    pub value: String,
}

impl Fact {
    /// `name: value`.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Fact {
        Fact { name: name.into(), value: value.into() }
    }
}

/// Files that were found but could not be used.
#[derive(Clone, Debug, Default)]
pub struct Skipped {
    /// How many were left out.
    pub count: usize,
    /// How many were found in all.
    pub of: usize,
    /// Some of them, each with the reason.
    pub examples: Vec<String>,
}

/// A picture with its words.
#[derive(Clone, Debug)]
pub struct Plate {
    /// Its heading.
    pub title: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// The same in one sentence for those who cannot see it.
    pub alt: String,
    /// The picture.
    pub picture: Picture,
}

/// Measured shares of several conditions.
#[derive(Clone, Debug, Default)]
pub struct ResultTable {
    /// What is compared, and at which common protocol.
    pub caption: String,
    /// The measures, each naming its split, such as "test accuracy".
    pub columns: Vec<String>,
    /// The conditions.
    pub rows: Vec<ResultRow>,
}

/// One condition under one protocol.
#[derive(Clone, Debug, Default)]
pub struct ResultRow {
    /// The protocol, such as "linear probe".
    pub protocol: String,
    /// The features, such as "raw pixels".
    pub features: String,
    /// Whether this is what the run trained; it is set off from what it is compared with.
    pub ours: bool,
    /// Per column the shares (0 to 1), one per seed; empty if not measured.
    pub cells: Vec<Vec<f64>>,
}

/// How one protocol did on each class.
#[derive(Clone, Debug, Default)]
pub struct ClassTable {
    /// Protocol, features and split.
    pub caption: String,
    /// The classes.
    pub rows: Vec<ClassRow>,
}

/// One class.
#[derive(Clone, Debug, Default)]
pub struct ClassRow {
    /// Its name.
    pub name: String,
    /// The number of its samples.
    pub samples: u64,
    /// The share of predictions of this class that were right; `None` if it was never predicted.
    pub precision: Option<f64>,
    /// The share of its samples that were found; `None` if there are none.
    pub recall: Option<f64>,
    /// The harmonic mean of both; `None` if either is undefined.
    pub f1: Option<f64>,
}

/// The report as one self-contained HTML file: pictures inside, no script, nothing from the network; for
/// screens of any width, light and dark, and for paper. It states the data given and concludes nothing.
///
/// # Errors
/// [`ReportError::Input`] if a row of a result table has another number of cells than the table has columns.
pub fn report_html(input: &ReportInput) -> Result<String, ReportError> {
    for table in &input.results {
        if let Some(row) = table.rows.iter().find(|row| row.cells.len() != table.columns.len()) {
            return Err(ReportError::Input {
                figure: "a table of results",
                expected: format!("{} cells per row, one per column", table.columns.len()),
                got: format!("{} cells for {}, {}", row.cells.len(), row.protocol, row.features),
                hint: "give an empty cell for what was not measured",
            });
        }
    }
    let html = Page { report: input, style: include_str!("../templates/report.css") }.render()?;
    // Texts from outside may hold control characters, which no page may.
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    Ok(html.chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect())
}

/// `text` with the characters that mean something in HTML written as entities.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a ReportInput,
    style: &'static str,
}

/// A cell of a result table: per cent, with the sample standard deviation if there are several seeds.
fn result(values: &[f64]) -> String {
    match (mean(values), deviation(values)) {
        (None, _) => "–".into(),
        (Some(mean), None) => format!("{:.1}", 100.0 * mean),
        (Some(mean), Some(spread)) => format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * spread),
    }
}

/// How many seeds stand behind the cells of a table, if it is the same for all that were measured.
fn seeds(table: &ResultTable) -> String {
    let counts = table.rows.iter().flat_map(|row| row.cells.iter().map(Vec::len)).filter(|n| *n > 0);
    match (counts.clone().min(), counts.max()) {
        (Some(1), Some(1)) => "Per cent; one seed, so the spread is not known.".into(),
        (Some(n), Some(m)) if n == m => {
            format!("Per cent; mean ± sample standard deviation over {n} seeds.")
        }
        (Some(n), Some(m)) => {
            format!("Per cent; mean ± sample standard deviation over {n} to {m} seeds, one seed without ±.")
        }
        _ => "Not measured.".into(),
    }
}

fn share(value: &Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{:.1}", 100.0 * value))
}
