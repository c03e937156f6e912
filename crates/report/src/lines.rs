//! Lines: what a measure comes to along an axis, of numbers or of names.

use plotters::backend::DrawingBackend;
use plotters::style::Color;

use crate::canvas::{Anchor, Canvas, Figure, fitted, text_width, title, to_bitmap, to_svg};
use crate::scale::{Scale, extent, padded};
use crate::style::{GRID, INK, MUTED, Marker, SMALL, clean, dashes, marker, mean, number, percent};
use crate::{Hue, Picture, ReportError};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const BOTTOM: f64 = 62.0;

/// What [`lines`] draws.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// What is measured and on what, such as "accuracy on the test images".
    pub measure: String,
    /// What the values are.
    pub values: Values,
    /// What lies along the picture.
    pub axis: Axis,
    /// The encoders or ways of learning, each with its points.
    pub lines: Vec<Line>,
    /// A value to compare all with, and what it is, such as the share of the most frequent class.
    pub reference: Option<(f64, String)>,
    /// What bands and dots mean, for the line below the axis.
    pub note: String,
}

/// What the values of lines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Values {
    /// Shares from 0 to 1, shown in per cent.
    #[default]
    Shares,
    /// Any numbers.
    Numbers,
}

/// What lies along lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    /// Shares of the training labels, at equal ratios, shown in per cent.
    #[default]
    LabelShares,
    /// Positive numbers, at equal ratios; what they count.
    Ratios(String),
    /// Numbers at equal distances; what they are.
    Numbers(String),
    /// Names, the first at 0, the second at 1; what they are of.
    Names(String, Vec<String>),
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub hue: Hue,
    /// Its points, in any order.
    pub points: Vec<LinePoint>,
}

/// What was reached at one place of the axis.
#[derive(Clone, Debug)]
pub struct LinePoint {
    /// The place.
    pub at: f64,
    /// What was reached, one value per seed; their mean is the line's point. None leaves a gap.
    pub values: Vec<f64>,
    /// The ends of an interval about the mean, drawn as a band.
    pub interval: Option<[f64; 2]>,
}

impl LinePoint {
    /// Its mean, if there is a place for it.
    fn drawn(&self, drawn: &Lines) -> Option<f64> {
        let placed = self.at.is_finite() && (self.at > 0.0 || !drawn.axis.is_of_ratios());
        mean(&self.values).filter(|_| placed).map(|mean| drawn.values.held(mean))
    }

    fn band(&self, values: Values) -> Option<[f64; 2]> {
        let ends = self.interval.filter(|ends| ends.iter().all(|end| end.is_finite()))?;
        Some(ends.map(|end| values.held(end)))
    }
}

impl Values {
    /// A value where there can be one.
    fn held(self, value: f64) -> f64 {
        match self {
            Values::Shares => value.clamp(0.0, 1.0),
            Values::Numbers => value,
        }
    }

    fn tick(self, tick: f64) -> String {
        match self {
            Values::Shares => format!("{} %", (1000.0 * tick).round() / 10.0),
            Values::Numbers => number(tick),
        }
    }

    fn shown(self, value: f64) -> String {
        match self {
            Values::Shares => percent(value),
            Values::Numbers => number(value),
        }
    }
}

impl Axis {
    fn is_of_ratios(&self) -> bool {
        matches!(self, Axis::LabelShares | Axis::Ratios(_))
    }

    /// What stands below it.
    fn title(&self) -> String {
        match self {
            Axis::LabelShares => "share of the training labels (logarithmic axis)".to_owned(),
            Axis::Ratios(unit) => format!("{} (logarithmic axis)", clean(unit)),
            Axis::Numbers(unit) | Axis::Names(unit, _) => clean(unit),
        }
    }

    fn label(&self, at: f64) -> String {
        match self {
            Axis::LabelShares => format!("{} %", (at * 1e5).round() / 1e3),
            Axis::Ratios(_) | Axis::Numbers(_) => at.to_string(),
            Axis::Names(_, names) => {
                let name = (at >= 0.0).then(|| names.get(at.round() as usize)).flatten();
                name.map_or_else(String::new, |name| clean(name))
            }
        }
    }
}

/// The lines as SVG and as PNG: the mean over seeds as a line, every seed as a dot where there are several, intervals as bands.
///
/// # Errors
/// [`ReportError::Drawing`].
pub fn lines(drawn: &Lines) -> Result<[Picture; 2], ReportError> {
    let chart = Chart { drawn };
    Ok([Picture::svg(to_svg(&chart)?), Picture::png(&to_bitmap(&chart)?)?])
}

struct Chart<'a> {
    drawn: &'a Lines,
}

impl Figure for Chart<'_> {
    const NAME: &'static str = "lines";

    fn size(&self) -> (f64, f64) {
        (WIDTH, HEIGHT)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        title(canvas, &fitted(&clean(&self.drawn.measure), 14.0, WIDTH - 24.0))?;
        let top = self.draw_legend(canvas)? + 14.0;
        let bottom = HEIGHT - BOTTOM;
        let (x, y) = (self.horizontal(), self.vertical(bottom, top));
        self.draw_axes(canvas, &x, &y, bottom)?;
        if let Some((value, name)) = &self.drawn.reference {
            let values = self.drawn.values;
            let (at, text) = (y.at(values.held(*value)), format!("{} {}", clean(name), values.shown(*value)));
            canvas.line(&[(LEFT, at), (RIGHT, at)], INK, 1.0, &[4.0, 3.0])?;
            canvas.text(&fitted(&text, SMALL, RIGHT - LEFT), (RIGHT, at - 8.0), SMALL, Anchor::End, INK)?;
        }
        for (index, line) in self.drawn.lines.iter().enumerate() {
            self.draw_line(canvas, (index, line), &x, &y)?;
        }
        Ok(())
    }
}

