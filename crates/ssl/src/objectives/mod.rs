//! Objectives as pure functions: embeddings in, a loss and its named parts out. One file for each.
//!
//! Where a formula says `sg`, the argument is a constant: nothing flows back through it, whatever it was made from.

mod barlow_twins;
mod byol;
mod deepcluster;
mod dino;
mod info_nce;
mod nearest;
mod nnclr;
mod nt_xent;
mod ressl;
mod simsiam;
mod sinkhorn;
mod spherical_kmeans;
mod swav;
mod vibcreg;
mod vicreg;
mod w_mse;

pub use barlow_twins::{BarlowTwins, BarlowTwinsForm};
pub use byol::byol;
pub use deepcluster::DeepCluster;
pub(crate) use deepcluster::assigned_cross_entropy;
pub use dino::{Dino, moved_centre};
pub use info_nce::InfoNce;
pub use nearest::nearest;
pub use nnclr::Nnclr;
pub use nt_xent::NtXent;
pub use ressl::Ressl;
pub use simsiam::simsiam;
pub use sinkhorn::Sinkhorn;
pub use spherical_kmeans::{Clusters, spherical_kmeans};
pub use swav::Swav;
pub use vibcreg::Vibcreg;
pub use vicreg::{InvarianceReduction, Vicreg};
pub use w_mse::WMse;

use burn::tensor::{Tensor, activation};
use twinlens_nn::norms::unit_rows;
use twinlens_nn::ops::{batch_norm_train, column_products, squared_norm, sum};

/// A loss to minimise and the parts people look at.
#[derive(Clone, Debug)]
pub struct Loss {
    /// One value, with its graph.
    pub total: Tensor<1>,
    /// Named values to log, without their graph.
    pub parts: Vec<(String, Tensor<1>)>,
}

impl Loss {
    pub(crate) fn new<const N: usize>(total: Tensor<1>, parts: [(&'static str, Tensor<1>); N]) -> Loss {
        let parts = parts.into_iter().map(|(name, value)| (name.to_owned(), value.detach())).collect();
        Loss { total, parts }
    }

    /// `factor` times the loss; the parts stay as they are.
    pub fn scaled(self, factor: f64) -> Loss {
        let total = if factor == 1.0 { self.total } else { self.total.mul_scalar(factor) };
        Loss { total, parts: self.parts }
    }

    /// The mean of two losses with the same parts, and of their parts.
    pub(crate) fn mean_with(self, other: Loss) -> Loss {
        let mean = |a: Tensor<1>, b: Tensor<1>| (a + b).mul_scalar(0.5);
        let parts = self.parts.into_iter().zip(other.parts).map(|((name, a), (_, b))| (name, mean(a, b)));
        Loss { total: mean(self.total, other.total), parts: parts.collect() }
    }
}

/// `sum_i w_i L_i`, with the parts of all: several objectives that train one encoder.
///
/// # Panics
/// Without any loss.
pub fn weighted_sum(losses: impl IntoIterator<Item = (f64, Loss)>) -> Loss {
    let scaled = losses.into_iter().map(|(weight, loss)| loss.scaled(weight));
    let sum = scaled.reduce(|mut sum, loss| {
        sum.total = sum.total + loss.total;
        sum.parts.extend(loss.parts);
        sum
    });
    #[expect(clippy::expect_used, reason = "a sum of no losses is a fault of the program, not of its input")]
    sum.expect("a weighted sum needs a loss")
}

/// Columns shifted to mean 0 over the batch.
fn centre(z: Tensor<2>) -> Tensor<2> {
    z.clone() - z.mean_dim(0)
}

/// Columns shifted and scaled to mean 0 and variance 1 over the batch: `(z - mean) / sqrt(var + eps)`, biased.
fn standardise(z: Tensor<2>, eps: f64) -> Tensor<2> {
    batch_norm_train(z, None, eps, None, false).output
}

/// The sum of the squares off the diagonal of the Gram matrix `x^T x / divisor`.
fn off_diagonal_squares(x: Tensor<2>, divisor: f64) -> Tensor<1> {
    let [_, d] = x.dims();
    let squares = squared_norm(column_products(x.clone(), x.clone())).div_scalar(divisor * divisor);
    let diagonal: Tensor<1> = x.square().sum_dim(0).div_scalar(divisor).reshape([d]);
    squares - diagonal.square().sum()
}

/// The cosine of each row of `a` with the same row of `b`.
fn cosines(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    let [rows, _] = a.dims();
    (unit_rows(a) * unit_rows(b)).sum_dim(1).reshape([rows])
}

/// `log sum_j exp(x_ij)` for each row, the maximum subtracted first.
fn log_sum_exp(x: Tensor<2>) -> Tensor<1> {
    let [rows, _] = x.dims();
    let top = x.clone().detach().max_dim(1);
    let sums = (x - top.clone()).exp().sum_dim(1);
    (sums.log() + top).reshape([rows])
}

/// `-mean_b sum_k q_bk log softmax(l_b)_k`, the targets `q` constant.
fn cross_entropy(targets: Tensor<2>, logits: Tensor<2>) -> Tensor<1> {
    let [rows, _] = logits.dims();
    let products = activation::log_softmax(logits, 1) * targets.without_autodiff();
    sum(products).div_scalar(-(rows as f64))
}

/// The mean of [`cross_entropy`] over all pairs of a target `t` and the logits of another view `v != t`.
fn cross_view(targets: &[Tensor<2>], logits: &[Tensor<2>]) -> Tensor<1> {
    let pairs = (0..targets.len()).flat_map(|t| (0..logits.len()).map(move |v| (t, v)));
    let terms: Vec<Tensor<1>> = pairs
        .filter(|(t, v)| t != v)
        .map(|(t, v)| cross_entropy(targets[t].clone(), logits[v].clone()))
        .collect();
    Tensor::cat(terms, 0).mean()
}

/// The mean over the batch of the entropy of each row's distribution, in nats: ln K where all K outcomes are alike.
fn entropy(distribution: Tensor<2>) -> Tensor<1> {
    let [rows, _] = distribution.dims();
    let log = distribution.clone().clamp_min(1e-30).log();
    sum(distribution * log).div_scalar(-(rows as f64))
}
