//! The product of patches and a weight by lines.

use std::ops::Range;

use pulp::bytemuck::cast_slice_mut;
use rayon::prelude::*;

use super::{Band, Lines};
use crate::ahead::{Ahead, following, region_of};
use crate::bf16::Bf16;
use crate::element::Element;
use crate::epilogue::Epilogue;
use crate::matrix::{LANES, Number, Target};
use crate::parallel::with_buffer;
use crate::patches::Patches;
use crate::tiles::{BLOCK, LeftRows, SIDE, steps_between, stretch_of};

/// Numbers of the images in a band.
const BAND_NUMBERS: usize = 64 * 1024;

/// A product of all patches.
pub(super) struct Product<'a, E> {
    lines: &'a Lines<'a>,
    source: &'a [E],
    /// From [`Patches::pack`].
    packed: &'a [u32],
    epilogue: Epilogue<'a>,
    columns: usize,
    /// The whole depth.
    stretches: Vec<Stretch>,
}

/// A stretch of the depth.
struct Stretch {
    /// Where a tile's rows begin, counted from those of the first tap, and how they go on.
    first: usize,
    steps: Vec<usize>,
    /// The part of the packed weight, and the words of it.
    part: usize,
    depth: Range<usize>,
}

impl<'a, E: Element> Product<'a, E> {
    pub fn new(
        lines: &'a Lines<'a>,
        source: &'a [E],
        packed: &'a [u32],
        epilogue: Epilogue<'a>,
        columns: usize,
    ) -> Product<'a, E> {
        Product { lines, source, packed, epilogue, columns, stretches: stretches(&lines.padded) }
    }

    pub fn fill(&self, out: &mut [E]) {
        let mut bands = Vec::new();
        let mut rest = out;
        for band in self.lines.bands(BAND_NUMBERS / self.lines.padded.channels) {
            let len = band.images * band.lines * self.lines.padded.grid[1] * self.columns;
            let (out, behind) = rest.split_at_mut(len);
            bands.push((band, out));
            rest = behind;
        }
        bands.into_par_iter().for_each(|(band, out)| self.fill_band(band, out));
    }

    fn fill_band(&self, band: Band, out: &mut [E]) {
        let Patches { channels, step, size, image: [_, width], .. } = self.lines.padded;
        let image_len = self.lines.source_lines(band.lines) * width * channels;
        // What the last tile reads beyond the end goes to sums that are left out.
        let beyond = (SIDE * step[1] + size[1]) * channels;
        let starts = self.starts(band, image_len / Bf16::TERMS);
        let next = following(self.lines.source_of(band, self.source));
        let mut ahead = Ahead::new([region_of(out), next]);
        with_buffer((band.images * image_len + beyond) / Bf16::TERMS, |words: &mut [u32]| {
            self.lines.round(self.source, band, 0..channels, image_len, cast_slice_mut(words));
            with_buffer(starts.len() * SIDE * BLOCK, |sums| {
                for column in (0..self.columns).step_by(BLOCK) {
                    self.multiply(words, &starts, column, sums, &mut ahead);
                    self.put(band, column, sums, out);
                }
            });
        });
    }

    /// The word at which each tile of a band begins.
    fn starts(&self, band: Band, image_words: usize) -> Vec<usize> {
        let Patches { channels, step, image: [_, width], .. } = self.lines.padded;
        let pixel = channels / Bf16::TERMS;
        let tiles = 0..self.lines.tiles_of_image(band.lines);
        let of_line = self.lines.pitch() / SIDE;
        let start = |tile: usize| match self.lines.is_flat() {
            true => tile * SIDE,
            false => tile / of_line * step[0] * width + tile % of_line * SIDE * step[1],
        };
        let starts_of =
            |image: usize| tiles.clone().map(move |tile| image * image_words + start(tile) * pixel);
        (0..band.images).flat_map(starts_of).collect()
    }

    /// Computes the [`BLOCK`] columns from `column` on of all tiles.
    fn multiply(&self, words: &[u32], starts: &[usize], column: usize, sums: &mut [f32], ahead: &mut Ahead) {
        let Patches { channels, step, size, .. } = self.lines.padded;
        let stride = step[1] * channels / Bf16::TERMS;
        let depth = self.lines.padded.kernel_rows() * size[1] * channels / Bf16::TERMS;
        let mut target = Target::Overwrite;
        for stretch in &self.stretches {
            let left = LeftRows { words: &words[stretch.first..], stride, steps: &stretch.steps };
            let right = [column, column + LANES].map(|column| {
                let panel = &self.packed[(stretch.part * self.columns + column) * depth..];
                &panel[stretch.depth.start * LANES..stretch.depth.end * LANES]
            });
            self.lines.tiles.multiply_tiles(left, starts, right, sums, target, ahead);
            target = Target::Add;
        }
    }

    /// Writes the results of a block of columns to the rows of `out`.
    fn put(&self, band: Band, column: usize, sums: &[f32], out: &mut [E]) {
        let epilogue = self.epilogue.of_channels(column..column + BLOCK);
        let width = self.lines.padded.grid[1];
        let image_rows = self.lines.tiles_of_image(band.lines) * SIDE;
        for (line, out) in out.chunks_exact_mut(width * self.columns).enumerate() {
            let (image, y) = (line / band.lines, line % band.lines);
            let first = image * image_rows + y * self.lines.pitch();
            let sums = &sums[first * BLOCK..][..width * BLOCK];
            for (sums, out) in sums.chunks_exact(BLOCK).zip(out[column..].chunks_mut(self.columns)) {
                epilogue.put(sums, &mut out[..BLOCK]);
            }
        }
    }
}

fn stretches(padded: &Patches) -> Vec<Stretch> {
    let Patches { channels, size, image: [_, width], .. } = *padded;
    let (pixel, kernel_rows) = (channels / Bf16::TERMS, padded.kernel_rows());
    let stretches_of = |part: usize| {
        let rows = part * kernel_rows..(part + 1) * kernel_rows;
        let taps = rows.flat_map(|row| (0..size[1]).map(move |x| row * width + x));
        let offsets: Vec<usize> =
            taps.flat_map(|tap| (0..pixel).step_by(SIDE).map(move |word| tap * pixel + word)).collect();
        let most = stretch_of(offsets.len());
        let stretch = |(i, offsets): (usize, &[usize])| {
            let start = i * most * SIDE;
            let depth = start..start + offsets.len() * SIDE;
            Stretch { first: offsets[0], steps: steps_between(offsets), part, depth }
        };
        offsets.chunks(most).enumerate().map(stretch).collect::<Vec<_>>()
    };
    (0..size[0] / kernel_rows).flat_map(stretches_of).collect()
}
