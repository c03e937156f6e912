//! The confusion matrix.

use plotters::backend::DrawingBackend;

use crate::canvas::{Anchor, Canvas, Figure, fitted, text_width, to_svg};
use crate::style::{INK, MUTED, PAPER, SMALL, TEXT, clean, shade};
use crate::{Picture, ReportError};

/// From this many classes on, cells have no numbers: they would be too small to read.
const MAX_NUMBERED: usize = 25;
/// The room for a class name beside or below the matrix.
const NAME_ROOM: f64 = 150.0;

/// What [`confusion_matrix`] draws.
#[derive(Clone, Debug)]
pub struct Confusion {
    /// `counts[truth][prediction]`: how many samples; square.
    pub counts: Vec<Vec<u64>>,
    /// The names of the classes, in the same order.
    pub classes: Vec<String>,
}

/// The confusion matrix as SVG: a row per true class, a column per predicted one. A cell's colour is its
/// share of the row; its number is that share in per cent over the count (just the share where there are more
/// than twelve classes, nothing where there are more than 25).
///
/// # Errors
/// [`ReportError::Input`] unless `counts` is square and has as many rows as there are classes, at least one.
pub fn confusion_matrix(confusion: &Confusion) -> Result<Picture, ReportError> {
    let n = confusion.classes.len();
    let square = confusion.counts.len() == n && confusion.counts.iter().all(|row| row.len() == n);
    if n == 0 || !square {
        let widths: Vec<usize> = confusion.counts.iter().map(Vec::len).collect();
        return Err(ReportError::Input {
            figure: Matrix::NAME,
            expected: format!("a square of counts for {n} classes, at least one"),
            got: format!("{} rows with {widths:?} columns", confusion.counts.len()),
            hint: "give one row and one column per class",
        });
    }
    Ok(Picture::svg(to_svg(&Matrix::new(confusion))?))
}

struct Matrix<'a> {
    counts: &'a [Vec<u64>],
    /// Cut to the room there is.
    names: Vec<String>,
    /// The side of a cell.
    cell: f64,
    left: f64,
    bottom: f64,
}

impl Matrix<'_> {
    fn new(confusion: &Confusion) -> Matrix<'_> {
        let names: Vec<String> =
            confusion.classes.iter().map(|name| fitted(&clean(name), SMALL, NAME_ROOM)).collect();
        let widest = names.iter().map(|name| text_width(name, SMALL)).fold(0.0, f64::max);
        let cell = match names.len() {
            0..=8 => 48.0,
            9..=12 => 42.0,
            13..=MAX_NUMBERED => 30.0,
            _ => 13.0,
        };
        let left = 34.0 + widest + text_width(&format!("  {}", largest_row(&confusion.counts)), SMALL) + 8.0;
        Matrix { counts: &confusion.counts, names, cell, left, bottom: widest + 40.0 }
    }
}

fn total(row: &[u64]) -> u64 {
    row.iter().copied().fold(0, u64::saturating_add)
}

fn largest_row(counts: &[Vec<u64>]) -> u64 {
    counts.iter().map(|row| total(row)).max().unwrap_or(0)
}

impl Figure for Matrix<'_> {
    const NAME: &'static str = "a confusion matrix";

    fn size(&self) -> (f64, f64) {
        let side = self.cell * self.names.len() as f64;
        ((self.left + side + 12.0).max(220.0), 26.0 + side + self.bottom)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let (n, top) = (self.names.len(), 26.0);
        let side = self.cell * n as f64;
        canvas.text("samples", (self.left - 8.0, 15.0), SMALL, Anchor::End, MUTED)?;
        canvas.text_upwards("true class", (14.0, top + side / 2.0), TEXT, Anchor::Middle, INK)?;
        let below = (self.left + side / 2.0, top + side + self.bottom - 12.0);
        canvas.text("predicted class", below, TEXT, Anchor::Middle, INK)?;
        for (i, (row, name)) in self.counts.iter().zip(&self.names).enumerate() {
            let total = total(row);
            let y = top + (i as f64 + 0.5) * self.cell;
            let count_room = text_width(&format!("  {}", largest_row(self.counts)), SMALL);
            canvas.text(&total.to_string(), (self.left - 8.0, y), SMALL, Anchor::End, MUTED)?;
            canvas.text(name, (self.left - 8.0 - count_room, y), SMALL, Anchor::End, INK)?;
            for (j, count) in row.iter().enumerate() {
                let corner = (self.left + j as f64 * self.cell, top + i as f64 * self.cell);
                let share = if total == 0 { 0.0 } else { *count as f64 / total as f64 };
                self.draw_cell(canvas, corner, share, *count)?;
            }
        }
        for (j, name) in self.names.iter().enumerate() {
            let x = self.left + (j as f64 + 0.5) * self.cell;
            canvas.text_upwards(name, (x, top + side + 8.0), SMALL, Anchor::End, INK)?;
        }
        Ok(())
    }
}

impl Matrix<'_> {
    fn draw_cell<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        (x, y): (f64, f64),
        share: f64,
        count: u64,
    ) -> Result<(), ReportError> {
        let gap = if self.names.len() <= MAX_NUMBERED { 0.75 } else { 0.25 };
        canvas.rectangle((x + gap, y + gap), (x + self.cell - gap, y + self.cell - gap), shade(share))?;
        if self.names.len() > MAX_NUMBERED || count == 0 {
            return Ok(());
        }
        let ink = if share > 0.5 { PAPER } else { INK };
        let (middle, whole) = (x + self.cell / 2.0, whole_percent(share));
        if self.names.len() > 12 {
            return canvas.text(&whole, (middle, y + self.cell / 2.0), SMALL, Anchor::Middle, ink);
        }
        let count = count.to_string();
        // Counts of any length stay inside their cell.
        let size = (9.5_f64).min(9.5 * (self.cell - 6.0) / text_width(&count, 9.5));
        canvas.text(&format!("{whole} %"), (middle, y + 0.38 * self.cell), 12.0, Anchor::Middle, ink)?;
        canvas.text(&count, (middle, y + 0.72 * self.cell), size, Anchor::Middle, ink)
    }
}

/// A share as whole per cent, that is 0 or 100 only if it is exactly that.
fn whole_percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent > 0.0 && percent < 0.5 => "<1".into(),
        percent if (99.5..100.0).contains(&percent) => ">99".into(),
        percent => format!("{percent:.0}"),
    }
}
