//! What was found, drawn over the field for a person to look at.

use twinlens_data::{Image, Pixels};

use crate::crop::top_left;
use crate::noise::quantile;
use crate::{CellsError, FieldObjects, Plane};

/// Cells that are cut out.
const TAKEN: [u8; 3] = [255, 200, 0];
/// Objects that are not.
const LEFT: [u8; 3] = [230, 60, 230];
/// Shares of the pixels that are black and white.
const ENDS: [f64; 2] = [0.001, 0.999];
/// Half the length of a cross, in pixels of the drawing.
const CROSS: i64 = 4;

/// Channel `channel` of `field` in grey, black at the 0.1th and white at the 99.9th percentile of its values, no side longer
/// than `side` pixels, with the outlines of objects, or crosses where there are no masks: yellow where `taken` says that the
/// object is cut out, else magenta. The square of a crop of `size` pixels is drawn around the first that is taken. RGB.
///
/// # Errors
/// As [`Plane::of`]; [`CellsError::Setting`] when `side` is 0.
pub fn drawn(
    field: &Image,
    channel: usize,
    objects: &FieldObjects,
    taken: &dyn Fn(usize) -> bool,
    (side, size): (usize, usize),
) -> Result<Image, CellsError> {
    let plane = Plane::of(field, channel)?;
    let mut canvas = Canvas::of(&plane, side)?;
    let colour = |object: usize| if taken(object) { TAKEN } else { LEFT };
    match &objects.labels {
        Some(labels) => {
            let id = |y: i64, x: i64| {
                let [row, column] = canvas.source([y, x]);
                labels.ids[row * labels.width + column]
            };
            let mut outline = Vec::new();
            for y in 0..canvas.height as i64 {
                for x in 0..canvas.width as i64 {
                    let own = id(y, x);
                    let around = [[y - 1, x], [y, x - 1], [y, x + 1], [y + 1, x]];
                    let ends = around.into_iter().filter(|at| canvas.has(*at)).any(|[y, x]| id(y, x) != own);
                    if own > 0 && ends {
                        outline.push(([y, x], colour(own as usize - 1)));
                    }
                }
            }
            outline.into_iter().for_each(|(at, colour)| canvas.put(at, colour));
        }
        None => {
            for (object, centroid) in objects.centroids.iter().enumerate() {
                let [y, x] = canvas.place(*centroid);
                for step in -CROSS..=CROSS {
                    canvas.put([y + step, x], colour(object));
                    canvas.put([y, x + step], colour(object));
                }
            }
        }
    }
    if let Some(first) = (0..objects.centroids.len()).find(|&object| taken(object)) {
        let [top, left] = top_left(objects.centroids[first], size).map(|at| at as f64);
        let corners = [canvas.place([top, left]), canvas.place([top + size as f64, left + size as f64])];
        canvas.square(corners, TAKEN);
    }
    Ok(canvas.image())
}

/// An image for a person to look at: three channels as red, green and blue, any other number as channel `channel` in grey;
/// every channel by its own percentiles, as [`drawn`] takes them.
///
/// # Errors
/// As [`Plane::of`].
pub fn shown(image: &Image, channel: usize) -> Result<Image, CellsError> {
    let channels = if image.channels == 3 { [0, 1, 2] } else { [channel; 3] };
    let greys = channels.iter().map(|&channel| Ok(grey(&Plane::of(image, channel)?)));
    let greys: Vec<Vec<u8>> = greys.collect::<Result<_, CellsError>>()?;
    let pixels = (0..image.height * image.width).flat_map(|at| [greys[0][at], greys[1][at], greys[2][at]]);
    Ok(Image { height: image.height, width: image.width, channels: 3, pixels: Pixels::U8(pixels.collect()) })
}

/// The values between the percentiles [`ENDS`] as 0 to 255.
fn grey(plane: &Plane) -> Vec<u8> {
    let mut values = plane.values.clone();
    let [low, high] = ENDS.map(|share| quantile(&mut values, share).unwrap_or(0.0));
    let span = if high > low { high - low } else { 1.0 };
    plane.values.iter().map(|value| ((value - low) / span * 255.0).round().clamp(0.0, 255.0) as u8).collect()
}

/// A drawing, and how many pixels of the field one of it is.
struct Canvas {
    height: usize,
    width: usize,
    scale: f64,
    of: [usize; 2],
    pixels: Vec<u8>,
}

