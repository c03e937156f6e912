//! Samples in the plane, as t-SNE or PCA lays them out.

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use crate::canvas::{Anchor, Canvas, Figure, fitted, text_width, to_bitmap, to_svg};
use crate::scale::{Scale, extent, padded};
use crate::style::{GRID, INK, MUTED, Marker, PAPER, SMALL, TEXT, clean, colour, marker};
use crate::{Picture, ReportError};

/// Pictures of more points than this become PNG instead of SVG.
pub const MAX_SVG_POINTS: usize = 5000;

/// The side of a map alone, and of one of several.
const SIDE: f64 = 560.0;
const SMALL_SIDE: f64 = 320.0;
/// Maps beside each other.
const COLUMNS: usize = 3;
/// The room for a title above a map.
const TITLE: f64 = 24.0;
const ROW: f64 = 19.0;
const UNLABELLED: RGBColor = RGBColor(0xa8, 0xae, 0xb6);

/// What [`map`] draws.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// What tells it from others beside it; may be empty.
    pub title: String,
    /// Where the samples lie. The axes have no unit; both have the same scale.
    pub points: Vec<[f32; 2]>,
    /// Their classes; `None` for a sample without label. Either as many as points, or none at all.
    pub labels: Vec<Option<usize>>,
    /// The names of the classes.
    pub classes: Vec<String>,
}

/// A scatter plot: colour and shape tell the classes apart, each class is named at the median of its points,
/// and the legend below says how many there are. SVG up to [`MAX_SVG_POINTS`] points, PNG above. Points that
/// are not finite are left out, and counted below the map.
///
/// # Errors
/// [`ReportError::Input`] if labels and points differ in number or a label has no class name.
pub fn map(map: &Map) -> Result<Picture, ReportError> {
    maps(std::slice::from_ref(map))
}

/// Maps side by side, three in a row, as [`map`] draws one; the legend is that of the first, as all show the same samples.
///
/// # Errors
/// As [`map`]; no map at all.
pub fn maps(maps: &[Map]) -> Result<Picture, ReportError> {
    let Some(first) = maps.first() else {
        let (expected, got) = ("at least one".to_owned(), "none".to_owned());
        return Err(ReportError::Input { figure: Maps::NAME, expected, got, hint: "lay samples out first" });
    };
    maps.iter().try_for_each(check)?;
    let figure = Maps::new(maps, first);
    match maps.iter().map(|map| map.points.len()).sum::<usize>() > MAX_SVG_POINTS {
        true => Picture::png(&to_bitmap(&figure)?),
        false => Ok(Picture::svg(to_svg(&figure)?)),
    }
}

fn check(map: &Map) -> Result<(), ReportError> {
    let input = |expected: String, got: String, hint| {
        Err(ReportError::Input { figure: Maps::NAME, expected, got, hint })
    };
    if !map.labels.is_empty() && map.labels.len() != map.points.len() {
        let expected = format!("{} labels, one per point, or none", map.points.len());
        return input(
            expected,
            format!("{} labels", map.labels.len()),
            "give None for samples without label",
        );
    }
    match map.labels.iter().flatten().find(|label| **label >= map.classes.len()) {
        Some(label) => {
            let expected = format!("labels below {}, the number of classes", map.classes.len());
            input(expected, format!("label {label}"), "name every class")
        }
        None => Ok(()),
    }
}

/// Maps and their legend.
struct Maps<'a> {
    panels: Vec<Scatter<'a>>,
    /// The room for a title above each map.
    title: f64,
    legend: Vec<Entry>,
    /// Columns of the legend.
    columns: usize,
    missing: usize,
}

/// One map.
struct Scatter<'a> {
    map: &'a Map,
    side: f64,
}

/// One line of the legend.
struct Entry {
    class: Option<usize>,
    text: String,
}

