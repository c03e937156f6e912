//! Which parts of a slide are tissue.
//!
//! Glass is grey, stained tissue is coloured. On a small level, each pixel has the saturation of HSV,
//!
//! ```text
//! S = (max(R, G, B) - min(R, G, B)) / max(R, G, B)        0 where max(R, G, B) is below 10 % of white
//! ```
//!
//! and is tissue where `S` is above Otsu's threshold, which is kept between 0.05 and 0.2: of a slide of nothing but glass it would
//! divide noise, of one without glass it would divide the tissue. Pixels that are nearly black (what the scanner left out, ink, the edge
//! of the cover slip) have no saturation that means anything. Saturation with a threshold is the rule of CLAM (Lu et al., Data-efficient
//! and weakly supervised computational pathology on whole-slide images, 2021, doi:10.1038/s41551-020-00682-w).

use super::Opened;
use crate::decode::{Level, Refusal, Region};
use crate::otsu::otsu_levels;
use crate::{Image, Pixels};

/// The longer side of the level that is looked at, at least, where a level has so many.
const LEAST_SIDE: usize = 1024;

/// The longer side of the mask, at most: means of blocks of pixels are taken of larger levels.
const MOST_SIDE: usize = 2048;

/// Bounds of the threshold, of 255.
const THRESHOLDS: [u32; 2] = [13, 51];

/// Below, a pixel is nearly black, of 255.
const BLACK: u8 = 26;

const COLORS: &str = "{min_tissue} 0 keeps all tiles";

/// Where a slide is tissue.
pub(crate) struct Tissue {
    /// Pixels of the mask.
    height: usize,
    width: usize,
    /// Rows and columns of level 0 that a pixel of the mask covers.
    pixel: f64,
    /// For every corner of the pixels, row by row, how many above and left of it are tissue.
    sums: Vec<u32>,
}

impl Tissue {
    /// Reads a small level, row of tiles by row of tiles. Gives its pixels too.
    pub(crate) fn of(slide: &Opened) -> Result<(Tissue, Image), Refusal> {
        let (overview, pixel) = overview(slide)?;
        let Pixels::U8(values) = &overview.pixels else { return Err(not_told(&overview)) };
        let levels: Vec<u16> = values.as_chunks().0.iter().map(|color| saturation(*color)).collect();
        let threshold = threshold(&levels);
        let &Image { height, width, .. } = &overview;
        let mut sums = vec![0u32; (height + 1) * (width + 1)];
        for (row, levels) in levels.chunks_exact(width).enumerate() {
            let mut sum = 0;
            for (column, &level) in levels.iter().enumerate() {
                sum += u32::from(u32::from(level) > threshold);
                sums[(row + 1) * (width + 1) + column + 1] = sums[row * (width + 1) + column + 1] + sum;
            }
        }
        Ok((Tissue { height, width, pixel, sums }, overview))
    }

    /// The share of a rectangle that is tissue. Its upper left corner and its sides are rows and columns of level 0.
    pub(crate) fn share(&self, corner: [f64; 2], sides: [f64; 2]) -> f64 {
        let within = |at: f64, most: usize| (at / self.pixel).clamp(0.0, most as f64);
        let (top, bottom) = (within(corner[0], self.height), within(corner[0] + sides[0], self.height));
        let (left, right) = (within(corner[1], self.width), within(corner[1] + sides[1], self.width));
        let area = (bottom - top) * (right - left);
        let tissue =
            self.sum(bottom, right) - self.sum(top, right) - self.sum(bottom, left) + self.sum(top, left);
        if area > 0.0 { tissue / area } else { 0.0 }
    }

    /// The area of tissue above and left of a point, in pixels of the mask; between corners it is linear in each direction.
    fn sum(&self, row: f64, column: f64) -> f64 {
        let (above, left) = ((row as usize).min(self.height - 1), (column as usize).min(self.width - 1));
        let (down, across) = (row - above as f64, column - left as f64);
        let at = |row: usize, column: usize| f64::from(self.sums[row * (self.width + 1) + column]);
        let along = |row: usize| at(row, left) + across * (at(row, left + 1) - at(row, left));
        along(above) + down * (along(above + 1) - along(above))
    }
}

/// The saturation, of 255, above which a pixel is tissue.
fn threshold(levels: &[u16]) -> u32 {
    let otsu = otsu_levels(levels).map_or(0, |otsu| otsu.threshold);
    otsu.clamp(THRESHOLDS[0], THRESHOLDS[1])
}

/// Saturation of HSV, of 255.
fn saturation(color: [u8; 3]) -> u16 {
    let [most, least] =
        [color.iter().max(), color.iter().min()].map(|value| u32::from(value.copied().unwrap_or(0)));
    if most < u32::from(BLACK) { 0 } else { ((255 * (most - least) + most / 2) / most) as u16 }
}

