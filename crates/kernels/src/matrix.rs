//! Matrix products that keep a tile of the result in registers.
//!
//! The right operand comes in panels of [`LANES`] columns, one row of a panel after the other, so that a tile of
//! [`TILE_ROWS`] rows reads it from one end to the other and each number of the left operand is read where it lies.
//! The terms of an element are added in order of depth, [`max_depth`] at a time: its value depends on its row and its
//! column alone.
//!
//! What is multiplied, a [`Number`], is single precision or bf16, whose operands are pairs of neighbours in depth.

use std::ops::Range;

use multiversion::multiversion;
use pulp::bytemuck::{Pod, Zeroable};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::ahead::{Ahead, FAR, LINE, NEAR, NOWHERE, fetch, region_of};
use crate::shape::assert_len;

/// Columns of a panel: a cache line of single precision.
pub(crate) const LANES: usize = 16;
/// Rows of the result that are summed together. With one panel of two AVX registers, or four of one AVX-512 register,
/// the sums and what they need fill the registers.
const TILE_ROWS: usize = 6;
/// Depth that is summed at a time with so many panels: they stay in the first-level cache, and sums of sums round less than
/// one long sum.
const fn max_depth(panels: usize) -> usize {
    if panels == 1 { 256 } else { 64 }
}

/// What a product multiplies: single precision, or [`Bf16`](crate::bf16::Bf16).
pub(crate) trait Number: Pod + Send + Sync {
    /// What is multiplied in one place of a vector: numbers that are neighbours in depth.
    type Word: Pod + Send + Sync;
    /// As many words as a vector has places.
    type Vector<S: Simd>: Copy;
    /// Numbers in a word.
    const TERMS: usize;
    /// Operands are filled up with zeros to a multiple of this many numbers in depth.
    const DEPTH_STEP: usize;
    /// A line of zeros.
    const ZEROS: &[Self; LANES];

    /// The words of some columns; `line` gives the numbers of each of [`Number::TERMS`] neighbours in depth.
    fn fill_words<'a>(line: impl Fn(usize) -> &'a [Self], words: &mut [Self::Word]);

    /// Lends `work` rows as a left operand.
    fn with_left(rows: Rows<Self>, work: impl FnOnce(Left<Self>));

    /// The words as vectors.
    fn vectors<S: Simd>(words: &[Self::Word]) -> &[Self::Vector<S>];

    /// The word in every place.
    fn splat<S: Simd>(simd: S, word: Self::Word) -> Self::Vector<S>;

    /// Computes a product with the best instructions of this machine.
    fn run(product: Product<'_, Self>);
}

/// Words of an operand that is `depth` numbers deep.
pub(crate) fn words<N: Number>(depth: usize) -> usize {
    depth.next_multiple_of(N::DEPTH_STEP) / N::TERMS
}

/// Lines of memory fetched between two jumps: with four panels, more than a tile reads of its left operand.
const FETCHED: usize = 2;

/// Lines of a panel of so many vectors added between two jumps.
const fn unrolled(vectors: usize) -> usize {
    if vectors <= 2 { 4 } else { 1 }
}

/// A matrix whose rows are contiguous and start every `stride` numbers.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, N = f32> {
    pub data: &'a [N],
    pub rows: usize,
    pub columns: usize,
    pub stride: usize,
}

impl<'a, N: Number> Rows<'a, N> {
    /// A matrix whose rows follow each other.
    pub fn new(data: &'a [N], columns: usize) -> Rows<'a, N> {
        Rows { data, rows: data.len() / columns, columns, stride: columns }
    }
}

/// What panels are packed from.
pub(crate) trait Matrix<N>: Copy + Sync {
    fn rows(&self) -> usize;

    fn columns(&self) -> usize;

    /// A row, or `None` if it is zeros.
    fn row(&self, index: usize) -> Option<&[N]>;
}

impl<N: Number> Matrix<N> for Rows<'_, N> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }

    #[inline(always)]
    fn row(&self, index: usize) -> Option<&[N]> {
        Some(&self.data[index * self.stride..][..self.columns])
    }
}

/// Panels that are written beside each other: a row is read some lines of memory at a time.
const PACKED: usize = 4;

