//! A measure of every pair of two lists: a matrix whose colours and numbers are its values.

use plotters::backend::DrawingBackend;

use crate::canvas::{Anchor, Canvas, Figure, fitted, text_width, title, to_bitmap, to_svg};
use crate::scale::extent;
use crate::style::{GRID, INK, MUTED, PAPER, SMALL, TEXT, clean, number, shade};
use crate::{Picture, ReportError, Values};

/// The room for a name beside or below the matrix.
const NAME_ROOM: f64 = 170.0;
/// The side of a cell.
const CELL: f64 = 52.0;

/// What [`heatmap`] draws.
#[derive(Clone, Debug, Default)]
pub struct Heatmap {
    /// What is measured and on what.
    pub measure: String,
    /// What the values are.
    pub values: Values,
    /// What the rows are, and their names.
    pub rows: (String, Vec<String>),
    /// What the columns are, and their names.
    pub columns: (String, Vec<String>),
    /// `[row][column]`; `None` where nothing was measured.
    pub cells: Vec<Vec<Option<f64>>>,
    /// What a reader should know, for the line below.
    pub note: String,
}

/// The matrix as SVG and as PNG. Colours go from the smallest value to the largest; a cell without a value is crossed out.
///
/// # Errors
/// [`ReportError::Input`] unless there is a row of cells for every row and a cell for every column, [`ReportError::Drawing`].
pub fn heatmap(drawn: &Heatmap) -> Result<[Picture; 2], ReportError> {
    let [rows, columns] = [drawn.rows.1.len(), drawn.columns.1.len()];
    if drawn.cells.len() != rows || drawn.cells.iter().any(|row| row.len() != columns) {
        return Err(ReportError::Input {
            figure: Matrix::NAME,
            expected: format!("{rows} rows of {columns} cells"),
            got: format!("{} rows", drawn.cells.len()),
            hint: "give None for what was not measured",
        });
    }
    let matrix = Matrix::new(drawn);
    Ok([Picture::svg(to_svg(&matrix)?), Picture::png(&to_bitmap(&matrix)?)?])
}

struct Matrix<'a> {
    drawn: &'a Heatmap,
    rows: Vec<String>,
    columns: Vec<String>,
    range: (f64, f64),
    left: f64,
    below: f64,
}

const TOP: f64 = 34.0;

impl Matrix<'_> {
    fn new(drawn: &Heatmap) -> Matrix<'_> {
        let names = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| fitted(&clean(name), SMALL, NAME_ROOM)).collect()
        };
        let (rows, columns) = (names(&drawn.rows.1), names(&drawn.columns.1));
        let widest = |names: &[String]| names.iter().map(|name| text_width(name, SMALL)).fold(0.0, f64::max);
        let (left, below) = (widest(&rows) + 44.0, widest(&columns) + 62.0);
        let range = extent(drawn.cells.iter().flatten().copied().flatten()).unwrap_or((0.0, 1.0));
        Matrix { drawn, rows, columns, range, left, below }
    }

    fn draw_cell<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        (x, y): (f64, f64),
        value: Option<f64>,
    ) -> Result<(), ReportError> {
        let (from, to) = ((x + 0.75, y + 0.75), (x + CELL - 0.75, y + CELL - 0.75));
        let middle = (x + CELL / 2.0, y + CELL / 2.0);
        let Some(value) = value.filter(|value| value.is_finite()) else {
            canvas.rectangle(from, to, GRID)?;
            return canvas.text("–", middle, TEXT, Anchor::Middle, MUTED);
        };
        let (low, high) = self.range;
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        canvas.rectangle(from, to, shade(share))?;
        let ink = if share > 0.5 { PAPER } else { INK };
        let text = match self.drawn.values {
            Values::Shares => format!("{:.1}", 100.0 * value),
            Values::Numbers => number(value),
        };
        canvas.text(&text, middle, SMALL, Anchor::Middle, ink)
    }
}

impl Figure for Matrix<'_> {
    const NAME: &'static str = "a heat map";

    fn size(&self) -> (f64, f64) {
        let (width, height) = (CELL * self.columns.len() as f64, CELL * self.rows.len() as f64);
        ((self.left + width + 16.0).max(320.0), TOP + height + self.below)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let (room, _) = self.size();
        let unit = if self.drawn.values == Values::Shares { ", per cent" } else { "" };
        title(canvas, &fitted(&format!("{}{unit}", clean(&self.drawn.measure)), 14.0, room - 24.0))?;
        let (width, height) = (CELL * self.columns.len() as f64, CELL * self.rows.len() as f64);
        let rows = fitted(&clean(&self.drawn.rows.0), TEXT, height.max(90.0));
        canvas.text_upwards(&rows, (16.0, TOP + height / 2.0), TEXT, Anchor::Middle, INK)?;
        for (i, (row, name)) in self.drawn.cells.iter().zip(&self.rows).enumerate() {
            let y = TOP + i as f64 * CELL;
            canvas.text(name, (self.left - 8.0, y + CELL / 2.0), SMALL, Anchor::End, INK)?;
            for (j, value) in row.iter().enumerate() {
                self.draw_cell(canvas, (self.left + j as f64 * CELL, y), *value)?;
            }
        }
        for (j, name) in self.columns.iter().enumerate() {
            let x = self.left + (j as f64 + 0.5) * CELL;
            canvas.text_upwards(name, (x, TOP + height + 8.0), SMALL, Anchor::End, INK)?;
        }
        let under = TOP + height + self.below;
        let columns = fitted(&clean(&self.drawn.columns.0), TEXT, room - 24.0);
        canvas.text(&columns, (self.left + width / 2.0, under - 36.0), TEXT, Anchor::Middle, INK)?;
        let note = fitted(&clean(&self.drawn.note), SMALL, room - 24.0);
        canvas.text(&note, (room / 2.0, under - 14.0), SMALL, Anchor::Middle, MUTED)
    }
}
