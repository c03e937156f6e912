//! Encoders: images in, features out.
//!
//! One more encoder costs one file, one row in [`ENCODERS`] and its golden cases.

mod resnet;

use std::fmt::Debug;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::NnError;
use crate::weights::{Pass, Scope};

/// The first layers of a network.
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

/// A network without its classifier.
pub trait Encoder: Debug + Send + Sync {
    /// Width of the features.
    fn features(&self) -> usize;

    /// `x [N, H, W, C]` to features `[N, D]`.
    fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<2>;
}

/// Declares an encoder's weights in a scope.
pub type Build = fn(&mut Scope<'_>, Stem, usize) -> Box<dyn Encoder>;

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
    pub fn build(&self, scope: &mut Scope<'_>, stem: Stem, channels: usize) -> Box<dyn Encoder> {
        (self.build)(scope, stem, channels)
    }
}

/// Every encoder.
pub const ENCODERS: &[EncoderSpec] = &[
    EncoderSpec {
        id: "resnet18",
        summary: "ResNet-18 (He et al. 2016), 11.2 M parameters, 512 features",
        features: 512,
        build: |scope, stem, channels| Box::new(resnet::ResNet::basic(scope, stem, channels, [2, 2, 2, 2])),
    },
    EncoderSpec {
        id: "resnet34",
        summary: "ResNet-34 (He et al. 2016), 21.3 M parameters, 512 features",
        features: 512,
        build: |scope, stem, channels| Box::new(resnet::ResNet::basic(scope, stem, channels, [3, 4, 6, 3])),
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