/// Writes the panels of a matrix from panel number `first` on.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn copy_panels<N: Number, M: Matrix<N>>(matrix: M, first: usize, panels: &mut [N::Word]) {
    let len = Panels::<N>::len(matrix.rows(), LANES);
    for (i, panels) in panels.chunks_mut(PACKED * len).enumerate() {
        for line in 0..len / LANES {
            for (j, panel) in panels.chunks_exact_mut(len).enumerate() {
                let column = (first + i * PACKED + j) * LANES;
                copy_line(matrix, line, column, &mut panel[line * LANES..][..LANES]);
            }
        }
    }
}

/// Writes the words of a line of the panel that starts at a column.
#[inline(always)]
fn copy_line<N: Number, M: Matrix<N>>(matrix: M, line: usize, column: usize, words: &mut [N::Word]) {
    let width = LANES.min(matrix.columns() - column);
    let numbers = |term: usize| {
        let index = line * N::TERMS + term;
        let row = if index < matrix.rows() { matrix.row(index) } else { None };
        match row {
            Some(row) => &row[column..][..width],
            None => &N::ZEROS[..width],
        }
    };
    if width == LANES {
        N::fill_words(numbers, words);
    } else {
        N::fill_words(numbers, &mut words[..width]);
        words[width..].fill(N::Word::zeroed());
    }
}

/// A matrix `[depth, columns]` in panels of words: `[columns / LANES, depth, LANES]`, the last one filled with zeros.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a, N: Number = f32> {
    pub data: &'a [N::Word],
    /// In words.
    pub depth: usize,
    pub columns: usize,
}

impl<'a, N: Number> Panels<'a, N> {
    /// What [`Panels::pack`] wrote, or the like, of a matrix of `depth` rows.
    pub fn new(data: &'a [N::Word], depth: usize, columns: usize) -> Panels<'a, N> {
        assert_len("the panels of a matrix", data.len(), Panels::<N>::len(depth, columns));
        Panels { data, depth: words::<N>(depth), columns }
    }

    /// Words in the panels of a matrix of `depth` rows.
    pub fn len(depth: usize, columns: usize) -> usize {
        words::<N>(depth) * columns.next_multiple_of(LANES)
    }

    /// Writes a matrix to panels.
    pub fn pack(matrix: impl Matrix<N>, panels: &'a mut [N::Word]) -> Panels<'a, N> {
        copy_panels(matrix, 0, panels);
        Panels::new(panels, matrix.rows(), matrix.columns())
    }

    /// [`Panels::pack`] by all threads.
    pub fn pack_in_parallel(matrix: Rows<N>, panels: &'a mut [N::Word]) -> Panels<'a, N> {
        let len = Panels::<N>::len(matrix.rows, LANES);
        panels
            .par_chunks_mut(PACKED * len)
            .enumerate()
            .for_each(|(i, panels)| copy_panels(matrix, i * PACKED, panels));
        Panels::new(panels, matrix.rows, matrix.columns)
    }

    /// Some columns, of which the first begins a panel.
    pub fn columns(&self, columns: Range<usize>) -> Panels<'a, N> {
        let end = columns.end.next_multiple_of(LANES);
        let data = &self.data[columns.start * self.depth..end * self.depth];
        Panels { data, depth: self.depth, columns: columns.len() }
    }

    /// A stretch of the depth of the panel that starts at a column.
    pub fn part(&self, column: usize, depth: Range<usize>) -> &'a [N::Word] {
        let panel = &self.data[column * self.depth..];
        &panel[depth.start * LANES..depth.end * LANES]
    }
}

/// The place of a column's word in a line of panels of `depth` words.
#[inline(always)]
pub(crate) fn place(depth: usize, line: usize, column: usize) -> usize {
    column / LANES * LANES * depth + line * LANES + column % LANES
}

/// What a product does with the numbers already there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// `out = a b`; the old contents are not read.
    Overwrite,
    /// `out = out + a b`.
    Add,
}

/// The product of `left` and `right` on the current thread, to the contiguous rows of `out`; meanwhile what is `ahead` is
/// fetched.
pub(crate) fn multiply<N: Number>(
    out: &mut [f32],
    target: Target,
    left: Rows<N>,
    right: Panels<N>,
    ahead: &mut Ahead,
) {
    N::with_left(left, |left| left.multiply(out, target, right, ahead));
}

