//! Heads: the small networks between features and an objective.

use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::{BatchNorm, Linear};
use crate::norms::{IterNorm, unit_rows};
use crate::weights::{Id, Init, Pass, Scope, WeightOrder};

/// What follows a hidden layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    #[default]
    Relu,
    /// `x Phi(x)` with the normal distribution function (Hendrycks and Gimpel 2016), not its tanh approximation.
    Gelu,
}

/// What follows the last layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LastNorm {
    /// Nothing.
    #[default]
    None,
    /// Batch normalisation with scale and shift.
    BatchNorm,
    /// Batch normalisation alone.
    BatchNormWithoutAffine,
    /// Whitening in groups of 32 columns (see [`IterNorm`]).
    IterNorm,
}

/// The plan of an [`Mlp`].
#[derive(Clone, Debug, PartialEq)]
pub struct MlpPlan {
    /// Widths: input, hidden ones, output.
    pub widths: Vec<usize>,
    /// Bias in the hidden linear layers.
    pub bias: bool,
    /// Bias in the last linear layer.
    pub last_bias: bool,
    /// Batch normalisation before each hidden activation.
    pub batch_norm: bool,
    /// The hidden activation.
    pub activation: Activation,
    /// Whether it comes before the first layer too.
    pub activate_input: bool,
    /// What follows the last layer.
    pub last_norm: LastNorm,
    /// Start from normal weights of this standard deviation and biases of 0; PyTorch's uniform start otherwise.
    pub weight_std: Option<f64>,
}

/// Linear layers with activations (and batch normalisation) between them.
///
/// Entries are numbered as in the equivalent `torch.nn.Sequential`: `0.weight`, `1.weight`, ...
#[derive(Clone, Debug)]
pub struct Mlp {
    hidden: Vec<(Linear, Option<BatchNorm>)>,
    activation: Activation,
    activate_input: bool,
    last: Linear,
    last_norm: Norm,
}

#[derive(Clone, Debug)]
enum Norm {
    None,
    Batch(BatchNorm),
    Iter(IterNorm),
}

impl Mlp {
    /// Declares the weights of `plan`, whose widths are at least an input and an output.
    ///
    /// # Panics
    /// With fewer than two widths.
    pub fn new(scope: &mut Scope<'_>, plan: &MlpPlan) -> Mlp {
        let layers = plan.widths.len() - 1;
        let mut place = usize::from(plan.activate_input);
        let mut next = || {
            place += 1;
            place - 1
        };
        let mut hidden = Vec::new();
        for pair in plan.widths.windows(2).take(layers - 1) {
            let linear = linear(&mut scope.at(next()), plan, [pair[0], pair[1]], plan.bias);
            let norm = plan.batch_norm.then(|| BatchNorm::new(&mut scope.at(next()), pair[1]));
            // The place of the activation, which has no weights.
            next();
            hidden.push((linear, norm));
        }
        let out = plan.widths[layers];
        let last = linear(&mut scope.at(next()), plan, [plan.widths[layers - 1], out], plan.last_bias);
        let mut end = scope.at(next());
        let last_norm = match plan.last_norm {
            LastNorm::None => Norm::None,
            LastNorm::BatchNorm => Norm::Batch(BatchNorm::new(&mut end, out)),
            LastNorm::BatchNormWithoutAffine => Norm::Batch(BatchNorm::without_affine(&mut end, out)),
            LastNorm::IterNorm => Norm::Iter(IterNorm::new(&mut end, out)),
        };
        let MlpPlan { activation, activate_input, .. } = *plan;
        Mlp { hidden, activation, activate_input, last, last_norm }
    }

    /// `x [N, in]` to `[N, out]`.
    pub fn forward(&self, pass: &mut Pass<'_>, mut x: Tensor<2>) -> Tensor<2> {
        if self.activate_input {
            x = match self.activation {
                Activation::Relu => activation::relu(x),
                Activation::Gelu => activation::gelu(x),
            };
        }
        for (linear, norm) in &self.hidden {
            x = linear.forward(pass, x);
            let relu = self.activation == Activation::Relu;
            x = match norm {
                Some(norm) => norm.forward(pass, x, None, relu),
                None if relu => activation::relu(x),
                None => x,
            };
            if self.activation == Activation::Gelu {
                x = activation::gelu(x);
            }
        }
        let x = self.last.forward(pass, x);
        match &self.last_norm {
            Norm::None => x,
            Norm::Batch(norm) => norm.forward(pass, x, None, false),
            Norm::Iter(norm) => norm.forward(pass, x),
        }
    }
}

fn linear(scope: &mut Scope<'_>, plan: &MlpPlan, [from, to]: [usize; 2], bias: bool) -> Linear {
    match plan.weight_std {
        Some(std) => Linear::with(scope, [from, to], Init::Normal(std), bias.then_some(Init::Constant(0.0))),
        None => Linear::new(scope, from, to, bias),
    }
}

/// Cosines with learnt vectors: unit rows in, times the unit rows of a weight (PyTorch's weight normalisation with its
/// gain fixed at 1).
#[derive(Clone, Copy, Debug)]
pub struct Prototypes {
    weight: Id,
    count: usize,
    dim: usize,
}

impl Prototypes {
    /// `count` vectors of width `dim`, uniform in `+-1/sqrt(dim)` at first, PyTorch's start of a linear layer.
    pub fn new(scope: &mut Scope<'_>, dim: usize, count: usize) -> Prototypes {
        let init = Init::Uniform(1.0 / (dim as f64).sqrt());
        Prototypes { weight: scope.parameter("weight", &[count, dim], WeightOrder::Plain, init), count, dim }
    }

    /// `x [N, dim]` to cosines `[N, count]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<2>) -> Tensor<2> {
        let prototypes = unit_rows(pass.tensor(self.weight, [self.count, self.dim]));
        unit_rows(x).matmul(prototypes.transpose())
    }
}
