//! A network that no registry knows: its description alone gives everything.

use burn::tensor::{Device, Tensor};
use twinlens_views::EvalResize;

use super::*;
use crate::layers::{BatchNorm, Conv2d, DepthwiseConv2d, LayerNorm, Linear, MaxPool2d, StochasticDepth};
use crate::onnx::tests::assert_sound;
use crate::onnx::write_onnx;
use crate::ops::read;
use crate::weights::{EncoderDescription, Init, WeightOrder, Weights};

/// Every kind of layer, as small as can be: a pooled stem, a residual block, a block with layer scale, a head.
fn one_more(scope: &mut Scope<'_>) -> Encoder {
    let stem = Stage::new("pool", 4)
        .layer(Layer::InPrecision)
        .module(scope, "conv", |scope| {
            let conv = Conv2d::new(scope, [2, 4], 3, 1, 1).with_bias(scope).with_relu();
            vec![Layer::Conv(conv)]
        })
        .layer(Layer::MaxPool(MaxPool2d { kernel_size: 2, stride: 2, padding: 0 }));
    let residual = Stage::new("block1", 6).module(scope, "block1", |scope| {
        let branch = vec![Layer::Conv(Conv2d::new(&mut scope.at("conv"), [4, 6], 3, 2, 1))];
        let norm = BatchNorm::new(&mut scope.at("norm"), 6);
        let conv = Conv2d::new(&mut scope.at("shortcut"), [4, 6], 1, 2, 0);
        let shortcut_norm = BatchNorm::without_affine(&mut scope.at("shortcut_norm"), 6);
        let shortcut = vec![Layer::Conv(conv), Layer::BatchNorm { norm: shortcut_norm, relu: false }];
        vec![Layer::Residual(Residual { branch, norm, shortcut })]
    });
    let scaled = Stage::new("block2", 6).module(scope, "block2", |scope| {
        let scale = scope.parameter("scale", &[6, 1, 1], WeightOrder::Plain, Init::Constant(0.5));
        let depthwise = DepthwiseConv2d::new(&mut scope.at("depthwise"), 6, 3, Init::Normal(0.1));
        let pixels = vec![
            PixelLayer::LayerNorm(LayerNorm::new(&mut scope.at("norm"), 6, 1e-6)),
            PixelLayer::Linear(Linear::new(&mut scope.at("linear"), 6, 6, false)),
            PixelLayer::Gelu,
        ];
        let branch = vec![Layer::DepthwiseConv(depthwise), Layer::Pixels(pixels)];
        let depth = StochasticDepth::new(0, 0.5);
        vec![Layer::LayerScale(LayerScale { branch, scale, channels: 6, depth })]
    });
    Encoder::new(vec![stem, residual, scaled]).head_module(scope, "head", |scope| {
        vec![PixelLayer::Relu, PixelLayer::Linear(Linear::new(scope, 6, 5, true))]
    })
}

#[test]
fn one_more_encoder_costs_its_description_alone() {
    let device = Device::flex();
    let mut weights = Weights::new(3, &device);
    let encoder = one_more(&mut weights.root());
    let stages: Vec<(&str, usize)> =
        encoder.stages().iter().map(|stage| (stage.name(), stage.channels())).collect();
    assert_eq!(stages, [("pool", 4), ("block1", 6), ("block2", 6)]);
    assert_eq!(encoder.blocks(), [vec!["conv"], vec!["block1"], vec!["block2", "head"]]);
    assert_eq!(encoder.features(), 5);
    let norm = weights.entry(encoder.residual_scales()[0]).name();
    assert_eq!((norm, encoder.residual_scales().len()), ("block1.norm.weight", 1));

    let images = Tensor::<4>::ones([3, 8, 12, 2], &device);
    let mut pass = Pass::train(&mut weights).with_noise(1, 0);
    let maps = encoder.forward_stages(&mut pass, images.clone());
    let shapes: Vec<[usize; 4]> = maps.iter().map(Tensor::dims).collect();
    assert_eq!(shapes, [[3, 4, 6, 4], [3, 2, 3, 6], [3, 2, 3, 6]]);
    let features = encoder.forward(&mut pass, images);
    assert_eq!(features.dims(), [3, 5]);
    // By hand, of an image of 8 x 8 pixels: convolution and pool; branch, shortcut, its norm, the sum; four layers and the sum.
    let by_hand = 8 * 8 * 4 + 4 * 4 * 4 + 4 * (2 * 2 * 6) + 5 * (2 * 2 * 6);
    assert_eq!(encoder.map_values(2, 8), by_hand);
    let gradients = features.square().sum().backward();
    let learns = |entry: &&crate::weights::Entry| entry.value().grad(&gradients).is_some();
    assert_eq!(weights.entries().iter().filter(learns).count(), weights.entries().len() - 4);

    let description = EncoderDescription {
        version: 2,
        encoder: "one more".into(),
        stem: "imagenet".into(),
        channels: 2,
        features: 5,
        size: 8,
        range: None,
        stain: None,
        bag_of_channels: false,
        mean: vec![0.5; 2],
        std: vec![0.25; 2],
        eval_resize: EvalResize::default(),
        origin: "a test".into(),
    };
    assert_sound(&write_onnx(&encoder, &weights, &description), &weights, "one more");
}

#[test]
fn what_follows_widens_the_features_and_leaves_the_blocks() {
    let mut weights = Weights::new(3, &Device::flex());
    let encoder = one_more(&mut weights.root());
    let linear = Linear::new(&mut weights.root().at("classifier"), 5, 7, true);
    let whole = encoder.clone().followed_by(vec![PixelLayer::Linear(linear)]);
    assert_eq!((whole.features(), whole.blocks()), (7, encoder.blocks()));
    let images = Tensor::<4>::ones([1, 8, 8, 2], &Device::flex());
    let mut pass = Pass::evaluate(&mut weights);
    let features = encoder.forward(&mut pass, images.clone());
    let expected = read(linear.forward(&pass, features));
    assert_eq!(read(whole.forward(&mut pass, images)), expected);
}
