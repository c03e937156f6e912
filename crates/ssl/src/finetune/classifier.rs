//! An encoder with a head: images in, a number for every class out.

use burn::tensor::Tensor;
use twinlens_nn::encoders::Encoder;
use twinlens_nn::layers::Linear;
use twinlens_nn::network::PixelLayer;
use twinlens_nn::weights::{Init, Pass, Scope, Weights};

use super::settings::Head;

/// `logits = W h(f(x)) + b`, with the encoder `f` and `h` the identity or ReLU.
#[derive(Debug)]
pub(super) struct Classifier {
    encoder: Encoder,
    head: Vec<PixelLayer>,
    whole: Encoder,
}

impl Classifier {
    /// The head on top of an encoder that has declared its weights. With `init_std` above 0 its weights start normal and
    /// its biases 0, else as PyTorch's.
    pub(super) fn new(
        scope: &mut Scope<'_>,
        encoder: Encoder,
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
        let head = match head {
            Head::Linear => vec![PixelLayer::Linear(linear)],
            Head::ReluLinear => vec![PixelLayer::Relu, PixelLayer::Linear(linear)],
        };
        let whole = encoder.clone().followed_by(head.clone());
        Classifier { encoder, head, whole }
    }

    pub(super) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Seen as an encoder, whose features are the logits: so what computes features computes predictions too.
    pub(super) fn whole(&self) -> &Encoder {
        &self.whole
    }

    /// Features `[N, D]` to logits `[N, classes]`.
    pub(super) fn logits(&self, pass: &Pass<'_>, features: Tensor<2>) -> Tensor<2> {
        self.head.iter().fold(features, |x, layer| layer.forward(pass, x))
    }

    /// The encoder's blocks, and the head.
    pub(super) fn blocks(&self) -> Vec<Vec<String>> {
        let head = vec!["head".to_owned()];
        let inside = |module: String| format!("encoder.{module}");
        let blocks = self.encoder.blocks().into_iter().map(|block| block.into_iter().map(inside).collect());
        blocks.chain([head]).collect()
    }
}

/// An encoder that has declared its weights in `weights`, with a head for `classes` classes declared below [`HEAD`](super::HEAD): its
/// features are the classes' logits.
pub fn with_head(weights: &mut Weights, encoder: Encoder, classes: usize, head: Head) -> Encoder {
    Classifier::new(&mut weights.root(), encoder, classes, head, 0.0).whole
}
