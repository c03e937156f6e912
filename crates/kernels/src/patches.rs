//! The patch matrix (im2col) of a batch of images.

use std::ops::Range;

use pulp::bytemuck::cast_slice_mut;
use rayon::prelude::*;

use crate::ahead::Ahead;
use crate::matrix::{LANES, Matrix, Number, Panels, Rows, Target, multiply};
use crate::parallel::with_buffer;

/// Numbers gathered at a time: the patch rows of a block and the weights beside them share the second-level cache.
const BLOCK_ELEMENTS: usize = 96 * 1024;
/// Blocks wanted, so that threads share the work evenly.
const MIN_BLOCKS: usize = 16;
/// Blocks have a multiple of this many rows: whole tiles of every kind of product, and as each block reads the whole weight,
/// fewer would not be worth one.
const BLOCK_STEP: usize = 32;
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

    /// The same patches of images with a border of zeros just so wide that no patch crosses it.
    pub fn with_border(&self) -> Patches {
        let before = self.first.map(|first| first.min(0).unsigned_abs());
        let after = [0, 1].map(|axis| {
            let last =
                (self.step[axis] * (self.grid[axis] - 1) + self.size[axis]) as isize + self.first[axis];
            (last - self.image[axis] as isize).max(0) as usize
        });
        Patches {
            image: [0, 1].map(|axis| before[axis] + self.image[axis] + after[axis]),
            first: [0, 1].map(|axis| self.first[axis] + before[axis] as isize),
            ..*self
        }
    }

    /// Lends `work` the given rows of the patch matrix, restricted to `channels`. Rows that are gathered are filled up with
    /// zeros to a multiple of [`Number::DEPTH_STEP`].
    pub fn with_matrix<N: Number>(
        &self,
        source: &[N],
        rows: Range<usize>,
        channels: Range<usize>,
        work: impl FnOnce(Rows<N>),
    ) {
        if self.is_identity() {
            let data = &source[rows.start * self.channels + channels.start..];
            return work(Rows { data, rows: rows.len(), columns: channels.len(), stride: self.channels });
        }
        let columns = self.size[0] * self.size[1] * channels.len();
        let stride = columns.next_multiple_of(N::DEPTH_STEP);
        with_buffer(rows.len() * stride, |buffer| {
            self.gather(source, rows.start, channels, buffer, stride);
            work(Rows { data: buffer, rows: rows.len(), columns, stride });
        });
    }

    /// Writes the given rows of the patch matrix, restricted to `channels`, to panels.
    pub fn pack_rows<'a, N: Number>(
        &self,
        source: &[N],
        rows: Range<usize>,
        channels: Range<usize>,
        panels: &'a mut [N::Word],
    ) -> Panels<'a, N> {
        let (height, width) = (rows.len(), self.size[0] * self.size[1] * channels.len());
        if self.size == [1, 1] {
            with_buffer(rows.len(), |places| {
                self.fill_places(rows.start, places);
                Panels::pack(&Pixels { source, places, pixel_len: self.channels, channels }, panels);
            });
        } else {
            self.with_matrix(source, rows, channels, |rows| {
                Panels::pack(rows, panels);
            });
        }
        Panels::new(panels, height, width)
    }

    /// The pixels' places in the images, counted over all of them, of patches of one pixel from `first_row` on.
    fn fill_places(&self, first_row: usize, mut places: &mut [usize]) {
        let (mut line, mut first) = (first_row / self.grid[1], first_row % self.grid[1]);
        while !places.is_empty() {
            let (these, rest) = places.split_at_mut((self.grid[1] - first).min(places.len()));
            let image = line / self.grid[0];
            let y = (line % self.grid[0] * self.step[0]) as isize + self.first[0];
            let inside = (0..self.image[0] as isize).contains(&y);
            let line_place = (image * self.image[0]) as isize + y;
            for (i, place) in these.iter_mut().enumerate() {
                let x = ((first + i) * self.step[1]) as isize + self.first[1];
                let inside = inside && (0..self.image[1] as isize).contains(&x);
                *place = if inside { (line_place * self.image[1] as isize + x) as usize } else { OUTSIDE };
            }
            (line, first, places) = (line + 1, 0, rest);
        }
    }

    /// Rows of a block whose patches fit in the cache, fewer where they would make few blocks; a function of the shape
    /// alone.
    pub fn block_rows(&self) -> usize {
        let fitting = (BLOCK_ELEMENTS / self.depth().min(MAX_DEPTH)).clamp(64, 1024);
        let sharing = self.rows().div_ceil(MIN_BLOCKS).next_multiple_of(BLOCK_STEP);
        sharing.min(fitting / BLOCK_STEP * BLOCK_STEP)
    }

    /// Kernel rows that are gathered at a time.
    pub fn kernel_rows(&self) -> usize {
        if self.depth() > MAX_DEPTH { 1 } else { self.size[0] }
    }

    /// Pixels of a patch that are gathered at a time.
    fn part_pixels(&self) -> usize {
        self.kernel_rows() * self.size[1]
    }

    /// Words that [`Patches::pack`] writes.
    pub fn packed_len<N: Number>(&self, columns: usize) -> usize {
        let parts = self.size[0] / self.kernel_rows().max(1);
        parts * Panels::<N>::len(self.part_pixels() * self.channels, columns)
    }

    /// Writes `weight`, `[depth, columns]`, as [`Patches::multiply`] reads it.
    pub fn pack<N: Number>(&self, weight: &[N], columns: usize, packed: &mut [N::Word]) {
        let depth = self.part_pixels() * self.channels;
        let len = Panels::<N>::len(depth, columns);
        let parts = packed.par_chunks_mut(len).zip(weight.par_chunks(depth * columns));
        parts.for_each(|(packed, weight)| {
            Panels::pack_in_parallel(Rows::new(weight, columns), packed);
        });
    }

    /// [`Patches::pack`] of the transposes of several matrices `[columns, channels]`, one for each pixel of a patch.
    pub fn pack_transposes<N: Number>(&self, matrices: &[&[N]], columns: usize, packed: &mut [N::Word]) {
        let (pixels, channels) = (self.part_pixels(), self.channels);
        let len = Panels::<N>::len(pixels * channels, columns);
        let parts = packed.par_chunks_mut(len).zip(matrices.par_chunks(pixels));
        parts.for_each(|(packed, matrices)| {
            let panel_len = Panels::<N>::len(pixels * channels, LANES);
            packed.par_chunks_mut(panel_len).enumerate().for_each(|(i, panel)| {
                let these = i * LANES * channels..columns.min((i + 1) * LANES) * channels;
                let rows = matrices.iter().map(|matrix| Rows::new(&matrix[these.clone()], channels));
                transpose_to_panel(&rows.collect::<Vec<_>>(), panel);
            });
        });
    }

    /// The product of `rows` of the patch matrix and a weight from [`Patches::pack`].
    pub fn multiply<N: Number>(
        &self,
        source: &[N],
        rows: Range<usize>,
        packed: &[N::Word],
        out: &mut [f32],
        target: Target,
        ahead: &mut Ahead,
    ) {
        let (columns, kernel_rows) = (out.len() / rows.len(), self.kernel_rows());
        let depth = kernel_rows * self.size[1] * self.channels;
        for (i, panels) in packed.chunks_exact(Panels::<N>::len(depth, columns)).enumerate() {
            let part = self.part(i * kernel_rows..(i + 1) * kernel_rows, 0..self.size[1]);
            let target = if i == 0 { target } else { Target::Add };
            part.with_matrix(source, rows.clone(), 0..self.channels, |patches| {
                let filled = depth.next_multiple_of(N::DEPTH_STEP);
                // The zeros behind gathered rows belong to the operand.
                let columns_of_patches = if patches.stride == filled { filled } else { depth };
                let patches = Rows { columns: columns_of_patches, ..patches };
                multiply(out, target, patches, Panels::new(panels, depth, columns), ahead);
            });
        }
    }

    /// Fills `out` with the patch rows from `first_row` on, one every `stride` numbers, grid line by grid line.
    fn gather<N: Number>(
        &self,
        source: &[N],
        first_row: usize,
        channels: Range<usize>,
        mut out: &mut [N],
        stride: usize,
    ) {
        let run_len = self.size[1] * channels.len();
        let patch_len = self.size[0] * run_len;
        let line_len = self.image[1] * self.channels;
        let (mut line, mut first) = (first_row / self.grid[1], first_row % self.grid[1]);
        while !out.is_empty() {
            let patches = (self.grid[1] - first).min(out.len() / stride);
            let (these, rest) = out.split_at_mut(patches * stride);
            let (image, top) =
                (line / self.grid[0], (line % self.grid[0] * self.step[0]) as isize + self.first[0]);
            for row in 0..self.size[0] {
                let runs = these.chunks_exact_mut(stride).map(|patch| &mut patch[row * run_len..][..run_len]);
                match usize::try_from(top + row as isize) {
                    Ok(y) if y < self.image[0] => {
                        let source = &source[(image * self.image[0] + y) * line_len..][..line_len];
                        self.gather_runs(source, first, channels.clone(), runs);
                    }
                    _ => runs.for_each(|run| run.fill(N::zeroed())),
                }
            }
            if patch_len < stride {
                these.chunks_exact_mut(stride).for_each(|patch| patch[patch_len..].fill(N::zeroed()));
            }
            (line, first, out) = (line + 1, 0, rest);
        }
    }

    /// Fills the runs of the patches from grid column `first` on with their pixels of one image line.
    fn gather_runs<'o, N: Number>(
        &self,
        line: &[N],
        first: usize,
        channels: Range<usize>,
        runs: impl Iterator<Item = &'o mut [N]>,
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
    fn gather_clipped_run<N: Number>(&self, line: &[N], left: isize, channels: Range<usize>, run: &mut [N]) {
        for (column, to) in run.chunks_exact_mut(channels.len()).enumerate() {
            match usize::try_from(left + column as isize) {
                Ok(x) if x < self.image[1] => {
                    to.copy_from_slice(&line[x * self.channels..][channels.clone()]);
                }
                _ => to.fill(N::zeroed()),
            }
        }
    }
}

