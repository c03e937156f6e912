//! Products and eigenvalues of row-major slices, always on the calling thread: callers split the work into
//! blocks of fixed size, so that no result depends on the number of threads.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve;
use faer::traits::RealField;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

use crate::EvalError;

/// `out = a b^T` for `a` `[m, k]`, `b` `[n, k]`, `out` `[m, n]`.
pub(crate) fn product_with_transposed<T: RealField>(out: &mut [T], a: &[T], b: &[T], k: usize) {
    let (m, n) = (a.len() / k, b.len() / k);
    let (a, b) = (MatRef::from_row_major_slice(a, m, k), MatRef::from_row_major_slice(b, n, k));
    let out = MatMut::from_row_major_slice_mut(out, m, n);
    matmul(out, Accum::Replace, a, b.transpose(), T::one_impl(), Par::Seq);
}

/// `out += a^T b` for `a` `[k, m]`, `b` `[k, n]`, `out` `[m, n]`.
pub(crate) fn add_transposed_product<T: RealField>(out: &mut [T], a: &[T], b: &[T], k: usize) {
    let (m, n) = (a.len() / k, b.len() / k);
    let (a, b) = (MatRef::from_row_major_slice(a, k, m), MatRef::from_row_major_slice(b, k, n));
    let out = MatMut::from_row_major_slice_mut(out, m, n);
    matmul(out, Accum::Add, a.transpose(), b, T::one_impl(), Par::Seq);
}

/// Eigenvalues of the symmetric `matrix` `[n, n]` in rising order.
pub(crate) fn eigenvalues(matrix: &[f64], n: usize) -> Result<Vec<f64>, EvalError> {
    decompose(matrix, n, None)
}

/// Eigenvalues in rising order, and the eigenvectors as the columns of a matrix in the same order.
pub(crate) fn eigen(matrix: &[f64], n: usize) -> Result<(Vec<f64>, Mat<f64>), EvalError> {
    let mut vectors = Mat::zeros(n, n);
    let values = decompose(matrix, n, Some(vectors.as_mut()))?;
    Ok((values, vectors))
}

/// The eigenvalues of `within^-1 between` in rising order, both symmetric `[n, n]`, `between` without negative
/// eigenvalues; `None` unless `within` is positive definite (to rounding).
pub(crate) fn general_eigenvalues(between: &[f64], within: &[f64], n: usize) -> Option<Vec<f64>> {
    // With E = V D V^T, those of the symmetric D^-1/2 V^T H V D^-1/2.
    let (values, vectors) = eigen(within, n).ok()?;
    let largest = values.last().copied()?;
    if values[0] <= largest * n as f64 * f64::EPSILON * 8.0 {
        return None;
    }
    let scaled = Mat::from_fn(n, n, |i, j| vectors[(i, j)] / values[j].sqrt());
    let between = MatRef::from_row_major_slice(between, n, n);
    let (mut half, mut matrix) = (Mat::<f64>::zeros(n, n), Mat::<f64>::zeros(n, n));
    matmul(half.as_mut(), Accum::Replace, between, scaled.as_ref(), 1.0, Par::Seq);
    matmul(matrix.as_mut(), Accum::Replace, scaled.transpose(), half.as_ref(), 1.0, Par::Seq);
    let rows: Vec<f64> = (0..n * n).map(|at| matrix[(at / n, at % n)]).collect();
    Some(eigenvalues(&rows, n).ok()?.into_iter().map(|value| value.max(0.0)).collect())
}

/// The solution `[n, m]` of `matrix x = right` for a symmetric positive definite `matrix` `[n, n]`.
pub(crate) fn solve_positive(matrix: &[f64], right: &[f64], n: usize) -> Result<Vec<f64>, EvalError> {
    let m = right.len() / n;
    let factor = MatRef::from_row_major_slice(matrix, n, n).llt(Side::Lower).map_err(|error| {
        EvalError::Numeric { what: "Cholesky factorisation", reason: format!("{error:?}") }
    })?;
    let solution = factor.solve(MatRef::from_row_major_slice(right, n, m));
    Ok((0..n * m).map(|at| solution[(at / m, at % m)]).collect())
}

fn decompose(matrix: &[f64], n: usize, vectors: Option<MatMut<'_, f64>>) -> Result<Vec<f64>, EvalError> {
    let wanted = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let scratch = self_adjoint_evd_scratch::<f64>(n, wanted, Par::Seq, Default::default());
    let mut values = vec![0.0; n];
    self_adjoint_evd(
        MatRef::from_row_major_slice(matrix, n, n),
        DiagMut::from_slice_mut(&mut values),
        vectors,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|error| EvalError::Numeric { what: "eigenvalue decomposition", reason: format!("{error:?}") })?;
    Ok(values)
}