fn not_told(image: &Image) -> Refusal {
    let (channels, kind) = (image.channels, image.pixel_type());
    let reason =
        format!("tissue is told from glass in RGB of 8 bits, but it has {channels} channels of {kind}");
    Refusal::new(reason, COLORS)
}

/// The slide in small, and how many rows and columns of level 0 a pixel covers.
fn overview(slide: &Opened) -> Result<(Image, f64), Refusal> {
    let longer = |level: &Level| level.width.max(level.height);
    let levels = &slide.pyramid.levels;
    let number = levels.iter().rposition(|level| longer(level) >= LEAST_SIDE).unwrap_or(0);
    let level = &levels[number];
    let block = longer(level).div_ceil(MOST_SIDE);
    let sides = [level.height.div_ceil(block), level.width.div_ceil(block)];
    let rows = slide.pyramid.piece_rows(number).min(level.height).next_multiple_of(block);
    let mut values = Vec::with_capacity(sides[0] * sides[1] * 3);
    for top in (0..level.height).step_by(rows) {
        let region = Region { at: [top, 0], sides: [rows.min(level.height - top), level.width] };
        let band = slide.region(number, region)?;
        let Image { pixels: Pixels::U8(pixels), channels: 3, .. } = &band else {
            return Err(not_told(&band));
        };
        for rows in pixels.chunks(block * level.width * 3) {
            values.extend(means(rows, level.width, block));
        }
    }
    let image = Image::new(sides[0], sides[1], 3, Pixels::U8(values)).map_err(|error| error.to_string())?;
    Ok((image, block as f64 * level.downsample))
}

/// The means of blocks of so many columns over all of these rows, colour by colour.
fn means(rows: &[u8], width: usize, block: usize) -> Vec<u8> {
    let across = width.div_ceil(block);
    let (mut sums, mut counts) = (vec![0u64; across * 3], vec![0u64; across]);
    for row in rows.chunks_exact(width * 3) {
        for (column, pixel) in row.as_chunks::<3>().0.iter().enumerate() {
            let at = column / block;
            counts[at] += 1;
            sums[at * 3..].iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u64::from(value));
        }
    }
    let mean = |(at, &sum): (usize, &u64)| ((sum + counts[at / 3] / 2) / counts[at / 3]) as u8;
    sums.iter().enumerate().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturation_of_hsv() {
        assert_eq!(saturation([255, 255, 255]), 0);
        assert_eq!(saturation([200, 100, 150]), 128);
        assert_eq!(saturation([255, 0, 10]), 255);
        assert_eq!(saturation([25, 0, 0]), 0, "nearly black");
        assert_eq!(saturation([0, 0, 0]), 0);
    }

    #[test]
    fn the_threshold_is_kept_within_bounds() {
        assert_eq!(threshold(&[2, 3, 4, 3, 30, 31, 32]), 13, "Otsu's is 4, as for noise of glass");
        assert_eq!(threshold(&[2, 30, 30, 31, 90, 91]), 31, "Otsu's");
        assert_eq!(threshold(&[90, 91, 92, 180, 181]), 51, "of tissue alone");
        assert_eq!(threshold(&[]), 13);
    }

    #[test]
    fn blocks_at_the_edge_are_means_of_what_is_there() {
        let row = [0, 0, 0, 10, 20, 30, 7, 8, 9];
        assert_eq!(means(&row, 3, 2), [5, 10, 15, 7, 8, 9]);
        assert_eq!(means(&row, 3, 1), row);
    }

    #[test]
    fn shares_of_any_rectangle() {
        // A mask of 2 x 3 pixels: tissue, glass, tissue / glass, tissue, glass; a pixel covers 10 of level 0.
        let sums = vec![0, 0, 0, 0, 0, 1, 1, 2, 0, 1, 2, 3];
        let tissue = Tissue { height: 2, width: 3, pixel: 10.0, sums };
        let share = |corner, sides| (tissue.share(corner, sides) * 1000.0).round() / 1000.0;
        assert_eq!(share([0.0, 0.0], [20.0, 30.0]), 0.5);
        assert_eq!(share([0.0, 0.0], [10.0, 10.0]), 1.0);
        assert_eq!(share([0.0, 5.0], [10.0, 10.0]), 0.5);
        assert_eq!(share([5.0, 5.0], [10.0, 10.0]), 0.5);
        assert_eq!(share([0.0, 0.0], [10.0, 30.0]), 0.667);
        assert_eq!(share([2.0, 2.0], [4.0, 4.0]), 1.0);
        assert_eq!(share([0.0, 25.0], [10.0, 100.0]), 1.0, "what lies outside does not count");
    }
}