/// The product of the transpose of `left`, `[depth, rows]`, and `right`, as [`multiply`].
pub(crate) fn multiply_transposed<N: Number>(
    out: &mut [f32],
    target: Target,
    left: Panels<N>,
    right: Panels<N>,
    ahead: &mut Ahead,
) {
    let Panels { data, depth, columns: rows } = left;
    Left { data, rows, depth, stride: LANES, transposed: true }.multiply(out, target, right, ahead);
}

/// A left operand, `[rows, depth]` in words: rows that start every `stride` words, or if it is transposed, panels whose
/// columns are its rows.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a, N: Number> {
    pub data: &'a [N::Word],
    pub rows: usize,
    pub depth: usize,
    pub stride: usize,
    pub transposed: bool,
}

impl<N: Number> Left<'_, N> {
    fn multiply(self, out: &mut [f32], target: Target, right: Panels<N>, ahead: &mut Ahead) {
        assert_eq!(self.depth, right.depth, "the inner sizes of a product differ");
        assert_len("a product", out.len(), self.rows * right.columns);
        if !out.is_empty() {
            N::run(Product { out, target, left: self, right, ahead });
        }
    }
}

/// How numbers are multiplied, a vector at a time.
pub(crate) trait Step: Copy {
    /// What operands are made of.
    type Number: Number;

    /// `sum` and the products of `left` and `right`.
    fn add_products<S: Simd>(simd: S, left: Vector<Self, S>, right: Vector<Self, S>, sum: S::f32s)
    -> S::f32s;
}

/// What a step multiplies.
type Vector<T, S> = <<T as Step>::Number as Number>::Vector<S>;

impl Number for f32 {
    type Word = f32;
    type Vector<S: Simd> = S::f32s;
    const TERMS: usize = 1;
    const DEPTH_STEP: usize = 1;
    const ZEROS: &[f32; LANES] = &[0.0; LANES];

    #[inline(always)]
    fn fill_words<'a>(line: impl Fn(usize) -> &'a [f32], words: &mut [f32]) {
        words.copy_from_slice(line(0));
    }

    fn with_left(rows: Rows, work: impl FnOnce(Left<f32>)) {
        let Rows { data, rows, columns: depth, stride } = rows;
        work(Left { data, rows, depth, stride, transposed: false });
    }

    #[inline(always)]
    fn vectors<S: Simd>(words: &[f32]) -> &[S::f32s] {
        S::as_simd_f32s(words).0
    }

    #[inline(always)]
    fn splat<S: Simd>(simd: S, word: f32) -> S::f32s {
        simd.splat_f32s(word)
    }

    fn run(product: Product<'_, f32>) {
        pulp::Arch::new().dispatch(BySteps(product, MultiplyAdd));
    }
}

/// One multiply-add.
#[derive(Clone, Copy)]
struct MultiplyAdd;

impl Step for MultiplyAdd {
    type Number = f32;

    #[inline(always)]
    fn add_products<S: Simd>(simd: S, left: S::f32s, right: S::f32s, sum: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(left, right, sum)
    }
}

pub(crate) struct Product<'a, N: Number> {
    pub out: &'a mut [f32],
    pub target: Target,
    pub left: Left<'a, N>,
    pub right: Panels<'a, N>,
    pub ahead: &'a mut Ahead,
}

/// A product and how its numbers are multiplied.
pub(crate) struct BySteps<'a, T: Step>(pub Product<'a, T::Number>, pub T);

impl<T: Step> WithSimd for BySteps<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.0.run::<S, T, 1, 4>(simd),
            8 => self.0.run::<S, T, 2, 1>(simd),
            4 => self.0.run::<S, T, 4, 1>(simd),
            _ => self.0.run::<pulp::Scalar, T, LANES, 1>(pulp::Scalar),
        }
    }
}

/// Sums of a tile: rows, panels, vectors of a panel.
type Sums<S, const V: usize, const P: usize, const R: usize> = [[[<S as Simd>::f32s; V]; P]; R];

/// Columns of a product, and a stretch of its depth.
struct Columns<'a, N: Number, const P: usize> {
    first: usize,
    /// Where the stretch starts.
    start: usize,
    panels: [&'a [N::Word]; P],
    /// The panels that are read after these.
    next: Ahead<P>,
}

