//! What an objective gives.

use burn::tensor::Tensor;

use crate::problems::Problems;

/// A loss to minimise and the parts people look at.
#[derive(Clone, Debug)]
pub struct Loss {
    /// One value, with its graph.
    pub total: Tensor<1>,
    /// Named values to log, without their graph.
    pub parts: Vec<(String, Tensor<1>)>,
}

impl Loss {
    /// A loss of one value, and named values to log.
    pub fn new<const N: usize>(total: Tensor<1>, parts: [(&'static str, Tensor<1>); N]) -> Loss {
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

/// An objective of two views' embeddings, as a value that holds its constants.
pub trait PairLoss {
    /// Reports constants that cannot be used.
    fn check(&self, _problems: &mut Problems) {}

    /// The loss of `z_a`, `z_b` `[N, D]`: row i of both is of one image.
    fn loss(&self, z_a: Tensor<2>, z_b: Tensor<2>) -> Loss;
}
