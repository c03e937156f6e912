//! An encoder small enough to try everything on, and settings to match.

#[path = "../tests/changed.rs"]
mod changed;

pub(crate) use changed::changed;

use burn::tensor::Tensor;
use twinlens_nn::encoders::Encoder;
use twinlens_nn::layers::{BatchNorm, Conv2d};
use twinlens_nn::ops::global_average_pool;
use twinlens_nn::weights::{Pass, Scope};

/// Two convolutions, named as a ResNet's first modules.
#[derive(Debug)]
pub(crate) struct Tiny {
    layers: [(Conv2d, BatchNorm); 2],
}

impl Tiny {
    pub(crate) fn new(scope: &mut Scope<'_>) -> Tiny {
        let mut layer = |name: &str, channels: [usize; 2], stride| {
            let mut scope = scope.at(name);
            let conv = Conv2d::new(&mut scope.at("conv"), channels, 3, stride, 1);
            (conv, BatchNorm::new(&mut scope.at("bn"), channels[1]))
        };
        Tiny { layers: [layer("layer1", [3, 8], 1), layer("layer2", [8, 16], 2)] }
    }
}

impl Encoder for Tiny {
    fn features(&self) -> usize {
        16
    }

    fn forward(&self, pass: &mut Pass<'_>, mut x: Tensor<4>) -> Tensor<2> {
        for (conv, norm) in &self.layers {
            let y = conv.forward(pass, x);
            x = norm.forward(pass, y, None, true);
        }
        global_average_pool(x)
    }

    fn blocks(&self) -> Vec<Vec<String>> {
        ["layer1", "layer2"].map(|name| vec![name.to_owned()]).to_vec()
    }
}