impl<N: Number> Product<'_, N> {
    /// The whole product with panels of `V` vectors, `P` panels at a time.
    #[inline(always)]
    pub fn run<S: Simd, T: Step<Number = N>, const V: usize, const P: usize>(mut self, simd: S) {
        let step = max_depth(P) / N::TERMS;
        for start in (0..self.left.depth).step_by(step) {
            let depth = start..self.left.depth.min(start + step);
            let mut column = 0;
            while column + P * LANES <= self.right.columns {
                self.fill_columns::<S, T, V, P>(simd, depth.clone(), column);
                column += P * LANES;
            }
            while column < self.right.columns {
                self.fill_columns::<S, T, V, 1>(simd, depth.clone(), column);
                column += LANES;
            }
            self.target = Target::Add;
        }
    }

    #[inline(always)]
    fn fill_columns<S: Simd, T: Step<Number = N>, const V: usize, const P: usize>(
        &mut self,
        simd: S,
        depth: Range<usize>,
        column: usize,
    ) {
        let mut panels: [&[N::Word]; P] = [&[]; P];
        for (i, panel) in panels.iter_mut().enumerate() {
            *panel = self.right.part(column + i * LANES, depth.clone());
        }
        let next = self.next_panels::<P>(depth.clone(), column);
        let mut columns = Columns { first: column, start: depth.start, panels, next };
        // A tile reads one panel of a transposed operand.
        let group = if self.left.transposed { LANES } else { self.left.rows };
        for first in (0..self.left.rows).step_by(group) {
            let end = self.left.rows.min(first + group);
            let mut row = first;
            while row < end {
                let rows = tile_rows(end - row);
                match rows {
                    TILE_ROWS => self.fill_tile::<S, T, V, P, TILE_ROWS>(simd, row, &mut columns),
                    5 => self.fill_tile::<S, T, V, P, 5>(simd, row, &mut columns),
                    4 => self.fill_tile::<S, T, V, P, 4>(simd, row, &mut columns),
                    3 => self.fill_tile::<S, T, V, P, 3>(simd, row, &mut columns),
                    2 => self.fill_tile::<S, T, V, P, 2>(simd, row, &mut columns),
                    _ => self.fill_tile::<S, T, V, P, 1>(simd, row, &mut columns),
                }
                row += rows;
            }
        }
    }

    /// The panels that are read after these.
    fn next_panels<const P: usize>(&self, depth: Range<usize>, column: usize) -> Ahead<P> {
        let next = column + P * LANES;
        let (column, depth) = if next + P * LANES <= self.right.columns {
            (next, depth)
        } else {
            (0, depth.end..self.right.depth.min(depth.end + depth.len()))
        };
        let mut regions = [NOWHERE; P];
        for (i, region) in regions.iter_mut().enumerate() {
            if column + i * LANES < self.right.columns {
                *region = region_of(self.right.part(column + i * LANES, depth.clone()));
            }
        }
        Ahead::new(regions)
    }

    /// The elements of these columns from `row` on, summed over the depth that the panels span.
    #[inline(always)]
    fn fill_tile<S: Simd, T: Step<Number = N>, const V: usize, const P: usize, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        columns: &mut Columns<N, P>,
    ) {
        let Columns { first: column, start, panels, ref mut next } = *columns;
        let mut sums: Sums<S, V, P, R> = [[[simd.splat_f32s(0.0); V]; P]; R];
        let depth = panels[0].len() / LANES;
        let mut vectors = [N::vectors::<S>(panels[0]); P];
        for (vectors, panel) in vectors.iter_mut().zip(panels) {
            *vectors = N::vectors::<S>(panel);
        }
        let fetched = depth / const { unrolled(V) } * FETCHED;
        // If there is nothing to fetch, what is at hand.
        let ahead = next.next(fetched * LINE).or_else(|| self.ahead.next(fetched * LINE));
        let ahead = ahead.unwrap_or(panels[0].as_ptr().cast());
        let columns = self.right.columns;
        let out = &mut self.out[row * columns + column..];
        for i in 0..R {
            for panel in 0..P {
                fetch::<NEAR>(out.as_ptr().wrapping_add(i * columns + panel * LANES).cast());
            }
        }
        let Left { data, stride, transposed, .. } = self.left;
        let mut left = [data; R];
        if transposed {
            let first = place(self.left.depth, start, row);
            left.iter_mut().enumerate().for_each(|(i, left)| *left = &data[first + i..]);
            add_products::<S, T, V, P, R, LANES>(simd, &mut sums, vectors, depth, left, ahead);
        } else {
            let first = row * stride + start;
            left.iter_mut().enumerate().for_each(|(i, left)| *left = &data[first + i * stride..]);
            add_products::<S, T, V, P, R, 1>(simd, &mut sums, vectors, depth, left, ahead);
        }
        let width = out.len().min(columns - column).min(P * LANES);
        if width < P * LANES {
            for (i, sums) in sums.into_iter().enumerate() {
                put(simd, &mut out[i * columns..][..width], self.target, sums);
            }
        } else if self.target == Target::Add {
            for i in 0..R {
                put_whole::<S, V, P>(&mut out[i * columns..], |p, v, old| simd.add_f32s(old, sums[i][p][v]));
            }
        } else {
            for i in 0..R {
                put_whole::<S, V, P>(&mut out[i * columns..], |p, v, _| sums[i][p][v]);
            }
        }
    }
}

