//! A matrix of correlations, a pixel or more for each value.

use image::{Rgb, RgbImage, imageops};
use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use crate::canvas::{Anchor, Canvas, Figure, fitted, title, to_bitmap};
use crate::style::{INK, MUTED, SMALL, clean, diverging};
use crate::{Picture, ReportError};

/// The least side of the matrix, in pixels of the picture; there are two for every one of its text.
const LEAST: usize = 640;
/// The most values in a row that have pixels of their own.
const MOST: usize = 1024;
/// The ground around the matrix, in pixels of the picture.
const MARGIN: u32 = 24;
/// The words above it, and the scale below it.
const HEAD: u32 = 108;
const FOOT: u32 = 84;

/// What [`correlation_matrix`] draws.
#[derive(Clone, Debug, Default)]
pub struct CorrelationMatrix {
    /// What is correlated.
    pub title: String,
    /// `side * side` values from -1 to 1, row by row.
    pub values: Vec<f64>,
    /// How many rows and columns.
    pub side: usize,
    /// A line below the title: what a reader should know.
    pub note: String,
}

/// The matrix as PNG: blue below 0, white at 0, red above, always from -1 to 1, so that pictures compare. Of more than 1024
/// rows, each pixel shows the value farthest from 0 of a square of them, which the picture says.
///
/// # Errors
/// [`ReportError::Input`] unless there are `side * side` finite values, at least one; [`ReportError::Drawing`].
pub fn correlation_matrix(drawn: &CorrelationMatrix) -> Result<Picture, ReportError> {
    let CorrelationMatrix { values, side, .. } = drawn;
    if *side == 0 || side.checked_mul(*side) != Some(values.len()) || values.iter().any(|v| !v.is_finite()) {
        return Err(ReportError::Input {
            figure: Frame::NAME,
            expected: format!("{side} x {side} finite values, at least one"),
            got: format!("{} values", values.len()),
            hint: "give one value for every pair",
        });
    }
    let block = side.div_ceil(MOST);
    let cells = side.div_ceil(block);
    let cell = LEAST.div_ceil(cells) as u32;
    let extent = cell * cells as u32;
    let frame = Frame { drawn, block, extent: f64::from(extent) / 2.0 };
    let mut picture = to_bitmap(&frame)?;
    let matrix = RgbImage::from_fn(extent, extent, |x, y| {
        let RGBColor(red, green, blue) =
            diverging(farthest(drawn, block, (y / cell) as usize, (x / cell) as usize));
        Rgb([red, green, blue])
    });
    imageops::replace(&mut picture, &matrix, i64::from(MARGIN), i64::from(HEAD));
    Picture::png(&picture)
}

/// The value farthest from 0 of a square of `block * block` values.
fn farthest(
    CorrelationMatrix { values, side, .. }: &CorrelationMatrix,
    block: usize,
    row: usize,
    column: usize,
) -> f64 {
    let inside = |at: usize| at * block..((at + 1) * block).min(*side);
    let of_row = |row: usize| inside(column).map(move |column| values[row * side + column]);
    let farther = |best: f64, value: f64| if value.abs() > best.abs() { value } else { best };
    inside(row).flat_map(of_row).fold(0.0, farther)
}

/// Everything but the matrix.
struct Frame<'a> {
    drawn: &'a CorrelationMatrix,
    block: usize,
    /// The side of the matrix.
    extent: f64,
}

impl Figure for Frame<'_> {
    const NAME: &'static str = "a matrix of correlations";

    fn size(&self) -> (f64, f64) {
        let around = |more: u32| self.extent + f64::from(more) / 2.0;
        (around(2 * MARGIN), around(HEAD + FOOT))
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let (width, height) = self.size();
        let room = width - f64::from(MARGIN);
        title(canvas, &fitted(&clean(&self.drawn.title), 14.0, room))?;
        let left = f64::from(MARGIN) / 2.0;
        canvas.text(
            &fitted(&clean(&self.drawn.note), SMALL, room),
            (left, 42.0),
            SMALL,
            Anchor::Start,
            MUTED,
        )?;
        let top = height - f64::from(FOOT) / 2.0;
        let steps = 101;
        let step = self.extent / f64::from(steps);
        for number in 0..steps {
            let from = left + f64::from(number) * step;
            let shade = diverging(f64::from(number) / f64::from(steps - 1) * 2.0 - 1.0);
            canvas.rectangle((from, top + 6.0), (from + step, top + 14.0), shade)?;
        }
        let marks = [(0.0, "-1", Anchor::Start), (0.5, "0", Anchor::Middle), (1.0, "1", Anchor::End)];
        for (share, text, anchor) in marks {
            canvas.text(text, (left + share * self.extent, top + 22.0), SMALL, anchor, INK)?;
        }
        if self.block > 1 {
            let (block, side) = (self.block, self.drawn.side);
            let words = format!("{side} rows; each point: the value farthest from 0 of {block} x {block}");
            canvas.text(&fitted(&words, SMALL, room), (left, top + 35.0), SMALL, Anchor::Start, MUTED)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(side: usize, value: impl Fn(usize, usize) -> f64) -> CorrelationMatrix {
        let values = (0..side * side).map(|at| value(at / side, at % side)).collect();
        CorrelationMatrix { title: "C".into(), note: "n".into(), values, side }
    }

    fn pixels(drawn: &CorrelationMatrix) -> RgbImage {
        let picture = correlation_matrix(drawn).unwrap();
        image::load_from_memory(picture.bytes()).unwrap().to_rgb8()
    }

    #[test]
    fn the_diagonal_is_red_and_nothing_is_white() {
        let picture = pixels(&drawn(4, |row, column| match (row, column) {
            (0, 3) => -1.0,
            _ => f64::from(u8::from(row == column)),
        }));
        let at =
            |row: u32, column: u32| picture.get_pixel(MARGIN + column * 160 + 80, HEAD + row * 160 + 80).0;
        for place in 0..4 {
            let [red, green, blue] = at(place, place);
            assert!(red > 2 * green && red > 2 * blue);
        }
        let [red, _, blue] = at(0, 3);
        assert!(blue > 2 * red, "below 0 it is blue, and rows are rows");
        assert_eq!(at(3, 0), [255, 255, 255]);
    }

    #[test]
    fn of_many_rows_the_farthest_from_nothing_is_seen() {
        let many = drawn(1500, |row, column| if (row, column) == (1, 1001) { -0.9 } else { 0.1 });
        assert_eq!(farthest(&many, 2, 0, 500), -0.9);
        assert_eq!(farthest(&many, 2, 749, 749), 0.1);
        let picture = pixels(&many);
        assert_eq!(picture.width(), 750 + 2 * MARGIN);
        assert_ne!(picture.get_pixel(MARGIN + 500, HEAD), picture.get_pixel(MARGIN + 501, HEAD));
    }

    #[test]
    fn what_is_no_matrix_is_refused() {
        for bad in [
            CorrelationMatrix::default(),
            CorrelationMatrix { values: vec![0.0; 3], side: 2, ..CorrelationMatrix::default() },
            CorrelationMatrix { values: vec![f64::NAN], side: 1, ..CorrelationMatrix::default() },
        ] {
            assert!(matches!(correlation_matrix(&bad), Err(ReportError::Input { .. })));
        }
    }
}
