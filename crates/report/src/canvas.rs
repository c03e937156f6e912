//! A drawing surface in fractional pixels, over the plotting library's SVG and bitmap back ends.
//!
//! Those know whole pixels only. So a picture is drawn several times larger, and the SVG is then declared to
//! be its true size, the bitmap shrunk (which also smooths its edges).

use std::sync::OnceLock;

use image::RgbImage;
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    FontStyle, FontTransform, IntoFont, RGBAColor, RGBColor, ShapeStyle, TextStyle, register_font,
};

use crate::ReportError;
use crate::style::{INK, Marker, PAPER};

/// What differs between the back ends.
#[derive(Clone, Copy)]
struct Medium {
    /// Drawn pixels per pixel of the figure.
    scale: f64,
    /// What the back end takes as the height of a line, in em.
    line_height: f64,
    /// How far down text must be moved to be centred on its point, in em.
    text_drop: f64,
}

const SVG: Medium = Medium { scale: 10.0, line_height: 1.24, text_drop: 0.0 };
const BITMAP: Medium = Medium { scale: 4.0, line_height: LINE_HEIGHT, text_drop: 0.16 };

/// The height of a line of the built-in font, in em. The font library takes this as the size of a text.
const LINE_HEIGHT: f64 = 1.164;
/// Pixels of a bitmap picture, after shrinking, per pixel of the figure: sharp also on dense screens.
const BITMAP_DENSITY: f64 = 2.0;

const FONT: &str = "sans-serif";
static FONT_BYTES: &[u8] = include_bytes!("../assets/DejaVuSans-subset.ttf");

/// Something that can be drawn on any surface.
pub(crate) trait Figure {
    /// What it is, for errors.
    const NAME: &'static str;

    /// Width and height in pixels.
    fn size(&self) -> (f64, f64);

    /// Draws it.
    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError>;
}

/// Where a text lies relative to its point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing surface.
pub(crate) struct Canvas<'a, B: DrawingBackend> {
    backend: &'a mut B,
    medium: Medium,
    /// Where the point (0, 0) lies.
    origin: (f64, f64),
    figure: &'static str,
}

/// A figure as SVG.
pub(crate) fn to_svg<F: Figure>(figure: &F) -> Result<String, ReportError> {
    let (width, height) = figure.size();
    let (drawn_width, drawn_height) = (drawn(width, SVG.scale), drawn(height, SVG.scale));
    let mut text = String::new();
    paint(figure, SVG, &mut SVGBackend::with_string(&mut text, (drawn_width, drawn_height)))?;
    let enlarged = format!("width=\"{drawn_width}\" height=\"{drawn_height}\"");
    Ok(text.replacen(&enlarged, &format!("width=\"{}\" height=\"{}\"", width.ceil(), height.ceil()), 1))
}

/// A figure as a bitmap, with two pixels for every one of the figure.
pub(crate) fn to_bitmap<F: Figure>(figure: &F) -> Result<RgbImage, ReportError> {
    let (width, height) = figure.size();
    let (drawn_width, drawn_height) = (drawn(width, BITMAP.scale), drawn(height, BITMAP.scale));
    let mut large = RgbImage::new(drawn_width, drawn_height);
    paint(figure, BITMAP, &mut BitMapBackend::with_buffer(&mut large, (drawn_width, drawn_height)))?;
    let (final_width, final_height) = (drawn(width, BITMAP_DENSITY), drawn(height, BITMAP_DENSITY));
    Ok(image::imageops::resize(&large, final_width, final_height, image::imageops::FilterType::Triangle))
}

/// Draws a figure on paper.
fn paint<F: Figure, B: DrawingBackend>(
    figure: &F,
    medium: Medium,
    backend: &mut B,
) -> Result<(), ReportError> {
    install_font(F::NAME)?;
    let mut canvas = Canvas { backend, medium, origin: (0.0, 0.0), figure: F::NAME };
    canvas.rectangle((0.0, 0.0), figure.size(), PAPER)?;
    figure.draw(&mut canvas)?;
    canvas.backend.present().map_err(|e| drawing(F::NAME, &e))
}

