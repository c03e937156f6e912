//! Montages: images of groups, a group a row.

use image::RgbImage;
use image::imageops;
use plotters::backend::DrawingBackend;

use crate::canvas::{Anchor, Canvas, Figure, fitted, to_bitmap};
use crate::sheet::{GAP, GROUND, check_images, check_size, fitted_into};
use crate::spots::spots_of_rows;
use crate::style::{INK, MUTED, SMALL, TEXT, clean};
use crate::{Picture, ReportError, Spot};

/// The room for words left of the images, in pixels of the picture; there are two for every one of the text.
const WORDS: u32 = 380;
/// From the middle of a row to the middles of its two lines of words, in pixels of the text.
const LINE: f64 = 9.0;

/// A row of [`montage`].
#[derive(Clone, Debug)]
pub struct MontageRow {
    /// What the row shows.
    pub title: String,
    /// A second, smaller line.
    pub note: String,
    /// The images, from the left.
    pub images: Vec<RgbImage>,
}

/// Groups of images, one a row, with words on the left: the images nearest to each centroid of a clustering, say.
///
/// Images are fitted into squares of `cell` pixels as by [`crate::contact_sheet`]. Rows may be of different
/// length, and empty.
///
/// # Errors
/// [`ReportError::Input`] if an image has no pixels, or `cell` is below 64 (two lines of words would not fit) or
/// the picture would be larger than 2^28 pixels.
pub fn montage(rows: &[MontageRow], cell: u32) -> Result<RgbImage, ReportError> {
    check_images(Words::NAME, rows.iter().flat_map(|row| &row.images))?;
    let columns = rows.iter().map(|row| row.images.len()).max().unwrap_or(0);
    let (width, height) = check_size(Words::NAME, (columns, rows.len()), cell, 64, (WORDS, 0))?;
    let mut picture = RgbImage::from_pixel(width, height, GROUND);
    if rows.is_empty() {
        return Ok(picture);
    }
    let pitch = f64::from(cell + GAP) / 2.0;
    imageops::replace(
        &mut picture,
        &to_bitmap(&Words { rows, pitch, height: f64::from(height) / 2.0 })?,
        0,
        0,
    );
    for (i, row) in rows.iter().enumerate() {
        for (j, image) in row.images.iter().enumerate() {
            let image = fitted_into(image, cell);
            let corner =
                |index: usize, size: u32| i64::from(GAP + index as u32 * (cell + GAP) + (cell - size) / 2);
            let (x, y) = (i64::from(WORDS) + corner(j, image.width()), corner(i, image.height()));
            imageops::replace(&mut picture, &image, x, y);
        }
    }
    Ok(picture)
}

/// What the images of each row of [`montage`] are called.
pub fn montage_spots(montage: &Picture, rows: &[Vec<String>]) -> Vec<Spot> {
    spots_of_rows(montage, (WORDS + GAP, 0), rows)
}

/// The words of all rows.
struct Words<'a> {
    rows: &'a [MontageRow],
    /// The distance between rows.
    pitch: f64,
    height: f64,
}

impl Figure for Words<'_> {
    const NAME: &'static str = "a montage";

    fn size(&self) -> (f64, f64) {
        (f64::from(WORDS) / 2.0, self.height)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let room = f64::from(WORDS) / 2.0 - 12.0;
        for (i, row) in self.rows.iter().enumerate() {
            let middle = f64::from(GAP) / 2.0 + (i as f64 + 0.5) * self.pitch;
            let title = fitted(&clean(&row.title), TEXT, room);
            canvas.text(&title, (6.0, middle - LINE), TEXT, Anchor::Start, INK)?;
            let note = fitted(&clean(&row.note), SMALL, room);
            canvas.text(&note, (6.0, middle + LINE), SMALL, Anchor::Start, MUTED)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(images: Vec<RgbImage>) -> MontageRow {
        MontageRow { title: "7 images".into(), note: "mostly x".into(), images }
    }

    #[test]
    fn every_image_and_every_word_has_its_place() {
        let red = RgbImage::from_pixel(8, 8, image::Rgb([255, 0, 0]));
        let rows = [row(vec![red.clone(), red.clone()]), row(vec![]), row(vec![red])];
        let picture = montage(&rows, 64).unwrap();
        assert_eq!(picture.dimensions(), (WORDS + 4 + 2 * 68, 4 + 3 * 68));
        let named = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let names = [named(&["a.png", "b.png"]), vec![], named(&["c.png"])];
        let spots = montage_spots(&Picture::png(&picture).unwrap(), &names);
        let corner = |spot: &Spot| {
            let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
            ((spot.left * width).round() as u32, (spot.top * height).round() as u32)
        };
        assert_eq!((corner(&spots[1]), spots[1].title.as_str()), ((WORDS + 4 + 68, 4), "b.png"));
        assert_eq!((corner(&spots[2]), spots.len()), ((WORDS + 4, 4 + 2 * 68), 3));
        let is_red = |pixel: &image::Rgb<u8>| pixel.0 == [255, 0, 0];
        assert_eq!(picture.pixels().filter(|pixel| is_red(pixel)).count(), 3 * 64 * 64);
        for place in 0..3 {
            let (top, bottom) = (place * 68, place * 68 + 68);
            let inked = |(x, y, pixel): (u32, u32, &image::Rgb<u8>)| {
                x < WORDS && (top..bottom).contains(&y) && pixel.0[2] < 128 && !is_red(pixel)
            };
            assert!(picture.enumerate_pixels().any(inked), "row {place} has words");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(montage(&[row(vec![RgbImage::new(0, 0)])], 64).is_err());
        assert!(montage(&[row(vec![RgbImage::new(8, 8)])], 63).is_err());
        assert!(montage(&vec![row(vec![RgbImage::new(8, 8)]); 2000], 64).is_err());
        assert!(montage(&[], 64).is_ok());
    }
}
