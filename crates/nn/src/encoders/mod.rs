//! Encoders: images in, features out.
//!
//! One more encoder costs one file that describes it (see [`crate::network`]), one row of the registry below and its golden
//! cases.

mod convnext;
mod recognise;
mod resnet;
mod stem;
mod vgg;

pub use recognise::{Recognised, recognise, torchvision_names};
pub use stem::{Stem, StemChoice};

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::convnext::convnext;
use self::resnet::{Branch, resnet};
use self::vgg::vgg;
use crate::NnError;
use crate::layers::Linear;
pub use crate::network::Encoder;
use crate::network::PixelLayer;
use crate::weights::{EncoderDescription, Scope, Weights};

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
        self.build(&mut Weights::zeroed(&Device::flex()).root(), stem, 3)
    }

    /// Names and torchvision shapes of the encoder's parameters and buffers, in order.
    pub fn entries(&self, stem: Stem, channels: usize) -> Vec<(String, Vec<usize>)> {
        let mut weights = Weights::zeroed(&Device::flex());
        self.build(&mut weights.root(), stem, channels);
        weights.entries().iter().map(|entry| (entry.name().to_owned(), entry.shape().to_vec())).collect()
    }
}

/// The stem of a ResNet, and how it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResNetSettings {
    /// The first layers: `imagenet`, `cifar`, or `auto`, which goes by the size of the views.
    pub stem: StemChoice,
    /// Start the scales that end residual branches at 0, as torchvision's option of this name.
    pub zero_init_residual: bool,
    /// Width of torchvision's fully connected layer (`fc`) as the last of the encoder, which then gives the features; 0 leaves
    /// it out: the features are the averaged map.
    pub fc: usize,
}

/// Of an encoder that has one form only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

/// What an encoder's settings decide.
trait Form: Default {
    /// The stem; `auto` for encoders that have no choice.
    fn stem(&self) -> StemChoice {
        StemChoice::Auto
    }

    /// Takes a stem, where there is a choice.
    fn set_stem(&mut self, _stem: Stem) {}

    fn zero_init_residual(&self) -> bool {
        false
    }

    /// Width of a linear layer at the end; 0 of encoders that have none.
    fn fc(&self) -> usize {
        0
    }

    /// Takes such a layer, where there can be one.
    fn set_fc(&mut self, _width: usize) {}
}

impl Form for Plain {}

impl Form for ResNetSettings {
    fn stem(&self) -> StemChoice {
        self.stem
    }

    fn set_stem(&mut self, stem: Stem) {
        self.stem = stem.into();
    }

    fn zero_init_residual(&self) -> bool {
        self.zero_init_residual
    }

    fn fc(&self) -> usize {
        self.fc
    }

    fn set_fc(&mut self, width: usize) {
        self.fc = width;
    }
}

/// Declares the encoders: name, settings, width of the features, what it is for people, how it is built.
macro_rules! registry {
    ($($id:literal => $encoder:ident($settings:ident), $features:literal, $summary:literal,
        |$scope:ident, $stem:pat_param, $channels:ident| $build:expr;)*) => {
        /// An encoder and its settings. In TOML: a table whose key `name` is torchvision's name of the encoder.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "name")]
        pub enum EncoderSettings {
            $(#[doc = $summary] #[serde(rename = $id)] $encoder($settings),)*
        }

        impl EncoderSettings {
            /// The encoder called `name`, with default settings.
            ///
            /// # Errors
            /// An unknown name; the error lists the known ones.
            pub fn named(name: &str) -> Result<EncoderSettings, NnError> {
                match name {
                    $($id => Ok(EncoderSettings::$encoder($settings::default())),)*
                    _ => Err(unknown(name)),
                }
            }

            /// torchvision's name.
            pub fn name(&self) -> &'static str {
                match self { $(EncoderSettings::$encoder(_) => $id,)* }
            }

            fn stem_choice(&self) -> StemChoice {
                match self { $(EncoderSettings::$encoder(settings) => settings.stem(),)* }
            }

            fn set_stem(&mut self, stem: Stem) {
                match self { $(EncoderSettings::$encoder(settings) => settings.set_stem(stem),)* }
            }

            fn zero_init_residual(&self) -> bool {
                match self { $(EncoderSettings::$encoder(settings) => settings.zero_init_residual(),)* }
            }

            fn fc(&self) -> usize {
                match self { $(EncoderSettings::$encoder(settings) => settings.fc(),)* }
            }

            fn set_fc(&mut self, width: usize) {
                match self { $(EncoderSettings::$encoder(settings) => settings.set_fc(width),)* }
            }

            /// The row of the registry.
            pub fn spec(&self) -> &'static EncoderSpec {
                &ENCODERS[self.row()]
            }

            fn row(&self) -> usize {
                #[derive(Clone, Copy)]
                enum Row { $($encoder),* }
                (match self { $(EncoderSettings::$encoder(_) => Row::$encoder,)* }) as usize
            }
        }

        /// Every encoder.
        pub const ENCODERS: &[EncoderSpec] = &[$(EncoderSpec {
            id: $id,
            summary: $summary,
            features: $features,
            build: |$scope, $stem, $channels| $build,
        }),*];
    };
}

