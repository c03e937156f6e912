//! Measures of several things side by side: a panel a measure, a row a thing, a dot for each who is measured.

use plotters::backend::DrawingBackend;
use plotters::style::Color;

use crate::canvas::{Anchor, Canvas, Figure, fitted, text_width, title, to_bitmap, to_svg};
use crate::scale::{Scale, extent, padded};
use crate::style::{GRID, INK, MUTED, SMALL, clean, colour, marker, number};
use crate::{Picture, ReportError};

/// Width of a panel, and of the gap before it.
const PANEL: f64 = 190.0;
const GAP: f64 = 22.0;
/// Height of a dot's line, and what a row has besides.
const LINE: f64 = 11.0;
const REST: f64 = 13.0;

/// What [`dots`] draws.
#[derive(Clone, Debug, Default)]
pub struct Dots {
    /// What is measured, and on what.
    pub title: String,
    /// What is measured: the names of the rows, from the top.
    pub rows: Vec<String>,
    /// Who is measured: the names of the dots in each row.
    pub series: Vec<String>,
    /// The measures.
    pub panels: Vec<DotPanel>,
    /// What dots and lines mean, for the line below.
    pub note: String,
}

/// One measure.
#[derive(Clone, Debug)]
pub struct DotPanel {
    /// Its name.
    pub name: String,
    /// The least and the greatest value that there can be.
    pub bounds: [f64; 2],
    /// A value that is always shown, as a line from top to bottom.
    pub reference: f64,
    /// Mean and standard deviation of each series in each row, `[series][row]`; `None` where it was not measured.
    pub values: Vec<Vec<Option<[f64; 2]>>>,
}

/// The panels as SVG and as PNG: means as dots, a standard deviation to either side as lines.
///
/// # Errors
/// [`ReportError::Input`] unless every panel has values for every series and row, [`ReportError::Drawing`].
pub fn dots(drawn: &Dots) -> Result<[Picture; 2], ReportError> {
    let [series, rows] = [drawn.series.len(), drawn.rows.len()];
    let fits =
        |panel: &DotPanel| panel.values.len() == series && panel.values.iter().all(|v| v.len() == rows);
    if let Some(panel) = drawn.panels.iter().find(|panel| !fits(panel)) {
        return Err(ReportError::Input {
            figure: Chart::NAME,
            expected: format!("{series} series of {rows} values"),
            got: format!("{} series for {}", panel.values.len(), panel.name),
            hint: "give None for what was not measured",
        });
    }
    let chart = Chart { drawn };
    Ok([Picture::svg(to_svg(&chart)?), Picture::png(&to_bitmap(&chart)?)?])
}

struct Chart<'a> {
    drawn: &'a Dots,
}

impl DotPanel {
    /// The ends of the line through a dot.
    fn ends(&self, [mean, spread]: [f64; 2]) -> [f64; 2] {
        let [low, high] = self.bounds;
        [mean - spread, mean + spread].map(|end| end.max(low).min(high))
    }

    fn scale(&self, left: f64) -> Scale {
        let values = self.values.iter().flatten().flatten().copied();
        let ends = values.flat_map(|value| self.ends(value)).chain([self.reference]);
        let (low, high) = padded(extent(ends).unwrap_or((0.0, 1.0)), 0.05);
        Scale::linear((low.max(self.bounds[0]), high.min(self.bounds[1])), (left, left + PANEL))
    }
}

