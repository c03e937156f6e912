//! Contact sheets: originals and their views.

use image::RgbImage;
use image::imageops::{self, FilterType};
use plotters::backend::DrawingBackend;

use crate::canvas::{Anchor, Canvas, Figure, fitted, to_bitmap};
use crate::spots::spots_of_rows;
use crate::style::{INK, clean};
use crate::{Picture, ReportError, Spot};

/// Between images, and around them.
pub(crate) const GAP: u32 = 4;
/// The height of the line of titles, in pixels of the sheet; there are two for every one of its text.
const TITLES: u32 = 44;
/// The ground between the images.
pub(crate) const GROUND: image::Rgb<u8> = image::Rgb([0xff, 0xff, 0xff]);

/// One row per sample, one column per title: usually the original and its views.
///
/// Every image is made as large as fits into a square of `cell` pixels: larger ones are shrunk, smaller ones enlarged pixel by
/// pixel, so that what one sees is what the encoder gets (evenly where [`cell_for`] their size is taken). Rows may be shorter
/// than the titles, and images of any size. No row at all gives a sheet of titles.
///
/// # Errors
/// [`ReportError::Input`] if a row has more images than there are titles, an image has no pixels, or `cell`
/// is below 16 or the sheet would be larger than 2^28 pixels.
pub fn contact_sheet(rows: &[Vec<RgbImage>], titles: &[String], cell: u32) -> Result<RgbImage, ReportError> {
    let (width, height) = check(rows, titles, cell)?;
    let mut sheet = RgbImage::from_pixel(width, height, GROUND);
    let header =
        to_bitmap(&Titles { titles, pitch: f64::from(cell + GAP) / 2.0, width: f64::from(width) / 2.0 })?;
    imageops::replace(&mut sheet, &header, 0, 0);
    for (i, row) in rows.iter().enumerate() {
        for (j, image) in row.iter().enumerate() {
            let image = fitted_into(image, cell);
            let corner = |index: usize, size: u32| {
                i64::from(GAP + index as u32 * (cell + GAP)) + i64::from((cell - size) / 2)
            };
            let (x, y) = (corner(j, image.width()), i64::from(TITLES) + corner(i, image.height()));
            imageops::replace(&mut sheet, &image, x, y);
        }
    }
    Ok(sheet)
}

/// What each row of [`contact_sheet`] is called.
pub fn sheet_spots(sheet: &Picture, names: &[String]) -> Vec<Spot> {
    let rows: Vec<&[String]> = names.iter().map(std::slice::from_ref).collect();
    spots_of_rows(sheet, (GAP, TITLES), &rows)
}

/// The side of a square that shows images of `side` pixels evenly: the least multiple of it that is `least` or more, at most
/// twice that.
pub fn cell_for(side: usize, least: u32) -> u32 {
    let side = u32::try_from(side).unwrap_or(u32::MAX).clamp(1, 2 * least);
    side * least.div_ceil(side)
}

/// The size of the sheet, if it can be made.
fn check(rows: &[Vec<RgbImage>], titles: &[String], cell: u32) -> Result<(u32, u32), ReportError> {
    if let Some(row) = rows.iter().find(|row| row.len() > titles.len()) {
        let expected = format!("at most {} images in a row, one per title", titles.len());
        let (got, hint) = (row.len().to_string(), "give every column a title");
        return Err(ReportError::Input { figure: Titles::NAME, expected, got, hint });
    }
    check_images(Titles::NAME, rows.iter().flatten())?;
    check_size(Titles::NAME, (titles.len().max(1), rows.len()), cell, 16, (0, TITLES))
}

/// Refuses images without pixels.
pub(crate) fn check_images<'a>(
    figure: &'static str,
    mut images: impl Iterator<Item = &'a RgbImage>,
) -> Result<(), ReportError> {
    if images.any(|image| image.width() == 0 || image.height() == 0) {
        let (expected, got) = ("images with pixels".to_owned(), "an empty one".to_owned());
        return Err(ReportError::Input { figure, expected, got, hint: "leave it out" });
    }
    Ok(())
}

/// The size of a picture of `columns` by `rows` cells, with room left of them and above, if it can be made.
pub(crate) fn check_size(
    figure: &'static str,
    (columns, rows): (usize, usize),
    cell: u32,
    least: u32,
    (left, top): (u32, u32),
) -> Result<(u32, u32), ReportError> {
    let pitch = u64::from(cell) + u64::from(GAP);
    let width = pitch * columns as u64 + u64::from(GAP + left);
    let height = pitch * rows as u64 + u64::from(GAP + top);
    if cell < least || width.max(height) > 65_535 || width * height > 1 << 28 {
        let expected = format!("cells of at least {least} pixels and a picture of at most 2^28");
        let got = format!("cells of {cell} and a picture of {width} x {height}");
        return Err(ReportError::Input { figure, expected, got, hint: "show fewer samples" });
    }
    Ok((width as u32, height as u32))
}

