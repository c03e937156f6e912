//! Label-efficiency curves: how good encoders get with how many labels.

use plotters::backend::DrawingBackend;
use plotters::style::Color;

use crate::canvas::{Anchor, Canvas, Figure, fitted, text_width, title, to_bitmap, to_svg};
use crate::scale::{Scale, extent, padded};
use crate::style::{GRID, INK, MUTED, Marker, SMALL, clean, dashes, marker, mean, percent};
use crate::{Hue, Picture, ReportError};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const BOTTOM: f64 = 62.0;

/// What [`label_efficiency`] draws.
#[derive(Clone, Debug, Default)]
pub struct LabelEfficiency {
    /// What is measured and on what, such as "accuracy on the test images".
    pub measure: String,
    /// What the amounts count, such as "labels a class"; for shares, which are drawn as per cent, nothing.
    pub unit: Option<String>,
    /// The encoders or ways of learning, each with its points.
    pub curves: Vec<LabelCurve>,
    /// A value to compare all with, and what it is, such as the share of the most frequent class.
    pub reference: Option<(f64, String)>,
    /// What bands and dots mean, for the line below the axis.
    pub note: String,
}

/// One line.
#[derive(Clone, Debug)]
pub struct LabelCurve {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub hue: Hue,
    /// Its points, in any order.
    pub points: Vec<LabelPoint>,
}

/// What was reached with one amount of labels.
#[derive(Clone, Debug)]
pub struct LabelPoint {
    /// A share (above 0, up to 1), or a number of labels.
    pub amount: f64,
    /// The shares reached (0 to 1), one per seed; their mean is the line's point. None leaves a gap.
    pub values: Vec<f64>,
    /// The ends of an interval about the mean, drawn as a band.
    pub interval: Option<[f64; 2]>,
}

impl LabelPoint {
    /// Its mean, if there is a place for it.
    fn drawn(&self) -> Option<f64> {
        let placed = self.amount > 0.0 && self.amount.is_finite();
        mean(&self.values).filter(|_| placed).map(|mean| mean.clamp(0.0, 1.0))
    }

    fn band(&self) -> Option<[f64; 2]> {
        let ends = self.interval.filter(|ends| ends.iter().all(|end| end.is_finite()))?;
        Some(ends.map(|end| end.clamp(0.0, 1.0)))
    }
}

/// The curves as SVG and as PNG: amounts along a logarithmic axis; the mean over seeds as a line, every seed as a dot where
/// there are several, intervals as bands.
///
/// # Errors
/// [`ReportError::Drawing`].
pub fn label_efficiency(drawn: &LabelEfficiency) -> Result<[Picture; 2], ReportError> {
    let chart = Chart { drawn };
    Ok([Picture::svg(to_svg(&chart)?), Picture::png(&to_bitmap(&chart)?)?])
}

struct Chart<'a> {
    drawn: &'a LabelEfficiency,
}

impl Figure for Chart<'_> {
    const NAME: &'static str = "label-efficiency curves";

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
            let (at, text) = (y.at(value.clamp(0.0, 1.0)), format!("{} {}", clean(name), percent(*value)));
            canvas.line(&[(LEFT, at), (RIGHT, at)], INK, 1.0, &[4.0, 3.0])?;
            canvas.text(&fitted(&text, SMALL, RIGHT - LEFT), (RIGHT, at - 8.0), SMALL, Anchor::End, INK)?;
        }
        for (index, curve) in self.drawn.curves.iter().enumerate() {
            curve.draw(canvas, index, &x, &y)?;
        }
        Ok(())
    }
}

const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 20.0;

