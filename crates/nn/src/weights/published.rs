//! The weights that torchvision publishes for the encoders of this program.

/// A file of weights as torchvision publishes it, trained on ImageNet with labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The encoder's name.
    pub encoder: &'static str,
    /// torchvision's name of the weights.
    pub version: &'static str,
    /// The first eight digits of the file's SHA-256, which are in the file's name too.
    pub sha256: &'static str,
    /// Parameters in the file, classifier included.
    pub parameters: usize,
}

impl Published {
    /// The file's name, such as `resnet18-f37072fd.pth`.
    pub fn file_name(&self) -> String {
        format!("{}-{}.pth", self.encoder, self.sha256)
    }

    /// Where torchvision fetches the file.
    pub fn url(&self) -> String {
        format!("https://download.pytorch.org/models/{}", self.file_name())
    }
}

const fn first(encoder: &'static str, sha256: &'static str, parameters: usize) -> Published {
    Published { encoder, version: "IMAGENET1K_V1", sha256, parameters }
}

const fn second(encoder: &'static str, sha256: &'static str, parameters: usize) -> Published {
    Published { encoder, version: "IMAGENET1K_V2", sha256, parameters }
}

/// torchvision's files (0.26). The second versions come from a longer training recipe.
pub const PUBLISHED: &[Published] = &[
    first("resnet18", "f37072fd", 11_689_512),
    first("resnet34", "b627a593", 21_797_672),
    first("resnet50", "0676ba61", 25_557_032),
    second("resnet50", "11ad3fa6", 25_557_032),
    first("resnet101", "63fe2227", 44_549_160),
    second("resnet101", "cd907fc2", 44_549_160),
    first("resnet152", "394f9c45", 60_192_808),
    second("resnet152", "f82ba261", 60_192_808),
    first("vgg11", "8a719046", 132_863_336),
    first("vgg11_bn", "6002323d", 132_868_840),
    first("vgg13", "19584684", 133_047_848),
    first("vgg13_bn", "abd245e5", 133_053_736),
    first("vgg16", "397923af", 138_357_544),
    first("vgg16_bn", "6c64b313", 138_365_992),
    first("convnext_tiny", "983f1562", 28_589_128),
];

/// Means of the channels that torchvision's weights expect, after scaling to `[0, 1]`.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviations of the channels that torchvision's weights expect.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Side of the images that torchvision's weights were trained on, in pixels.
pub const IMAGENET_SIZE: usize = 224;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::{ENCODERS, find};

    #[test]
    fn every_encoder_has_published_weights_and_every_row_an_encoder() {
        for spec in ENCODERS {
            assert!(PUBLISHED.iter().any(|published| published.encoder == spec.id), "{}", spec.id);
        }
        for published in PUBLISHED {
            assert!(find(published.encoder).is_ok(), "{published:?}");
            assert_eq!(published.sha256.len(), 8);
        }
        let url = "https://download.pytorch.org/models/resnet18-f37072fd.pth";
        assert_eq!(PUBLISHED[0].url(), url);
    }
}
