//! An encoder with a head: images in, a number for every class out.

use burn::tensor::{Tensor, activation};
use twinlens_nn::encoders::Encoder;
use twinlens_nn::layers::Linear;
use twinlens_nn::weights::{Init, Pass, Scope};

use super::settings::Head;

/// `logits = W h(f(x)) + b`, with the encoder `f` and `h` the identity or ReLU.
///
/// Seen as an encoder, its features are the logits: so what computes features computes predictions too.
#[derive(Debug)]
pub(super) struct Classifier {
    encoder: Box<dyn Encoder>,
    linear: Linear,
    head: Head,
    classes: usize,
}

impl Classifier {
    /// The head on top of an encoder that has declared its weights. With `init_std` above 0 its weights start normal and
    /// its biases 0, else as PyTorch's.
    pub(super) fn new(
        scope: &mut Scope<'_>,
        encoder: Box<dyn Encoder>,
        classes: usize,
        head: Head,
        init_std: f64,
    ) -> Classifier {
        let mut scope = scope.at("head");
        let linear = if init_std > 0.0 {
            let start = (Init::Normal(init_std), Some(Init::Constant(0.0)));
            Linear::with(&mut scope, [encoder.features(), classes], start.0, start.1)
        } else {
            Linear::new(&mut scope, encoder.features(), classes, true)
        };
        Classifier { encoder, linear, head, classes }
    }

    pub(super) fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    /// Features `[N, D]` to logits `[N, classes]`.
    pub(super) fn logits(&self, pass: &Pass<'_>, features: Tensor<2>) -> Tensor<2> {
        let features = match self.head {
            Head::Linear => features,
            Head::ReluLinear => activation::relu(features),
        };
        self.linear.forward(pass, features)
    }
}

impl Encoder for Classifier {
    fn features(&self) -> usize {
        self.classes
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<2> {
        let features = self.encoder.forward(pass, x);
        self.logits(pass, features)
    }

    fn blocks(&self) -> Vec<Vec<String>> {
        let head = vec!["head".to_owned()];
        let inside = |module: String| format!("encoder.{module}");
        let blocks = self.encoder.blocks().into_iter().map(|block| block.into_iter().map(inside).collect());
        blocks.chain([head]).collect()
    }
}
