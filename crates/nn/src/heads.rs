//! Projection heads: the small networks between features and an objective.

use burn::tensor::{Tensor, activation};

use crate::layers::{BatchNorm, Linear};
use crate::weights::{Pass, Scope};

/// The plan of an [`Mlp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlpPlan {
    /// Widths: input, hidden ones, output.
    pub widths: Vec<usize>,
    /// Bias in the hidden linear layers.
    pub bias: bool,
    /// Bias in the last linear layer.
    pub last_bias: bool,
    /// Batch normalisation before each hidden ReLU.
    pub batch_norm: bool,
}

/// Linear layers with ReLU (and batch normalisation) between them.
///
/// Entries are numbered as in the equivalent `torch.nn.Sequential`: `0.weight`, `1.weight`, ...
#[derive(Clone, Debug)]
pub struct Mlp {
    hidden: Vec<(Linear, Option<BatchNorm>)>,
    last: Linear,
}

impl Mlp {
    /// Declares the weights of `plan`, whose widths are at least an input and an output.
    ///
    /// # Panics
    /// With fewer than two widths.
    pub fn new(scope: &mut Scope<'_>, plan: &MlpPlan) -> Mlp {
        let layers = plan.widths.len() - 1;
        let mut place = 0;
        let mut next = || {
            place += 1;
            place - 1
        };
        let mut hidden = Vec::new();
        for pair in plan.widths.windows(2).take(layers - 1) {
            let linear = Linear::new(&mut scope.at(next()), pair[0], pair[1], plan.bias);
            let norm = plan.batch_norm.then(|| BatchNorm::new(&mut scope.at(next()), pair[1]));
            // The place of the ReLU, which has no weights.
            next();
            hidden.push((linear, norm));
        }
        let last =
            Linear::new(&mut scope.at(next()), plan.widths[layers - 1], plan.widths[layers], plan.last_bias);
        Mlp { hidden, last }
    }

    /// `x [N, in]` to `[N, out]`.
    pub fn forward(&self, pass: &mut Pass<'_>, mut x: Tensor<2>) -> Tensor<2> {
        for (linear, norm) in &self.hidden {
            x = linear.forward(pass, x);
            x = match norm {
                Some(norm) => norm.forward(pass, x, None, true),
                None => activation::relu(x),
            };
        }
        self.last.forward(pass, x)
    }
}
