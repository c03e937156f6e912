//! Training curves: the metrics log of a run, or of several, as small multiples, one quantity per panel.

use plotters::backend::DrawingBackend;
use plotters::style::Color;
use serde_json::{Map, Value};

use crate::canvas::{Anchor, Canvas, Figure, fitted, text_width, title, to_svg};
use crate::scale::{Scale, extent, padded};
use crate::style::{GRID, INK, MUTED, Marker, SMALL, clean, dashes, number, percent};
use crate::{Fact, Hue, Picture, ReportError};

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 240.0;
/// From this many values on, a series is drawn as the mean and the range of bins.
const MANY: usize = 240;
/// The number of these bins.
const BINS: usize = 120;
/// An axis of shares is at least this long, so that noise does not look like learning.
const LEAST_SHARE: f64 = 0.05;

/// One panel: its title, the keys of the metrics log it shows (a `*` at the end stands for any rest), and
/// how.
struct Spec {
    title: &'static str,
    keys: &'static [&'static str],
    style: Axis,
    about: About,
}

/// What a quantity says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// How good the encoder is.
    Accuracy,
    /// How it learned.
    Learning,
    /// How the optimiser and the machine did.
    Running,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    /// From the least to the greatest value, or from zero if the least is near it; logarithmic if these are
    /// positive and far apart.
    Free,
    /// From zero.
    FromZero,
    /// Per cent, from the least to the greatest value.
    Share,
}

/// The panels, in their order on the page. One more quantity in the log costs one more line here.
const SPECS: [Spec; 11] = [
    Spec::new("kNN accuracy on held-out labels", &["knn*"], Axis::Share, About::Accuracy),
    Spec::new("Loss", &["loss"], Axis::Free, About::Learning),
    Spec::new("Parts of the loss", &["loss.*", "loss/*", "loss_*"], Axis::Free, About::Learning),
    Spec::new("Loss on validation images", &["val_loss"], Axis::Free, About::Learning),
    Spec::new("Validation images", &["val_*"], Axis::Share, About::Accuracy),
    Spec::new("Embedding standard deviation", &["embedding_std"], Axis::FromZero, About::Learning),
    Spec::new("Effective rank of the embedding", &["effective_rank"], Axis::FromZero, About::Learning),
    Spec::new("Learning rate", &["learning_rate", "lr", "lr.*", "lr_*"], Axis::FromZero, About::Running),
    Spec::new("Gradient norm", &["gradient_norm", "grad_norm"], Axis::Free, About::Running),
    Spec::new("Images per second", &["images_per_second"], Axis::FromZero, About::Running),
    Spec::new("Share of time waiting for data", &["data_wait*"], Axis::Share, About::Running),
];

impl Spec {
    const fn new(title: &'static str, keys: &'static [&'static str], style: Axis, about: About) -> Spec {
        Spec { title, keys, style, about }
    }
}

/// The metrics log of one run.
#[derive(Clone, Debug)]
pub struct RunLog<'a> {
    /// What the run is called beside others.
    pub name: String,
    /// The rows of `metrics.jsonl`.
    pub rows: &'a [Map<String, Value>],
}

/// What the curves are compared with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CurveOptions {
    /// The width d of the embedding: draws `1/sqrt(d)` with its standard deviation (the value of unit vectors
    /// spread evenly; near zero is collapse) and `d` with its effective rank.
    pub embedding_width: Option<usize>,
    /// The accuracy of always naming the most frequent class, drawn with the kNN accuracy.
    pub chance: Option<f64>,
}

/// What was measured in the course of training.
#[derive(Clone, Debug)]
pub struct Curves {
    /// The quantities with a course.
    pub panels: Vec<Panel>,
    /// Those measured at one step alone, which have none: name and value.
    pub single: Vec<Fact>,
}

/// One drawn panel.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The quantity.
    pub title: String,
    /// What it says something about.
    pub about: About,
    /// The curve, as SVG.
    pub picture: Picture,
}