/// `image` with its longer side `cell`.
pub(crate) fn fitted_into(image: &RgbImage, cell: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let longer = width.max(height);
    let scaled = |side: u32| ((u64::from(side) * u64::from(cell) / u64::from(longer)) as u32).max(1);
    let filter = if longer > cell { FilterType::Triangle } else { FilterType::Nearest };
    imageops::resize(image, scaled(width), scaled(height), filter)
}

/// The line of titles.
struct Titles<'a> {
    titles: &'a [String],
    /// The distance between columns.
    pitch: f64,
    width: f64,
}

impl Figure for Titles<'_> {
    const NAME: &'static str = "a contact sheet";

    fn size(&self) -> (f64, f64) {
        (self.width, f64::from(TITLES) / 2.0)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), ReportError> {
        let size = (self.pitch / 5.0).clamp(8.0, 12.0);
        for (i, title) in self.titles.iter().enumerate() {
            let middle = f64::from(GAP) / 2.0 + (i as f64 + 0.5) * self.pitch;
            let text = fitted(&clean(title), size, self.pitch - 4.0);
            canvas.text(&text, (middle, f64::from(TITLES) / 4.0), size, Anchor::Middle, INK)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_images_are_enlarged_pixel_by_pixel_and_large_ones_shrunk() {
        let mut small = RgbImage::new(3, 2);
        small.put_pixel(2, 1, image::Rgb([9, 8, 7]));
        let large = fitted_into(&small, 18);
        assert_eq!(large.dimensions(), (18, 12));
        for (x, y, pixel) in large.enumerate_pixels() {
            assert_eq!(pixel, small.get_pixel(x / 6, y / 6));
        }
        assert_eq!(fitted_into(&small, 20).dimensions(), (20, 13), "as large as every other image");
        let cells = [28, 64, 112, 150, 360, 0].map(|side| cell_for(side, 112));
        assert_eq!(cells, [112, 128, 112, 150, 224, 112]);
        assert_eq!(fitted_into(&RgbImage::new(500, 250), 100).dimensions(), (100, 50));
        assert_eq!(fitted_into(&RgbImage::new(5000, 1), 100).dimensions(), (100, 1));
    }

    #[test]
    fn every_image_has_its_place() {
        let red = RgbImage::from_pixel(8, 8, image::Rgb([255, 0, 0]));
        let rows = vec![vec![red.clone(), red.clone()], vec![red]];
        let sheet = contact_sheet(&rows, &["original".into(), "view 1".into()], 32).unwrap();
        assert_eq!(sheet.dimensions(), (4 + 2 * 36, 44 + 4 + 2 * 36));
        let reds = sheet.pixels().filter(|pixel| pixel.0 == [255, 0, 0]).count();
        assert_eq!(reds, 3 * 32 * 32);
        // There is ink in the line of titles.
        assert!(sheet.enumerate_pixels().any(|(_, y, pixel)| y < 44 && pixel.0[0] < 128));
    }

    #[test]
    fn a_row_is_named_where_it_is() {
        let image = RgbImage::new(8, 8);
        let rows = [vec![image.clone(), image.clone()], vec![image]];
        let sheet = contact_sheet(&rows, &["original".into(), "view 1".into()], 32).unwrap();
        let spots = sheet_spots(&Picture::png(&sheet).unwrap(), &["a.png".into(), "b.png".into()]);
        assert_eq!((spots.len(), spots[1].title.as_str()), (2, "b.png"));
        let pixel = |share: f64| (share * f64::from(sheet.height())).round() as u32;
        assert_eq!([pixel(spots[0].top), pixel(spots[1].top)], [44 + 4, 44 + 4 + 36]);
        assert_eq!(pixel(spots[0].height), 32);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let image = RgbImage::new(8, 8);
        let titles = ["original".to_owned()];
        assert!(contact_sheet(&[vec![image.clone(), image.clone()]], &titles, 32).is_err());
        assert!(contact_sheet(&[vec![RgbImage::new(0, 0)]], &titles, 32).is_err());
        assert!(contact_sheet(&[vec![image.clone()]], &titles, 4).is_err());
        assert!(contact_sheet(&vec![vec![image]; 100_000], &titles, 320).is_err());
        assert!(contact_sheet(&[], &[], 32).is_ok());
    }
}
