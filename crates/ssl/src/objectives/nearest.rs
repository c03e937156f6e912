//! Nearest neighbours in a support set (Dwibedi et al., "With a little help from my friends: nearest-neighbor
//! contrastive learning of visual representations", ICCV 2021, equation 2).

use burn::tensor::{Int, Tensor};
use twinlens_nn::norms::unit_rows;

/// For each row of `z [N, D]`, the row of `support [K, D]` with the largest cosine: indices `[N]`, the first on ties.
pub fn nearest(z: Tensor<2>, support: Tensor<2>) -> Tensor<1, Int> {
    let [n, _] = z.dims();
    let (z, support) = (unit_rows(z.without_autodiff()), unit_rows(support.without_autodiff()));
    z.matmul(support.transpose()).argmax(1).reshape([n])
}