registry! {
    "resnet18" => ResNet18(ResNetSettings), 512, "ResNet-18 (He et al. 2016), 11.2 M parameters, 512 features",
        |scope, stem, channels| resnet(scope, stem, channels, Branch::Basic, [2, 2, 2, 2]);
    "resnet34" => ResNet34(ResNetSettings), 512, "ResNet-34 (He et al. 2016), 21.3 M parameters, 512 features",
        |scope, stem, channels| resnet(scope, stem, channels, Branch::Basic, [3, 4, 6, 3]);
    "resnet50" => ResNet50(ResNetSettings), 2048, "ResNet-50 (He et al. 2016), 23.5 M parameters, 2048 features",
        |scope, stem, channels| resnet(scope, stem, channels, Branch::Bottleneck, [3, 4, 6, 3]);
    "resnet101" => ResNet101(ResNetSettings), 2048, "ResNet-101 (He et al. 2016), 42.5 M parameters, 2048 features",
        |scope, stem, channels| resnet(scope, stem, channels, Branch::Bottleneck, [3, 4, 23, 3]);
    "resnet152" => ResNet152(ResNetSettings), 2048, "ResNet-152 (He et al. 2016), 58.1 M parameters, 2048 features",
        |scope, stem, channels| resnet(scope, stem, channels, Branch::Bottleneck, [3, 8, 36, 3]);
    "vgg11" => Vgg11(Plain), 512, "VGG-11 (Simonyan and Zisserman 2015), 9.2 M parameters, 512 features",
        |scope, _, channels| vgg(scope, channels, vgg::VGG11, false);
    "vgg11_bn" => Vgg11Bn(Plain), 512, "VGG-11 (Simonyan and Zisserman 2015), batch norm, 9.2 M parameters, 512 features",
        |scope, _, channels| vgg(scope, channels, vgg::VGG11, true);
    "vgg13" => Vgg13(Plain), 512, "VGG-13 (Simonyan and Zisserman 2015), 9.4 M parameters, 512 features",
        |scope, _, channels| vgg(scope, channels, vgg::VGG13, false);
    "vgg13_bn" => Vgg13Bn(Plain), 512, "VGG-13 (Simonyan and Zisserman 2015), batch norm, 9.4 M parameters, 512 features",
        |scope, _, channels| vgg(scope, channels, vgg::VGG13, true);
    "vgg16" => Vgg16(Plain), 512, "VGG-16 (Simonyan and Zisserman 2015), 14.7 M parameters, 512 features",
        |scope, _, channels| vgg(scope, channels, vgg::VGG16, false);
    "vgg16_bn" => Vgg16Bn(Plain), 512, "VGG-16 (Simonyan and Zisserman 2015), batch norm, 14.7 M parameters, 512 features",
        |scope, _, channels| vgg(scope, channels, vgg::VGG16, true);
    "convnext_tiny" => ConvNextTiny(Plain), 768, "ConvNeXt-Tiny (Liu et al. 2022), 27.8 M parameters, 768 features",
        |scope, _, channels| convnext(scope, channels, convnext::TINY);
}

