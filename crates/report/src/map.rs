//! Samples in the plane, as t-SNE or PCA lays them out.

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use crate::canvas::{Anchor, Canvas, Figure, fitted, text_width, to_bitmap, to_svg};
use crate::scale::{Scale, extent, padded};
use crate::style::{GRID, INK, MUTED, Marker, PAPER, SMALL, TEXT, clean, colour, marker};
use crate::{Picture, ReportError};

/// Maps of more points than this become PNG instead of SVG.
pub const MAX_SVG_POINTS: usize = 5000;

const SIDE: f64 = 560.0;
const ROW: f64 = 19.0;
const UNLABELLED: RGBColor = RGBColor(0xa8, 0xae, 0xb6);

/// What [`map`] draws.
#[derive(Clone, Debug, Default)]
pub struct Map {
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
    let input = |expected: String, got: String, hint| {
        Err(ReportError::Input { figure: Scatter::NAME, expected, got, hint })
    };
    if !map.labels.is_empty() && map.labels.len() != map.points.len() {
        let expected = format!("{} labels, one per point, or none", map.points.len());
        return input(
            expected,
            format!("{} labels", map.labels.len()),
            "give None for samples without label",
        );
    }
    if let Some(label) = map.labels.iter().flatten().find(|label| **label >= map.classes.len()) {
        let expected = format!("labels below {}, the number of classes", map.classes.len());
        return input(expected, format!("label {label}"), "name every class");
    }
    let scatter = Scatter::new(map);
    match map.points.len() > MAX_SVG_POINTS {
        true => Picture::png(&to_bitmap(&scatter)?),
        false => Ok(Picture::svg(to_svg(&scatter)?)),
    }
}

struct Scatter<'a> {
    map: &'a Map,
    legend: Vec<Entry>,
    columns: usize,
    missing: usize,
}

/// One line of the legend.
struct Entry {
    class: Option<usize>,
    text: String,
    /// The median of the points, in their own coordinates.
    centre: Option<(f64, f64)>,
}

impl Scatter<'_> {
    fn new(map: &Map) -> Scatter<'_> {
        let classes = (0..map.classes.len()).map(Some);
        let unlabelled = map.labels.is_empty() || map.labels.contains(&None);
        let legend: Vec<Entry> =
            classes.chain(unlabelled.then_some(None)).filter_map(|class| Entry::of(map, class)).collect();
        let widest = legend.iter().map(|entry| text_width(&entry.text, SMALL)).fold(0.0, f64::max);
        let columns = ((SIDE / (widest + 40.0)) as usize).clamp(1, 4);
        let missing = map.points.iter().filter(|point| !finite(point)).count();
        Scatter { map, legend, columns, missing }
    }

    fn class_of(&self, point: usize) -> Option<usize> {
        self.map.labels.get(point).copied().flatten()
    }
}

impl Entry {
    fn of(map: &Map, class: Option<usize>) -> Option<Entry> {
        let members: Vec<&[f32; 2]> = map
            .points
            .iter()
            .enumerate()
            .filter(|(i, point)| finite(point) && map.labels.get(*i).copied().flatten() == class)
            .map(|(_, point)| point)
            .collect();
        if members.is_empty() {
            return None;
        }
        let name = match class {
            Some(class) => fitted(&clean(&map.classes[class]), SMALL, 180.0),
            None => "without label".to_owned(),
        };
        let median = |axis: usize| {
            let mut values: Vec<f32> = members.iter().map(|point| point[axis]).collect();
            values.sort_by(f32::total_cmp);
            f64::from(values[values.len() / 2])
        };
        let centre = class.map(|_| (median(0), median(1)));
        Some(Entry { class, text: format!("{name} ({})", members.len()), centre })
    }
}

fn finite(point: &[f32; 2]) -> bool {
    point.iter().all(|value| value.is_finite())
}

fn look(class: Option<usize>) -> (RGBColor, Marker) {
    class.map_or((UNLABELLED, Marker::Circle), |class| (colour(class), marker(class)))
}

impl Figure for Scatter<'_> {
    const NAME: &'static str = "a map";

    fn size(&self) -> (f64, f64) {
        let rows = self.legend.len().div_ceil(self.columns) + usize::from(self.missing > 0);
        (SIDE, SIDE + 14.0 + ROW * rows as f64)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let frame = [(6.0, 6.0), (SIDE - 6.0, 6.0), (SIDE - 6.0, SIDE - 6.0), (6.0, SIDE - 6.0), (6.0, 6.0)];
        canvas.line(&frame, GRID, 1.0, &[])?;
        let (x, y) = self.axes();
        let radius = match self.map.points.len() {
            0..=600 => 3.6,
            601..=2500 => 2.7,
            2501..=10_000 => 2.0,
            _ => 1.4,
        };
        // In the order of the samples, not class by class: no class lies on top of the others.
        for (i, point) in self.map.points.iter().enumerate().filter(|(_, point)| finite(point)) {
            let (colour, shape) = look(self.class_of(i));
            let at = (x.at(f64::from(point[0])), y.at(f64::from(point[1])));
            canvas.marker(at, radius, shape, colour.mix(0.75))?;
        }
        self.draw_names(canvas, &x, &y)?;
        self.draw_legend(canvas)
    }
}

impl Scatter<'_> {
    /// Both axes, at the same scale.
    fn axes(&self) -> (Scale, Scale) {
        let along = |axis: usize| {
            let values = self.map.points.iter().filter(|p| finite(p)).map(|point| f64::from(point[axis]));
            padded(extent(values).unwrap_or((0.0, 1.0)), 0.02)
        };
        let (x, y) = (along(0), along(1));
        let half = (x.1 - x.0).max(y.1 - y.0) / 2.0;
        let around = |(low, high): (f64, f64)| ((low + high) / 2.0 - half, (low + high) / 2.0 + half);
        let pixels = (14.0, SIDE - 14.0);
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
        for entry in &self.legend {
            if let (Some(class), Some(centre)) = (entry.class, entry.centre) {
                let name = fitted(&clean(&self.map.classes[class]), TEXT, 180.0);
                let half = text_width(&name, TEXT) / 2.0 + 4.0;
                let middle = x.at(centre.0).clamp(half + 8.0, SIDE - half - 8.0);
                names.push((y.at(centre.1), middle, half, name));
            }
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

    fn draw_legend<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let rows = self.legend.len().div_ceil(self.columns).max(1);
        let width = SIDE / self.columns as f64;
        let top = SIDE + 14.0;
        for (i, entry) in self.legend.iter().enumerate() {
            let at = ((i / rows) as f64 * width + 16.0, top + (i % rows) as f64 * ROW);
            let (colour, shape) = look(entry.class);
            canvas.marker(at, 4.6, shape, colour)?;
            canvas.text(&entry.text, (at.0 + 12.0, at.1), SMALL, Anchor::Start, INK)?;
        }
        if self.missing > 0 {
            let rows = self.legend.len().div_ceil(self.columns);
            let note = format!("{} points are not finite numbers and are not shown", self.missing);
            canvas.text(&note, (12.0, top + rows as f64 * ROW), SMALL, Anchor::Start, MUTED)?;
        }
        Ok(())
    }
}
