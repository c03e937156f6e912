//! Tables: on the page as people read them, in files as programs do.

use crate::ReportError;
use crate::style::{Hue, deviation, mean, number};

/// A table of text and measures.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What it is called as a file: letters, digits and `-`.
    pub name: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with a cell for every column.
    pub rows: Vec<TableRow>,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Whether its cells are numbers, which stand on the right.
    pub numeric: bool,
}

impl Column {
    /// A column of words.
    pub fn text(name: impl Into<String>) -> Column {
        Column { name: name.into(), numeric: false }
    }

    /// A column of numbers.
    pub fn number(name: impl Into<String>) -> Column {
        Column { name: name.into(), numeric: true }
    }
}

/// A row of a table.
#[derive(Clone, Debug, Default)]
pub struct TableRow {
    /// Whether it is set off from what it is compared with.
    pub ours: bool,
    /// The colour of what it is about, where that is drawn elsewhere on the page.
    pub hue: Option<Hue>,
    /// Its cells.
    pub cells: Vec<Cell>,
}

impl TableRow {
    /// A row like all others.
    pub fn new(cells: Vec<Cell>) -> TableRow {
        TableRow { cells, ..TableRow::default() }
    }
}

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// How many.
    Count(u64),
    /// A number; `None` where it is undefined.
    Number(Option<f64>),
    /// A share from 0 to 1 for every seed, shown in per cent: the mean, with the sample standard deviation if there are
    /// several. Empty where it was not measured.
    Share(Vec<f64>),
    /// The same with the ends of an interval that says how far other images would move it; `None` where that is not known.
    Estimate(Vec<f64>, Option<[f64; 2]>),
    /// A difference of shares; `None` where it was not measured.
    Gap(Option<Gap>),
}

/// A difference of two shares with its interval, shown in points (hundredths).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// The difference.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Cell {
    /// As people read it, without its interval.
    pub(crate) fn shown(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => count.to_string(),
            Cell::Number(value) => value.map_or("–".into(), number),
            Cell::Share(values) | Cell::Estimate(values, _) => match (mean(values), deviation(values)) {
                (None, _) => "–".into(),
                (Some(mean), None) => format!("{:.1}", 100.0 * mean),
                (Some(mean), Some(spread)) => format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * spread),
            },
            Cell::Gap(gap) => gap.map_or("–".into(), |gap| points(gap.value)),
        }
    }

    /// Its interval as people read it; empty where there is none.
    pub(crate) fn interval(&self) -> String {
        match self {
            Cell::Estimate(_, Some([low, high])) => format!("({:.1} to {:.1})", 100.0 * low, 100.0 * high),
            Cell::Gap(Some(gap)) => format!("({} to {})", points(gap.low), points(gap.high)),
            _ => String::new(),
        }
    }

    /// The fields of a file: the value, and the columns that [`Width`] adds to it.
    fn fields(&self, width: Width) -> Vec<String> {
        let plain = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let value = match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => count.to_string(),
            Cell::Number(value) => plain(*value),
            Cell::Share(values) | Cell::Estimate(values, _) => plain(mean(values)),
            Cell::Gap(gap) => plain(gap.map(|gap| gap.value)),
        };
        let seeds = match self {
            Cell::Share(values) | Cell::Estimate(values, _) => {
                let finite = values.iter().filter(|value| value.is_finite()).count();
                [plain(deviation(values)), finite.to_string()]
            }
            _ => Default::default(),
        };
        let ends = match self {
            Cell::Estimate(_, interval) => *interval,
            Cell::Gap(gap) => gap.map(|gap| [gap.low, gap.high]),
            _ => None,
        };
        let ends = [ends.map(|ends| ends[0]), ends.map(|ends| ends[1])].map(plain);
        let mut fields = vec![value];
        fields.extend(seeds.into_iter().filter(|_| width.seeds));
        fields.extend(ends.into_iter().filter(|_| width.ends));
        fields
    }
}

/// A signed number of points with one decimal.
fn points(share: f64) -> String {
    let text = format!("{:.1}", 100.0 * share);
    if text == "-0.0" { "0.0".into() } else { text.replace('-', "−") }
}

/// Which columns of a file a column of a table takes beside that of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Width {
    /// Deviation over seeds, and their number.
    seeds: bool,
    /// The ends of an interval.
    ends: bool,
}

impl Width {
    fn suffixes(self) -> impl Iterator<Item = &'static str> {
        let seeds = [" std", " seeds"].into_iter().filter(move |_| self.seeds);
        let ends = [" low", " high"].into_iter().filter(move |_| self.ends);
        std::iter::once("").chain(seeds).chain(ends)
    }
}

impl Table {
    /// The table as CSV (RFC 4180, with line feeds): shares from 0 to 1 with all their digits, nothing where there is no
    /// value. A column of shares with several seeds gets two more (`std`, `seeds`), and so does one of numbers with intervals
    /// (`low`, `high`).
    pub fn csv(&self) -> String {
        let widths: Vec<Width> = (0..self.columns.len()).map(|at| self.width(at)).collect();
        let headings = self.columns.iter().zip(&widths).flat_map(|(column, width)| {
            width.suffixes().map(move |suffix| format!("{}{suffix}", column.name))
        });
        let mut text = line(headings);
        for row in &self.rows {
            text += &line(row.cells.iter().zip(&widths).flat_map(|(cell, width)| cell.fields(*width)));
        }
        text
    }