impl Chart<'_> {
    fn points(&self) -> impl Iterator<Item = &LabelPoint> {
        self.drawn.curves.iter().flat_map(|curve| &curve.points)
    }

    fn horizontal(&self) -> Scale {
        let amounts = self.points().filter_map(|point| point.drawn().and(Some(point.amount)));
        let (low, high) = extent(amounts).unwrap_or((0.01, 1.0));
        Scale::log((low, high), (LEFT + 16.0, RIGHT - 16.0))
    }

    fn vertical(&self, bottom: f64, top: f64) -> Scale {
        let reached = self
            .points()
            .flat_map(|point| point.values.iter().copied().chain(point.band().into_iter().flatten()));
        let reference = self.drawn.reference.iter().map(|(value, _)| *value);
        let shares = reached.chain(reference).map(|share| share.clamp(0.0, 1.0));
        let (low, high) = padded(extent(shares).unwrap_or((0.0, 1.0)), 0.06);
        Scale::linear((low.max(0.0), high.min(1.0)), (bottom, top))
    }

    /// Names the lines, and returns where the names end.
    fn draw_legend<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<f64, ReportError> {
        let (mut x, mut y) = (14.0, 40.0);
        for (index, curve) in self.drawn.curves.iter().enumerate() {
            let name = fitted(&clean(&curve.name), SMALL, WIDTH - 80.0);
            let width = 34.0 + text_width(&name, SMALL) + 16.0;
            if x + width > WIDTH - 8.0 && x > 14.0 {
                (x, y) = (14.0, y + 17.0);
            }
            canvas.line(&[(x, y), (x + 26.0, y)], curve.hue.colour(), 2.0, dashes(index))?;
            canvas.marker((x + 13.0, y), 3.6, marker(index), curve.hue.colour())?;
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
            let label = format!("{} %", (1000.0 * tick).round() / 10.0);
            canvas.text(&label, (LEFT - 8.0, at), SMALL, Anchor::End, MUTED)?;
        }
        let mut amounts: Vec<f64> =
            self.points().filter_map(|point| point.drawn().and(Some(point.amount))).collect();
        amounts.sort_by(f64::total_cmp);
        amounts.dedup();
        let mut free = f64::NEG_INFINITY;
        for amount in amounts {
            let (at, label) = (x.at(amount), self.amount(amount));
            canvas.line(&[(at, bottom), (at, bottom + 4.0)], MUTED, 1.0, &[])?;
            let half = text_width(&label, SMALL) / 2.0;
            if at - half > free + 6.0 {
                canvas.text(&label, (at, bottom + 14.0), SMALL, Anchor::Middle, MUTED)?;
                free = at + half;
            }
        }
        canvas.line(&[(LEFT, bottom), (RIGHT, bottom)], MUTED, 1.0, &[])?;
        let middle = (LEFT + RIGHT) / 2.0;
        let unit = self.drawn.unit.as_deref().unwrap_or("share of the training labels");
        let below = fitted(&format!("{} (logarithmic axis)", clean(unit)), SMALL, WIDTH - 24.0);
        canvas.text(&below, (middle, bottom + 32.0), SMALL, Anchor::Middle, MUTED)?;
        let note = fitted(&clean(&self.drawn.note), SMALL, WIDTH - 24.0);
        canvas.text(&note, (WIDTH / 2.0, bottom + 50.0), SMALL, Anchor::Middle, MUTED)
    }

    fn amount(&self, amount: f64) -> String {
        match self.drawn.unit {
            Some(_) => amount.to_string(),
            None => format!("{} %", (amount * 1e5).round() / 1e3),
        }
    }
}

impl LabelCurve {
    fn draw<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        index: usize,
        x: &Scale,
        y: &Scale,
    ) -> Result<(), ReportError> {
        let mut points: Vec<(&LabelPoint, f64)> =
            self.points.iter().filter_map(|point| Some((point, point.drawn()?))).collect();
        points.sort_by(|(a, _), (b, _)| a.amount.total_cmp(&b.amount));
        let colour = self.hue.colour();
        let bands = points.iter().filter_map(|(point, _)| Some((x.at(point.amount), point.band()?)));
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
        let line: Vec<(f64, f64)> =
            points.iter().map(|(point, mean)| (x.at(point.amount), y.at(*mean))).collect();
        canvas.line(&line, colour, 1.8, dashes(index))?;
        for ((point, _), at) in points.iter().zip(line) {
            if point.values.len() > 1 {
                for value in point.values.iter().filter(|value| value.is_finite()) {
                    let value = value.clamp(0.0, 1.0);
                    canvas.marker((at.0, y.at(value)), 1.6, Marker::Circle, colour.mix(0.7))?;
                }
            }
            canvas.marker(at, 3.6, marker(index), colour)?;
        }
        Ok(())
    }
}
