//! The encoder with its weights, as a method sees it during a step.

use burn::tensor::{Device, Tensor};
use twinlens_nn::Precision;
use twinlens_nn::encoders::Encoder;
use twinlens_nn::heads::Mlp;
use twinlens_nn::weights::{Pass, Weights};

/// The encoder with its weights and those of the heads.
#[derive(Debug)]
pub struct Network<'a> {
    encoder: &'a Encoder,
    weights: &'a mut Weights,
    views_together: bool,
    tracked: bool,
    precision: Precision,
    /// The training step that layers with noise draw for; without one they draw none.
    step: Option<u32>,
    /// Passes made so far, each with noise of its own.
    passes: u32,
}

impl<'a> Network<'a> {
    /// For training: gradients are recorded. `together` says whether views of one size that follow each other pass
    /// through as one batch, sharing their batch statistics.
    pub fn new(encoder: &'a Encoder, weights: &'a mut Weights, views_together: bool) -> Network<'a> {
        Network {
            encoder,
            weights,
            views_together,
            tracked: true,
            precision: Precision::F32,
            step: None,
            passes: 0,
        }
    }

    /// Lets convolutions and linear layers multiply numbers of this precision.
    pub fn with_precision(self, precision: Precision) -> Network<'a> {
        Network { precision, ..self }
    }

    /// Lets layers with noise of their own (stochastic depth) draw it, as a function of the training step.
    pub fn with_noise(self, step: usize) -> Network<'a> {
        Network { step: Some(step as u32), ..self }
    }

    /// The same network with other weights, no gradients and no noise, as DINO's teacher; batch statistics are used as
    /// in training.
    pub fn target<'b>(&'b self, weights: &'b mut Weights) -> Network<'b> {
        Network {
            encoder: self.encoder,
            weights,
            views_together: self.views_together,
            tracked: false,
            precision: self.precision,
            step: None,
            passes: 0,
        }
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        self.weights
    }

    /// The device that computes.
    pub fn device(&self) -> &Device {
        self.weights.device()
    }

    /// Every view's features.
    pub fn features(&mut self, views: Vec<Tensor<4>>) -> Vec<Tensor<2>> {
        let encoder = self.encoder;
        self.apply(views, |pass, images| encoder.forward(pass, images))
    }

    /// Every view through encoder and `head`.
    pub fn project(&mut self, head: &Mlp, views: Vec<Tensor<4>>) -> Vec<Tensor<2>> {
        let encoder = self.encoder;
        self.apply(views, |pass, images| {
            let features = encoder.forward(pass, images);
            head.forward(pass, features)
        })
    }

    /// Every view's tensor through `forward`.
    pub fn apply<const D: usize>(
        &mut self,
        inputs: Vec<Tensor<D>>,
        forward: impl Fn(&mut Pass<'_>, Tensor<D>) -> Tensor<2>,
    ) -> Vec<Tensor<2>> {
        let mut outputs = Vec::with_capacity(inputs.len());
        let views_together = self.views_together;
        for group in inputs.chunk_by(|one, next| views_together && one.dims() == next.dims()) {
            let pass = if self.tracked { Pass::train(self.weights) } else { Pass::constant(self.weights) };
            let mut pass = pass.with_precision(self.precision);
            if let Some(step) = self.step {
                pass = pass.with_noise(step, self.passes);
                self.passes += 1;
            }
            let [one] = group else {
                let rows = group[0].dims()[0];
                let joined = forward(&mut pass, Tensor::cat(group.to_vec(), 0));
                outputs.extend((0..group.len()).map(|view| joined.clone().narrow(0, view * rows, rows)));
                continue;
            };
            outputs.push(forward(&mut pass, one.clone()));
        }
        outputs
    }
}