    /// Whether every share was measured with the same number of seeds, in words.
    pub(crate) fn seeds(&self) -> String {
        let cells = self.rows.iter().flat_map(|row| &row.cells);
        let counts = cells.filter_map(|cell| match cell {
            Cell::Share(values) | Cell::Estimate(values, _) => Some(values.len()).filter(|count| *count > 0),
            _ => None,
        });
        match (counts.clone().min(), counts.max()) {
            (Some(1), Some(1)) | (None, _) | (_, None) => String::new(),
            (Some(n), Some(m)) if n == m => format!(" Mean ± sample standard deviation over {n} seeds."),
            (Some(n), Some(m)) => {
                format!(" Mean ± sample standard deviation over {n} to {m} seeds; without ±, one seed.")
            }
        }
    }

    pub(crate) fn check(&self) -> Result<(), ReportError> {
        match self.rows.iter().find(|row| row.cells.len() != self.columns.len()) {
            None => Ok(()),
            Some(row) => Err(ReportError::Input {
                figure: "a table",
                expected: format!("{} cells per row, one per column", self.columns.len()),
                got: format!("{} cells in the table {}", row.cells.len(), self.name),
                hint: "give an empty cell for what was not measured",
            }),
        }
    }

    fn width(&self, column: usize) -> Width {
        let cells = || self.rows.iter().filter_map(|row| row.cells.get(column));
        let several = |cell: &Cell| match cell {
            Cell::Share(values) | Cell::Estimate(values, _) => values.len() > 1,
            _ => false,
        };
        Width {
            seeds: cells().any(several),
            ends: cells().any(|cell| matches!(cell, Cell::Estimate(..) | Cell::Gap(_))),
        }
    }
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let quoted = |field: String| match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    };
    fields.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: Vec<Vec<Cell>>) -> Table {
        let columns = vec![Column::text("a, b"), Column::number("accuracy"), Column::number("gap")];
        let rows = rows.into_iter().map(TableRow::new).collect();
        Table { name: "t".into(), caption: String::new(), columns, rows }
    }

    fn gap(value: f64) -> Cell {
        Cell::Gap(Some(Gap { value, low: value - 0.01, high: value + 0.01 }))
    }

    #[test]
    fn people_read_per_cent_and_points() {
        let cells = [
            (Cell::Share(vec![0.5, 0.7]), "60.0 ± 14.1", ""),
            (Cell::Share(vec![0.5]), "50.0", ""),
            (Cell::Share(vec![]), "–", ""),
            (Cell::Share(vec![f64::NAN]), "–", ""),
            (Cell::Estimate(vec![0.731], Some([0.69, 0.77])), "73.1", "(69.0 to 77.0)"),
            (Cell::Estimate(vec![0.5, 0.7], None), "60.0 ± 14.1", ""),
            (gap(0.0512), "5.1", "(4.1 to 6.1)"),
            (gap(-0.0), "0.0", "(−1.0 to 1.0)"),
            (Cell::Gap(None), "–", ""),
            (Cell::Number(Some(12.345)), "12.35", ""),
            (Cell::Count(12_345), "12345", ""),
        ];
        for (cell, shown, interval) in cells {
            assert_eq!((cell.shown(), cell.interval()), (shown.into(), interval.into()));
        }
    }

    #[test]
    fn files_hold_every_digit_and_a_column_for_every_part() {
        let one =
            table(vec![vec![Cell::Text("say \"x\"".into()), Cell::Share(vec![0.125]), Cell::Gap(None)]]);
        assert_eq!(one.csv(), "\"a, b\",accuracy,gap,gap low,gap high\n\"say \"\"x\"\"\",0.125,,,\n");
        let two = table(vec![
            vec![Cell::Text("x".into()), Cell::Share(vec![0.25, 0.75]), gap(0.5)],
            vec![Cell::Text("y".into()), Cell::Share(vec![]), Cell::Gap(None)],
        ]);
        let expected = "\"a, b\",accuracy,accuracy std,accuracy seeds,gap,gap low,gap high\n\
                        x,0.5,0.3535533905932738,2,0.5,0.49,0.51\ny,,,0,,,\n";
        assert_eq!(two.csv(), expected);
        assert!(two.seeds().contains("over 2 seeds"));
        assert_eq!(one.seeds(), "");
    }

    #[test]
    fn an_interval_takes_two_columns_of_a_file_after_those_of_seeds() {
        let estimate = |values: &[f64]| Cell::Estimate(values.to_vec(), Some([0.1, 0.9]));
        let row = |values: &[f64]| vec![Cell::Text("x".into()), estimate(values), Cell::Gap(None)];
        assert!(table(vec![row(&[0.5])]).csv().ends_with("x,0.5,0.1,0.9,,,\n"));
        let several = table(vec![row(&[0.5]), row(&[0.25, 0.75])]);
        let expected = "\"a, b\",accuracy,accuracy std,accuracy seeds,accuracy low,accuracy high,gap,gap low,gap high\n\
                        x,0.5,,1,0.1,0.9,,,\nx,0.5,0.3535533905932738,2,0.1,0.9,,,\n";
        assert_eq!(several.csv(), expected);
    }

    #[test]
    fn a_row_with_another_number_of_cells_is_refused() {
        let error = table(vec![vec![Cell::Count(1)]]).check().unwrap_err().to_string();
        assert!(error.contains("3 cells per row") && error.contains("1 cells in the table t"), "{error}");
    }
}