impl Figure for Chart<'_> {
    const NAME: &'static str = "dots of measures";

    fn size(&self) -> (f64, f64) {
        let panels = self.drawn.panels.len() as f64;
        let width = self.left() + panels * PANEL + (panels - 1.0).max(0.0) * GAP + 24.0;
        (width, self.top() + self.height() * self.drawn.rows.len() as f64 + 56.0)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let (width, height) = self.size();
        title(canvas, &fitted(&clean(&self.drawn.title), 14.0, width - 24.0))?;
        self.places(|index, name, at| {
            canvas.marker((at.0 + 6.0, at.1), 3.8, marker(index), colour(index))?;
            canvas.text(name, (at.0 + 16.0, at.1), SMALL, Anchor::Start, INK)
        })?;
        let (left, top) = (self.left(), self.top());
        for (number, name) in self.drawn.rows.iter().enumerate() {
            let at = top + (number as f64 + 0.5) * self.height();
            let name = fitted(&clean(name), SMALL, left - 24.0);
            canvas.text(&name, (left - 10.0, at), SMALL, Anchor::End, INK)?;
        }
        for (number, panel) in self.drawn.panels.iter().enumerate() {
            self.draw_panel(canvas, panel, left + number as f64 * (PANEL + GAP))?;
        }
        let note = fitted(&clean(&self.drawn.note), SMALL, width - 24.0);
        canvas.text(&note, (width / 2.0, height - 14.0), SMALL, Anchor::Middle, MUTED)
    }
}

impl Chart<'_> {
    /// Where the panels begin: after the names of the rows.
    fn left(&self) -> f64 {
        let widths = self.drawn.rows.iter().map(|name| text_width(&clean(name), SMALL));
        24.0 + widths.fold(40.0, f64::max).min(190.0).ceil()
    }

    /// Where the first row begins: under title, legend and the names of the panels.
    fn top(&self) -> f64 {
        let mut last = 40.0;
        // Only the places are wanted.
        let _ = self.places(|_, _, (_, y)| {
            last = y;
            Ok(())
        });
        last + 38.0
    }

    fn height(&self) -> f64 {
        LINE * self.drawn.series.len() as f64 + REST
    }

    /// Calls `place` with number, name and place of each series in the legend.
    fn places(
        &self,
        mut place: impl FnMut(usize, &str, (f64, f64)) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        let panels = self.drawn.panels.len() as f64;
        let right = self.left() + panels * (PANEL + GAP);
        let (mut x, mut y) = (14.0, 40.0);
        for (index, name) in self.drawn.series.iter().enumerate() {
            let name = fitted(&clean(name), SMALL, 200.0);
            let width = 16.0 + text_width(&name, SMALL) + 18.0;
            if x + width > right && x > 14.0 {
                (x, y) = (14.0, y + 17.0);
            }
            place(index, &name, (x, y))?;
            x += width;
        }
        Ok(())
    }

    fn draw_panel<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        panel: &DotPanel,
        left: f64,
    ) -> Result<(), ReportError> {
        let (top, height) = (self.top(), self.height());
        let bottom = top + height * self.drawn.rows.len() as f64;
        let scale = panel.scale(left);
        let name = fitted(&clean(&panel.name), SMALL, PANEL + GAP - 4.0);
        canvas.text(&name, (left, top - 12.0), SMALL, Anchor::Start, INK)?;
        for row in 0..=self.drawn.rows.len() {
            let at = top + row as f64 * height;
            canvas.line(&[(left, at), (left + PANEL, at)], GRID, 1.0, &[])?;
        }
        for tick in scale.ticks(5) {
            let at = scale.at(tick);
            canvas.line(&[(at, top), (at, bottom)], GRID, 1.0, &[])?;
            canvas.text(&number(tick), (at, bottom + 13.0), SMALL, Anchor::Middle, MUTED)?;
        }
        let at = scale.at(panel.reference);
        canvas.line(&[(at, top), (at, bottom)], MUTED, 1.2, &[])?;
        for (index, values) in panel.values.iter().enumerate() {
            for (row, value) in values.iter().enumerate() {
                let Some(value) = value.filter(|value| value.iter().all(|part| part.is_finite())) else {
                    continue;
                };
                let y = top + row as f64 * height + 0.5 * (REST + LINE) + index as f64 * LINE;
                let [low, high] = panel.ends(value).map(|end| scale.at(end));
                canvas.line(&[(low, y), (high, y)], colour(index).mix(0.6), 1.6, &[])?;
                canvas.marker((scale.at(value[0]), y), 3.6, marker(index), colour(index))?;
            }
        }
        Ok(())
    }
}
