//! Matrix products that keep a tile of the result in registers.
//!
//! The right operand comes in panels of [`LANES`] columns, one row of a panel after the other, so that a tile of
//! [`TILE_ROWS`] rows reads it from one end to the other and each number of the left operand is read where it lies.
//! The terms of an element are added in order of depth, [`MAX_DEPTH`] at a time: its value depends on its row and its
//! column alone.
//!
//! What is multiplied is a matter of [`Precision`]: single precision, or pairs of numbers rounded to bf16.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::bf16;
use crate::shape::{Precision, assert_len};

/// Columns of a panel: a cache line.
pub(crate) const LANES: usize = 16;
/// Rows of the result that are summed together. With one panel of two AVX registers, or four of one AVX-512 register,
/// the sums and what they need fill the registers.
const TILE_ROWS: usize = 6;
/// Depth that is summed at a time: a panel stays in the first-level cache, and sums of sums round less than one long sum.
pub(crate) const MAX_DEPTH: usize = 256;

/// A matrix whose rows are contiguous and start every `stride` numbers.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    pub stride: usize,
}

impl<'a> Rows<'a> {
    /// A matrix whose rows follow each other.
    pub fn new(data: &'a [f32], columns: usize) -> Rows<'a> {
        Rows { data, rows: data.len() / columns, columns, stride: columns }
    }

    /// Writes panel number `index`.
    fn copy_panel(&self, index: usize, panel: &mut [f32]) {
        let first = index * LANES;
        let width = LANES.min(self.columns - first);
        for (row, line) in panel.chunks_exact_mut(LANES).enumerate() {
            let from = &self.data[row * self.stride + first..];
            if width == LANES {
                line.copy_from_slice(&from[..LANES]);
            } else {
                line[..width].copy_from_slice(&from[..width]);
                line[width..].fill(0.0);
            }
        }
    }
}

/// A matrix `[depth, columns]` in panels: `[columns / LANES, depth, LANES]`, the last one filled with zeros.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a, N = f32> {
    pub data: &'a [N],
    pub depth: usize,
    pub columns: usize,
}

impl<'a> Panels<'a> {
    /// What [`Panels::pack`] wrote, or the like.
    pub fn new(data: &'a [f32], depth: usize, columns: usize) -> Panels<'a> {
        assert_len("the panels of a matrix", data.len(), Panels::len(depth, columns));
        Panels { data, depth, columns }
    }

    /// Numbers in the panels of a matrix.
    pub fn len(depth: usize, columns: usize) -> usize {
        depth * columns.next_multiple_of(LANES)
    }

    /// The place of a column's number in a row of panels of `depth` rows.
    #[inline(always)]
    pub fn place(depth: usize, row: usize, column: usize) -> usize {
        column / LANES * LANES * depth + row * LANES + column % LANES
    }

    /// Writes a matrix to panels.
    pub fn pack(matrix: Rows, panels: &'a mut [f32]) -> Panels<'a> {
        panels
            .chunks_exact_mut(matrix.rows * LANES)
            .enumerate()
            .for_each(|(i, panel)| matrix.copy_panel(i, panel));
        Panels::new(panels, matrix.rows, matrix.columns)
    }

    /// [`Panels::pack`] by all threads.
    pub fn pack_in_parallel(matrix: Rows, panels: &'a mut [f32]) -> Panels<'a> {
        let tasks = panels.par_chunks_exact_mut(matrix.rows * LANES).enumerate();
        tasks.for_each(|(i, panel)| matrix.copy_panel(i, panel));
        Panels::new(panels, matrix.rows, matrix.columns)
    }
}

impl<'a, N> Panels<'a, N> {
    /// A stretch of the depth of the panel that starts at a column.
    fn part(&self, column: usize, depth: std::ops::Range<usize>) -> &'a [N] {
        let panel = &self.data[column * self.depth..];
        &panel[depth.start * LANES..depth.end * LANES]
    }
}

/// What a product does with the numbers already there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// `out = a b`; the old contents are not read.
    Overwrite,
    /// `out = out + a b`.
    Add,
}

/// The product of `left` and `right` on the current thread, to the contiguous rows of `out`.
pub(crate) fn multiply(out: &mut [f32], target: Target, precision: Precision, left: Rows, right: Panels) {
    match precision {
        Precision::F32 => Left::rows(left).multiply(out, target, right),
        Precision::Bf16 => bf16::with_pairs_of_rows(left, |left| {
            bf16::with_pairs_of_panels(right, |right| left.multiply(out, target, right));
        }),
    }
}

/// The product of the transpose of `left`, `[depth, rows]`, and `right`, as [`multiply`].
pub(crate) fn multiply_transposed(
    out: &mut [f32],
    target: Target,
    precision: Precision,
    left: Panels,
    right: Panels,
) {
    match precision {
        Precision::F32 => Left::transposed(left).multiply(out, target, right),
        Precision::Bf16 => bf16::with_pairs_of_panels(left, |left| {
            bf16::with_pairs_of_panels(right, |right| Left::transposed(left).multiply(out, target, right));
        }),
    }
}

/// A left operand, `[rows, depth]`: rows that start every `stride` numbers, or if it is transposed, panels whose
/// columns are its rows.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a, N> {
    pub data: &'a [N],
    pub rows: usize,
    pub depth: usize,
    pub stride: usize,
    pub transposed: bool,
}