impl<B: DrawingBackend> Canvas<'_, B> {
    /// The same surface with its point (0, 0) at `origin` of this one.
    pub(crate) fn moved(&mut self, origin: (f64, f64)) -> Canvas<'_, B> {
        let origin = (self.origin.0 + origin.0, self.origin.1 + origin.1);
        Canvas { backend: self.backend, origin, ..*self }
    }

    /// A line through `points`, unbroken if `dashes` is empty.
    pub(crate) fn line(
        &mut self,
        points: &[(f64, f64)],
        colour: impl Into<RGBAColor>,
        width: f64,
        dashes: &[f64],
    ) -> Result<(), ReportError> {
        let style = self.stroke(colour, width);
        for stroke in dashed(points, dashes) {
            let path: Vec<(i32, i32)> = stroke.into_iter().map(|point| self.pixel(point)).collect();
            self.backend.draw_path(path, &style).map_err(|e| drawing(self.figure, &e))?;
        }
        Ok(())
    }

    /// A filled rectangle between two corners.
    pub(crate) fn rectangle(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        colour: impl Into<RGBAColor>,
    ) -> Result<(), ReportError> {
        let style = ShapeStyle { color: colour.into(), filled: true, stroke_width: 0 };
        let (from, to) = (self.pixel(from), self.pixel(to));
        self.backend.draw_rect(from, to, &style, true).map_err(|e| drawing(self.figure, &e))
    }

    /// A filled polygon.
    pub(crate) fn polygon(
        &mut self,
        points: &[(f64, f64)],
        colour: impl Into<RGBAColor>,
    ) -> Result<(), ReportError> {
        let style = ShapeStyle { color: colour.into(), filled: true, stroke_width: 0 };
        let path: Vec<(i32, i32)> = points.iter().map(|point| self.pixel(*point)).collect();
        self.backend.fill_polygon(path, &style).map_err(|e| drawing(self.figure, &e))
    }

    /// A point in the given shape, about `2 * radius` wide.
    pub(crate) fn marker(
        &mut self,
        centre: (f64, f64),
        radius: f64,
        shape: Marker,
        colour: impl Into<RGBAColor>,
    ) -> Result<(), ReportError> {
        let colour = colour.into();
        let around = |offsets: &[(f64, f64)]| -> Vec<(f64, f64)> {
            offsets.iter().map(|(x, y)| (centre.0 + radius * x, centre.1 + radius * y)).collect()
        };
        match shape {
            Marker::Circle => {
                let style = ShapeStyle { color: colour, filled: true, stroke_width: 0 };
                let radius = (radius * self.medium.scale).round() as u32;
                let centre = self.pixel(centre);
                self.backend.draw_circle(centre, radius, &style, true).map_err(|e| drawing(self.figure, &e))
            }
            Marker::Square => {
                self.polygon(&around(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]), colour)
            }
            Marker::Triangle => self.polygon(&around(&[(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)]), colour),
            Marker::Diamond => {
                self.polygon(&around(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]), colour)
            }
            Marker::Cross => {
                let width = 0.75 * radius;
                self.line(&around(&[(-0.95, -0.95), (0.95, 0.95)]), colour, width, &[])?;
                self.line(&around(&[(-0.95, 0.95), (0.95, -0.95)]), colour, width, &[])
            }
        }
    }

    /// A text whose middle line runs through `at`.
    pub(crate) fn text(
        &mut self,
        text: &str,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        colour: RGBColor,
    ) -> Result<(), ReportError> {
        let at = (at.0, at.1 + self.medium.text_drop * size);
        self.draw_text(text, at, size, anchor, colour, FontTransform::None)
    }

    /// A text that reads upwards, its middle line through `at`.
    pub(crate) fn text_upwards(
        &mut self,
        text: &str,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        colour: RGBColor,
    ) -> Result<(), ReportError> {
        let at = (at.0 + self.medium.text_drop * size, at.1);
        self.draw_text(text, at, size, anchor, colour, FontTransform::Rotate270)
    }

    fn draw_text(
        &mut self,
        text: &str,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        colour: RGBColor,
        transform: FontTransform,
    ) -> Result<(), ReportError> {
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let font =
            (FONT, size * self.medium.scale * self.medium.line_height).into_font().transform(transform);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(horizontal, VPos::Center));
        let at = self.pixel(at);
        self.backend.draw_text(text, &style, at).map_err(|e| drawing(self.figure, &e))
    }

    fn stroke(&self, colour: impl Into<RGBAColor>, width: f64) -> ShapeStyle {
        let stroke_width = (width * self.medium.scale).round().max(1.0) as u32;
        ShapeStyle { color: colour.into(), filled: false, stroke_width }
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let whole = |value: f64, origin: f64| ((value + origin) * self.medium.scale).round() as i32;
        (whole(x, self.origin.0), whole(y, self.origin.1))
    }
}

