//! Normalisations of embeddings: rows to unit length, columns whitened.

use burn::tensor::{Tensor, TensorData};

use crate::ops::read;
use crate::weights::{Id, Init, Pass, Scope, WeightOrder};

/// Rows scaled to length 1: `z / max(|z|, 1e-12)`, as `torch.nn.functional.normalize`.
pub fn unit_rows(z: Tensor<2>) -> Tensor<2> {
    // The root of a clamped square has a finite gradient at zero, the clamped root has not.
    let length = z.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
    z / length
}

/// Constants of [`iter_norm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IterNormOptions {
    /// Groups of consecutive columns, whitened apart from each other.
    pub groups: usize,
    /// Steps of Newton's iteration.
    pub iterations: usize,
    /// Added to the covariance's diagonal.
    pub eps: f64,
}

/// What [`iter_norm`] gives back.
#[derive(Clone, Debug)]
pub struct Whitened {
    /// The whitened rows, `[N, D]`.
    pub output: Tensor<2>,
    /// The whitening matrix of each group, `[groups, D / groups, D / groups]`.
    pub whitening: Tensor<3>,
}

/// Whitening by Newton's iteration (Huang et al., "Iterative normalization: beyond standardization towards efficient
/// whitening", CVPR 2019, algorithm 1). For each group of `d` columns, with `xc = x - mean`,
///
/// ```text
/// S = xc^T xc / N + eps I,  t = trace S,  P_0 = I,  P_{k+1} = (3 P_k - P_k^3 S/t) / 2
/// W = P / sqrt(t),  y = xc W^T
/// ```
///
/// `x [N, D]`, `D` a multiple of `groups`.
pub fn iter_norm(x: Tensor<2>, options: &IterNormOptions) -> Whitened {
    let [n, columns] = x.dims();
    let IterNormOptions { groups, iterations, eps } = *options;
    let d = columns / groups;
    let centred = (x.clone() - x.mean_dim(0)).reshape([n, groups, d]).swap_dims(0, 1);
    let eye = Tensor::<2>::eye(d, &centred.device().without_autodiff()).unsqueeze::<3>();
    let products = centred.clone().swap_dims(1, 2).matmul(centred.clone());
    let covariance = products.div_scalar(n as f64) + eye.clone().mul_scalar(eps);
    let trace = (covariance.clone() * eye.clone()).sum_dim(2).sum_dim(1);
    let covariance = covariance / trace.clone();
    let mut root = eye.repeat_dim(0, groups);
    for _ in 0..iterations {
        let cube = root.clone().matmul(root.clone()).matmul(root.clone());
        root = root.mul_scalar(1.5) - cube.matmul(covariance.clone()).mul_scalar(0.5);
    }
    let whitening = root / trace.sqrt();
    let output = centred.matmul(whitening.clone().swap_dims(1, 2)).swap_dims(0, 1).reshape([n, columns]);
    Whitened { output, whitening }
}

/// [`iter_norm`] with a learnt scale (from 1) and shift (from 0), as the last layer of a head.
///
/// Heads are dropped after training, so it keeps no running statistics and whitens by its batch in every pass.
#[derive(Clone, Copy, Debug)]
pub struct IterNorm {
    scale: Id,
    shift: Id,
    columns: usize,
}

impl IterNorm {
    /// Columns in a group, or all where there are fewer: VIbCReg's 64 groups of 2048 columns.
    pub const GROUP: usize = 32;
    /// Steps of Newton's iteration.
    pub const ITERATIONS: usize = 5;
    /// Added to the covariance's diagonal.
    pub const EPS: f64 = 1e-5;

    /// For `columns` columns: at most [`IterNorm::GROUP`], or a multiple of it.
    pub fn new(scope: &mut Scope<'_>, columns: usize) -> IterNorm {
        let scale = scope.parameter("weight", &[columns], WeightOrder::Plain, Init::Constant(1.0));
        let shift = scope.parameter("bias", &[columns], WeightOrder::Plain, Init::Constant(0.0));
        IterNorm { scale, shift, columns }
    }