impl<'a> Left<'a, f32> {
    fn rows(matrix: Rows<'a>) -> Left<'a, f32> {
        let Rows { data, rows, columns: depth, stride } = matrix;
        Left { data, rows, depth, stride, transposed: false }
    }
}

impl<'a, N> Left<'a, N> {
    fn transposed(panels: Panels<'a, N>) -> Left<'a, N> {
        let Panels { data, depth, columns: rows } = panels;
        Left { data, rows, depth, stride: LANES, transposed: true }
    }

    fn multiply(self, out: &mut [f32], target: Target, right: Panels<'_, N>)
    where
        N: Number,
    {
        assert_eq!(self.depth, right.depth, "the inner sizes of a product differ");
        assert_len("a product", out.len(), self.rows * right.columns);
        if !out.is_empty() {
            N::run(Product { out, target, left: self, right });
        }
    }
}

/// What operands are made of.
pub(crate) trait Number: Copy {
    /// Computes a product with the best instructions of this machine.
    fn run(product: Product<'_, Self>);
}

impl Number for f32 {
    fn run(product: Product<'_, f32>) {
        pulp::Arch::new().dispatch(ByTerms(product, Singles));
    }
}

/// How numbers are multiplied, a vector at a time.
pub(crate) trait Terms: Copy {
    /// What operands are made of.
    type Number: Copy;
    /// As many of them as a vector has places.
    type Vector<S: Simd>: Copy;
    /// Terms of the sum in one number.
    const TERMS: usize;

    /// The numbers as vectors.
    fn vectors<S: Simd>(numbers: &[Self::Number]) -> &[Self::Vector<S>];

    /// The number in every place.
    fn splat<S: Simd>(simd: S, number: Self::Number) -> Self::Vector<S>;

    /// `sum` and the products of `left` and `right`.
    fn add_products<S: Simd>(simd: S, left: Self::Vector<S>, right: Self::Vector<S>, sum: S::f32s)
    -> S::f32s;
}

/// Each number is a term.
#[derive(Clone, Copy)]
struct Singles;

impl Terms for Singles {
    type Number = f32;
    type Vector<S: Simd> = S::f32s;
    const TERMS: usize = 1;

    #[inline(always)]
    fn vectors<S: Simd>(numbers: &[f32]) -> &[S::f32s] {
        S::as_simd_f32s(numbers).0
    }

    #[inline(always)]
    fn splat<S: Simd>(simd: S, number: f32) -> S::f32s {
        simd.splat_f32s(number)
    }

    #[inline(always)]
    fn add_products<S: Simd>(simd: S, left: S::f32s, right: S::f32s, sum: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(left, right, sum)
    }
}

pub(crate) struct Product<'a, N> {
    out: &'a mut [f32],
    target: Target,
    left: Left<'a, N>,
    right: Panels<'a, N>,
}

/// A product and how its numbers are multiplied.
pub(crate) struct ByTerms<'a, T: Terms>(pub Product<'a, T::Number>, pub T);

impl<T: Terms> WithSimd for ByTerms<'_, T> {
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

impl<N: Copy> Product<'_, N> {
    /// The whole product with panels of `V` vectors, `P` panels at a time.
    #[inline(always)]
    pub fn run<S: Simd, T: Terms<Number = N>, const V: usize, const P: usize>(mut self, simd: S) {
        let step = MAX_DEPTH / T::TERMS;
        for start in (0..self.left.depth).step_by(step) {
            let depth = start..self.left.depth.min(start + step);
            let mut column = 0;
            while column + P * LANES <= self.right.columns {
                let mut panels = [self.right.part(column, depth.clone()); P];
                for (i, panel) in panels.iter_mut().enumerate() {
                    *panel = self.right.part(column + i * LANES, depth.clone());
                }
                self.fill_columns::<S, T, V, P>(simd, start, column, panels);
                column += P * LANES;
            }
            while column < self.right.columns {
                let panel = self.right.part(column, depth.clone());
                self.fill_columns::<S, T, V, 1>(simd, start, column, [panel]);
                column += LANES;
            }
            self.target = Target::Add;
        }
    }

