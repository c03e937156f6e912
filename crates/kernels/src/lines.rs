//! Convolutions in bf16 by AMX, read from the images line by line.
//!
//! A tile's rows lie anywhere in memory, one as far behind the other as the next. So sixteen neighbouring patches need not be
//! gathered: row `i` of a tile is some of the channels of pixel `q + i`, and the tile of another tap lies some pixels further on.
//! That holds across the ends of lines, too, if images have a border of zeros as wide as the padding and the result has lines as
//! long as theirs, of which the last patches, that would begin in the border, are left out.
//!
//! The weight gradient sums over pixels, and pairs of neighbours in depth are pairs of pixels. Here a tile's rows are channels
//! and its words pairs of pixels, and again that of another tap lies some words further on, among pairs that begin with an even
//! pixel or among those that begin with an odd one.
//!
//! Images are rounded and get their border a band at a time, small enough for the second-level cache, and while tiles are
//! multiplied, which leaves the memory idle, the next band is fetched.

mod product;
mod weight_grad;

use std::ops::Range;

use self::product::Product;
use self::weight_grad::WeightGrad;
use crate::amx::Tiles;
use crate::bf16::Bf16;
use crate::element::Element;
use crate::epilogue::Epilogue;
use crate::matrix::Number;
use crate::patches::Patches;
use crate::tiles::{BLOCK, SIDE};

/// Bands wanted, so that threads share the work evenly.
const MIN_BANDS: usize = 16;
/// Pixels that a tile's row of words holds in the weight gradient.
const STEP_PIXELS: usize = SIDE * Bf16::TERMS;

/// A convolution of patches that are computed line by line.
pub(crate) struct Lines<'a> {
    patches: &'a Patches,
    /// The same patches of images with a border.
    padded: Patches,
    tiles: Tiles,
}

/// Lines of the grid that are computed together: some of one image, or all of several.
#[derive(Clone, Copy)]
struct Band {
    first_image: usize,
    images: usize,
    first_line: usize,
    lines: usize,
}

impl<'a> Lines<'a> {
    /// The way to compute the products of these patches with a weight of `columns` columns, if the processor has AMX, whole
    /// tiles are multiplied, and not too many for nothing.
    pub fn of(patches: &'a Patches, columns: usize) -> Option<Lines<'a>> {
        let tiles = Tiles::available()?;
        let lines = Lines { patches, padded: patches.with_border(), tiles };
        let padded = &lines.padded;
        let whole = patches.channels.is_multiple_of(BLOCK) && columns.is_multiple_of(BLOCK);
        // A patch that begins inside of its image, or steps over more than itself, gains nothing from its neighbours.
        let beside =
            padded.first == [0, 0] && padded.size != [1, 1] && padded.step.iter().all(|&step| step <= 2);
        let [height, width] = padded.grid;
        let computed = lines.tiles_of_image(height) * SIDE;
        (whole && beside && 2 * computed <= 3 * height * width).then_some(lines)
    }

    /// [`Lines::of`] for the weight gradient, which sums over whole steps of each image.
    pub fn of_weight_grad(patches: &'a Patches, columns: usize) -> Option<Lines<'a>> {
        let lines = Lines::of(patches, columns)?;
        let [height, width] = lines.padded.grid;
        let summed = lines.summed_pixels(height);
        (lines.is_flat() && 3 * summed <= 4 * height * width).then_some(lines)
    }

    /// As [`crate::conv2d_forward`], with a weight from [`Patches::pack`].
    pub fn multiply<E: Element>(&self, source: &[E], packed: &[u32], epilogue: Epilogue, out: &mut [E]) {
        let columns = out.len() / self.patches.rows();
        Product::new(self, source, packed, epilogue, columns).fill(out);
    }

    /// As [`crate::conv2d_weight_grad`].
    pub fn weight_grad<E: Element>(&self, x: &[E], dy: &[E], dw: &mut [f32]) {
        WeightGrad::new(self, x, dy).fill(dw);
    }

    /// Bands of about so many pixels: of one image if it has more, of several if it has fewer.
    fn bands(&self, pixels: usize) -> Vec<Band> {
        let (all, height) = (self.padded.images, self.padded.grid[0]);
        let image = self.padded.image[0] * self.padded.image[1];
        let pixels = pixels.min((all * image).div_ceil(MIN_BANDS));
        let images = (pixels / image).clamp(1, all);
        let parts = if images > 1 { 1 } else { image.div_ceil(pixels).min(height) };
        let lines = height.div_ceil(parts);
        let band = |first_image: usize, first_line: usize| Band {
            first_image,
            images: images.min(all - first_image),
            first_line,
            lines: lines.min(height - first_line),
        };
        let firsts = (0..all).step_by(images);
        firsts.flat_map(|image| (0..height).step_by(lines).map(move |line| band(image, line))).collect()
    }

    /// Patches of one line of the result, with those left out.
    fn pitch(&self) -> usize {
        if self.is_flat() { self.padded.image[1] } else { self.padded.grid[1].next_multiple_of(SIDE) }
    }

    /// Whether patches lie as far from each other across the end of a line as elsewhere.
    fn is_flat(&self) -> bool {
        self.padded.step == [1, 1]
    }

    /// Tiles of so many lines of one image.
    fn tiles_of_image(&self, lines: usize) -> usize {
        ((lines - 1) * self.pitch() + self.padded.grid[1]).div_ceil(SIDE)
    }

    /// Lines of an image that so many lines of the grid need.
    fn source_lines(&self, lines: usize) -> usize {
        (lines - 1) * self.padded.step[0] + self.padded.size[0]
    }

    /// Pixels over which the weight gradient of so many lines of an image is summed, whole steps.
    fn summed_pixels(&self, lines: usize) -> usize {
        (lines * self.pitch()).next_multiple_of(STEP_PIXELS)
    }

    /// The lines of the images beside a band's lines of the result, as far as there are any.
    fn source_of<'s, E>(&self, band: Band, source: &'s [E]) -> &'s [E] {
        let (height, step) = (self.patches.image[0], self.padded.step[0]);
        let line = self.patches.image[1] * self.patches.channels;
        let first = (band.first_image * height + band.first_line * step) * line;
        let end = first + band.images * band.lines * step * line;
        &source[first.min(source.len())..end.min(source.len())]
    }

