//! How an encoder starts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::NnError;

/// The first layers of a ResNet. VGG and ConvNeXt have one form only and are the same with either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// 7x7 convolution of stride 2, then 3x3 max pooling of stride 2: for images above 32 pixels.
    Imagenet,
    /// 3x3 convolution of stride 1, no pooling: for small images.
    #[default]
    Cifar,
}

/// The stem as it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StemChoice {
    /// `cifar` for views of 32 pixels and less, else `imagenet`, which takes a fraction of the time and memory.
    #[default]
    Auto,
    /// 7x7 convolution of stride 2, then 3x3 max pooling of stride 2: for images above 32 pixels.
    Imagenet,
    /// 3x3 convolution of stride 1, no pooling: for small images.
    Cifar,
}

/// The largest views, in pixels a side, that are small images.
const SMALL: usize = 32;

impl StemChoice {
    /// What is meant for views of `size` pixels a side.
    pub fn at(self, size: usize) -> Stem {
        match self {
            StemChoice::Imagenet => Stem::Imagenet,
            StemChoice::Cifar => Stem::Cifar,
            StemChoice::Auto if size > SMALL => Stem::Imagenet,
            StemChoice::Auto => Stem::Cifar,
        }
    }
}

impl From<Stem> for StemChoice {
    fn from(stem: Stem) -> StemChoice {
        match stem {
            Stem::Imagenet => StemChoice::Imagenet,
            Stem::Cifar => StemChoice::Cifar,
        }
    }
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