    #[inline(always)]
    fn fill_columns<S: Simd, T: Terms<Number = N>, const V: usize, const P: usize>(
        &mut self,
        simd: S,
        start: usize,
        column: usize,
        panels: [&[N]; P],
    ) {
        // A tile reads one panel of a transposed operand.
        let group = if self.left.transposed { LANES } else { self.left.rows };
        for first in (0..self.left.rows).step_by(group) {
            let end = self.left.rows.min(first + group);
            let mut row = first;
            while row < end {
                let rows = tile_rows(end - row);
                match rows {
                    TILE_ROWS => self.fill_tile::<S, T, V, P, TILE_ROWS>(simd, row, start, column, panels),
                    5 => self.fill_tile::<S, T, V, P, 5>(simd, row, start, column, panels),
                    4 => self.fill_tile::<S, T, V, P, 4>(simd, row, start, column, panels),
                    3 => self.fill_tile::<S, T, V, P, 3>(simd, row, start, column, panels),
                    2 => self.fill_tile::<S, T, V, P, 2>(simd, row, start, column, panels),
                    _ => self.fill_tile::<S, T, V, P, 1>(simd, row, start, column, panels),
                }
                row += rows;
            }
        }
    }

    /// The elements from `(row, column)` on, summed over the depth that starts at `start` and that the panels span.
    #[inline(always)]
    fn fill_tile<S: Simd, T: Terms<Number = N>, const V: usize, const P: usize, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        start: usize,
        column: usize,
        panels: [&[N]; P],
    ) {
        let mut sums: Sums<S, V, P, R> = [[[simd.splat_f32s(0.0); V]; P]; R];
        let depth = panels[0].len() / LANES;
        let mut vectors = [T::vectors::<S>(panels[0]); P];
        for (vectors, panel) in vectors.iter_mut().zip(panels) {
            *vectors = T::vectors::<S>(panel);
        }
        let Left { data, stride, transposed, .. } = self.left;
        if transposed {
            let left = &data[Panels::place(self.left.depth, start, row)..][..(depth - 1) * stride + R];
            add_products::<S, T, V, P, R>(simd, &mut sums, vectors, depth, |i, p| p * stride + i, left);
        } else {
            let left = &data[row * stride + start..][..(R - 1) * stride + depth];
            add_products::<S, T, V, P, R>(simd, &mut sums, vectors, depth, |i, p| i * stride + p, left);
        }
        for (i, sums) in sums.into_iter().enumerate() {
            let line = &mut self.out[(row + i) * self.right.columns + column..];
            let width = line.len().min(self.right.columns - column).min(P * LANES);
            put(simd, &mut line[..width], self.target, sums);
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

/// Adds the products of each row of the panels with one number a row of the tile: `left[place(row, depth)]`.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "one index goes through several arrays")]
fn add_products<S: Simd, T: Terms, const V: usize, const P: usize, const R: usize>(
    simd: S,
    sums: &mut Sums<S, V, P, R>,
    panels: [&[T::Vector<S>]; P],
    depth: usize,
    place: impl Fn(usize, usize) -> usize,
    left: &[T::Number],
) {
    assert!(place(R - 1, depth - 1) < left.len());
    assert!(panels.iter().all(|panel| panel.len() == depth * V));
    for p in 0..depth {
        for i in 0..R {
            // SAFETY: `place` grows with both arguments, and its greatest value was checked above.
            #[expect(unsafe_code)]
            let left = T::splat(simd, unsafe { *left.get_unchecked(place(i, p)) });
            for panel in 0..P {
                for v in 0..V {
                    let right = panels[panel][p * V + v];
                    sums[i][panel][v] = T::add_products(simd, left, right, sums[i][panel][v]);
                }
            }
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
    use crate::naive::rounded;

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
            let mut buffers = [Panels::len(depth, columns), Panels::len(depth, rows)].map(|len| vec![f32::NAN; len]);
            let [right_buffer, left_buffer] = &mut buffers;
            let right = Panels::pack(Rows::new(&b, columns), right_buffer);
            let start = if add { 1.0 } else { f32::NAN };
            let mut out = vec![start; rows * columns];
            let target = if add { Target::Add } else { Target::Overwrite };
            if transposed {
                multiply_transposed(&mut out, target, precision, Panels::pack(left, left_buffer), right);
            } else {
                multiply(&mut out, target, precision, left, right);
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
        multiply(&mut [0.0; 48], Target::Overwrite, Precision::F32, Rows::new(&a, 2), Panels::new(&b, 3, 16));
    }
}