const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 20.0;

impl Chart<'_> {
    fn points(&self) -> impl Iterator<Item = &LinePoint> {
        self.drawn.lines.iter().flat_map(|line| &line.points)
    }

    /// Where there is anything.
    fn places(&self) -> impl Iterator<Item = f64> {
        self.points().filter_map(|point| point.drawn(self.drawn).and(Some(point.at)))
    }

    fn horizontal(&self) -> Scale {
        let (low, high) = extent(self.places()).unwrap_or((0.01, 1.0));
        let room = (LEFT + 16.0, RIGHT - 16.0);
        if self.drawn.axis.is_of_ratios() {
            Scale::log((low, high), room)
        } else {
            Scale::linear((low, high), room)
        }
    }

    fn vertical(&self, bottom: f64, top: f64) -> Scale {
        let values = self.drawn.values;
        let reached = self
            .points()
            .flat_map(|point| point.values.iter().copied().chain(point.band(values).into_iter().flatten()));
        let reference = self.drawn.reference.iter().map(|(value, _)| *value);
        let all = reached.chain(reference).map(|value| values.held(value));
        let (low, high) = padded(extent(all).unwrap_or((0.0, 1.0)), 0.06);
        Scale::linear((values.held(low), values.held(high)), (bottom, top))
    }

    /// Names the lines, and returns where the names end.
    fn draw_legend<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<f64, ReportError> {
        let (mut x, mut y) = (14.0, 40.0);
        for (index, line) in self.drawn.lines.iter().enumerate() {
            let name = fitted(&clean(&line.name), SMALL, WIDTH - 80.0);
            let width = 34.0 + text_width(&name, SMALL) + 16.0;
            if x + width > WIDTH - 8.0 && x > 14.0 {
                (x, y) = (14.0, y + 17.0);
            }
            canvas.line(&[(x, y), (x + 26.0, y)], line.hue.colour(), 2.0, dashes(index))?;
            canvas.marker((x + 13.0, y), 3.6, marker(index), line.hue.colour())?;
            canvas.text(&name, (x + 32.0, y), SMALL, Anchor::Start, INK)?;
            x += width;
        }
        Ok(y)
    }

    fn draw_axes<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        x: &Scale,
        y: &Scale,
        bottom: f64,
    ) -> Result<(), ReportError> {
        for tick in y.ticks(7) {
            let at = y.at(tick);
            canvas.line(&[(LEFT, at), (RIGHT, at)], GRID, 1.0, &[])?;
            let label = self.drawn.values.tick(tick);
            canvas.text(&label, (LEFT - 8.0, at), SMALL, Anchor::End, MUTED)?;
        }
        let mut places: Vec<f64> = self.places().collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let mut free = f64::NEG_INFINITY;
        for place in places {
            let (at, label) = (x.at(place), fitted(&self.drawn.axis.label(place), SMALL, 110.0));
            canvas.line(&[(at, bottom), (at, bottom + 4.0)], MUTED, 1.0, &[])?;
            let half = text_width(&label, SMALL) / 2.0;
            if at - half > free + 6.0 {
                canvas.text(&label, (at, bottom + 14.0), SMALL, Anchor::Middle, MUTED)?;
                free = at + half;
            }
        }
        canvas.line(&[(LEFT, bottom), (RIGHT, bottom)], MUTED, 1.0, &[])?;
        let middle = (LEFT + RIGHT) / 2.0;
        let below = fitted(&self.drawn.axis.title(), SMALL, WIDTH - 24.0);
        canvas.text(&below, (middle, bottom + 32.0), SMALL, Anchor::Middle, MUTED)?;
        let note = fitted(&clean(&self.drawn.note), SMALL, WIDTH - 24.0);
        canvas.text(&note, (WIDTH / 2.0, bottom + 50.0), SMALL, Anchor::Middle, MUTED)
    }

    fn draw_line<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        (index, line): (usize, &Line),
        x: &Scale,
        y: &Scale,
    ) -> Result<(), ReportError> {
        let values = self.drawn.values;
        let mut points: Vec<(&LinePoint, f64)> =
            line.points.iter().filter_map(|point| Some((point, point.drawn(self.drawn)?))).collect();
        points.sort_by(|(a, _), (b, _)| a.at.total_cmp(&b.at));
        let colour = line.hue.colour();
        let bands = points.iter().filter_map(|(point, _)| Some((x.at(point.at), point.band(values)?)));
        let bands: Vec<(f64, [f64; 2])> = bands.collect();
        let upper = bands.iter().map(|(at, [_, high])| (*at, y.at(*high)));
        let lower = bands.iter().rev().map(|(at, [low, _])| (*at, y.at(*low)));
        match bands.as_slice() {
            [] => {}
            [(at, [low, high])] => {
                canvas.line(&[(*at, y.at(*low)), (*at, y.at(*high))], colour.mix(0.5), 3.0, &[])?;
            }
            _ => canvas.polygon(&upper.chain(lower).collect::<Vec<_>>(), colour.mix(0.16))?,
        }
        let path: Vec<(f64, f64)> =
            points.iter().map(|(point, mean)| (x.at(point.at), y.at(*mean))).collect();
        canvas.line(&path, colour, 1.8, dashes(index))?;
        for ((point, _), at) in points.iter().zip(path) {
            if point.values.len() > 1 {
                for value in point.values.iter().filter(|value| value.is_finite()) {
                    let value = y.at(values.held(*value));
                    canvas.marker((at.0, value), 1.6, Marker::Circle, colour.mix(0.7))?;
                }
            }
            canvas.marker(at, 3.6, marker(index), colour)?;
        }
        Ok(())
    }
}