/// The width of `text` at `size`, in pixels. A viewer's own font may be a little wider or narrower.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    // A font that cannot be installed is reported when the figure is drawn.
    if install_font("text").is_err() {
        return 0.0;
    }
    let enlarged = (FONT, size * SVG.scale * LINE_HEIGHT).into_font();
    let width = enlarged.layout_box(text).map_or(0, |((left, _), (right, _))| right - left);
    f64::from(width) / SVG.scale
}

/// `text`, cut and ended with an ellipsis if it is wider than `room`.
pub(crate) fn fitted(text: &str, size: f64, room: f64) -> String {
    if text_width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let shorter =
            kept.iter().collect::<String>().trim_end_matches([' ', '(', ',', '-', '_']).to_owned() + "…";
        if text_width(&shorter, size) <= room {
            return shorter;
        }
    }
    String::new()
}

/// A title in the standard place and size.
pub(crate) fn title<B: DrawingBackend>(canvas: &mut Canvas<B>, text: &str) -> Result<(), ReportError> {
    canvas.text(text, (12.0, 15.0), 14.0, Anchor::Start, INK)
}

/// The strokes of a dashed line; one, the line itself, if there are no dashes.
fn dashed(points: &[(f64, f64)], dashes: &[f64]) -> Vec<Vec<(f64, f64)>> {
    if dashes.is_empty() || points.len() < 2 {
        return vec![points.to_vec()];
    }
    let mut strokes = Vec::new();
    let (mut part, mut left) = (0, dashes[0]);
    let mut stroke = vec![points[0]];
    for pair in points.windows(2) {
        let ((mut x, mut y), (to_x, to_y)) = (pair[0], pair[1]);
        loop {
            let length = (to_x - x).hypot(to_y - y);
            if length < left {
                left -= length;
                stroke.push((to_x, to_y));
                break;
            }
            (x, y) = (x + (to_x - x) * left / length, y + (to_y - y) * left / length);
            stroke.push((x, y));
            if part % 2 == 0 {
                strokes.push(std::mem::take(&mut stroke));
            }
            stroke = vec![(x, y)];
            part = (part + 1) % dashes.len();
            left = dashes[part];
        }
    }
    if part % 2 == 0 && stroke.len() > 1 {
        strokes.push(stroke);
    }
    strokes
}

fn drawn(length: f64, scale: f64) -> u32 {
    (length * scale).ceil() as u32
}

fn drawing(figure: &'static str, error: &dyn std::fmt::Display) -> ReportError {
    ReportError::Drawing { figure, reason: error.to_string() }
}

fn install_font(figure: &'static str) -> Result<(), ReportError> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    match INSTALLED.get_or_init(|| register_font(FONT, FontStyle::Normal, FONT_BYTES).is_ok()) {
        true => Ok(()),
        false => Err(drawing(figure, &"the built-in font cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_cover_the_line_in_turn() {
        let strokes = dashed(&[(0.0, 0.0), (10.0, 0.0)], &[3.0, 1.0]);
        let ends: Vec<(f64, f64)> = strokes.iter().map(|s| (s[0].0, s[s.len() - 1].0)).collect();
        assert_eq!(ends, [(0.0, 3.0), (4.0, 7.0), (8.0, 10.0)]);
        assert_eq!(dashed(&[(0.0, 0.0), (1.0, 1.0)], &[]).len(), 1);
    }

    #[test]
    fn text_is_measured_and_fitted() {
        assert!(text_width("wide", 13.0) > text_width("l", 13.0));
        assert!((text_width("wide", 26.0) / text_width("wide", 13.0) - 2.0).abs() < 0.02);
        // The advance of "n" in DejaVu Sans is 1298 of 2048 units.
        assert!((text_width("nnnnnnnnnn", 10.0) - 63.4).abs() < 0.5, "{}", text_width("nnnnnnnnnn", 10.0));
        assert_eq!(fitted("short", 13.0, 200.0), "short");
        let cut = fitted("a very long class name indeed", 13.0, 60.0);
        assert!(cut.ends_with('…') && text_width(&cut, 13.0) <= 60.0, "{cut}");
    }
}