/// The place of a pixel that lies outside of its image.
const OUTSIDE: usize = usize::MAX;

/// Some channels of pixels anywhere.
struct Pixels<'a, N> {
    source: &'a [N],
    places: &'a [usize],
    pixel_len: usize,
    channels: Range<usize>,
}

impl<N: Number> Matrix<N> for &Pixels<'_, N> {
    fn rows(&self) -> usize {
        self.places.len()
    }

    fn columns(&self) -> usize {
        self.channels.len()
    }

    #[inline(always)]
    fn row(&self, index: usize) -> Option<&[N]> {
        let place = self.places[index];
        (place != OUTSIDE).then(|| &self.source[place * self.pixel_len..][self.channels.clone()])
    }
}

/// Writes the transposes of matrices of at most [`LANES`] rows, one below the other, as one panel; what is beyond the
/// matrices is zeros.
pub(crate) fn transpose_to_panel<N: Number>(matrices: &[Rows<N>], panel: &mut [N::Word]) {
    let len = matrices.iter().map(|matrix| matrix.columns * LANES).sum();
    if N::TERMS == 1 {
        return transpose_to_lines(matrices, cast_slice_mut(panel));
    }
    with_buffer(len, |lines| {
        transpose_to_lines(matrices, lines);
        Panels::pack(Rows::new(lines, LANES), panel);
    });
}

fn transpose_to_lines<N: Number>(matrices: &[Rows<N>], mut lines: &mut [N]) {
    /// Columns read at a time: a cache line of each row.
    const BLOCK: usize = 16;
    for matrix in matrices {
        let (these, rest) = lines.split_at_mut(matrix.columns * LANES);
        if matrix.rows < LANES {
            these.fill(N::zeroed());
        }
        for (block, lines) in these.chunks_mut(BLOCK * LANES).enumerate() {
            for lane in 0..matrix.rows {
                let row = &matrix.data[lane * matrix.stride + block * BLOCK..];
                for (line, &x) in lines.chunks_exact_mut(LANES).zip(row) {
                    line[lane] = x;
                }
            }
        }
        lines = rest;
    }
}