impl<'a> Maps<'a> {
    fn new(maps: &'a [Map], first: &Map) -> Maps<'a> {
        let side = if maps.len() == 1 { SIDE } else { SMALL_SIDE };
        let classes = (0..first.classes.len()).map(Some);
        let unlabelled = first.labels.is_empty() || first.labels.contains(&None);
        let legend: Vec<Entry> =
            classes.chain(unlabelled.then_some(None)).filter_map(|class| Entry::of(first, class)).collect();
        let titled = maps.iter().any(|map| !map.title.is_empty());
        let missing = maps.iter().flat_map(|map| &map.points).filter(|point| !finite(point)).count();
        let mut figure = Maps {
            panels: maps.iter().map(|map| Scatter { map, side }).collect(),
            title: if titled { TITLE } else { 0.0 },
            legend,
            columns: 1,
            missing,
        };
        let widest = figure.legend.iter().map(|entry| text_width(&entry.text, SMALL)).fold(0.0, f64::max);
        figure.columns = ((figure.width() / (widest + 40.0)) as usize).clamp(1, 8);
        if maps.len() == 1 {
            figure.columns = figure.columns.min(4);
        }
        figure
    }

    fn width(&self) -> f64 {
        self.panels.first().map_or(SIDE, |panel| panel.side) * self.panels.len().min(COLUMNS) as f64
    }

    /// Where the legend starts.
    fn bottom(&self) -> f64 {
        let rows = self.panels.len().div_ceil(COLUMNS) as f64;
        rows * self.panels.first().map_or(SIDE, |panel| panel.side + self.title)
    }

    fn draw_legend<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let rows = self.legend.len().div_ceil(self.columns);
        let width = self.width() / self.columns as f64;
        let top = self.bottom() + 14.0;
        for (i, entry) in self.legend.iter().enumerate() {
            let at = ((i / rows) as f64 * width + 16.0, top + (i % rows) as f64 * ROW);
            let (colour, shape) = look(entry.class);
            canvas.marker(at, 4.6, shape, colour)?;
            canvas.text(&entry.text, (at.0 + 12.0, at.1), SMALL, Anchor::Start, INK)?;
        }
        if self.missing > 0 {
            let note = format!("{} points are not finite numbers and are not shown", self.missing);
            canvas.text(&note, (12.0, top + rows as f64 * ROW), SMALL, Anchor::Start, MUTED)?;
        }
        Ok(())
    }
}

impl Figure for Maps<'_> {
    const NAME: &'static str = "a map";

    fn size(&self) -> (f64, f64) {
        let rows = self.legend.len().div_ceil(self.columns) + usize::from(self.missing > 0);
        (self.width(), self.bottom() + 14.0 + ROW * rows as f64)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        for (i, panel) in self.panels.iter().enumerate() {
            let corner =
                ((i % COLUMNS) as f64 * panel.side, (i / COLUMNS) as f64 * (panel.side + self.title));
            let title = fitted(&clean(&panel.map.title), TEXT, panel.side - 16.0);
            canvas.text(&title, (corner.0 + 8.0, corner.1 + 0.6 * TITLE), TEXT, Anchor::Start, INK)?;
            panel.draw(&mut canvas.moved((corner.0, corner.1 + self.title)))?;
        }
        self.draw_legend(canvas)
    }
}

impl Entry {
    fn of(map: &Map, class: Option<usize>) -> Option<Entry> {
        let members = members(map, class).count();
        if members == 0 {
            return None;
        }
        let name = match class {
            Some(class) => fitted(&clean(&map.classes[class]), SMALL, 180.0),
            None => "without label".to_owned(),
        };
        Some(Entry { class, text: format!("{name} ({members})") })
    }
}

/// The finite points of a class.
fn members(map: &Map, class: Option<usize>) -> impl Iterator<Item = &[f32; 2]> {
    let points = map.points.iter().enumerate().filter(|(_, point)| finite(point));
    points.filter(move |(i, _)| map.labels.get(*i).copied().flatten() == class).map(|(_, point)| point)
}

