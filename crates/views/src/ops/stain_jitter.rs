//! Histological stains stronger or weaker. torchvision has no such operation; D. Tellez et al., "Whole-slide mitosis
//! detection in H&E breast histology using PHH3 as a reference to train distilled stain-invariant convolutional
//! networks", IEEE TMI 2018.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::stain::hed::{DARKEST, remixed};
use twinlens_random::Stream;

use crate::canvas::{Canvas, Shape};
use crate::compute::tabulated;
use crate::operation::{BuildContext, Check, Operation, Transform};
use crate::sample::{Sample, clamp};
use crate::settings::Interval;

/// Changes the amounts of haematoxylin, eosin and DAB (diaminobenzidine), each by its own factor and offset. For
/// RGB images of stained tissue.
///
/// The amounts s are those that explain a pixel's optical densities `-ln(max(x / white, 1e-6))`, `density = s M`,
/// with the colours M of A. Ruifrok and D. Johnston, "Quantification of histochemical staining by color
/// deconvolution", 2001. Unlike scikit-image's `rgb2hed`, amounts are neither divided by `ln(1e6)` nor cut off at
/// zero, so that nothing changes where nothing is to change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StainJitter {
    /// The factor of an amount; `[low, high]` is drawn uniformly for each stain.
    pub scale: Interval,
    /// The offset of an amount, in units of optical density; `[low, high]` is drawn uniformly for each stain.
    pub shift: Interval,
    /// Probability of being applied.
    pub p: f64,
}

impl Default for StainJitter {
    fn default() -> Self {
        let (scale, shift) = (Interval::Between([0.95, 1.05]), Interval::Between([-0.05, 0.05]));
        StainJitter { scale, shift, p: 1.0 }
    }
}

impl Operation for StainJitter {
    type Drawn = Restained;

    fn p(&self) -> f64 {
        self.p
    }

    fn check(&self, check: &mut Check<'_>) {
        check.channels(self.p, 3..=3, "stains are told apart by their colours in RGB images");
        check.interval("scale", self.scale.bounds(), 0.0..=100.0);
        check.interval("shift", self.shift.bounds(), -10.0..=10.0);
    }

    fn draw(&self, stream: &mut Stream, _: Shape, _: &BuildContext) -> Restained {
        let scale = std::array::from_fn(|_| self.scale.draw(stream));
        Restained { scale, shift: std::array::from_fn(|_| self.shift.draw(stream)) }
    }
}

/// The image with the amounts `scale s + shift` of haematoxylin, eosin and DAB. Images without three channels stay
/// as they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Restained {
    /// The factor of each stain.
    pub scale: [f64; 3],
    /// The offset of each stain.
    pub shift: [f64; 3],
}

impl Transform for Restained {
    fn apply<T: Sample>(&self, canvas: &mut Canvas<'_, T>) {
        if canvas.shape().channels != 3 {
            return;
        }
        let (matrix, offset) = self.densities();
        canvas.edit(|shape, samples, _| {
            let density = tabulated(shape.samples(), |value| -(value / T::WHITE).max(DARKEST as f32).ln());
            for pixel in samples.as_chunks_mut::<3>().0 {
                let old = pixel.map(&density);
                for (channel, sample) in pixel.iter_mut().enumerate() {
                    let new: f32 = (0..3).map(|from| old[from] * matrix[from][channel]).sum();
                    *sample = T::nearest(clamp((-(new + offset[channel])).exp() * T::WHITE, T::WHITE));
                }
            }
        });
    }
}

impl Restained {
    /// New densities as a function of the old: `old A + b`, with `A = M^-1 diag(scale) M` and `b = shift M`.
    fn densities(&self) -> ([[f32; 3]; 3], [f32; 3]) {
        let (matrix, offset) = remixed(self.scale, self.shift);
        (matrix.map(|row| row.map(|entry| entry as f32)), offset.map(|entry| entry as f32))
    }
}