/// Rows of the next tile when `left` are left: few rows alone would leave the units that multiply idle.
fn tile_rows(left: usize) -> usize {
    match left {
        7 | 8 => 4,
        _ => left.min(TILE_ROWS),
    }
}

/// Adds the products of each line of the panels with one word of each of `left`'s rows, `STEP` words after the line before.
#[inline(always)]
fn add_products<S: Simd, T: Step, const V: usize, const P: usize, const R: usize, const STEP: usize>(
    simd: S,
    sums: &mut Sums<S, V, P, R>,
    panels: [&[Vector<T, S>]; P],
    depth: usize,
    left: [&[<T::Number as Number>::Word]; R],
    mut ahead: *const u8,
) {
    assert!(left.iter().all(|row| row.len() > (depth - 1) * STEP));
    assert!(panels.iter().all(|panel| panel.len() == depth * V));
    let step = const { unrolled(V) };
    let whole = depth - depth % step;
    for p in (0..whole).step_by(step) {
        for line in 0..FETCHED {
            fetch::<FAR>(ahead.wrapping_add(line * LINE));
        }
        ahead = ahead.wrapping_add(FETCHED * LINE);
        for q in 0..step {
            add_line::<S, T, V, P, R, STEP>(simd, sums, panels, p + q, left);
        }
    }
    for p in whole..depth {
        add_line::<S, T, V, P, R, STEP>(simd, sums, panels, p, left);
    }
}

#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "one index goes through several arrays")]
fn add_line<S: Simd, T: Step, const V: usize, const P: usize, const R: usize, const STEP: usize>(
    simd: S,
    sums: &mut Sums<S, V, P, R>,
    panels: [&[Vector<T, S>]; P],
    p: usize,
    left: [&[<T::Number as Number>::Word]; R],
) {
    for i in 0..R {
        // SAFETY: `add_products` has checked the last place.
        #[expect(unsafe_code)]
        let left = T::Number::splat(simd, unsafe { *left[i].get_unchecked(p * STEP) });
        for panel in 0..P {
            for v in 0..V {
                // SAFETY: as above.
                #[expect(unsafe_code)]
                let right = unsafe { *panels[panel].get_unchecked(p * V + v) };
                sums[i][panel][v] = T::add_products(simd, left, right, sums[i][panel][v]);
            }
        }
    }
}

/// Replaces the vectors of a line of whole panels.
#[inline(always)]
fn put_whole<S: Simd, const V: usize, const P: usize>(
    line: &mut [f32],
    new: impl Fn(usize, usize, S::f32s) -> S::f32s,
) {
    let vectors = S::as_mut_simd_f32s(&mut line[..P * LANES]).0;
    for panel in 0..P {
        for v in 0..V {
            vectors[panel * V + v] = new(panel, v, vectors[panel * V + v]);
        }
    }
}

