//! The operations, one file each. One more costs its file and one line of the registry below.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::Sample;

mod normalize;
pub use normalize::Normalize;
pub(crate) use normalize::check as check_normalization;

/// Declares the operations: file, settings, what they draw.
macro_rules! registry {
    ($($file:ident: $settings:ident draws $drawn:ident,)*) => {
        $(mod $file; pub use $file::*;)*


        /// The settings of one operation. In TOML: a table whose key `op` names the operation.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "op", rename_all = "snake_case")]
        pub enum OperationSetting {
            $(#[doc = concat!("`", stringify!($file), "`")] $settings($settings),)*
        }

        /// What an operation drew.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Drawn {
            $(#[doc = concat!("By `", stringify!($file), "`")] $settings($drawn),)*
        }

        /// The names of all operations.
        pub const NAMES: &[&str] = &[$(stringify!($file)),*];

        impl OperationSetting {
            /// The operation's name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$settings(_) => stringify!($file),)* }
            }

            /// The probability that the operation is applied.
            pub fn p(&self) -> f64 {
                match self { $(Self::$settings(operation) => operation.p(),)* }
            }

            pub(crate) fn check(&self, check: &mut Check<'_>) {
                check.within("p", self.p(), 0.0..=1.0);
                match self { $(Self::$settings(operation) => operation.check(check),)* }
            }

            pub(crate) fn output_size(&self, context: &BuildContext) -> Option<usize> {
                match self { $(Self::$settings(operation) => operation.output_size(context),)* }
            }

            /// Draws the transformation of an image of `shape`; `None` where chance decides against it.
            pub fn draw(&self, stream: &mut Stream, shape: Shape, context: &BuildContext) -> Option<Drawn> {
                stream.chance(self.p()).then(|| match self {
                    $(Self::$settings(operation) => Drawn::$settings(operation.draw(stream, shape, context)),)*
                })
            }
        }

        impl Transform for Drawn {
            fn output(&self, shape: Shape) -> Shape {
                match self { $(Self::$settings(drawn) => drawn.output(shape),)* }
            }

            fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
                match self { $(Self::$settings(drawn) => drawn.apply(canvas),)* }
            }
        }
    };
}

/// A seed for a transformation that draws one number for each pixel. It fits exactly into a JSON number.
fn seed(stream: &mut Stream) -> u64 {
    stream.next_u64() >> 11
}

registry! {
    random_resized_crop: RandomResizedCrop draws ResizedCrop,
    crop_and_pad: CropAndPad draws CroppedOrPadded,
    center_resized_crop: CenterResizedCrop draws ResizedCrop,
    resize: Resize draws Resized,
    center_crop: CenterCrop draws CenterCropped,
    pad: Pad draws Padded,
    horizontal_flip: HorizontalFlip draws HorizontallyFlipped,
    vertical_flip: VerticalFlip draws VerticallyFlipped,
    rot90: Rot90 draws QuarterTurns,
    rotation: Rotation draws Rotated,
    affine: Affine draws AffineMapped,
    perspective: Perspective draws Projected,
    elastic: Elastic draws ElasticallyBent,
    color_jitter: ColorJitter draws Adjustments,
    grayscale: Grayscale draws Gray,
    invert: Invert draws Inverted,
    solarize: Solarize draws Solarized,
    posterize: Posterize draws Posterized,
    equalize: Equalize draws Equalized,
    autocontrast: Autocontrast draws Autocontrasted,
    gamma: Gamma draws GammaAdjusted,
    adjust_sharpness: AdjustSharpness draws Sharpened,
    gaussian_blur: GaussianBlur draws Blurred,
    gaussian_blur_pil: GaussianBlurPil draws BoxBlurred,
    gaussian_noise: GaussianNoise draws Noisy,
    erasing: Erasing draws Erased,
    cutout: Cutout draws Erased,
    channel_drop: ChannelDrop draws ChannelsDropped,
    channel_shuffle: ChannelShuffle draws ChannelsShuffled,
    channel_intensity: ChannelIntensity draws ChannelsScaled,
    stain_jitter: StainJitter draws Restained,
}
