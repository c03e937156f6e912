//! What several objectives are composed of.

use burn::tensor::{Tensor, activation};
use twinlens_nn::norms::unit_rows;
use twinlens_nn::ops::{batch_norm_train, column_products, squared_norm, sum};

/// Columns shifted to mean 0 over the batch.
pub(super) fn centre(z: Tensor<2>) -> Tensor<2> {
    z.clone() - z.mean_dim(0)
}

/// Columns shifted and scaled to mean 0 and variance 1 over the batch: `(z - mean) / sqrt(var + eps)`, biased.
pub(super) fn standardise(z: Tensor<2>, eps: f64) -> Tensor<2> {
    batch_norm_train(z, None, eps, None, false).output
}

/// Columns beyond which [`squared_products`] looks at pairs of rows, where there are fewer of these: 8192 columns make
/// a matrix of 256 MiB, and its gradient another.
const WIDE: usize = 8192;

/// `sum_ij (a^T b)_ij^2`, the squared products of all columns of `a`, `b` `[N, D]`.
///
/// Of [wide](WIDE) embeddings by the products of rows, in N x N instead of D x D numbers:
///
/// ```text
/// sum_ij (a^T b)_ij^2 = sum_nm (a a^T)_nm (b b^T)_nm
/// ```
pub(super) fn squared_products(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    let [n, d] = a.dims();
    if d > WIDE && n < d { squared_by_rows(a, b) } else { squared_by_columns(a, b) }
}

fn squared_by_columns(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    squared_norm(column_products(a, b))
}

fn squared_by_rows(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    let rows = |x: Tensor<2>| x.clone().matmul(x.transpose());
    sum(rows(a) * rows(b))
}

/// The sum of the squares off the diagonal of the Gram matrix `x^T x / divisor`.
pub(super) fn off_diagonal_squares(x: Tensor<2>, divisor: f64) -> Tensor<1> {
    let [_, d] = x.dims();
    let squares = squared_products(x.clone(), x.clone()).div_scalar(divisor * divisor);
    let diagonal: Tensor<1> = x.square().sum_dim(0).div_scalar(divisor).reshape([d]);
    squares - diagonal.square().sum()
}

/// The cosine of each row of `a` with the same row of `b`.
pub(super) fn cosines(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    let [rows, _] = a.dims();
    (unit_rows(a) * unit_rows(b)).sum_dim(1).reshape([rows])
}

/// `log sum_j exp(x_ij)` for each row, the maximum subtracted first.
pub(super) fn log_sum_exp(x: Tensor<2>) -> Tensor<1> {
    let [rows, _] = x.dims();
    let top = x.clone().detach().max_dim(1);
    let sums = (x - top.clone()).exp().sum_dim(1);
    (sums.log() + top).reshape([rows])
}

/// `-mean_b sum_k q_bk log softmax(l_b)_k`, the targets `q` constant.
pub(super) fn cross_entropy(targets: Tensor<2>, logits: Tensor<2>) -> Tensor<1> {
    let [rows, _] = logits.dims();
    let products = activation::log_softmax(logits, 1) * targets.without_autodiff();
    sum(products).div_scalar(-(rows as f64))
}

/// The mean of [`cross_entropy`] over all pairs of a target `t` and the logits of another view `v != t`.
pub(super) fn cross_view(targets: &[Tensor<2>], logits: &[Tensor<2>]) -> Tensor<1> {
    let pairs = (0..targets.len()).flat_map(|t| (0..logits.len()).map(move |v| (t, v)));
    let terms: Vec<Tensor<1>> = pairs
        .filter(|(t, v)| t != v)
        .map(|(t, v)| cross_entropy(targets[t].clone(), logits[v].clone()))
        .collect();
    Tensor::cat(terms, 0).mean()
}

/// The mean over the batch of the entropy of each row's distribution, in nats: ln K where all K outcomes are alike.
pub(super) fn entropy(distribution: Tensor<2>) -> Tensor<1> {
    let [rows, _] = distribution.dims();
    let log = distribution.clone().clamp_min(1e-30).log();
    sum(distribution * log).div_scalar(-(rows as f64))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;
    use twinlens_nn::ops::read;

    use super::*;

    /// A value, and the gradients of both arguments.
    fn with_gradients(
        of: fn(Tensor<2>, Tensor<2>) -> Tensor<1>,
        values: &[Vec<f32>; 2],
        shape: [usize; 2],
    ) -> Vec<f32> {
        let leaf = |values: &Vec<f32>| {
            let data = TensorData::new(values.clone(), shape);
            Tensor::<2>::from_data(data, &Device::flex()).autodiff().require_grad()
        };
        let [a, b] = [leaf(&values[0]), leaf(&values[1])];
        let total = of(a.clone(), b.clone());
        let gradients = total.backward();
        let of_leaf = |leaf: Tensor<2>| read(leaf.grad(&gradients).unwrap());
        [read(total), of_leaf(a), of_leaf(b)].concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn rows_give_what_columns_give(
            a in prop::collection::vec(-2f32..2.0, 60),
            b in prop::collection::vec(-2f32..2.0, 60),
            wide: bool,
        ) {
            let (values, shape) = ([a, b], if wide { [4, 15] } else { [15, 4] });
            let by_columns = with_gradients(squared_by_columns, &values, shape);
            let by_rows = with_gradients(squared_by_rows, &values, shape);
            for (column, row) in by_columns.iter().zip(&by_rows) {
                prop_assert!((column - row).abs() <= 1e-3 + 1e-4 * column.abs(), "{column} {row}");
            }
        }
    }
}