/// Writes or adds one row of a tile to a line of the result, which may end inside of a panel.
#[inline(always)]
fn put<S: Simd, const V: usize, const P: usize>(
    simd: S,
    line: &mut [f32],
    target: Target,
    sums: [[S::f32s; V]; P],
) {
    for (line, sums) in line.chunks_mut(LANES).zip(sums) {
        if line.len() == LANES {
            for (line, sum) in S::as_mut_simd_f32s(line).0.iter_mut().zip(sums) {
                *line = if target == Target::Add { simd.add_f32s(*line, sum) } else { sum };
            }
        } else {
            let mut whole = [0.0; LANES];
            S::as_mut_simd_f32s(&mut whole).0.copy_from_slice(&sums);
            for (out, sum) in line.iter_mut().zip(whole) {
                *out = if target == Target::Add { *out + sum } else { sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bf16::with_rounded;
    use crate::naive::rounded;
    use crate::parallel::with_buffer;
    use crate::shape::Precision;

    /// The product by its definition, in double precision.
    fn naive(
        left: impl Fn(usize, usize) -> f32,
        right: &[f32],
        [rows, depth, columns]: [usize; 3],
    ) -> Vec<f32> {
        let element = |i: usize, j: usize| -> f64 {
            (0..depth).map(|p| f64::from(left(i, p)) * f64::from(right[p * columns + j])).sum()
        };
        (0..rows * columns).map(|at| element(at / columns, at % columns) as f32).collect()
    }

    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 9 & 1023) as f32 / 512.0 - 1.0).collect()
    }

    fn product<N: Number>(out: &mut [f32], target: Target, left: Rows<N>, transposed: bool, right: Rows<N>) {
        let pack = |matrix: Rows<N>, work: &mut dyn FnMut(Panels<N>)| {
            with_buffer(Panels::<N>::len(matrix.rows, matrix.columns), |buffer| {
                work(Panels::pack(matrix, buffer));
            });
        };
        pack(right, &mut |right| {
            if transposed {
                pack(left, &mut |left| multiply_transposed(out, target, left, right, &mut Ahead::nothing()));
            } else {
                multiply(out, target, left, right, &mut Ahead::nothing());
            }
        });
    }

    proptest! {
        #[test]
        fn products_are_those_of_the_definition(
            rows in 1usize..30,
            depth in prop_oneof![1usize..40, 500usize..1100],
            columns in 1usize..140,
            gap in 0usize..5,
            transposed: bool,
            add: bool,
            precision in prop::sample::select(vec![Precision::F32, Precision::Bf16]),
            seed: u16,
        ) {
            let [lines, line] = if transposed { [depth, rows] } else { [rows, depth] };
            let stride = line + gap;
            let a = numbers(lines * stride, usize::from(seed));
            let b = numbers(depth * columns, usize::from(seed) + 7);
            let left = Rows { data: &a, rows: lines, columns: line, stride };
            let start = if add { 1.0 } else { f32::NAN };
            let mut out = vec![start; rows * columns];
            let target = if add { Target::Add } else { Target::Overwrite };
            match precision {
                Precision::F32 => product(&mut out, target, left, transposed, Rows::new(&b, columns)),
                Precision::Bf16 => with_rounded(&a, |a| with_rounded(&b, |b| {
                    let left = Rows { data: a, rows: lines, columns: line, stride };
                    product(&mut out, target, left, transposed, Rows::new(b, columns));
                })),
            }
            let [a, b] = [a, b].map(|numbers| rounded(precision, &numbers));
            let at = |i: usize, p: usize| if transposed { a[p * stride + i] } else { a[i * stride + p] };
            let expected = naive(at, &b, [rows, depth, columns]);
            for (out, expected) in out.iter().zip(expected) {
                let expected = expected + if add { 1.0 } else { 0.0 };
                prop_assert!((out - expected).abs() < 1e-5 * depth as f32, "{out} {expected}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "the inner sizes of a product differ")]
    fn sizes_that_do_not_meet_are_refused() {
        let (a, b) = ([0.0; 6], [0.0; 48]);
        multiply(
            &mut [0.0; 48],
            Target::Overwrite,
            Rows::new(&a, 2),
            Panels::new(&b, 3, 16),
            &mut Ahead::nothing(),
        );
    }
}