    /// `x [N, columns]`, whitened, scaled and shifted.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<2>) -> Tensor<2> {
        let groups = (self.columns / Self::GROUP).max(1);
        let options = IterNormOptions { groups, iterations: Self::ITERATIONS, eps: Self::EPS };
        let [scale, shift] = [self.scale, self.shift].map(|id| pass.tensor(id, [1, self.columns]));
        iter_norm(x, &options).output * scale + shift
    }
}

/// `L^-1` of a symmetric positive definite `S = L L^T`, with its gradient. Where `S` is not positive definite the
/// result is NaN.
///
/// The factor is computed in f64 on the CPU. With `W = L^-1`, a change `dS` changes it by `-F(W dS W^T) W`, where `F`
/// keeps the lower triangle and halves the diagonal (Murray, "Differentiation of the Cholesky decomposition",
/// arXiv:1602.07527); that first-order term, zero in value, carries the gradient.
pub fn inverse_cholesky(s: Tensor<2>) -> Tensor<2> {
    let [d, _] = s.dims();
    let constant = s.clone().without_autodiff();
    let device = constant.device();
    let matrix = |values: Vec<f64>| {
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        Tensor::<2>::from_data(TensorData::new(values, [d, d]), &device)
    };
    let wide: Vec<f64> = read(constant.clone()).into_iter().map(f64::from).collect();
    let inverse = matrix(inverse_of_lower(&cholesky(&wide, d), d));
    let lower = |at: usize| match (at / d).cmp(&(at % d)) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let lower = matrix((0..d * d).map(lower).collect());
    let change = inverse.clone().matmul(s - constant).matmul(inverse.clone().transpose());
    inverse.clone() - (change * lower).matmul(inverse)
}

/// The lower factor of a symmetric matrix, row by row.
fn cholesky(s: &[f64], d: usize) -> Vec<f64> {
    let mut factor = vec![0.0; d * d];
    for row in 0..d {
        for column in 0..=row {
            let known: f64 = (0..column).map(|k| factor[row * d + k] * factor[column * d + k]).sum();
            let rest = s[row * d + column] - known;
            factor[row * d + column] =
                if row == column { rest.sqrt() } else { rest / factor[column * d + column] };
        }
    }
    factor
}

/// The inverse of a lower triangular matrix, by forward substitution.
fn inverse_of_lower(factor: &[f64], d: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; d * d];
    for column in 0..d {
        for row in column..d {
            let known: f64 = (column..row).map(|k| factor[row * d + k] * inverse[k * d + column]).sum();
            let unit = if row == column { 1.0 } else { 0.0 };
            inverse[row * d + column] = (unit - known) / factor[row * d + row];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn whitened_columns_are_uncorrelated(values in prop::collection::vec(-2f32..2.0, 60 * 4)) {
            let x = Tensor::<2>::from_data(TensorData::new(values, [60, 4]), &Device::flex());
            let options = IterNormOptions { groups: 1, iterations: 12, eps: 1e-6 };
            let y = iter_norm(x, &options).output;
            let covariance = read(y.clone().transpose().matmul(y).div_scalar(60.0));
            for (at, value) in covariance.into_iter().enumerate() {
                let unit = f32::from(u8::from(at / 4 == at % 4));
                prop_assert!((value - unit).abs() < 0.02, "{value} at {at}");
            }
        }

        #[test]
        fn the_inverse_factor_undoes_the_matrix(values in prop::collection::vec(-1f32..1.0, 25)) {
            let a = Tensor::<2>::from_data(TensorData::new(values, [5, 5]), &Device::flex());
            let eye = Tensor::<2>::eye(5, &Device::flex());
            let s = a.clone().matmul(a.transpose()) + eye.mul_scalar(0.5);
            let w = inverse_cholesky(s.clone());
            let one = read(w.clone().matmul(s).matmul(w.transpose()));
            for (at, value) in one.into_iter().enumerate() {
                let unit = f32::from(u8::from(at / 5 == at % 5));
                prop_assert!((value - unit).abs() < 1e-4, "{value} at {at}");
            }
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_gives_nan() {
        let s = Tensor::<2>::from_floats([[1.0, 2.0], [2.0, 1.0]], &Device::flex());
        assert!(read(inverse_cholesky(s)).iter().any(|value| value.is_nan()));
    }
}