impl EncoderSettings {
    /// The encoder that a file describes, by its name and that of its stem.
    ///
    /// # Errors
    /// An unknown name.
    pub fn described(name: &str, stem: &str) -> Result<EncoderSettings, NnError> {
        Ok(EncoderSettings::named(name)?.with_stem(Stem::named(stem)?))
    }

    /// The encoder of a file: features of another width than the averaged map's come of a linear layer at its end.
    ///
    /// # Errors
    /// An unknown name.
    pub fn of(description: &EncoderDescription) -> Result<EncoderSettings, NnError> {
        let mut settings = EncoderSettings::described(&description.encoder, &description.stem)?;
        if description.features != settings.spec().features {
            settings.set_fc(description.features);
        }
        Ok(settings)
    }

    /// Width of the features.
    pub fn features(&self) -> usize {
        match self.fc() {
            0 => self.spec().features,
            width => width,
        }
    }

    /// The first layers. `auto` is that of small images until [`EncoderSettings::fit`] has decided.
    pub fn stem(&self) -> Stem {
        self.stem_choice().at(0)
    }

    /// The same with that stem, where there is a choice.
    pub fn with_stem(mut self, stem: Stem) -> EncoderSettings {
        self.set_stem(stem);
        self
    }

    /// Decides a stem that is `auto`, for views of `size` pixels a side. Returns it, where there was something to decide.
    pub fn fit(&mut self, size: usize) -> Option<Stem> {
        let (before, stem) = (*self, self.stem_choice().at(size));
        *self = before.with_stem(stem);
        (*self != before).then_some(stem)
    }

    /// Declares the encoder's weights under `encoder.`, for images of `channels` channels.
    pub fn build(&self, weights: &mut Weights, channels: usize) -> Encoder {
        let encoder = self.build_in(&mut weights.root().at("encoder"), channels);
        if self.zero_init_residual() {
            zero_init_residual(&encoder, weights);
        }
        encoder
    }

    /// Declares the encoder's weights in `scope`.
    pub fn build_in(&self, scope: &mut Scope<'_>, channels: usize) -> Encoder {
        let encoder = self.spec().build(scope, self.stem(), channels);
        match self.fc() {
            0 => encoder,
            width => {
                let features = encoder.features();
                encoder.head_module(scope, "fc", |scope| {
                    vec![PixelLayer::Linear(Linear::new(scope, features, width, true))]
                })
            }
        }
    }

    /// The encoder's description, for its stages and blocks.
    pub fn describe(&self) -> Encoder {
        self.build_in(&mut Weights::zeroed(&Device::flex()).root(), 3)
    }

    /// The modules of each block, see [`Encoder::blocks`].
    pub fn blocks(&self) -> Vec<Vec<String>> {
        self.describe().blocks()
    }

    /// Names and torchvision shapes of the encoder's parameters and buffers, in order.
    pub fn entries(&self, channels: usize) -> Vec<(String, Vec<usize>)> {
        let mut weights = Weights::zeroed(&Device::flex());
        self.build_in(&mut weights.root(), channels);
        weights.entries().iter().map(|entry| (entry.name().to_owned(), entry.shape().to_vec())).collect()
    }
}

impl Default for EncoderSettings {
    /// ResNet-18.
    fn default() -> EncoderSettings {
        EncoderSettings::ResNet18(ResNetSettings::default())
    }
}

/// The registry row called `id`.
///
/// # Errors
/// An unknown name; the error lists the known ones.
pub fn find(id: &str) -> Result<&'static EncoderSpec, NnError> {
    ENCODERS.iter().find(|spec| spec.id == id).ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> NnError {
    let known = ENCODERS.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
    NnError::Unknown { kind: "encoder", got: id.into(), known }
}
