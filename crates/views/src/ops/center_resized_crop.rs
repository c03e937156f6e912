//! The middle of the image, resized: torchvision's `CenterCrop` of a share of the image and `Resize`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use super::random_resized_crop::ResizedCrop;
use crate::canvas::Shape;
use crate::operation::{BuildContext, Check, Operation, TINY};
use crate::resample::Interpolation;
use crate::settings::Interval;

/// Cuts out the centre and resizes it to a square: what lies around the object goes. Any number of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CenterResizedCrop {
    /// Rows and columns of the result; the view's size if not given.
    pub size: Option<usize>,
    /// The share of each side that is kept; `[low, high]` is drawn uniformly.
    pub share: Interval,
    /// How values between pixels are found.
    pub interpolation: Interpolation,
    /// Whether shrinking averages over all pixels it covers.
    pub antialias: bool,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for CenterResizedCrop {
    fn default() -> Self {
        CenterResizedCrop {
            size: None,
            share: Interval::One(0.5),
            interpolation: Interpolation::Bilinear,
            antialias: true,
            p: 1.0,
        }
    }
}

impl Operation for CenterResizedCrop {
    type Drawn = ResizedCrop;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.size("size", self.size);
        check.interval("share", self.share.bounds(), TINY..=1.0);
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, context: &BuildContext) -> ResizedCrop {
        let share = self.share.draw(stream);
        let kept = |side: usize| ((share * side as f64).round_ties_even() as usize).clamp(1, side);
        let first = |side: usize, kept: usize| ((side - kept) as f64 / 2.0).round_ties_even() as usize;
        let (height, width) = (kept(shape.height), kept(shape.width));
        let (top, left) = (first(shape.height, height), first(shape.width, width));
        let size = self.size.unwrap_or(context.size);
        let CenterResizedCrop { interpolation, antialias, .. } = *self;
        ResizedCrop { top, left, height, width, out_height: size, out_width: size, interpolation, antialias }
    }

    fn output_size(&self, context: &BuildContext) -> Option<usize> {
        (self.p == 1.0).then(|| self.size.unwrap_or(context.size))
    }
}