    /// Rounds some channels of the image lines that a band needs and gives them their border; images begin every `image_len`
    /// numbers in `to`, and what is behind their lines becomes zero.
    fn round<E: Element>(
        &self,
        source: &[E],
        band: Band,
        channels: Range<usize>,
        image_len: usize,
        to: &mut [Bf16],
    ) {
        let border = [0, 1].map(|axis| (self.padded.first[axis] - self.patches.first[axis]) as usize);
        let [height, width] = self.patches.image;
        let all = self.patches.channels;
        let line_len = self.padded.image[1] * channels.len();
        let first_line = band.first_line * self.padded.step[0];
        let lines = self.source_lines(band.lines);
        let (images, beyond) = to.split_at_mut(band.images * image_len);
        beyond.fill(Bf16::ZERO);
        for (image, to) in images.chunks_exact_mut(image_len).enumerate() {
            let (filled, rest) = to.split_at_mut(lines * line_len);
            rest.fill(Bf16::ZERO);
            for (y, to) in filled.chunks_exact_mut(line_len).enumerate() {
                let Some(y) = (first_line + y).checked_sub(border[0]).filter(|&y| y < height) else {
                    to.fill(Bf16::ZERO);
                    continue;
                };
                let line = &source[((band.first_image + image) * height + y) * width * all..][..width * all];
                let (before, rest) = to.split_at_mut(border[1] * channels.len());
                let (inside, after) = rest.split_at_mut(width * channels.len());
                before.fill(Bf16::ZERO);
                after.fill(Bf16::ZERO);
                round_pixels(line, all, channels.clone(), inside);
            }
        }
    }
}

/// Rounds some of the channels of a line's pixels.
fn round_pixels<E: Element>(line: &[E], all: usize, channels: Range<usize>, to: &mut [Bf16]) {
    if channels.len() == all {
        return E::round(line, to);
    }
    for (pixel, to) in line.chunks_exact(all).zip(to.chunks_exact_mut(channels.len())) {
        E::round(&pixel[channels.clone()], to);
    }
}
