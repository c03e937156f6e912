//! Covariance spectra: how the variance of features is spread over directions.

use plotters::backend::DrawingBackend;

use crate::canvas::{Anchor, Canvas, Figure, fitted, title, to_svg};
use crate::scale::Scale;
use crate::style::{GRID, INK, MUTED, SMALL, clean, dashes, number};
use crate::{Hue, Picture, ReportError};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 340.0;
/// Where the axes meet.
const LEFT: f64 = 64.0;
const BOTTOM: f64 = HEIGHT - 46.0;
const TOP: f64 = 38.0;
/// Decades below the largest share that are drawn: what lies under them is rounding.
const DECADES: i32 = 8;

/// A line of [`spectrum`].
#[derive(Clone, Debug, Default)]
pub struct Spectrum {
    /// Whose features.
    pub name: String,
    /// Its colour.
    pub hue: Hue,
    /// The variances along principal components, falling; 0 where there is none.
    pub variances: Vec<f64>,
}

/// Shares of the variance over the number of the component, both axes logarithmic. A line that falls at once is a
/// representation in few directions. Shares under 1e-8 of the largest are left out.
///
/// # Errors
/// [`ReportError::Input`] without a positive variance, or with one that is negative or not finite.
pub fn spectrum(spectra: &[Spectrum]) -> Result<Picture, ReportError> {
    let refuse = |expected: &str, got: String, hint| {
        Err(ReportError::Input { figure: Chart::NAME, expected: expected.to_owned(), got, hint })
    };
    let values = || spectra.iter().flat_map(|spectrum| &spectrum.variances);
    if let Some(value) = values().find(|value| !(value.is_finite() && **value >= 0.0)) {
        return refuse("variances of 0 or more", value.to_string(), "look for features that are not finite");
    }
    let lines: Vec<Line> = spectra.iter().map(Line::of).collect();
    if lines.iter().all(|line| line.points.is_empty()) {
        return refuse("a variance above 0", "none".to_owned(), "equal features have no spectrum");
    }
    Ok(Picture::svg(to_svg(&Chart { lines })?))
}

struct Chart {
    lines: Vec<Line>,
}

struct Line {
    name: String,
    hue: Hue,
    /// Component, from 1, and its share.
    points: Vec<(f64, f64)>,
}

impl Line {
    fn of(spectrum: &Spectrum) -> Line {
        let total: f64 = spectrum.variances.iter().sum();
        let largest = spectrum.variances.iter().copied().fold(0.0, f64::max) / total;
        let shares = spectrum.variances.iter().zip(1u32..).map(|(value, at)| (f64::from(at), value / total));
        let drawn = shares.filter(|(_, share)| *share > largest * 10f64.powi(-DECADES));
        Line { name: clean(&spectrum.name), hue: spectrum.hue, points: drawn.collect() }
    }
}

impl Figure for Chart {
    const NAME: &'static str = "a covariance spectrum";

    fn size(&self) -> (f64, f64) {
        (WIDTH, HEIGHT)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        title(canvas, "Share of the variance along principal components")?;
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let last = points().map(|(component, _)| *component).fold(2.0, f64::max);
        let low = points().map(|(_, share)| *share).fold(1.0, f64::min);
        let x = Scale::log((1.0, last), (LEFT, WIDTH - 16.0));
        let y = Scale::log((low, 1.0), (BOTTOM, TOP));
        for tick in x.ticks(8) {
            canvas.line(&[(x.at(tick), TOP), (x.at(tick), BOTTOM)], GRID, 1.0, &[])?;
            canvas.text(&number(tick), (x.at(tick), BOTTOM + 13.0), SMALL, Anchor::Middle, MUTED)?;
        }
        for tick in y.ticks(8) {
            canvas.line(&[(LEFT, y.at(tick)), (WIDTH - 16.0, y.at(tick))], GRID, 1.0, &[])?;
            canvas.text(&number(tick), (LEFT - 8.0, y.at(tick)), SMALL, Anchor::End, MUTED)?;
        }
        canvas.text("component", (WIDTH - 16.0, BOTTOM + 31.0), SMALL, Anchor::End, MUTED)?;
        for (i, line) in self.lines.iter().enumerate() {
            let drawn: Vec<(f64, f64)> =
                line.points.iter().map(|(at, share)| (x.at(*at), y.at(*share))).collect();
            canvas.line(&drawn, line.hue.colour(), 2.0, dashes(i))?;
            let at = BOTTOM - 14.0 - 18.0 * (self.lines.len() - 1 - i) as f64;
            canvas.line(&[(LEFT + 10.0, at), (LEFT + 38.0, at)], line.hue.colour(), 2.0, dashes(i))?;
            let name = fitted(&line.name, SMALL, 300.0);
            canvas.text(&name, (LEFT + 46.0, at), SMALL, Anchor::Start, INK)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variances: &[f64]) -> Spectrum {
        Spectrum { name: "a".into(), variances: variances.to_vec(), ..Spectrum::default() }
    }

    #[test]
    fn shares_sum_to_one_and_rounding_is_left_out() {
        let line = Line::of(&of(&[6.0, 3.0, 1.0, 1e-9, 0.0]));
        let expected = [(1.0, 0.6), (2.0, 0.3), (3.0, 0.1)];
        assert_eq!(line.points.len(), 3);
        for (point, expected) in line.points.iter().zip(expected) {
            assert!(point.0 == expected.0 && (point.1 - expected.1).abs() < 1e-9, "{point:?}");
        }
    }

    #[test]
    fn what_is_no_spectrum_is_refused() {
        for bad in [&[][..], &[0.0, 0.0], &[1.0, f64::NAN], &[1.0, -1.0]] {
            assert!(!spectrum(&[of(bad)]).unwrap_err().hint().is_empty(), "{bad:?}");
        }
        let drawn = spectrum(&[of(&[1.0]), of(&[0.5, 0.5])]).unwrap();
        assert!(std::str::from_utf8(drawn.bytes()).unwrap().matches("<polyline").count() >= 2);
    }
}
