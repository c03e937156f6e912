//! An encoder small enough to try everything on, and settings to match.

#[path = "../tests/changed.rs"]
mod changed;

pub(crate) use changed::changed;

use twinlens_nn::encoders::Encoder;
use twinlens_nn::layers::{BatchNorm, Conv2d};
use twinlens_nn::network::{Layer, Stage};
use twinlens_nn::weights::Scope;

/// Two convolutions, named as a ResNet's first modules.
pub(crate) fn tiny(scope: &mut Scope<'_>) -> Encoder {
    let mut stage = |name: &str, channels: [usize; 2], stride| {
        Stage::new(name, channels[1]).module(scope, name, |scope| {
            let conv = Conv2d::new(&mut scope.at("conv"), channels, 3, stride, 1);
            let norm = BatchNorm::new(&mut scope.at("bn"), channels[1]);
            vec![Layer::Conv(conv), Layer::BatchNorm { norm, relu: true }]
        })
    };
    Encoder::new(vec![stage("layer1", [3, 8], 1), stage("layer2", [8, 16], 2)])
}
