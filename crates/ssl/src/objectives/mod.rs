//! Objectives as pure functions: embeddings in, a loss and its named parts out. One file for each.

mod barlow_twins;
mod nt_xent;

pub use barlow_twins::BarlowTwins;
pub use nt_xent::NtXent;

use burn::tensor::Tensor;

/// A loss to minimise and the parts people look at.
#[derive(Clone, Debug)]
pub struct Loss {
    /// One value, with its graph.
    pub total: Tensor<1>,
    /// Named values to log, without their graph.
    pub parts: Vec<(&'static str, Tensor<1>)>,
}

impl Loss {
    fn new<const N: usize>(total: Tensor<1>, parts: [(&'static str, Tensor<1>); N]) -> Loss {
        let parts = parts.into_iter().map(|(name, value)| (name, value.detach())).collect();
        Loss { total, parts }
    }
}

/// Columns shifted and scaled to mean 0 and variance 1 over the batch: `(z - mean) / sqrt(var + eps)`, biased.
fn standardise(z: Tensor<2>, eps: f64) -> Tensor<2> {
    let centred = z.clone() - z.mean_dim(0);
    let variance = centred.clone().square().mean_dim(0);
    centred / variance.add_scalar(eps).sqrt()
}

/// Rows scaled to length 1: `z / max(|z|, 1e-12)`, as `torch.nn.functional.normalize`.
fn unit_rows(z: Tensor<2>) -> Tensor<2> {
    // The root of a clamped square has a finite gradient at zero, the clamped root has not.
    let length = z.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
    z / length
}

/// `log sum_j exp(x_ij)` for each row, the maximum subtracted first.
fn log_sum_exp(x: Tensor<2>) -> Tensor<1> {
    let [rows, _] = x.dims();
    let top = x.clone().detach().max_dim(1);
    let sums = (x - top.clone()).exp().sum_dim(1);
    (sums.log() + top).reshape([rows])
}
