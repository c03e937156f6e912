//! A square wiped out. torchvision has no such operation; T. DeVries and G. Taylor, "Improved regularization of
//! convolutional neural networks with cutout", 2017.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_random::Stream;

use super::erasing::{Erased, Eraser};
use crate::canvas::Shape;
use crate::operation::{BuildContext, Check, Operation};
use crate::settings::{Fill, Interval};

/// Wipes out a square whose centre is any pixel of the image, so that it may reach beyond the edge. Any number of
/// channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cutout {
    /// Side of the square as a share of the image's shorter side; `[low, high]` is drawn uniformly. The paper's 16
    /// pixels of CIFAR-10 are 0.5.
    pub length: Interval,
    /// What is put there, in the image's own units.
    pub value: Fill,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for Cutout {
    fn default() -> Self {
        Cutout { length: Interval::One(0.5), value: Fill::default(), p: 1.0 }
    }
}

impl Operation for Cutout {
    type Drawn = Erased;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.interval("length", self.length.bounds(), 0.0..=1.0);
        self.value.check(check, "value");
    }

    fn draw(&self, stream: &mut Stream, shape: Shape, _: &BuildContext) -> Erased {
        let share = self.length.draw(stream);
        let length = (share * shape.height.min(shape.width) as f64).round_ties_even() as usize;
        // First and number of the pixels of one side that the square covers.
        let mut covered = |side: usize| {
            let center = stream.below(side);
            let (first, end) = (center.saturating_sub(length / 2), (center + length.div_ceil(2)).min(side));
            (first, end - first)
        };
        let ((top, height), (left, width)) = (covered(shape.height), covered(shape.width));
        Erased { top, left, height, width, with: Eraser::Fill(self.value.clone()) }
    }
}
