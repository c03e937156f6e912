//! A safe face for the `gemm` crate.

use crate::shape::assert_len;

/// A borrowed matrix of any strides.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix whose rows are contiguous and follow each other.
    pub fn new(data: &'a [f32], columns: usize) -> Matrix<'a> {
        Matrix::strided(data, data.len() / columns, columns, columns)
    }

    /// A matrix whose rows are contiguous and start every `row_stride` elements.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Matrix<'a> {
        Matrix { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Matrix<'a> {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn assert_in_bounds(&self) {
        let last = (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride;
        assert!(last < self.data.len(), "a matrix reaches beyond its data");
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

/// The product of `a` and `b` on the current thread, to the contiguous rows of `out`.
pub(crate) fn multiply(out: &mut [f32], target: Target, a: Matrix, b: Matrix) {
    let (rows, columns, depth) = (a.rows, b.columns, a.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(depth > 0 && b.rows == depth, "the inner sizes of a product differ: {depth} and {}", b.rows);
    assert_len("a product", out.len(), rows * columns);
    a.assert_in_bounds();
    b.assert_in_bounds();
    // Slices hold at most isize::MAX bytes, so strides inside them fit.
    let stride = |stride: usize| stride as isize;
    // SAFETY: the pointers come from live slices and every element that the sizes and strides reach was checked
    // above to lie within them; `out` is borrowed mutably, so it overlaps neither `a` nor `b`.
    #[expect(unsafe_code)]
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            stride(columns),
            target == Target::Add,
            a.data.as_ptr(),
            stride(a.column_stride),
            stride(a.row_stride),
            b.data.as_ptr(),
            stride(b.column_stride),
            stride(b.row_stride),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
