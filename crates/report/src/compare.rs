//! Conditions side by side: untrained, pre-trained, raw pixels, with their spread over seeds.

use plotters::backend::DrawingBackend;
use plotters::style::Color;

use crate::canvas::{Anchor, Canvas, Figure, fitted, text_width, title, to_svg};
use crate::scale::Scale;
use crate::style::{GRID, INK, MUTED, Marker, PAPER, SMALL, TEXT, clean, deviation, mean, percent};
use crate::{Hue, Picture, ReportError};

const WIDTH: f64 = 560.0;
const ROW: f64 = 27.0;

/// What [`comparison`] draws.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// What is measured and on what, such as "accuracy on the test images".
    pub measure: String,
    /// The protocols, each with its conditions.
    pub groups: Vec<Group>,
    /// A value to compare all with, and what it is, such as the share of the most frequent class.
    pub reference: Option<(f64, String)>,
}

/// The conditions under one protocol.
#[derive(Clone, Debug)]
pub struct Group {
    /// The protocol, such as "linear probe".
    pub name: String,
    /// The conditions.
    pub bars: Vec<Bar>,
}

/// One condition.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What the features are, such as "untrained encoder".
    pub name: String,
    /// Its colour.
    pub hue: Hue,
    /// The shares reached (0 to 1), one per seed. None at all is drawn as "not measured".
    pub values: Vec<f64>,
    /// The ends of an interval about their mean.
    pub interval: Option<[f64; 2]>,
}

/// Horizontal bars from 0 to 100 %: the mean, its interval as a line, every seed as a dot, and as text the mean with the
/// sample standard deviation and the number of seeds.
///
/// # Errors
/// [`ReportError::Drawing`].
pub fn comparison(comparison: &Comparison) -> Result<Picture, ReportError> {
    Ok(Picture::svg(to_svg(&Bars { comparison })?))
}

struct Bars<'a> {
    comparison: &'a Comparison,
}

impl Bars<'_> {
    fn top(&self) -> f64 {
        if self.comparison.reference.is_some() { 54.0 } else { 36.0 }
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.comparison.groups.iter().flat_map(|group| &group.bars)
    }
}

impl Figure for Bars<'_> {
    const NAME: &'static str = "a comparison";

    fn size(&self) -> (f64, f64) {
        let rows: usize = self.comparison.groups.iter().map(|group| group.bars.len() + 1).sum();
        (WIDTH, self.top() + ROW * rows as f64 + 32.0)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        title(canvas, &fitted(&clean(&self.comparison.measure), 14.0, WIDTH - 24.0))?;
        let room =
            self.bars().map(|bar| text_width(&clean(&bar.name), SMALL)).fold(40.0, f64::max).min(170.0);
        let left = 22.0 + room + 8.0;
        let x = Scale::linear((0.0, 1.0), (left, WIDTH - 140.0));
        let (top, bottom) = (self.top(), self.size().1 - 32.0);
        for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
            canvas.line(&[(x.at(tick), top), (x.at(tick), bottom)], GRID, 1.0, &[])?;
            let label = format!("{:.0} %", 100.0 * tick);
            canvas.text(&label, (x.at(tick), bottom + 13.0), SMALL, Anchor::Middle, MUTED)?;
        }
        if let Some((value, name)) = &self.comparison.reference {
            let at = x.at(value.clamp(0.0, 1.0));
            canvas.line(&[(at, top - 6.0), (at, bottom)], INK, 1.2, &[4.0, 3.0])?;
            let text = fitted(&format!("{} {}", clean(name), percent(*value)), SMALL, WIDTH - 24.0);
            let half = text_width(&text, SMALL) / 2.0;
            let middle = at.clamp(half + 12.0, WIDTH - half - 12.0);
            canvas.text(&text, (middle, top - 15.0), SMALL, Anchor::Middle, INK)?;
        }
        let mut y = top;
        for group in &self.comparison.groups {
            let name = fitted(&clean(&group.name), TEXT, WIDTH - 24.0);
            canvas.text(&name, (12.0, y + 0.55 * ROW), TEXT, Anchor::Start, INK)?;
            y += ROW;
            for bar in &group.bars {
                let name = fitted(&clean(&bar.name), SMALL, room);
                canvas.text(&name, (left - 8.0, y + 0.4 * ROW), SMALL, Anchor::End, INK)?;
                draw_bar(canvas, bar, &x, y)?;
                y += ROW;
            }
        }
        Ok(())
    }
}

fn draw_bar<B: DrawingBackend>(
    canvas: &mut Canvas<B>,
    bar: &Bar,
    x: &Scale,
    y: f64,
) -> Result<(), ReportError> {
    let middle = y + 0.4 * ROW;
    let Some(centre) = mean(&bar.values) else {
        let (note, start) = ("not measured", x.at(0.0) + 6.0);
        let end = start + text_width(note, SMALL);
        canvas.rectangle((start, middle - 7.0), (end, middle + 7.0), PAPER)?;
        return canvas.text(note, (start, middle), SMALL, Anchor::Start, MUTED);
    };
    let end = x.at(centre.clamp(0.0, 1.0));
    let colour = bar.hue.colour();
    canvas.rectangle((x.at(0.0), y + 1.0), (end, y + 0.8 * ROW - 1.0), colour.mix(0.55))?;
    canvas.line(&[(end, y + 1.0), (end, y + 0.8 * ROW - 1.0)], colour, 2.2, &[])?;
    let ends = bar.interval.filter(|ends| ends.iter().all(|end| end.is_finite()));
    if let Some(ends) = ends {
        let [low, high] = ends.map(|end| x.at(end.clamp(0.0, 1.0)));
        canvas.line(&[(low, middle), (high, middle)], INK, 1.4, &[])?;
        for at in [low, high] {
            canvas.line(&[(at, middle - 4.0), (at, middle + 4.0)], INK, 1.4, &[])?;
        }
    }
    let text = match deviation(&bar.values) {
        Some(spread) => format!("{:.1} ± {:.1} % (n = {})", 100.0 * centre, 100.0 * spread, bar.values.len()),
        None => percent(centre),
    };
    if bar.values.len() > 1 {
        for value in bar.values.iter().filter(|value| value.is_finite()) {
            canvas.marker((x.at(value.clamp(0.0, 1.0)), middle), 2.8, Marker::Circle, INK.mix(0.8))?;
        }
    }
    let drawn = bar.values.iter().copied().chain(ends.map(|[_, high]| high));
    let furthest = drawn.filter(|value| value.is_finite()).fold(centre, f64::max);
    canvas.text(&text, (x.at(furthest.clamp(0.0, 1.0)) + 8.0, middle), SMALL, Anchor::Start, INK)
}