/// All curves in one SVG, three to a row.
///
/// The curves of several runs lie over each other, a colour a run ([`Hue::number`]); those of one run have a colour a line.
/// The horizontal axis is the key `step` of the rows (their number, where it is missing). A row need not have every
/// key; values that are missing, `null` or not finite leave a gap. Keys that no panel is for are left out; so are
/// panels without values at two steps. Series of more than 240 values are drawn as the mean of 120 bins of equal count,
/// over a band from the least to the greatest value. Free axes become logarithmic if all values are positive and the
/// greatest is more than 100 times the least.
///
/// # Errors
/// [`ReportError::Drawing`].
pub fn training_curves(logs: &[RunLog<'_>], options: &CurveOptions) -> Result<Picture, ReportError> {
    let (_, drawn): (Vec<Chart>, Vec<Chart>) = charts(logs, options).into_iter().partition(Chart::is_single);
    Ok(Picture::svg(to_svg(&Grid { charts: drawn })?))
}

/// The same curves as [`training_curves`], one SVG each, for pages that arrange them by their width, and what has no curve.
///
/// # Errors
/// [`ReportError::Drawing`].
pub fn training_panels(logs: &[RunLog<'_>], options: &CurveOptions) -> Result<Curves, ReportError> {
    let (single, drawn): (Vec<Chart>, Vec<Chart>) =
        charts(logs, options).into_iter().partition(Chart::is_single);
    let draw = |chart: Chart| {
        Ok(Panel {
            title: chart.title.to_owned(),
            about: chart.about,
            picture: Picture::svg(to_svg(&Grid { charts: vec![chart] })?),
        })
    };
    Ok(Curves {
        panels: drawn.into_iter().map(draw).collect::<Result<_, ReportError>>()?,
        single: single.iter().flat_map(Chart::facts).collect(),
    })
}

/// One quantity, ready to be drawn.
struct Chart {
    title: &'static str,
    about: About,
    axis: Axis,
    series: Vec<Series>,
    /// A value to compare with, and what it is.
    reference: Option<(f64, String)>,
}

struct Series {
    name: String,
    hue: Hue,
    dashes: &'static [f64],
    /// (step, value); a value that is not finite is a gap.
    points: Vec<(f64, f64)>,
}

fn charts(logs: &[RunLog<'_>], options: &CurveOptions) -> Vec<Chart> {
    SPECS
        .iter()
        .map(|spec| Chart {
            title: spec.title,
            about: spec.about,
            axis: spec.style,
            series: series_of(logs, spec),
            reference: reference(spec.title, options),
        })
        .filter(|chart| !chart.series.is_empty())
        .collect()
}

fn reference(title: &str, options: &CurveOptions) -> Option<(f64, String)> {
    let width = options.embedding_width.map(|d| d as f64);
    match title {
        "Embedding standard deviation" => {
            width.map(|d| (1.0 / d.sqrt(), format!("1/√{d} = {}", number(1.0 / d.sqrt()))))
        }
        "Effective rank of the embedding" => width.map(|d| (d, format!("width {d}"))),
        "kNN accuracy on held-out labels" => {
            options.chance.map(|chance| (chance, format!("most frequent class {}", percent(chance))))
        }
        _ => None,
    }
}

/// The lines of a panel: of one run a colour each, of several a colour a run.
fn series_of(logs: &[RunLog<'_>], spec: &Spec) -> Vec<Series> {
    if let [one] = logs {
        let series = series_of_run(one.rows, spec).into_iter().enumerate();
        return series.map(|(at, series)| Series { hue: Hue::number(at), ..series }).collect();
    }
    let of_run = |(at, log): (usize, &RunLog<'_>)| {
        let mut series = series_of_run(log.rows, spec);
        let alone = series.len() == 1;
        for one in &mut series {
            one.hue = Hue::number(at);
            one.name = if alone { clean(&log.name) } else { format!("{}, {}", clean(&log.name), one.name) };
        }
        series
    };
    logs.iter().enumerate().flat_map(of_run).collect()
}

fn series_of_run(rows: &[Map<String, Value>], spec: &Spec) -> Vec<Series> {
    let mut names: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        for key in row.keys() {
            if let Some(name) = matched(spec.keys, key)
                && !has_own_panel(key, spec)
                && !names.iter().any(|(known, _)| known == key)
            {
                names.push((key, name));
            }
        }
    }
    let points = |key: &str| -> Vec<(f64, f64)> {
        // Greater values are as good as infinite, and their differences would be.
        let drawable = |value: &Value| value.as_f64().filter(|number| number.abs() < 1e300);
        let number =
            |row: &Map<String, Value>, key| row.get(key).map(|value| drawable(value).unwrap_or(f64::NAN));
        let all = rows.iter().enumerate().filter_map(|(i, row)| {
            let step = number(row, "step").filter(|step| step.is_finite()).unwrap_or((i + 1) as f64);
            Some((step, number(row, key)?))
        });
        all.collect()
    };
    names
        .into_iter()
        .enumerate()
        .map(|(at, (key, name))| Series {
            name: clean(name).replace('_', " "),
            hue: Hue::default(),
            dashes: dashes(at),
            points: points(key),
        })
        .filter(|series| series.points.iter().any(|(_, value)| value.is_finite()))
        .collect()
}

/// Whether another panel than that of `spec` is for this key by its whole name.
fn has_own_panel(key: &str, spec: &Spec) -> bool {
    SPECS.iter().any(|other| other.title != spec.title && other.keys.contains(&key))
}

/// What of `key` is the name of its series, if one of `patterns` is for it.
fn matched<'k>(patterns: &[&str], key: &'k str) -> Option<&'k str> {
    patterns.iter().find_map(|pattern| match pattern.strip_suffix('*') {
        Some(start) => {
            let rest = key.strip_prefix(start)?;
            Some(if start.ends_with(['.', '/', '_']) && !rest.is_empty() { rest } else { key })
        }
        None => (*pattern == key).then_some(key),
    })
}

/// Charts side by side, at most three to a row.
struct Grid {
    charts: Vec<Chart>,
}

impl Figure for Grid {
    const NAME: &'static str = "the training curves";

    fn size(&self) -> (f64, f64) {
        let columns = self.charts.len().clamp(1, 3);
        let rows = self.charts.len().div_ceil(columns).max(1);
        (WIDTH * columns as f64, HEIGHT * rows as f64)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        if self.charts.is_empty() {
            let note = "Nothing to draw: the metrics log has no values at two steps yet.";
            return canvas.text(note, (12.0, 20.0), SMALL, Anchor::Start, MUTED);
        }
        for (i, chart) in self.charts.iter().enumerate() {
            let origin = ((i % 3) as f64 * WIDTH, (i / 3) as f64 * HEIGHT);
            chart.draw(&mut canvas.moved(origin))?;
        }
        Ok(())
    }
}

impl Chart {
    /// Whether all that was measured was so at one step: a point is no curve, and axes around it would be made up.
    fn is_single(&self) -> bool {
        let points = self.series.iter().flat_map(|series| &series.points);
        let mut steps = points.filter(|(_, value)| value.is_finite()).map(|(step, _)| *step);
        let first = steps.next();
        steps.all(|step| Some(step) == first)
    }

    /// Every line's one value.
    fn facts(&self) -> impl Iterator<Item = Fact> {
        self.series.iter().filter_map(|series| {
            let (step, value) = series.points.iter().find(|(_, value)| value.is_finite())?;
            let name = match self.series.len() {
                1 => self.title.to_owned(),
                _ => format!("{}: {}", self.title, series.name),
            };
            Some(Fact::new(name, format!("{} at step {step}", self.in_words(*value))))
        })
    }

    fn in_words(&self, value: f64) -> String {
        if self.axis == Axis::Share { percent(value) } else { number(value) }
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        title(canvas, self.title)?;
        let top = 30.0 + self.draw_legend(canvas)?;
        let bottom = HEIGHT - 38.0;
        let y = self.vertical(bottom, top);
        let y_ticks = y.ticks(6);
        let label = |value: f64| match self.axis {
            Axis::Share => format!("{} %", (1000.0 * value).round() / 10.0),
            _ => number(value),
        };
        let widest = y_ticks.iter().map(|tick| text_width(&label(*tick), SMALL)).fold(20.0, f64::max);
        let (left, right) = (widest + 18.0, WIDTH - 16.0);
        let steps = self.series.iter().flat_map(|series| series.points.iter().map(|(step, _)| *step));
        let x = Scale::linear(extent(steps).unwrap_or((0.0, 1.0)), (left, right));

        for tick in y_ticks {
            let at = y.at(tick);
            canvas.line(&[(left, at), (right, at)], GRID, 1.0, &[])?;
            canvas.text(&label(tick), (left - 6.0, at), SMALL, Anchor::End, MUTED)?;
        }
        for tick in x.ticks(6).into_iter().filter(|tick| tick.fract() == 0.0) {
            canvas.line(&[(x.at(tick), bottom), (x.at(tick), bottom + 4.0)], MUTED, 1.0, &[])?;
            canvas.text(&number(tick), (x.at(tick), bottom + 13.0), SMALL, Anchor::Middle, MUTED)?;
        }
        canvas.line(&[(left, bottom), (right, bottom)], MUTED, 1.0, &[])?;
        let below = self.below();
        canvas.text(&below, ((left + right) / 2.0, bottom + 28.0), SMALL, Anchor::Middle, MUTED)?;
        if let Some((value, name)) = self.reference.as_ref().filter(|(value, _)| self.shows(*value)) {
            let at = y.at(*value);
            canvas.line(&[(left, at), (right, at)], INK, 1.0, &[4.0, 3.0])?;
            // On the side of the line where there is room.
            let side = if at - top < 16.0 { 9.0 } else { -8.0 };
            canvas.text(name, (right, at + side), SMALL, Anchor::End, INK)?;
        }
        for series in &self.series {
            series.draw(canvas, &x, &y)?;
        }
        Ok(())
    }

    /// The line below the horizontal axis.
    fn below(&self) -> String {
        match &self.reference {
            _ if self.is_log() => "step (vertical axis logarithmic)".to_owned(),
            Some((value, name)) if !self.shows(*value) => format!("step ({name}: outside the axis)"),
            _ => "step".to_owned(),
        }
    }

    /// Whether `value` lies on the vertical axis.
    fn shows(&self, value: f64) -> bool {
        let (low, high) = self.shares();
        self.axis != Axis::Share || (low..=high).contains(&value)
    }

    /// Names the lines, if there are several, and returns the height that took. One line alone shows its last
    /// value instead.
    fn draw_legend<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<f64, ReportError> {
        if let [only] = self.series.as_slice() {
            let last = only.points.iter().rev().find(|(_, value)| value.is_finite());
            if let Some((_, value)) = last {
                let value = self.in_words(*value);
                canvas.text(&format!("last {value}"), (WIDTH - 16.0, 15.0), SMALL, Anchor::End, MUTED)?;
            }
            return Ok(0.0);
        }
        let (mut x, mut y) = (12.0, 36.0);
        for series in &self.series {
            let name = fitted(&series.name, SMALL, WIDTH - 60.0);
            let width = 34.0 + text_width(&name, SMALL) + 12.0;
            if x + width > WIDTH - 8.0 && x > 12.0 {
                (x, y) = (12.0, y + 16.0);
            }
            canvas.line(&[(x, y), (x + 26.0, y)], series.hue.colour(), 2.0, series.dashes)?;
            canvas.text(&name, (x + 31.0, y), SMALL, Anchor::Start, INK)?;
            x += width;
        }
        Ok(y - 36.0 + 24.0)
    }

    fn vertical(&self, bottom: f64, top: f64) -> Scale {
        let (low, high) = self.extent();
        match self.axis {
            Axis::Share => Scale::linear(self.shares(), (bottom, top)),
            Axis::FromZero => Scale::linear((low.min(0.0), high + 0.05 * high.abs()), (bottom, top)),
            Axis::Free if self.is_log() => Scale::log((low / 1.1, high * 1.1), (bottom, top)),
            Axis::Free if low >= 0.0 && low < 0.4 * high => {
                Scale::linear((0.0, padded((0.0, high), 0.05).1), (bottom, top))
            }
            Axis::Free => Scale::linear(padded((low, high), 0.05), (bottom, top)),
        }
    }

    /// The ends of an axis of shares: a little beyond the values, so that changes are seen, and within 0 and 1 if these are.
    fn shares(&self) -> (f64, f64) {
        let (low, high) = extent(self.values()).unwrap_or((0.0, 1.0));
        let missing = (LEAST_SHARE - (high - low)).max(0.0) / 2.0;
        let (from, to) = padded((low - missing, high + missing), 0.08);
        (from.max(low.min(0.0)), to.min(high.max(1.0)))
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.series.iter().flat_map(|series| series.points.iter().map(|(_, value)| *value))
    }

    fn is_log(&self) -> bool {
        let (low, high) = self.extent();
        self.axis == Axis::Free && low > 0.0 && high > 100.0 * low
    }

    fn extent(&self) -> (f64, f64) {
        let reference = self.reference.iter().map(|(value, _)| *value);
        extent(self.values().chain(reference)).unwrap_or((0.0, 1.0))
    }
}

impl Series {
    fn draw<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        x: &Scale,
        y: &Scale,
    ) -> Result<(), ReportError> {
        let colour = self.hue.colour();
        for run in self.points.split(|(_, value)| !value.is_finite()).filter(|run| !run.is_empty()) {
            let bins: Vec<Bin> = match self.points.len() > MANY {
                true => run.chunks(self.points.len().div_ceil(BINS)).map(Bin::of).collect(),
                false => run.iter().map(|point| Bin::of(std::slice::from_ref(point))).collect(),
            };
            let at = |pick: fn(&Bin) -> f64| bins.iter().map(move |bin| (x.at(bin.step), y.at(pick(bin))));
            if self.points.len() > MANY {
                let upper: Vec<(f64, f64)> = at(|bin| bin.high).collect();
                let lower: Vec<(f64, f64)> = at(|bin| bin.low).collect();
                let band: Vec<(f64, f64)> = upper.into_iter().chain(lower.into_iter().rev()).collect();
                canvas.polygon(&band, colour.mix(0.2))?;
            }
            let line: Vec<(f64, f64)> = at(|bin| bin.mean).collect();
            canvas.line(&line, colour, 1.8, self.dashes)?;
            // Few values are measurements to be seen one by one; a single one has no line at all.
            if line.len() == 1 || self.points.len() <= 40 {
                for point in line {
                    canvas.marker(point, 2.4, Marker::Circle, colour)?;
                }
            }
        }
        Ok(())
    }
}

/// Neighbouring values, taken together.
struct Bin {
    step: f64,
    mean: f64,
    low: f64,
    high: f64,
}

impl Bin {
    fn of(points: &[(f64, f64)]) -> Bin {
        let count = points.len() as f64;
        let (low, high) = extent(points.iter().map(|(_, value)| *value)).unwrap_or((f64::NAN, f64::NAN));
        Bin {
            step: points.iter().map(|(step, _)| step).sum::<f64>() / count,
            // The mean of huge values must not overflow.
            mean: points.iter().map(|(_, value)| value / count).sum(),
            low,
            high,
        }
    }
}
