//! The weight gradient by lines.

use std::ops::Range;

use rayon::prelude::*;

use super::{Band, Lines, STEP_PIXELS};
use crate::ahead::{Ahead, NOWHERE, following};
use crate::bf16::Bf16;
use crate::element::Element;
use crate::matrix::{Number, Panels, Rows, Target};
use crate::parallel::{add_in_order, with_buffer};
use crate::patches::Patches;
use crate::tiles::{BLOCK, LeftRows, SIDE, steps_between};

/// Pixels of the images in a band.
const BAND_PIXELS: usize = 2048;
/// Tasks wanted, so that threads share the work evenly.
const MIN_TASKS: usize = 32;
/// Sums that a task may have: they stay in the second-level cache.
const MAX_SUMS: usize = 160 * 1024;

/// A weight gradient as tasks that have some bands and some input channels.
pub(super) struct WeightGrad<'a, E> {
    lines: &'a Lines<'a>,
    x: &'a [E],
    dy: &'a [E],
    bands: Vec<Band>,
    /// Output channels.
    columns: usize,
    taps: usize,
    /// Input channels of a task.
    block: usize,
}

impl<'a, E: Element> WeightGrad<'a, E> {
    pub fn new(lines: &'a Lines<'a>, x: &'a [E], dy: &'a [E]) -> WeightGrad<'a, E> {
        let Patches { channels, size, .. } = lines.padded;
        let columns = dy.len() / lines.patches.rows();
        let taps = size[0] * size[1];
        // A divisor of the channels, and whole tiles.
        let fits = |block: &usize| channels.is_multiple_of(*block) && taps * block * columns <= MAX_SUMS;
        let block = (1..=channels / BLOCK).rev().map(|tiles| tiles * BLOCK).find(fits).unwrap_or(BLOCK);
        WeightGrad { lines, x, dy, bands: lines.bands(BAND_PIXELS), columns, taps, block }
    }

    pub fn fill(&self, dw: &mut [f32]) {
        if self.is_whole() {
            self.fill_from(dw, |band, work| self.with_panels(self.bands[band], work));
        } else {
            self.with_all_panels(|panels| self.fill_from(dw, |band, work| work(panels[band])));
        }
    }

    /// Whether a task has all input channels, so that no other needs its bands.
    fn is_whole(&self) -> bool {
        self.block == self.lines.padded.channels
    }

    /// Computes all tasks; `lend` gives the panels of a band's output gradient.
    fn fill_from(&self, dw: &mut [f32], lend: impl Fn(usize, &mut dyn FnMut(Panels<Bf16>)) + Sync) {
        let blocks = self.lines.padded.channels / self.block;
        let bands_of_part = self.bands.len().div_ceil(MIN_TASKS.div_ceil(blocks));
        let parts = self.bands.len().div_ceil(bands_of_part);
        let len = self.taps * self.block * self.columns;
        with_buffer(blocks * parts * len, |sums: &mut [f32]| {
            sums.par_chunks_exact_mut(len).enumerate().for_each(|(task, sums)| {
                let (part, first) = (task % parts, task / parts * self.block);
                let bands = part * bands_of_part..self.bands.len().min((part + 1) * bands_of_part);
                let mut target = Target::Overwrite;
                for band in bands {
                    lend(band, &mut |panels| {
                        self.add_band(self.bands[band], first..first + self.block, panels, sums, target);
                    });
                    target = Target::Add;
                }
            });
            add_parts(sums, [parts, self.taps, self.block * self.columns], dw);
        });
    }

    /// Lends `work` a band's output gradient, rounded, on lines as long as those of the images with their border.
    fn with_panels(&self, band: Band, work: &mut dyn FnMut(Panels<Bf16>)) {
        with_buffer(self.panels_len(band), |words| work(self.pack(band, words)));
    }

    /// [`WeightGrad::with_panels`] of all bands.
    fn with_all_panels(&self, work: impl FnOnce(&[Panels<Bf16>])) {
        let len = self.bands.iter().map(|&band| self.panels_len(band)).max().unwrap_or(0);
        with_buffer(self.bands.len() * len, |words: &mut [u32]| {
            let words = words.par_chunks_exact_mut(len).zip(&self.bands);
            let panels = words.map(|(words, &band)| self.pack(band, &mut words[..self.panels_len(band)]));
            work(&panels.collect::<Vec<_>>());
        });
    }

    /// Pixels over which a band is summed.
    fn rows(&self, band: Band) -> usize {
        band.images * self.lines.summed_pixels(band.lines)
    }

    fn panels_len(&self, band: Band) -> usize {
        Panels::<Bf16>::len(self.rows(band), self.columns)
    }

    fn pack<'w>(&self, band: Band, words: &'w mut [u32]) -> Panels<'w, Bf16> {
        with_buffer(self.rows(band) * self.columns, |rounded: &mut [Bf16]| {
            self.round_output(band, rounded);
            Panels::pack(Rows::new(rounded, self.columns), words)
        })
    }

    fn round_output(&self, band: Band, to: &mut [Bf16]) {
        let (pitch, width) = (self.lines.pitch() * self.columns, self.lines.padded.grid[1] * self.columns);
        let image_len = self.lines.summed_pixels(band.lines) * self.columns;
        let mut lines_of_dy = self.output_of(band).chunks_exact(width);
        for to in to.chunks_exact_mut(image_len) {
            let (lines, rest) = to.split_at_mut(band.lines * pitch);
            rest.fill(Bf16::ZERO);
            for (to, dy) in lines.chunks_exact_mut(pitch).zip(&mut lines_of_dy) {
                let (inside, after) = to.split_at_mut(width);
                E::round(dy, inside);
                after.fill(Bf16::ZERO);
            }
        }
    }

    fn output_of(&self, band: Band) -> &[E] {
        let [height, width] = self.lines.padded.grid;
        let line = width * self.columns;
        let first = (band.first_image * height + band.first_line) * line;
        &self.dy[first..first + band.images * band.lines * line]
    }

    /// Adds a band's share of the gradient of some input channels to `sums`, `[taps, channels, columns]`.
    fn add_band(
        &self,
        band: Band,
        channels: Range<usize>,
        dy: Panels<Bf16>,
        sums: &mut [f32],
        target: Target,
    ) {
        let Patches { size, image: [_, width], .. } = self.lines.padded;
        let (count, summed) = (channels.len(), self.lines.summed_pixels(band.lines));
        // As far as the last tap reads.
        let reach = (size[0] - 1) * width + size[1] + summed;
        let pixels = reach.next_multiple_of(STEP_PIXELS);
        // Rows that begin an odd number of tiles apart do not meet in the cache.
        let stride = ((band.images * pixels / STEP_PIXELS) | 1) * SIDE;
        let places = (0..summed / Bf16::TERMS).step_by(SIDE);
        let offsets_of = |image: usize| places.clone().map(move |word| image * pixels / Bf16::TERMS + word);
        let steps = &steps_between(&(0..band.images).flat_map(offsets_of).collect::<Vec<_>>());
        let mut ahead = self.ahead(band, dy);
        // One pixel more for the pairs that begin with an odd pixel.
        with_buffer((band.images * pixels + 1) * count, |rounded: &mut [Bf16]| {
            self.lines.round(self.x, band, channels, pixels * count, rounded);
            with_buffer(2 * count * stride, |turned: &mut [u32]| {
                let (even, odd) = turned.split_at_mut(count * stride);
                let len = band.images * pixels * count;
                self.lines.tiles.transpose_pixels(&rounded[..len], count, even, stride);
                self.lines.tiles.transpose_pixels(&rounded[count..], count, odd, stride);
                for (tap, sums) in sums.chunks_exact_mut(count * self.columns).enumerate() {
                    let first = tap / size[1] * width + tap % size[1];
                    let words = if first.is_multiple_of(2) { &*even } else { &*odd };
                    let left = LeftRows { words, stride, steps };
                    self.lines.tiles.multiply_rows(left, first / 2, dy, sums, target, &mut ahead);
                }
            });
        });
    }

    /// What the next band needs: its lines, unless it reads but some of their channels, and its gradient.
    fn ahead(&self, band: Band, dy: Panels<Bf16>) -> Ahead {
        if self.is_whole() {
            Ahead::new([following(self.lines.source_of(band, self.x)), following(self.output_of(band))])
        } else {
            Ahead::new([following(dy.data), NOWHERE])
        }
    }
}

/// `dw`, `[taps, channels, columns]`, from sums `[blocks of channels, parts, taps, block]`, parts added in their order.
fn add_parts(sums: &[f32], [parts, taps, block]: [usize; 3], dw: &mut [f32]) {
    let blocks = sums.len() / (parts * taps * block);
    dw.par_chunks_exact_mut(block).enumerate().for_each(|(i, dw)| {
        let (tap, place) = (i / blocks, i % blocks);
        let sum = |part: usize| &sums[((place * parts + part) * taps + tap) * block..][..block];
        add_in_order(dw, (0..parts).map(sum));
    });
}