fn finite(point: &[f32; 2]) -> bool {
    point.iter().all(|value| value.is_finite())
}

fn look(class: Option<usize>) -> (RGBColor, Marker) {
    class.map_or((UNLABELLED, Marker::Circle), |class| (colour(class), marker(class)))
}

impl Scatter<'_> {
    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let end = self.side - 6.0;
        canvas.line(&[(6.0, 6.0), (end, 6.0), (end, end), (6.0, end), (6.0, 6.0)], GRID, 1.0, &[])?;
        let (x, y) = self.axes();
        // Points of small maps are as large, beside them, as those of large ones.
        let radius = self.side / SIDE
            * match self.map.points.len() {
                0..=600 => 3.6,
                601..=2500 => 2.7,
                2501..=10_000 => 2.0,
                _ => 1.4,
            };
        // In the order of the samples, not class by class: no class lies on top of the others.
        for (i, point) in self.map.points.iter().enumerate().filter(|(_, point)| finite(point)) {
            let (colour, shape) = look(self.map.labels.get(i).copied().flatten());
            let at = (x.at(f64::from(point[0])), y.at(f64::from(point[1])));
            canvas.marker(at, radius.max(1.0), shape, colour.mix(0.75))?;
        }
        if self.side == SIDE { self.draw_names(canvas, &x, &y) } else { Ok(()) }
    }

    /// Both axes, at the same scale.
    fn axes(&self) -> (Scale, Scale) {
        let along = |axis: usize| {
            let values = self.map.points.iter().filter(|p| finite(p)).map(|point| f64::from(point[axis]));
            padded(extent(values).unwrap_or((0.0, 1.0)), 0.02)
        };
        let (x, y) = (along(0), along(1));
        let half = (x.1 - x.0).max(y.1 - y.0) / 2.0;
        let around = |(low, high): (f64, f64)| ((low + high) / 2.0 - half, (low + high) / 2.0 + half);
        let pixels = (14.0, self.side - 14.0);
        (Scale::linear(around(x), pixels), Scale::linear(around(y), (pixels.1, pixels.0)))
    }

    /// Names the classes at their medians, moved down where two names would cover each other.
    fn draw_names<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        x: &Scale,
        y: &Scale,
    ) -> Result<(), ReportError> {
        let mut names: Vec<(f64, f64, f64, String)> = Vec::new();
        for (class, name) in self.map.classes.iter().enumerate() {
            let Some(centre) = self.median(class) else { continue };
            let name = fitted(&clean(name), TEXT, 180.0);
            let half = text_width(&name, TEXT) / 2.0 + 4.0;
            let middle = x.at(centre.0).clamp(half + 8.0, SIDE - half - 8.0);
            names.push((y.at(centre.1), middle, half, name));
        }
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        for i in 0..names.len() {
            let (_, middle, half, _) = names[i];
            let above = names[..i].iter().filter(|other| (other.1 - middle).abs() < other.2 + half);
            let free = above.map(|other| other.0 + 18.0).fold(f64::MIN, f64::max);
            names[i].0 = names[i].0.max(free).min(SIDE - 18.0);
        }
        for (at, middle, half, name) in names {
            canvas.rectangle((middle - half, at - 8.5), (middle + half, at + 8.5), PAPER.mix(0.78))?;
            canvas.text(&name, (middle, at), TEXT, Anchor::Middle, INK)?;
        }
        Ok(())
    }

    /// The median of a class's points, axis by axis.
    fn median(&self, class: usize) -> Option<(f64, f64)> {
        let along = |axis: usize| {
            let mut values: Vec<f32> = members(self.map, Some(class)).map(|point| point[axis]).collect();
            values.sort_by(f32::total_cmp);
            values.get(values.len() / 2).copied().map(f64::from)
        };
        Some((along(0)?, along(1)?))
    }
}
