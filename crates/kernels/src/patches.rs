//! The patch matrix (im2col) of a batch of images.

use std::ops::Range;

use rayon::prelude::*;

use crate::matrix::{LANES, Panels, Rows, Target, multiply};
use crate::parallel::with_buffer;
use crate::shape::Precision;

/// Numbers gathered at a time: the patch rows of a block and the weights beside them share the second-level cache.
const BLOCK_ELEMENTS: usize = 96 * 1024;
/// Blocks wanted, so that threads share the work evenly.
const MIN_BLOCKS: usize = 16;
/// Fewer rows than this are not worth a block of their own: each reads the whole weight.
const MIN_BLOCK_ROWS: usize = 32;
/// Patches longer than this are gathered kernel row by kernel row.
const MAX_DEPTH: usize = 1024;

/// A grid of rectangular patches over images `[images, height, width, channels]`.
///
/// Row `(image, g, h)` of the patch matrix holds the pixels `first + step * (g, h) + (0..size)` of that image,
/// `[size_height, size_width, channels]`, with zeros for pixels outside of it.
#[derive(Clone, Copy)]
pub(crate) struct Patches {
    pub images: usize,
    pub image: [usize; 2],
    pub channels: usize,
    pub grid: [usize; 2],
    pub step: [usize; 2],
    pub first: [isize; 2],
    pub size: [usize; 2],
    /// What products of the patch matrix multiply.
    pub precision: Precision,
}

impl Patches {
    /// Rows of the patch matrix.
    pub fn rows(&self) -> usize {
        self.images * self.grid[0] * self.grid[1]
    }

