//! VGG (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015),
//! torchvision's variant, without its three fully connected layers.

use crate::layers::{BatchNorm, Conv2d, MaxPool2d};
use crate::network::{Encoder, Layer, Stage};
use crate::weights::Scope;

/// Channels and number of the convolutions in each stage; a stage ends in a 2x2 max pooling. Table 1 of the paper, A.
pub(super) const VGG11: Stages = [(64, 1), (128, 1), (256, 2), (512, 2), (512, 2)];
/// Table 1, B.
pub(super) const VGG13: Stages = [(64, 2), (128, 2), (256, 2), (512, 2), (512, 2)];
/// Table 1, D.
pub(super) const VGG16: Stages = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];

type Stages = [(usize, usize); 5];

/// A map of a single line or column is left as it is, so that images below 32 pixels have features too; torchvision
/// refuses them.
const POOL: MaxPool2d = MaxPool2d { kernel_size: 2, stride: 2, padding: 0 };

/// 3x3 convolutions with biases, with or without batch normalisation before each ReLU.
///
/// Modules are numbered as in torchvision's `features`, where ReLUs and poolings have numbers too. A stage is called
/// after the pooling that ends it.
pub(super) fn vgg(scope: &mut Scope<'_>, channels: usize, stages: Stages, batch_norm: bool) -> Encoder {
    let (mut place, mut inputs) = (0, channels);
    let mut stage = |(outputs, count): (usize, usize)| {
        // A convolution, its norm, its ReLU.
        let parts = if batch_norm { 3 } else { 2 };
        let pool = place + count * parts;
        let mut stage = Stage::new(format!("features.{pool}"), outputs);
        if place == 0 {
            stage = stage.layer(Layer::InPrecision);
        }
        for _ in 0..count {
            stage = rectified(stage, scope, place, [inputs, outputs], batch_norm);
            (place, inputs) = (place + parts, outputs);
        }
        place = pool + 1;
        stage.layer(Layer::MaxPool(POOL))
    };
    Encoder::new(stages.into_iter().map(&mut stage).collect())
}

/// A stage with one more convolution, and its norm if it has one, from number `place` on.
fn rectified(
    stage: Stage,
    scope: &mut Scope<'_>,
    place: usize,
    channels: [usize; 2],
    batch_norm: bool,
) -> Stage {
    let conv = |scope: &mut Scope<'_>| Conv2d::new(scope, channels, 3, 1, 1).with_bias(scope);
    let module = format!("features.{place}");
    if !batch_norm {
        return stage.module(scope, module, |scope| vec![Layer::Conv(conv(scope).with_relu())]);
    }
    let norm = |scope: &mut Scope<'_>| BatchNorm::new(scope, channels[1]);
    stage.module(scope, module, |scope| vec![Layer::Conv(conv(scope))]).module(
        scope,
        format!("features.{}", place + 1),
        |scope| vec![Layer::BatchNorm { norm: norm(scope), relu: true }],
    )
}
