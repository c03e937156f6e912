//! Products and eigenvalues of row-major slices, always on the calling thread: callers split the work into
//! blocks of fixed size, so that no result depends on the number of threads.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::traits::RealField;
use faer::{Accum, Mat, MatMut, MatRef, Par};

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
