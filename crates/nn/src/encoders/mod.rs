//! Encoders: images in, features out.
//!
//! One more encoder costs one file that describes it (see [`crate::network`]), one row in [`ENCODERS`] and its golden cases.

mod convnext;
mod recognise;
mod resnet;
mod vgg;

pub use recognise::{Recognised, recognise, torchvision_names};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use self::convnext::convnext;
use self::resnet::{Branch, resnet};
use self::vgg::vgg;
use crate::NnError;
pub use crate::network::Encoder;
use crate::weights::{Scope, Weights};

/// The first layers of a ResNet. VGG and ConvNeXt have one form only and are the same with either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// 7x7 convolution of stride 2, then 3x3 max pooling of stride 2: for images of 64 pixels and more.
    Imagenet,
    /// 3x3 convolution of stride 1, no pooling: for small images.
    Cifar,
}

impl Stem {
    /// All stems by name.
    pub const ALL: [(&'static str, Stem); 2] = [("imagenet", Stem::Imagenet), ("cifar", Stem::Cifar)];

    /// The stem called `name`.
    ///
    /// # Errors
    /// An unknown name.
    pub fn named(name: &str) -> Result<Stem, NnError> {
        let known = || Stem::ALL.map(|(id, _)| id).join(", ");
        let found = Stem::ALL.iter().find(|(id, _)| *id == name);
        found.map(|(_, stem)| *stem).ok_or_else(|| NnError::Unknown {
            kind: "stem",
            got: name.into(),
            known: known(),
        })
    }

    /// The name of this stem.
    pub fn name(self) -> &'static str {
        match self {
            Stem::Imagenet => "imagenet",
            Stem::Cifar => "cifar",
        }
    }
}

/// Whether the weight called `name` belongs to `module`: `layer1.0.conv1.weight` to `layer1`, but not to `layer`.
pub fn is_within(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Starts the scales that end residual branches at 0, so that every block begins as the identity (Goyal et al.,
/// "Accurate, large minibatch SGD", 2017, section 5.1): torchvision's `zero_init_residual`.
pub fn zero_init_residual(encoder: &Encoder, weights: &mut Weights) {
    for id in encoder.residual_scales() {
        let zero = weights.entry(id).value().zeros_like();
        weights.set(id, zero);
    }
}

/// Declares an encoder's weights in a scope.
pub type Build = fn(&mut Scope<'_>, Stem, usize) -> Encoder;

/// A row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct EncoderSpec {
    /// torchvision's name.
    pub id: &'static str,
    /// What it is, for people.
    pub summary: &'static str,
    /// Width of the features.
    pub features: usize,
    build: Build,
}

impl EncoderSpec {
    /// Declares the encoder's weights in `scope`, for images of `channels` channels.
    pub fn build(&self, scope: &mut Scope<'_>, stem: Stem, channels: usize) -> Encoder {
        (self.build)(scope, stem, channels)
    }

    /// The encoder's description, for its stages and blocks.
    pub fn describe(&self, stem: Stem) -> Encoder {
        let mut weights = Weights::zeroed(&Device::flex());
        self.build(&mut weights.root(), stem, 3)
    }

    /// The modules of each block, see [`Encoder::blocks`].
    pub fn blocks(&self, stem: Stem) -> Vec<Vec<String>> {
        self.describe(stem).blocks()
    }

    /// Names and torchvision shapes of the encoder's parameters and buffers, in order.
    pub fn entries(&self, stem: Stem, channels: usize) -> Vec<(String, Vec<usize>)> {
        let mut weights = Weights::zeroed(&Device::flex());
        self.build(&mut weights.root(), stem, channels);
        weights.entries().iter().map(|entry| (entry.name().to_owned(), entry.shape().to_vec())).collect()
    }
}

/// Every encoder.
pub const ENCODERS: &[EncoderSpec] = &[
    EncoderSpec {
        id: "resnet18",
        summary: "ResNet-18 (He et al. 2016), 11.2 M parameters, 512 features",
        features: 512,
        build: |scope, stem, channels| resnet(scope, stem, channels, Branch::Basic, [2, 2, 2, 2]),
    },
    EncoderSpec {
        id: "resnet34",
        summary: "ResNet-34 (He et al. 2016), 21.3 M parameters, 512 features",
        features: 512,
        build: |scope, stem, channels| resnet(scope, stem, channels, Branch::Basic, [3, 4, 6, 3]),
    },
    EncoderSpec {
        id: "resnet50",
        summary: "ResNet-50 (He et al. 2016), 23.5 M parameters, 2048 features",
        features: 2048,
        build: |scope, stem, channels| resnet(scope, stem, channels, Branch::Bottleneck, [3, 4, 6, 3]),
    },
    EncoderSpec {
        id: "resnet101",
        summary: "ResNet-101 (He et al. 2016), 42.5 M parameters, 2048 features",
        features: 2048,
        build: |scope, stem, channels| resnet(scope, stem, channels, Branch::Bottleneck, [3, 4, 23, 3]),
    },
    EncoderSpec {
        id: "resnet152",
        summary: "ResNet-152 (He et al. 2016), 58.1 M parameters, 2048 features",
        features: 2048,
        build: |scope, stem, channels| resnet(scope, stem, channels, Branch::Bottleneck, [3, 8, 36, 3]),
    },
    EncoderSpec {
        id: "vgg11",
        summary: "VGG-11 (Simonyan and Zisserman 2015), 9.2 M parameters, 512 features",
        features: 512,
        build: |scope, _, channels| vgg(scope, channels, vgg::VGG11, false),
    },
    EncoderSpec {
        id: "vgg11_bn",
        summary: "VGG-11 (Simonyan and Zisserman 2015), batch norm, 9.2 M parameters, 512 features",
        features: 512,
        build: |scope, _, channels| vgg(scope, channels, vgg::VGG11, true),
    },
    EncoderSpec {
        id: "vgg13",
        summary: "VGG-13 (Simonyan and Zisserman 2015), 9.4 M parameters, 512 features",
        features: 512,
        build: |scope, _, channels| vgg(scope, channels, vgg::VGG13, false),
    },
    EncoderSpec {
        id: "vgg13_bn",
        summary: "VGG-13 (Simonyan and Zisserman 2015), batch norm, 9.4 M parameters, 512 features",
        features: 512,
        build: |scope, _, channels| vgg(scope, channels, vgg::VGG13, true),
    },
    EncoderSpec {
        id: "vgg16",
        summary: "VGG-16 (Simonyan and Zisserman 2015), 14.7 M parameters, 512 features",
        features: 512,
        build: |scope, _, channels| vgg(scope, channels, vgg::VGG16, false),
    },
    EncoderSpec {
        id: "vgg16_bn",
        summary: "VGG-16 (Simonyan and Zisserman 2015), batch norm, 14.7 M parameters, 512 features",
        features: 512,
        build: |scope, _, channels| vgg(scope, channels, vgg::VGG16, true),
    },
    EncoderSpec {
        id: "convnext_tiny",
        summary: "ConvNeXt-Tiny (Liu et al. 2022), 27.8 M parameters, 768 features",
        features: 768,
        build: |scope, _, channels| convnext(scope, channels, convnext::TINY),
    },
];

/// The registry row called `id`.
///
/// # Errors
/// An unknown name; the error lists the known ones.
pub fn find(id: &str) -> Result<&'static EncoderSpec, NnError> {
    let known = || ENCODERS.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
    ENCODERS.iter().find(|spec| spec.id == id).ok_or_else(|| NnError::Unknown {
        kind: "encoder",
        got: id.into(),
        known: known(),
    })
}