    /// Columns of the patch matrix.
    pub fn depth(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    /// The patches reduced to `rows` and `columns` of their pixels.
    pub fn part(&self, rows: Range<usize>, columns: Range<usize>) -> Patches {
        let first = [self.first[0] + rows.start as isize, self.first[1] + columns.start as isize];
        Patches { first, size: [rows.len(), columns.len()], ..*self }
    }

    /// Whether each patch is the pixel of its own grid position, so that the images are the patch matrix.
    fn is_identity(&self) -> bool {
        self.size == [1, 1] && self.first == [0, 0] && self.step == [1, 1] && self.grid == self.image
    }

    /// Lends `work` the given rows of the patch matrix, restricted to `channels`.
    pub fn with_matrix(
        &self,
        source: &[f32],
        rows: Range<usize>,
        channels: Range<usize>,
        work: impl FnOnce(Rows),
    ) {
        if self.is_identity() {
            let data = &source[rows.start * self.channels + channels.start..];
            return work(Rows { data, rows: rows.len(), columns: channels.len(), stride: self.channels });
        }
        let columns = self.size[0] * self.size[1] * channels.len();
        with_buffer(rows.len() * columns, |buffer| {
            self.gather(source, rows.start, channels, buffer);
            work(Rows::new(buffer, columns));
        });
    }

    /// Rows of a block whose patches fit in the cache, fewer where they would make few blocks; a function of the shape
    /// alone.
    pub fn block_rows(&self) -> usize {
        let fitting = (BLOCK_ELEMENTS / self.depth().min(MAX_DEPTH)).clamp(64, 1024);
        fitting.min(self.rows().div_ceil(MIN_BLOCKS).max(MIN_BLOCK_ROWS))
    }

    /// Kernel rows that are gathered at a time.
    fn kernel_rows(&self) -> usize {
        if self.depth() > MAX_DEPTH { 1 } else { self.size[0] }
    }

    /// Pixels of a patch that are gathered at a time.
    fn part_pixels(&self) -> usize {
        self.kernel_rows() * self.size[1]
    }

    /// Numbers that [`Patches::pack`] writes.
    pub fn packed_len(&self, columns: usize) -> usize {
        Panels::len(self.depth(), columns)
    }

    /// Writes `weight`, `[depth, columns]`, as [`Patches::multiply`] reads it.
    pub fn pack(&self, weight: &[f32], columns: usize, packed: &mut [f32]) {
        let depth = self.part_pixels() * self.channels;
        let parts =
            packed.par_chunks_mut(Panels::len(depth, columns)).zip(weight.par_chunks(depth * columns));
        parts.for_each(|(packed, weight)| {
            Panels::pack_in_parallel(Rows::new(weight, columns), packed);
        });
    }

    /// [`Patches::pack`] of the transposes of several matrices `[columns, channels]`, one for each pixel of a patch.
    pub fn pack_transposes(&self, matrices: &[&[f32]], columns: usize, packed: &mut [f32]) {
        let (pixels, channels) = (self.part_pixels(), self.channels);
        let panel_len = pixels * channels * LANES;
        let parts =
            packed.par_chunks_mut(Panels::len(pixels * channels, columns)).zip(matrices.par_chunks(pixels));
        parts.for_each(|(packed, matrices)| {
            packed.par_chunks_mut(panel_len).enumerate().for_each(|(i, panel)| {
                let these = i * LANES * channels..columns.min((i + 1) * LANES) * channels;
                for (lines, matrix) in panel.chunks_exact_mut(channels * LANES).zip(matrices) {
                    transpose_to_lines(&matrix[these.clone()], channels, lines);
                }
            });
        });
    }

    /// The product of `rows` of the patch matrix and a weight from [`Patches::pack`].
    pub fn multiply(
        &self,
        source: &[f32],
        rows: Range<usize>,
        packed: &[f32],
        out: &mut [f32],
        target: Target,
    ) {
        let (columns, kernel_rows) = (out.len() / rows.len(), self.kernel_rows());
        let depth = kernel_rows * self.size[1] * self.channels;
        for (i, panels) in packed.chunks_exact(Panels::len(depth, columns)).enumerate() {
            let part = self.part(i * kernel_rows..(i + 1) * kernel_rows, 0..self.size[1]);
            let target = if i == 0 { target } else { Target::Add };
            part.with_matrix(source, rows.clone(), 0..self.channels, |patches| {
                multiply(out, target, self.precision, patches, Panels::new(panels, depth, columns));
            });
        }
    }

    /// Fills `out` with the patch rows from `first_row` on, grid line by grid line.
    fn gather(&self, source: &[f32], first_row: usize, channels: Range<usize>, mut out: &mut [f32]) {
        let run_len = self.size[1] * channels.len();
        let patch_len = self.size[0] * run_len;
        let line_len = self.image[1] * self.channels;
        let (mut line, mut first) = (first_row / self.grid[1], first_row % self.grid[1]);
        while !out.is_empty() {
            let patches = (self.grid[1] - first).min(out.len() / patch_len);
            let (these, rest) = out.split_at_mut(patches * patch_len);
            let (image, top) =
                (line / self.grid[0], (line % self.grid[0] * self.step[0]) as isize + self.first[0]);
            for row in 0..self.size[0] {
                let runs =
                    these.chunks_exact_mut(patch_len).map(|patch| &mut patch[row * run_len..][..run_len]);
                match usize::try_from(top + row as isize) {
                    Ok(y) if y < self.image[0] => {
                        let source = &source[(image * self.image[0] + y) * line_len..][..line_len];
                        self.gather_runs(source, first, channels.clone(), runs);
                    }
                    _ => runs.for_each(|run| run.fill(0.0)),
                }
            }
            (line, first, out) = (line + 1, 0, rest);
        }
    }

    /// Fills the runs of the patches from grid column `first` on with their pixels of one image line.
    fn gather_runs<'o>(
        &self,
        line: &[f32],
        first: usize,
        channels: Range<usize>,
        runs: impl Iterator<Item = &'o mut [f32]>,
    ) {
        let (columns, width) = (self.size[1], self.image[1]);
        let all_channels = channels.len() == self.channels;
        for (i, run) in runs.enumerate() {
            let left = ((first + i) * self.step[1]) as isize + self.first[1];
            match usize::try_from(left) {
                Ok(left) if all_channels && left + columns <= width => {
                    run.copy_from_slice(&line[left * self.channels..][..run.len()]);
                }
                _ => self.gather_clipped_run(line, left, channels.clone(), run),
            }
        }
    }

    /// Fills `run` with the pixels `left..left + size[1]` of one image line, some of which may lie outside of it.
    fn gather_clipped_run(&self, line: &[f32], left: isize, channels: Range<usize>, run: &mut [f32]) {
        for (column, to) in run.chunks_exact_mut(channels.len()).enumerate() {
            match usize::try_from(left + column as isize) {
                Ok(x) if x < self.image[1] => {
                    to.copy_from_slice(&line[x * self.channels..][channels.clone()]);
                }
                _ => to.fill(0.0),
            }
        }
    }
}

/// Writes the transpose of `matrix`, at most [`LANES`] rows of `columns` numbers, as lines of [`LANES`] numbers; those
/// beyond the matrix are zeros.
pub(crate) fn transpose_to_lines(matrix: &[f32], columns: usize, lines: &mut [f32]) {
    /// Columns read at a time: a cache line of each row.
    const BLOCK: usize = 16;
    if matrix.len() < LANES * columns {
        lines.fill(0.0);
    }
    for (block, lines) in lines.chunks_mut(BLOCK * LANES).enumerate() {
        let width = lines.len() / LANES;
        for (lane, row) in matrix.chunks_exact(columns).enumerate() {
            let row = &row[block * BLOCK..][..width];
            for (line, &x) in lines.chunks_exact_mut(LANES).zip(row) {
                line[lane] = x;
            }
        }
    }
}