impl Canvas {
    /// The plane in grey; pixels of the drawing are means of squares of the field.
    fn of(plane: &Plane, side: usize) -> Result<Canvas, CellsError> {
        if side == 0 {
            return Err(CellsError::setting("side", "at least 1 pixel", side));
        }
        let scale = (plane.height.max(plane.width) as f64 / side as f64).max(1.0);
        let fitted = |len: usize| ((len as f64 / scale).round() as usize).clamp(1, side);
        let (height, width) = (fitted(plane.height), fitted(plane.width));
        let ends = |at: usize, len: usize| {
            let start = ((at as f64 * scale) as usize).min(len - 1);
            start..(((at + 1) as f64 * scale) as usize).clamp(start + 1, len)
        };
        let mut values = Vec::with_capacity(height * width);
        for y in 0..height {
            for x in 0..width {
                let (rows, columns) = (ends(y, plane.height), ends(x, plane.width));
                let count = rows.len() * columns.len();
                let row = |row: usize| &plane.values[row * plane.width..][columns.clone()];
                values.push(rows.map(|at| row(at).iter().sum::<f64>()).sum::<f64>() / count as f64);
            }
        }
        let greys = grey(&Plane { height, width, values });
        let pixels = greys.into_iter().flat_map(|grey| [grey; 3]).collect();
        Ok(Canvas { height, width, scale, of: [plane.height, plane.width], pixels })
    }

    fn has(&self, [y, x]: [i64; 2]) -> bool {
        (0..self.height as i64).contains(&y) && (0..self.width as i64).contains(&x)
    }

    fn put(&mut self, at: [i64; 2], colour: [u8; 3]) {
        if self.has(at) {
            let first = 3 * (at[0] as usize * self.width + at[1] as usize);
            self.pixels[first..first + 3].copy_from_slice(&colour);
        }
    }

    /// The pixel of the field in the middle of one of the drawing.
    fn source(&self, at: [i64; 2]) -> [usize; 2] {
        let place = |at: i64, len: usize| (((at as f64 + 0.5) * self.scale) as usize).min(len - 1);
        [place(at[0], self.of[0]), place(at[1], self.of[1])]
    }

    /// The pixel of the drawing at a place of the field.
    fn place(&self, at: [f64; 2]) -> [i64; 2] {
        at.map(|at| (at / self.scale).floor() as i64)
    }

    fn square(&mut self, [[top, left], [bottom, right]]: [[i64; 2]; 2], colour: [u8; 3]) {
        (left..=right).for_each(|x| [top, bottom].into_iter().for_each(|y| self.put([y, x], colour)));
        (top..=bottom).for_each(|y| [left, right].into_iter().for_each(|x| self.put([y, x], colour)));
    }

    fn image(self) -> Image {
        Image { height: self.height, width: self.width, channels: 3, pixels: Pixels::U8(self.pixels) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Labels;

    fn colours(image: &Image, colour: [u8; 3]) -> Vec<usize> {
        let Pixels::U8(values) = &image.pixels else { panic!() };
        values.chunks(3).enumerate().filter(|(_, pixel)| **pixel == colour).map(|(at, _)| at).collect()
    }

    #[test]
    fn outlines_lie_on_the_edge_of_what_was_found() {
        let mut ids = vec![0; 100];
        (2..6).for_each(|y| (2..6).for_each(|x| ids[y * 10 + x] = 1));
        ids[99] = 2;
        let field = Image::new(10, 10, 1, Pixels::U16((0..100).collect())).unwrap();
        let objects = FieldObjects {
            numbers: vec![1, 2],
            centroids: vec![[3.5, 3.5], [9.0, 9.0]],
            areas: vec![Some(16), Some(1)],
            labels: Some(Labels::new(10, 10, ids).unwrap()),
        };
        let picture = drawn(&field, 0, &objects, &|object| object == 0, (10, 4)).unwrap();
        assert_eq!((picture.height, picture.width, picture.channels), (10, 10, 3));
        assert_eq!(colours(&picture, LEFT), [99]);
        // The outline, and the square of 4 pixels from row and column 2 to 6.
        let want: Vec<usize> = (0..100)
            .filter(|at| {
                let (y, x) = (at / 10, at % 10);
                let on = |end: usize| {
                    (2..=end).contains(&y)
                        && (2..=end).contains(&x)
                        && [y, x].iter().any(|at| [2, end].contains(at))
                };
                on(5) || on(6)
            })
            .collect();
        assert_eq!(colours(&picture, TAKEN), want);
        let halved = drawn(&field, 0, &objects, &|_| false, (5, 4)).unwrap();
        assert_eq!((halved.height, halved.width), (5, 5));
        assert_eq!(colours(&halved, LEFT), [6, 7, 11, 12, 24]);
    }

    #[test]
    fn middles_without_masks_are_crosses() {
        let field = Image::new(20, 20, 2, Pixels::F32(vec![0.5; 800])).unwrap();
        let objects =
            FieldObjects { numbers: vec![1], centroids: vec![[10.0, 1.0]], areas: vec![None], labels: None };
        let picture = drawn(&field, 1, &objects, &|_| false, (100, 4)).unwrap();
        let found = colours(&picture, LEFT);
        assert_eq!(found.len(), 9 + 5);
        assert!(found.contains(&200) && found.contains(&205) && found.contains(&121));
        assert!(drawn(&field, 2, &objects, &|_| false, (100, 4)).is_err());
        assert!(drawn(&field, 0, &objects, &|_| false, (0, 4)).is_err());
    }
}
